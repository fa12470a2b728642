"""Gates for a pipeline: the dissimilarity of one parameter or measure by name, whether or not it was chosen.

A gate's lower limit is that of the report where the parameter was chosen. Else it is measured on the report split,
where its scale was learned on read, like any other; what cannot be measured there is refused, never passed.
"""

from collections.abc import Sequence
from typing import TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agent.builtin import candidate_of, known_judge
from agent.discovery import open_bench
from agent.progress import Silent
from agent.reporting import numbers_on
from agent.scoring import Scores
from agent.settings import DiscoverSettings, Gate, shown
from agent.state import JUDGES
from probes.errors import InputError
from runs.directory import Run
from tools.report.document import Candidate, Interval, Parameter, Report
from tools.report.record import interval


def chosen(report: Report, gate: Gate) -> Interval | None:
    """The dissimilarity of the gate's parameter as the report has it; None where it was not chosen."""
    found = _named(report.parameters, gate.name)
    return None if found is None else found.dissimilarity


def of_discovery(report: Report, gate: Gate, run: Run, settings: DiscoverSettings) -> Interval:
    """The dissimilarity of the gate's parameter or measure on the report split; takes the run's lock.

    settings: those of the discovery. Raises InputError where no code can measure it.
    """
    found = chosen(report, gate)
    if found is not None:
        return found
    tried = _named(report.candidates, gate.name)
    if tried is not None and tried.judge.startswith(JUDGES):
        raise InputError(
            f"{gate}: {shown(gate.name)} was proposed and not chosen; what a language model judges is measured on "
            "the report split only where it is chosen (`orderparam measure` takes a set once found to new data)"
        )
    with threadpool_limits(1), run.locked():
        bench = open_bench(run, settings, Silent())
        judge = _judge(bench.scores, gate, tried)
        part = bench.comparison.report
        return interval(numbers_on(part, bench, [candidate_of(bench, judge)]).singles[0])


def of_known_set(report: Report, gate: Gate) -> Interval:
    """The dissimilarity of the gate's parameter in a set that was measured. InputError where it is not in it."""
    found = chosen(report, gate)
    if found is None:
        known = ", ".join(one.id for one in report.parameters)
        raise InputError(f"{gate}: {shown(gate.name)} is not in the set that is measured: {known}")
    return found


_One = TypeVar("_One", Parameter, Candidate)


def _named(among: Sequence[_One], name: str) -> _One | None:
    """The one with this id, else the first with this name, whatever the case of its letters."""
    by_id = (one for one in among if one.id == name)
    return next(by_id, None) or next((one for one in among if one.name.casefold() == name.casefold()), None)


def _judge(scores: Scores, gate: Gate, tried: Candidate | None) -> str:
    if tried is not None:
        return tried.judge
    try:
        return known_judge(scores, f"data:{gate.name}" if gate.name in scores.data else gate.name)
    except InputError as error:
        raise InputError(f"{gate}: the search did not come upon it, and {error}") from error
