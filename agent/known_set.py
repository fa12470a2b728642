"""A known set of order parameters: named measures, or the set of an earlier report with its cut points.

What a report names is judged as it was then. Code is run only if it is this program's, or a file that the user
names: a report is data and may come from anywhere.
"""

from collections.abc import Sequence
from pathlib import Path

from agent.builtin import candidate_of, known_judge
from agent.scoring import Scores
from agent.settings import shown
from agent.state import JUDGES, CandidateState, candidate_state
from agent.workbench import Workbench
from probes.errors import InputError
from probes.order_parameter import OrderParameter
from probes.scale import Level, Scale
from tools.report.document import Parameter, Report

Questions = Report | str | Path | Sequence[str]
"""A report or where its report.json lies, names of measures with commas between, or a list of them."""

KNOWN = "known"


def resolved(questions: Questions) -> Report | tuple[str, ...]:
    """The report, or the names. InputError: a report that cannot be read, or no name at all."""
    if isinstance(questions, Report):
        return questions
    if isinstance(questions, Path) or (isinstance(questions, str) and _is_report(questions)):
        return Report.load(Path(questions))
    parts = questions.split(",") if isinstance(questions, str) else questions
    names = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not names:
        raise InputError("no measure was named; name measures with commas between, or a report.json")
    return names


def _is_report(text: str) -> bool:
    return text.endswith(".json") or (text != "" and Path(text).is_dir()) or "/" in text.split(":")[0]


def candidates_named(bench: Workbench, names: Sequence[str]) -> list[CandidateState]:
    """Candidates of measures by name, their scales learned on read."""
    judges = [known_judge(bench.scores, name) for name in names]
    bench.scores.measure([judge for judge in judges if not judge.startswith("data:")])
    return [{**candidate_of(bench, judge), "origin": KNOWN} for judge in judges]


def candidates_reported(scores: Scores, report: Report, judge: str | None) -> list[CandidateState]:
    """The set of a report in its order. judge: the language model that judges what one judged before.

    InputError: an empty set, or a parameter that cannot be measured here.
    """
    by_id = {parameter.id: parameter for parameter in report.parameters}
    if not report.set.parameters:
        raise InputError(f"the report {shown(report.name)} has no parameters in its set: nothing to measure")
    return [_reported(scores, by_id[one], judge) for one in report.set.parameters]


def _reported(scores: Scores, parameter: Parameter, model: str | None) -> CandidateState:
    if parameter.judge.startswith(JUDGES):
        assert model is not None  # named wherever a set holds such a parameter
        judge = model
    else:
        judge = known_judge(scores, _own_file(scores, parameter.judge))
    record = parameter.scale
    try:
        levels = tuple(Level(level.name, level.description) for level in record.levels)
        scale = Scale(record.kind, levels, record.cuts, record.unit)
    except ValueError as error:
        raise InputError(f"the parameter {shown(parameter.id)} of the report: {error}") from error
    if judge == model and not (parameter.question.strip() and scale.size > 1 and scale.kind != "numeric"):
        raise InputError(
            f"the parameter {shown(parameter.id)} of the report cannot be judged: a question and two levels are "
            "needed"
        )
    known = OrderParameter(parameter.id, parameter.name, parameter.question, scale, judge, KNOWN)
    labels = [level.values for level in record.levels] if judge.startswith("data:") else ()
    return candidate_state(known, labels=labels)


def _own_file(scores: Scores, judge: str) -> str:
    """A file of code by the name of the one the user named now, wherever it lay when the report was made."""
    if not judge.startswith("file:"):
        return judge
    same = [one for one in scores.files if Path(one).name == Path(judge.removeprefix("file:")).name]
    return same[0] if len(same) == 1 else judge


def is_learned(candidate: CandidateState) -> bool:
    """Whether its levels depend on the data they were learned on."""
    return candidate["judge"].startswith("data:") or candidate["scale"]["kind"] == "numeric"
