"""What a report shows of its examples besides the texts: domains, and the evidence of tokens where it is known."""

from collections.abc import Mapping

from agent.word_marks import WordMarks
from agent.workbench import Workbench
from tools.report.document import EXAMPLE_LIMIT, Example, Report, Shown

_DECIMALS = 3
"""Of nats."""


def with_details(report: Report, bench: Workbench) -> Report:
    """The report whose examples carry the domain of their prompt and the evidence of their tokens.

    Where the run holds log-likelihoods token by token that cannot be used, a warning says why.
    """
    examples = [*report.set.unexplained.examples, *(one for each in report.parameters for one in each.examples)]
    ids = {one.sample_id for example in examples for one in (example.before, example.after) if one is not None}
    row_of = {name: row for row, name in enumerate(bench.comparison.sample_ids) if name in ids}
    marks = WordMarks(bench, row_of.values())
    prompts = bench.run.prompts()
    domains = dict(zip(prompts["prompt_id"].to_pylist(), prompts["domain"].to_pylist(), strict=True))

    def told(examples: tuple[Example, ...]) -> tuple[Example, ...]:
        return tuple(_detailed(example, domains, marks, row_of) for example in examples)

    left = report.set.unexplained
    warnings = report.warnings if marks.said is None else (*report.warnings, marks.said)
    return report.model_copy(
        update={
            "parameters": tuple(
                one.model_copy(update={"examples": told(one.examples)}) for one in report.parameters
            ),
            "set": report.set.model_copy(
                update={"unexplained": left.model_copy(update={"examples": told(left.examples)})}
            ),
            "warnings": tuple(dict.fromkeys(warnings)),
        }
    )


def _detailed(
    example: Example, domains: Mapping[str, str | None], marks: WordMarks, row_of: Mapping[str, int]
) -> Example:
    sides = {"before": example.before, "after": example.after}
    shown = {
        side: _with_tokens(one, marks, row_of[one.sample_id]) for side, one in sides.items() if one is not None
    }
    return example.model_copy(update={"domain": domains.get(example.prompt_id) or "", **shown})


def _with_tokens(one: Shown, marks: WordMarks, row: int) -> Shown:
    found = marks.tokens(row)
    if found is None:
        return one
    ends, evidence_T = found
    kept = sum(end <= min(EXAMPLE_LIMIT, len(one.response)) for end in ends)
    rounded = tuple(round(float(value), _DECIMALS) for value in evidence_T[:kept])
    return one.model_copy(update={"token_ends": tuple(ends[:kept]), "token_evidence": rounded})
