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
from probes.measures.catalogue import CATALOGUE
from runs.directory import Run
from tools.report.document import Candidate, Interval, Parameter, Report
from tools.report.record import interval


def of_discovery(report: Report, gate: Gate, run: Run, settings: DiscoverSettings) -> Interval:
    """The dissimilarity of the gate's parameter or measure on the report split; takes the run's lock.

    settings: those of the discovery. Raises InputError where no code can measure it.
    """
    tried: list[Parameter | Candidate] = [*report.parameters, *report.candidates]
    meant = _meant(tried, gate.name)
    if isinstance(meant, Parameter):
        return meant.dissimilarity
    if meant is not None and meant.judge.startswith(JUDGES):
        raise InputError(
            f"{gate}: {shown(gate.name)} was proposed and not chosen; what a language model judges is measured on "
            "the report split only where it is chosen (`orderparam measure` takes a set once found to new data)"
        )
    with threadpool_limits(1), run.locked():
        bench = open_bench(run, settings, Silent())
        judge = _judge(bench.scores, gate) if meant is None else meant.judge
        part = bench.comparison.report
        return interval(numbers_on(part, bench, [candidate_of(bench, judge)]).singles[0])


def of_known_set(report: Report, gate: Gate) -> Interval:
    """The dissimilarity of the gate's parameter in a set that was measured. InputError where it is not in it."""
    found = _meant(report.parameters, gate.name)
    if found is None:
        known = ", ".join(one.id for one in report.parameters)
        raise InputError(f"{gate}: {shown(gate.name)} is not in the set that is measured: {known}")
    return found.dissimilarity


_One = TypeVar("_One", bound=Parameter | Candidate)


def _meant(among: Sequence[_One], name: str) -> _One | None:
    """The one with this id, else the first with this name, whatever the case of its letters.

    A model calls what it proposes as it likes: its name is no measure's, and comes after those of measures.
    """
    alike = [one for one in among if one.name.casefold() == name.casefold()]
    in_code = [one for one in alike if not one.judge.startswith(JUDGES)]
    by_models = [] if any(one.id == name for one in CATALOGUE) else alike
    return next((one for one in among if one.id == name), None) or next(iter(in_code or by_models), None)


def _judge(scores: Scores, gate: Gate) -> str:
    try:
        return known_judge(scores, f"data:{gate.name}" if gate.name in scores.data else gate.name)
    except InputError as error:
        raise InputError(f"{gate}: the search did not come upon it, and {error}") from error
