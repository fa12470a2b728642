"""No request is paid for twice, and no budget is exceeded."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from probes.errors import InputError
from tests.servers.chat import Asked, ChatServer, Said, scripted
from tests.servers.faults import Faults
from tests.tools.chat.made import CENT_A_TOKEN, VERDICT, asker, request, run
from tools.chat.asking import Asked as Found
from tools.chat.interface import Answer, BudgetSpent, CallFailed
from tools.chat.ledger import Ledger


def test_the_same_request_is_paid_for_once_in_any_process_and_discovery(tmp_path: Path) -> None:
    with ChatServer(scripted("so")) as server:
        for scope in ("d1", "d1", "d2"):
            asks = asker(server, tmp_path, scope=scope)
            asked = run(asks.ask(request(), "judge"))
            assert asked.answer.text == "so"
    assert sum(server.distinct.values()) == 1
    assert asked.found


def test_at_the_same_time_it_is_one_call(tmp_path: Path) -> None:
    async def all_at_once() -> list[Found]:
        return await asyncio.gather(*(asks.ask(request(), "judge") for _ in range(20)))

    with ChatServer(scripted("so"), delay=0.05) as server:
        asks = asker(server, tmp_path)
        told = run(all_at_once())
    assert sum(server.distinct.values()) == 1
    assert sum(one.found for one in told) == 19
    assert len({one.call for one in told}) == 1


def test_when_the_first_who_asks_is_cancelled_the_others_are_answered(tmp_path: Path) -> None:
    async def cancelled() -> Found:
        first = asyncio.create_task(asks.ask(request(), "judge"))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(asks.ask(request(), "judge"))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    with ChatServer(scripted("so"), delay=0.2) as server:
        asks = asker(server, tmp_path)
        assert run(cancelled()).answer.text == "so"


@pytest.mark.parametrize(
    "change",
    [
        {"text": "hello "},
        {"max_tokens": 51},
        {"temperature": 0.0},
        {"seed": 1},
        {"level_names": ("yes",)},
    ],
)
def test_whatever_differs_is_another_request(tmp_path: Path, change: dict[str, object]) -> None:
    with ChatServer(scripted("so")) as server:
        asks = asker(server, tmp_path)

        async def both() -> None:
            await asks.ask(request(), "judge")
            await asks.ask(request(**change), "judge")  # type: ignore[arg-type]

        run(both())
    assert sum(server.served.values()) == 2


def test_another_model_or_server_is_another_request(tmp_path: Path) -> None:
    with ChatServer(scripted("so")) as one, ChatServer(scripted("other")) as two:
        told = [run(asker(server, tmp_path).ask(request(), "judge")).answer.text for server in (one, two)]
    assert told == ["so", "other"]


def no_use(answer: Answer) -> str | None:
    return None if answer.text == "so" else "not what was wanted"


def test_an_answer_that_cannot_be_used_is_kept_as_a_record_and_asked_for_again(tmp_path: Path) -> None:
    with ChatServer(scripted("nonsense", "so")) as server:
        first = run(asker(server, tmp_path).ask(request(), "judge", check=no_use))
        asks = asker(server, tmp_path)
        second = run(asks.ask(request(), "judge", check=no_use))
    assert first.unusable == "not what was wanted"
    assert (second.answer.text, second.found, second.unusable) == ("so", False, None)
    rows = (
        sqlite3.connect(tmp_path / "ledger.sqlite")
        .execute("SELECT outcome, reason FROM calls ORDER BY id")
        .fetchall()
    )
    assert rows == [("unusable", "not what was wanted"), ("answered", None)]


def test_an_answer_recorded_but_not_checked_before_a_kill_is_checked_when_found(tmp_path: Path) -> None:
    with ChatServer(scripted("nonsense", "so")) as server:
        run(asker(server, tmp_path).ask(request(), "judge"))
        asked = run(asker(server, tmp_path).ask(request(), "judge", check=no_use))
    assert (asked.answer.text, asked.found) == ("so", False)


def test_thinking_that_left_no_answer_is_paid_for_and_asked_again(tmp_path: Path) -> None:
    def thinks(asked: Asked) -> Said:
        return Said("so") if asked.max_tokens > 1000 else Said("", finish="length", thinking_tokens=50)

    with ChatServer(thinks) as server:
        asks = asker(server, tmp_path)
        assert run(asks.ask(request(), "judge")).answer.text == "so"
        (usage,) = Ledger.open_to_read(tmp_path / "ledger.sqlite").usage()
        assert (usage.answered, usage.unusable) == (1, 1)
        again = asker(server, tmp_path)  # the ledger remembers that this model thinks
        assert run(again.ask(request("another"), "judge")).answer.text == "so"
    assert sum(server.distinct.values()) == 3


def test_a_budget_of_calls_holds_over_many_at_once_and_over_resumes(tmp_path: Path) -> None:
    async def many(count: int) -> int:
        asks = asker(server, tmp_path, max_calls=7)
        told = await asyncio.gather(
            *(asks.ask(request(f"{n}"), "judge") for n in range(count)), return_exceptions=True
        )
        assert all(isinstance(one, Found | BudgetSpent) for one in told)
        await asks.close()
        return sum(isinstance(one, BudgetSpent) for one in told)

    with ChatServer(scripted("so")) as server:
        assert run(many(5)) == 0
        assert run(many(12)) == 5
        assert run(many(12)) == 5
    assert sum(server.served.values()) == 7


def test_a_budget_of_another_discovery_is_its_own_and_found_answers_are_free(tmp_path: Path) -> None:
    with ChatServer(scripted("so")) as server:
        run(asker(server, tmp_path, max_calls=1).ask(request("a"), "judge"))
        asks = asker(server, tmp_path, max_calls=1, scope="d2")

        async def three() -> None:
            await asks.ask(request("a"), "judge")
            await asks.ask(request("b"), "judge")
            with pytest.raises(BudgetSpent, match="--max-calls"):
                await asks.ask(request("c"), "judge")

        run(three())


def test_a_budget_of_cost_is_never_exceeded(tmp_path: Path) -> None:
    limit = 3.0

    async def many() -> int:
        asks = asker(server, tmp_path, max_cost=limit)
        told = await asyncio.gather(
            *(asks.ask(request(f"{n}"), "judge") for n in range(40)), return_exceptions=True
        )
        await asks.close()
        return sum(isinstance(one, Found) for one in told)

    with ChatServer(scripted("so")) as server:
        answered = run(many())
        spent = Ledger.open_to_read(tmp_path / "ledger.sqlite").spent("d1")
        assert spent.calls == answered
        assert spent.cost is not None
        each = spent.cost / answered
        assert limit - 0.5 - each < spent.cost <= limit  # a call may take 50 tokens at a cent each
        assert run(many()) == answered  # nothing more is paid for


def test_a_budget_of_minutes_holds_over_resumes(tmp_path: Path) -> None:
    with ChatServer(scripted("so")) as server:
        asks = asker(server, tmp_path, max_minutes=0.01)

        async def too_slow() -> None:
            await asks.ask(request("a"), "judge")
            await asyncio.sleep(0.7)
            with pytest.raises(BudgetSpent, match="--max-minutes"):
                await asks.ask(request("b"), "judge")
            await asks.close()

        run(too_slow())
        with pytest.raises(BudgetSpent, match="--max-minutes"):
            run(asker(server, tmp_path, max_minutes=0.01).ask(request("b"), "judge"))


def test_waiting_for_a_person_takes_none_of_the_minutes(tmp_path: Path) -> None:
    with ChatServer(scripted("so")) as server:
        asks = asker(server, tmp_path, max_minutes=0.01)
        budget = asks._budget

        async def after_a_pause() -> None:
            for _ in range(2):
                with budget.waiting():
                    await asyncio.sleep(0.7)
            await asks.ask(request("a"), "judge")
            await asks.close()

        run(after_a_pause())
    spent = Ledger.open_to_read(tmp_path / "ledger.sqlite").spent("d1")
    assert (spent.calls, spent.seconds < 0.6) == (1, True)


def test_a_cost_limit_needs_a_price(tmp_path: Path) -> None:
    with ChatServer(scripted("so")) as server:
        with pytest.raises(InputError, match="price is unknown"):
            run(asker(server, tmp_path, max_cost=1.0, price=None).ask(request(), "judge"))
        run(asker(server, tmp_path, price=None).ask(request(), "judge"))
        with pytest.raises(InputError, match="price is unknown"):
            asker(server, tmp_path, max_cost=1.0)


def test_the_ways_of_structured_output_are_recorded(tmp_path: Path) -> None:
    verdict = '{"quote": "", "level": "yes"}'
    with ChatServer(scripted("so", verdict, verdict, f"Mine: {verdict}")) as server:
        asks = asker(server, tmp_path)

        async def talk() -> None:
            await asks.ask(request("plain"), "propose")
            for n in range(3):
                await asks.ask(request(f"{n}", schema=VERDICT), "judge")
            await asks.close()

        run(talk())
    ways = Ledger.open_to_read(tmp_path / "ledger.sqlite").ways("d1")
    assert ways == {(asks.model.name, "schema"): 2, (asks.model.name, "parsed"): 1}


def test_usage_by_purpose(tmp_path: Path) -> None:
    with ChatServer(scripted("so"), faults=Faults(first=["none", "none", *["server error"] * 5])) as server:
        asks = asker(server, tmp_path)

        async def talk() -> None:
            await asks.ask(request("a"), "judge")
            await asks.ask(request("b"), "propose", keep_request=True)
            with pytest.raises(CallFailed):
                await asks.ask(request("c"), "judge")
            await asks.ask(request("a"), "judge")
            asks.count_reused("judge", 4)
            await asks.close()

        run(talk())
    ledger = Ledger.open_to_read(tmp_path / "ledger.sqlite")
    judge, propose = ledger.usage("d1")
    assert (judge.purpose, judge.answered, judge.failed, judge.reused) == ("judge", 1, 1, 5)
    assert judge.cost is not None
    assert judge.cost == pytest.approx(CENT_A_TOKEN.most(0, judge.output_tokens))
    assert (propose.answered, propose.failed, propose.reused) == (1, 0, 0)
    ((kept, answer),) = ledger.requests("d1", "propose")
    assert kept == request("b").canonical
    assert answer is not None
    assert answer.text == "so"
    assert ledger.requests("d1", "judge") == []
    assert ledger.usage("d2") == []


KILLED = """
import asyncio, sys
from pathlib import Path
from tools.chat.asking import Asker
from tools.chat.budget import Budget
from tools.chat.connect import connect
from tools.chat.interface import Message, Request
from tools.chat.ledger import Ledger
from tools.chat.spec import parse_spec

async def main():
    ledger = Ledger.open(Path(sys.argv[1]))
    asks = Asker(connect(parse_spec(sys.argv[2]), {}), ledger, Budget(ledger, "d1"), None)
    print("begun", flush=True)
    for start in range(0, 80, 4):
        four = [Request((Message("user", str(n)),), 9) for n in range(start, start + 4)]
        await asyncio.gather(*(asks.ask(one, "judge") for one in four))
    await asks.close()
    print("done", flush=True)
asyncio.run(main())
"""


def test_killed_again_and_again_it_pays_once_but_for_what_was_in_flight(tmp_path: Path) -> None:
    with ChatServer(scripted("so"), delay=0.02) as server:
        kills = 0
        for moment in (0.05, 0.15, None):
            process = subprocess.Popen(
                [sys.executable, "-c", KILLED, str(tmp_path / "ledger.sqlite"), f"openai:m@{server.openai}"],
                cwd=Path(__file__).parents[3],
                stdout=subprocess.PIPE,
                env={**os.environ, "NO_PROXY": "*"},
            )
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            if moment is not None:
                time.sleep(moment)
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
            else:
                assert process.stdout.readline() == b"done\n"
                assert process.wait() == 0
            process.stdout.close()
    assert kills == 2
    assert len(server.served) == 80
    assert sum(server.served.values()) <= 80 + 4 * kills
    usage = Ledger.open_to_read(tmp_path / "ledger.sqlite").usage()
    assert sum(one.answered for one in usage) == 80
