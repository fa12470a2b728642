"""Who judges a known set that a language model judged before: as its report says, unless the user says otherwise.

A report is data and may come from anywhere. What it names is taken as far as no text goes where the user did not
send it: a server elsewhere is asked only when the user names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.settings import BUILTIN, DiscoverSettings, shown
from agent.state import JUDGES
from probes.errors import InputError
from tools.report.document import Parameter, Report

if TYPE_CHECKING:
    from tools.judging.template import JudgePrompt


@dataclass(frozen=True)
class Judging:
    """How a known set is judged. settings: name the judge, None where code does it all. template: what a judge is
    sent. said: warnings about what is not as it was in the report."""

    settings: DiscoverSettings
    template: "JudgePrompt | None" = None
    said: tuple[str, ...] = ()


def judging_of(asked: Report | tuple[str, ...], settings: DiscoverSettings) -> Judging:
    """The judging that the report's set takes.

    Raises InputError: a report with several judges or one on a server elsewhere where none is named, or with a
    judge or template that is none.
    """
    judged = judged_parameters(asked) if isinstance(asked, Report) else []
    if not isinstance(asked, Report) or not judged:
        return Judging(settings.model_copy(update={"model": (BUILTIN,), "judge": None}))
    known = sorted({one.judge for one in judged})
    spec = settings.judge_spec or _reported_judge(known)
    template, said = _template(asked, settings)
    if known != [spec]:
        said.insert(
            0,
            f"judged by {shown(spec)}; in the report of the set it was {' and '.join(map(shown, known))}: where "
            "numbers differ, so may the judges",
        )
    return Judging(settings.model_copy(update={"model": (BUILTIN,), "judge": spec}), template, tuple(said))


def judged_parameters(report: Report) -> list[Parameter]:
    """Those of the report's set that a language model judged."""
    return [one for one in report.parameters if one.id in report.set.parameters and one.judge.startswith(JUDGES)]


def _reported_judge(known: Sequence[str]) -> str:
    from tools.chat.spec import parse_spec

    if len(known) > 1:
        raise InputError(f"the set was judged by {len(known)} models; name one by --judge")
    try:
        spec = parse_spec(known[0])
    except ValueError as error:
        raise InputError(f"the report's judge {shown(known[0])}: {error}; name one by --judge") from error
    if spec.address and not spec.is_on_this_machine:
        raise InputError(
            f"the set was judged by {shown(str(spec), 120)}, and a report cannot send your answers to a server; "
            "name that judge, or another, by --judge"
        )
    return str(spec)


def _template(report: Report, settings: DiscoverSettings) -> "tuple[JudgePrompt, list[str]]":
    """The report's own template unless the user named one; a warning where it is not the report's."""
    from tools.judging.template import checked_template, load_template

    own = (
        None if report.judge_template is None else checked_template(report.judge_template, "the report's template")
    )
    if settings.judge_template is None and own is not None:
        return own, []
    used = load_template(settings.judge_template)
    if own is None:
        return used, ["the report does not hold what its judge was sent: other words may have been used here"]
    return used, [] if used == own else ["the judge was sent another template than that of the report"]
