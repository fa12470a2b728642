"""How many calls are in flight: never more than the limit, which follows what the server says."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from tests.servers.chat import ChatServer, scripted
from tests.servers.faults import Faults
from tests.tools.chat.made import asker, request, run
from tools.chat.limiter import Limiter, Limiters


async def hold(limiter: Limiter, seconds: float, seen: list[int]) -> None:
    async with limiter.slot():
        seen.append(limiter.in_flight)
        await asyncio.sleep(seconds)


def test_no_more_than_the_limit_and_as_many_as_it() -> None:
    seen: list[int] = []

    async def many() -> None:
        limiter = Limiter(first=3)
        await asyncio.gather(*(hold(limiter, 0.005, seen) for _ in range(20)))
        assert limiter.in_flight == 0

    run(many())
    assert len(seen) == 20
    assert max(seen) == 3


def test_quick_at_first_then_by_one_a_round_and_half_at_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limiter = Limiter(first=4, most=16)
    for _ in range(20):
        limiter.went_well()
    assert limiter.limit == 16  # not beyond
    limiter.too_much(None)
    limiter.too_much(None)  # of the same round: heard once
    assert limiter.limit == 8
    for _ in range(8):
        limiter.went_well()
    assert 8.9 < limiter.limit <= 9
    now[0] += 2
    limiter.too_much(None)
    assert limiter.limit == pytest.approx(4.5, abs=0.05)
    for _ in range(10):
        now[0] += 2
        limiter.too_much(None)
    assert limiter.limit == 1  # and never none


def test_a_named_wait_is_kept_by_all() -> None:
    async def waits() -> float:
        limiter = Limiter()
        limiter.too_much(0.2)
        began = time.monotonic()
        await hold(limiter, 0, [])
        return time.monotonic() - began

    assert run(waits()) >= 0.19


def test_a_place_given_to_one_who_left_goes_to_the_next() -> None:
    async def leaves() -> None:
        limiter = Limiter(first=1)
        seen: list[int] = []
        first = asyncio.create_task(hold(limiter, 0.02, seen))
        await asyncio.sleep(0)
        second = asyncio.create_task(hold(limiter, 0, seen))
        third = asyncio.create_task(hold(limiter, 0, seen))
        await asyncio.sleep(0)
        await first
        second.cancel()
        await asyncio.wait_for(third, 1)
        assert limiter.in_flight == 0

    run(leaves())


def test_rate_limits_of_a_server_are_heard_though_the_sdk_retries(tmp_path: Path) -> None:
    async def talk() -> None:
        await asks.ask(request("first"), "judge")
        await asyncio.gather(*(asks.ask(request(f"{n}"), "judge") for n in range(30)))
        await asks.close()

    with ChatServer(scripted("so"), faults=Faults(first=["none", *["rate limit"] * 3]), delay=0.005) as server:
        asks = asker(server, tmp_path)
        limiter = asks.model.limiter  # type: ignore[attr-defined]
        run(talk())
    assert not limiter._quick
    assert sum(server.served.values()) == 31
    assert server.most_at_once <= 10


def test_event_loops_of_several_threads_share_one_limit() -> None:
    limiters = Limiters()
    seen: list[int] = []

    async def many() -> None:
        limiter = limiters.of("openai:m")
        limiter.limit = 3.0
        await asyncio.gather(*(hold(limiter, 0.002, seen) for _ in range(40)))

    threads = [threading.Thread(target=run, args=(many(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len(seen) == 160
    assert max(seen) == 3
    assert limiters.of("openai:m").in_flight == 0
    assert limiters.of("openai:other") is not limiters.of("openai:m")


def test_who_leaves_its_thread_gives_its_place_to_another_thread() -> None:
    limiter = Limiter(first=1)

    async def gives_up() -> None:
        async with limiter.slot():
            waits = asyncio.create_task(hold(limiter, 0, []))
            await asyncio.sleep(0.01)
            waits.cancel()

    seen: list[int] = []
    leaving = threading.Thread(target=run, args=(gives_up(),))
    staying = threading.Thread(target=run, args=(hold(limiter, 0, seen),))
    leaving.start()
    staying.start()
    leaving.join(5)
    staying.join(5)
    assert not staying.is_alive()
    assert seen == [1]
