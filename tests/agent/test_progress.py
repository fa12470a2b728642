"""What progress says in a log."""

import io
from typing import Any

import pytest

from agent.progress import PlainLines, duration


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("agent.progress.time", clock)
    return clock


def test_a_long_stage_says_where_it_stands_and_how_long_it_will_take(clock: Any) -> None:
    stream = io.StringIO()
    lines = PlainLines(stream)
    lines.stage("judging", 400)
    for _ in range(100):
        clock.now += 1.0
        lines.advance()
        lines.status("100 calls, 3 in flight, 7 from the ledger, 2 failed, $0.12")
    assert stream.getvalue().splitlines() == [
        "judging (400)",
        "  30 of 400, 6 min left",
        "  60 of 400, 6 min left",
        "  90 of 400, 5 min left",
    ]
    clock.now += 29.0
    lines.status("100 calls, 3 in flight, 7 from the ledger, 2 failed, $0.12")
    last = stream.getvalue().splitlines()[-1]
    assert last == "  100 of 400, 6 min left, 100 calls, 3 in flight, 7 from the ledger, 2 failed, $0.12"


def test_a_stage_without_a_count_says_what_it_is_told(clock: Any) -> None:
    stream = io.StringIO()
    lines = PlainLines(stream)
    lines.stage("a model proposes")
    clock.now += 31.0
    lines.advance()
    lines.status("1 calls")
    lines.status("2 calls")
    assert stream.getvalue().splitlines() == ["a model proposes", "  1 calls"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0 s"), (59, "59 s"), (61, "1 min"), (3540, "59 min"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
