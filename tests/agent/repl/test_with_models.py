"""Sessions with language models: guidance, questions of a person's own, what they cost, and Ctrl-C at work."""

import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.discovery import discover_run
from agent.progress import Silent
from agent.repl import console
from agent.repl.acts import found, guided, set_of
from agent.repl.asking import asked_for
from agent.repl.desk import Desk
from agent.repl.prices import Expense, of_judging, of_proposing
from agent.repl.screen import Relay, Screen
from agent.repl.session import Session
from agent.settings import DiscoverSettings, ReplSettings
from probes.errors import InputError, OutsideError
from runs.directory import Run
from runs.schema import LEDGER_FILE
from tests.agent.in_process import small
from tests.agent.read_by_models import coding_run, settings, spec_of
from tests.agent.repl.sessions import HeedingReader, scripted, session_on, state_on_disk
from tests.servers.chat import Asked, ChatServer, Refused, Said
from tests.servers.hurry import hurry
from tests.servers.reader import ReaderWithControl
from tools.chat.ledger import Ledger
from tools.report.document import Report

ASKED = '"Does the answer contain program code?"'
PRICES = "prices:\n  {spec}: {{input: 1000, output: 1000}}\n"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    hurry(monkeypatch, read_seconds=0.5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return coding_run(tmp_path_factory.mktemp("made") / "run", prompts=8, draws=5).path


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "run")


def named(server: ChatServer) -> DiscoverSettings:
    return settings(server, rounds=2, name="d1")


def calls_in(run: Path) -> int:
    ledger = Ledger.open_to_read(run / LEDGER_FILE)
    try:
        return sum(one.answered + one.unusable for one in ledger.usage())
    finally:
        ledger.close()


def taken(session: Session, act: Callable[[], object]) -> tuple[int, float]:
    """Calls and dollars that an act takes."""
    judgments = session.bench.judgments
    assert judgments is not None
    before = judgments.models.budget.spent
    act()
    after = judgments.models.budget.spent
    assert before.cost is not None
    assert after.cost is not None
    return after.calls - before.calls, after.cost - before.cost


class TestGuidance:
    def test_a_hint_in_plain_language_reaches_the_proposer_and_changes_what_it_proposes(
        self, made: Path, tmp_path: Path
    ) -> None:
        """The same round twice, with and without a hint."""
        proposed, openings = [], []
        for number, hint in enumerate(("", "look at whether it asks the user something back")):
            run = shutil.copytree(made, tmp_path / str(number))
            reader = HeedingReader()
            with ChatServer(reader) as server, session_on(run, named(server)) as session:
                update = guided(session.state, hint) if hint else {}
                session.propose(f"propose 1 {hint}".strip(), {"most_proposed": 1, **update})
                proposed.append([one["name"] for one in session.state["candidates"] if not one["control"]])
            openings.append(reader.openings[0])
        assert proposed == [["list"], ["asks back"]]
        assert "researcher" not in openings[0]
        assert "- look at whether it asks the user something back\n" in openings[1]

    def test_it_stays_for_later_rounds_and_a_judge_never_sees_it(self, run: Path) -> None:
        reader = HeedingReader()
        seen: list[str] = []

        def model(asked: Asked) -> Said:
            seen.append(asked.text)
            return reader(asked)

        with ChatServer(model) as server, session_on(run, named(server)) as session:
            session.act("ZEBRAS and tone", lambda state: guided(state, "ZEBRAS and tone"))
            session.propose("propose", {"most_proposed": 0})
            session.propose("propose", {"most_proposed": 0})
            assert session.state["round"] == 2
        assert len(reader.openings) >= 2
        assert all("ZEBRAS and tone" in opening for opening in reader.openings)
        judging = [text for text in seen if "A language model's behavior changed" not in text]
        assert judging
        assert not any("ZEBRAS" in text for text in judging)


class TestQuestions:
    def test_one_is_tried_judged_and_chosen(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with ChatServer(ReaderWithControl()) as server:
            lines = f"try {ASKED}\nset\nadd does-the\nbudget\nreport\n"
            code, out, err = scripted(
                capfd, tmp_path, lines, str(run), "--judge", spec_of(server, "openai"), "--name", "d1"
            )
        assert (code, err) == (0, "")
        tried = out.split("> set")[0]
        assert "cost so far: " in tried
        assert "for example" in tried
        report = Report.load(run / "discoveries" / "d1")
        chosen = report.parameters[0]
        assert (chosen.question, chosen.origin, chosen.chosen_by) == (ASKED.strip('"'), "person", "person")
        assert chosen.judge == spec_of(server, "openai")
        assert report.candidates[0].calls > 0
        assert report.usage.calls == calls_in(run)

    def test_with_levels_of_its_own(self, run: Path) -> None:
        with ChatServer(ReaderWithControl()) as server, session_on(run, named(server)) as session:
            one = asked_for(
                session.state, session.bench, '"How much of it is a list?" none: Prose. | some | most: Points.'
            )
            assert one["scale"]["kind"] == "ordered"
            assert one["scale"]["levels"] == [["none", "Prose."], ["some", ""], ["most", "Points."]]
            kinds = asked_for(session.state, session.bench, '"Which tone?" categories warm | cold')
            assert kinds["scale"]["kind"] == "categories"
            for text, why in (
                ('"Is it one?" a', "1 levels"),
                ('"Is it one?" a | a', "one name"),
                ('"Is it one?" | b', "no scale"),
                ('"Did fine-tuning change it?"', "names the training"),
            ):
                with pytest.raises(InputError, match=why):
                    asked_for(session.state, session.bench, text)

    def test_an_edited_one_is_new_and_the_old_one_keeps_its_judgments(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with ChatServer(ReaderWithControl()) as server:
            arguments = [str(run), "--judge", spec_of(server, "openai"), "--name", "d1"]
            edited = 'edit does-the "Does the answer hold a program or script?"'
            lines = f"try {ASKED}\njudge does-the\n{edited}\n"
            assert scripted(capfd, tmp_path, lines, *arguments)[0] == 0
            paid = sum(server.served.values())
            own = settings(server, model=["builtin"], judge=spec_of(server, "openai"), name="d1")
            old, new = state_on_disk(run, own)["candidates"]
            assert (old["status"], new["status"]) == ("judged", "racing")
            assert old["p_value"] is not None
            assert new["p_value"] is None
            again = f"{lines}add {old['id']}\nreport\n"
            code, out, err = scripted(capfd, tmp_path, again, *arguments)
            assert (code, err) == (0, "")
            assert out.count("(done before)") == 3
        report_rows = Run.open(run).samples(["split"])["split"].to_pylist()
        assert 0 < sum(server.served.values()) - paid <= len(report_rows) * 1.2


class TestPrices:
    def test_what_may_cost_more_than_the_limit_is_asked_about(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with ChatServer(ReaderWithControl()) as server:
            spec = spec_of(server, "openai")
            prices = tmp_path / "prices.yaml"
            prices.write_text(PRICES.format(spec=f'"{spec}"'), encoding="utf-8")
            arguments = [str(run), "--judge", spec, "--name", "d1", "--prices", str(prices)]
            code, _, err = scripted(capfd, tmp_path, f"try {ASKED}\n", *arguments)
            assert code == 2
            assert "session.txt: line 1: at most 23 calls to language models, for $" in err
            assert ", second tries not counted: more than" in err
            assert "--yes confirms it" in err
            assert not server.distinct
            assert scripted(capfd, tmp_path, f"try {ASKED}\n", *arguments, "--yes")[0] == 0
            assert server.distinct
            free = scripted(
                capfd, tmp_path, f"try {ASKED}\nadd does-the\n", *arguments, "--confirm-above", "10000"
            )
            assert free[0] == 0

    def test_no_round_takes_more_than_was_said(self, run: Path, tmp_path: Path) -> None:
        """Calls and dollars that a person is asked about: to propose, to finish the round, to report.

        Those of judging are the very calls that are made.
        """
        with ChatServer(ReaderWithControl()) as server:
            prices = tmp_path / "prices.yaml"
            prices.write_text(PRICES.format(spec=f'"{spec_of(server, "openai")}"'), encoding="utf-8")
            priced = settings(server, rounds=2, name="d1", prices=prices)
            with session_on(run, priced) as session:
                for _ in range(2):
                    said = of_proposing(session.state, session.bench, selected=False)
                    assert str(said).startswith(f"about {said.calls:,} calls to language models, for $")
                    calls, cost = taken(session, partial(session.propose, "propose", {"most_proposed": 0}))
                    assert 0 < calls <= said.calls
                    assert 0 < cost <= (said.cost or 0)
                    racing = [one for one in session.state["candidates"] if one["status"] == "racing"]
                    said = of_judging(session.bench, racing, session.bench.comparison.select.row_N)
                    calls, cost = taken(session, partial(session.greedy, "greedy"))
                    assert calls == said.calls
                    assert cost <= (said.cost or 0)
                chosen = set_of(session.state)
                assert chosen
                said = of_judging(session.bench, chosen, session.bench.comparison.part().row_N)
                calls, cost = taken(session, partial(session.report, "report"))
                assert calls == said.calls > 0
                assert 0 < cost <= (said.cost or 0)

    def test_a_spent_budget_is_said(self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        with ChatServer(ReaderWithControl()) as server:
            arguments = [str(run), "--judge", spec_of(server, "openai"), "--name", "d1", "--max-calls", "10"]
            code, _, err = scripted(capfd, tmp_path, f"try {ASKED}\n", *arguments)
        assert code == 2
        assert "not tried: the budget of calls" in err


class TestMinutes:
    def test_those_in_which_a_person_is_waited_for_do_not_count(
        self, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An hour before each line and before each answer, by a clock that stands still but for these."""
        now = 1000.0

        def an_hour() -> None:
            nonlocal now
            now += 3600

        lines, shown = iter(["set", "budget", "quit"]), list[str]()

        class Slow:
            def __init__(self, **settings: object) -> None: ...

            def prompt(self, mark: str) -> str:
                an_hour()
                return next(lines)

        def ask(question: str) -> bool:
            an_hour()
            return True

        monkeypatch.setattr("tools.chat.budget.time", SimpleNamespace(monotonic=lambda: now))
        monkeypatch.setattr(console, "PromptSession", Slow)
        monkeypatch.setattr(signal, "signal", lambda number, handler: handler)
        with ChatServer(ReaderWithControl()) as server, session_on(run, named(server)) as session:
            screen = Screen(StringIO(), shown.append, Relay(lambda: nullcontext(Silent())))
            desk = Desk(session, screen, ReplSettings(confirm_above=1), ask)
            desk.require_word(Expense(1, 1e6))
            console.run_console(desk)
            judgments = session.bench.judgments
            assert judgments is not None
            assert now == 1000 + 4 * 3600
            assert judgments.models.budget.spent.seconds == 0
        assert "0.0 minutes of work of any number (--max-minutes; the time at the prompt is not counted)" in (
            " ".join("".join(shown).split())
        )


class TestStopped:
    def test_ctrl_c_keeps_what_is_in_flight_and_the_same_act_goes_on(self, run: Path) -> None:
        with ChatServer(ReaderWithControl(), delay=0.1) as server, session_on(run, named(server)) as session:
            before = session.state
            judgments = session.bench.judgments
            assert judgments is not None
            models = judgments.models

            def stop_soon() -> None:
                while sum(server.served.values()) < 12:
                    time.sleep(0.005)
                assert models.stop()

            stopping = threading.Thread(target=stop_soon)
            stopping.start()
            with pytest.raises(KeyboardInterrupt):
                session.propose("propose", {})
            stopping.join()
            assert not models.stop()
            assert session.cut_off == "propose"
            assert session.give_up()
            assert session.state["candidates"] == before["candidates"]
            assert session.standing_before == "propose"
            assert sum(server.distinct.values()) == calls_in(run)  # all that was asked is in the ledger
            session.propose("propose", {})
            assert session.standing_before == "judge"
            assert set(server.distinct.values()) == {1}  # and nothing was asked twice

    def test_a_server_that_fails_leaves_an_act_that_is_gone_on_with(self, run: Path) -> None:
        reader, down = ReaderWithControl(), threading.Event()

        def model(asked: Asked) -> Said:
            if down.is_set():
                raise Refused(500, "out of order")
            return reader(asked)

        with ChatServer(model) as server:
            spec = named(server)
            with session_on(run, spec) as session:
                down.set()
                with pytest.raises(OutsideError):
                    session.propose("propose", {})
                down.clear()
                assert session.cut_off == "propose"
            with session_on(run, spec) as session:
                assert session.cut_off is None
                assert session.standing_before == "judge"


def test_the_command_and_a_session_share_one_discovery(run: Path, tmp_path: Path) -> None:
    """A round here, the rest by the command: what the command alone comes to, and nothing paid for twice."""
    alone = shutil.copytree(run, tmp_path / "alone")
    with ChatServer(ReaderWithControl()) as server:
        expected = discover_run(Run.open(alone), named(server))
        asked = set(server.distinct)
        server.distinct.clear()
        with session_on(run, named(server)) as session:
            session.propose("propose", {"most_proposed": 0})
            running = [one for one in session.state["candidates"] if one["status"] == "racing"]
            session.judge("judge", running)
            assert found(session.state, running[0]["id"])["p_value"] is not None
        report = discover_run(Run.open(run), named(server))
        assert set(server.distinct) == asked
        assert set(server.distinct.values()) == {1}
    assert report.set == expected.set
    assert report.parameters == expected.parameters
    assert report.stopped_because == expected.stopped_because
