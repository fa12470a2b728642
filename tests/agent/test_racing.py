"""What a race of proposals, or judging all of them, has judged on the read split."""

from pathlib import Path
from typing import Any

import pytest

from agent.discovery import discover_run, open_bench
from agent.plan import calls_of_round
from agent.progress import Silent
from agent.proposer_tools import PILOT
from agent.selecting import left_behind
from agent.state import TAKEN_OUT, UNDONE, CandidateState
from tests.agent.read_by_models import coding_run, settings
from tests.servers.chat import ChatServer
from tests.servers.reader import ReaderWithControl
from tools.report.document import Report


def discovered(folder: Path, **given: Any) -> Report:
    run = coding_run(folder / "run", prompts=10, draws=10)
    with ChatServer(ReaderWithControl()) as server:
        return discover_run(run, settings(server, rounds=1, **given))


@pytest.mark.parametrize("judge_all", [False, True])
def test_judging_all_takes_the_whole_read_split_and_a_race_no_more_than_it_needs(
    tmp_path: Path, judge_all: bool
) -> None:
    report = discovered(tmp_path, judge_all=judge_all)
    control = next(one for one in report.candidates if one.control)  # judged on read and select only
    assert report.splits.read > PILOT
    assert control.calls == (report.splits.read if judge_all else PILOT) + report.splits.select
    assert report.parameters[0].name == "program code"


def test_the_plan_counts_the_whole_of_both_splits_where_all_are_judged(tmp_path: Path) -> None:
    run = coding_run(tmp_path / "run", prompts=10, draws=10)
    with ChatServer(ReaderWithControl()) as server:
        benches = [open_bench(run, settings(server, judge_all=every), Silent()) for every in (False, True)]
    raced, every = (calls_of_round(13, bench) for bench in benches)
    read, select = (part.layout.samples for part in (benches[0].comparison.read, benches[0].comparison.select))
    assert every == (read * 3, select * 3)  # six questions a call
    assert raced == (PILOT * 3 + read // 2 * 2, select * 2)  # half of them race on, and seven stay
    assert calls_of_round(3, benches[0])[1] == select


def test_judging_all_ends_where_the_budget_does(tmp_path: Path) -> None:
    enough = discovered(tmp_path / "enough", judge_all=True).usage.calls
    report = discovered(tmp_path / "little", judge_all=True, max_calls=enough // 2)
    assert report.usage.calls <= enough // 2
    assert "budget" in report.stopped_because
    assert all(one.p_value is None for one in report.candidates)


def test_what_a_judge_did_not_take_on_to_select_and_what_a_person_took_out_is_left_behind() -> None:
    def one(
        status: str, judge: str = "openai:m", control: bool = False, dropped: str | None = None
    ) -> CandidateState:
        return {"status": status, "judge": judge, "control": control, "dropped": dropped}  # type: ignore[typeddict-item]

    here = [one("judged"), one("screened out"), one("raced out", control=True), one("raced out", judge="code:x")]
    assert left_behind(here) == 0
    assert left_behind([*here, one("raced out"), one("racing")]) == 2
    by_person = [one("set aside", dropped=TAKEN_OUT), one("raced out", judge="code:x", dropped=UNDONE)]
    assert left_behind([*here, *by_person, one("set aside", control=True, dropped=TAKEN_OUT)]) == 2
