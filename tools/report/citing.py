"""How a report is told in a paper: a method paragraph with this report's numbers, and the references it names."""

from collections.abc import Sequence

from tools.layout import ABOUT
from tools.report.document import Parameter, Report
from tools.report.numbers import listed
from tools.report.safe_text import one_line
from tools.report.words import (
    fixed_beforehand,
    interval_words,
    measured_split,
    set_dissimilarity_words,
    set_share_words,
    share_is_known,
    side_names,
    total_words,
)

_REFERENCES = """\
@article{arnold2025decomposing,
  title = {Decomposing Behavioral Phase Transitions in {LLMs}: Order Parameters for Emergent Misalignment},
  author = {Arnold, Julian and L{\\"o}rch, Niels},
  journal = {arXiv preprint arXiv:2508.20015},
  year = {2025}
}
@article{arnold2024phase,
  title = {Phase Transitions in the Output Distribution of Large Language Models},
  author = {Arnold, Julian and Holtorf, Flemming and Sch{\\"a}fer, Frank and L{\\"o}rch, Niels},
  journal = {arXiv preprint arXiv:2405.17088},
  year = {2024}
}
"""

TITLES = (
    "[1] Arnold & Lörch, Decomposing Behavioral Phase Transitions in LLMs: Order Parameters for Emergent "
    "Misalignment, arXiv 2508.20015.",
    "[2] Arnold, Holtorf, Schäfer & Lörch, Phase Transitions in the Output Distribution of Large Language Models, "
    "arXiv 2405.17088.",
)
"""The references in words, with the numbers that `method_paragraph` gives them."""

_IN_CODE = ("code", "pattern", "file", "data")
"""Kinds of judge that are not a model."""


def references(report: Report) -> str:
    """The references as BibTeX, the program with its version among them."""
    version = "".join(sign for sign in report.version if sign.isalnum() or sign in ".+-")
    own = [
        "@software{orderparam,",
        "  title = {orderparam: order parameters of behavioral changes in language models},",
        "  author = {{The orderparam developers}},",
        f"  version = {{{version}}}",
        "}",
    ]
    return _REFERENCES + "\n".join(own)


def method_paragraph(report: Report) -> str:
    """How the numbers were computed, ready to paste into a paper."""
    said = [_compared(report), _total(report)]
    if report.parameters:
        said += [_search(report), _measured(report), _judged(report)]
    return " ".join([*said, f"Computed with orderparam {one_line(report.version, 40)}, seed {report.seed}."])


def _compared(report: Report) -> str:
    before, after = side_names(report)
    answers = report.splits.read + report.splits.select + report.splits.report
    return (
        f"We compared the answers of {before} with those of {after} to {report.prompts.used:,} prompts "
        f"({answers:,} answers)."
    )


def _total(report: Report) -> str:
    found = total_words(report.total.linear, report.total.bound)
    measured = (
        f"From the log-likelihoods of every answer under both sides, D is {found}."
        if report.total.bound == "exact"
        else f"Without likelihoods it is bounded from below by held-out discriminators: D is {found}."
    )
    return (
        "Following [1, 2], their dissimilarity is D = E[(p - r)^2 / (p + r)^2] over the equal mixture of both "
        "sides, p and r being the probabilities of an answer before and after, averaged over prompts: 0 for no "
        "difference, 1 for sides that never give the same answer, and 1 minus 4 times the Brier score of the best "
        f"possible discriminator of the two. {measured}"
    )


def _search(report: Report) -> str:
    splits = report.splits
    if fixed_beforehand(report):
        return "The order parameters were fixed beforehand."
    resamples = report.settings.get("resamples")
    drawn = f" of {resamples:,} resamples" if isinstance(resamples, int) else ""
    given = _names([one for one in report.parameters if one.origin == "given"])
    by_person = _names([one for one in report.parameters if one.chosen_by == "person"])
    known = f" {given} stood in the set from the start, without that test." if given else ""
    chosen = f" and chose {by_person} without that test" if by_person else ""
    guided = f" A person who saw both guided the search{chosen}." if report.guided is not None else ""
    return (
        f"Order parameters were proposed from a read split ({splits.read:,} answers) and selected greedily on a "
        f"select split ({splits.select:,}): each step takes the largest gain among the candidates whose "
        f"standardized gain exceeds the 95% point of the largest one under the null{drawn}.{known}{guided}"
    )


def _names(parameters: Sequence[Parameter]) -> str:
    return listed([f"“{one_line(one.name, 60)}”" for one in parameters]) if parameters else ""


def _measured(report: Report) -> str:
    names = _names(report.parameters)
    known = share_is_known(report)
    share = f"{set_share_words(report)} of D, " if known else ""
    regression = ", from a cross-fitted regression" if report.set.estimator == "regression" else ""
    alone = "; ".join(f"{one_line(one.name, 60)} {interval_words(one.dissimilarity)}" for one in report.parameters)
    return (
        f"On the {measured_split(report)}, {names} capture{'s' if len(report.parameters) == 1 else ''} {share}"
        f"a dissimilarity of {set_dissimilarity_words(report)}{regression}; alone: {alone}. A share is the "
        "correlation ratio of the signed evidence on the scores [1]. Estimates are corrected for bias, intervals "
        f"are 95%, and the claim is about {ABOUT[report.prompts.claim]}."
    )


def _judged(report: Report) -> str:
    judges = sorted({one.judge for one in report.parameters})
    models = [one_line(judge, 60) for judge in judges if judge.partition(":")[0] not in _IN_CODE]
    if not models:
        return "All scores were measured in code or came with the data."
    return f"Answers were judged, blind to side and hypothesis, by {listed(models)}."
