"""A report as Markdown, for an issue, a pull request or a notebook.

Text of models and users passes through `markdown_inline`, `markdown_cell` or `markdown_fence` of `safe_text`:
it is shown as it is, and never becomes a link, an image, a heading or HTML.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.report.along import decomposition_rows, decomposition_sentence, first_sentence, level_sentence
from tools.report.citing import TITLES, method_paragraph, references
from tools.report.curve import curve_sentence, point_words, sweep_of, transition_sentences
from tools.report.document import Example, Parameter, Report, Shown
from tools.report.fine_print import (
    calls_are_told,
    candidate_calls_words,
    candidate_share_words,
    candidate_test_words,
    candidates_by_share,
    fine_print,
    judge_words,
    missing_sentence,
    mode_sentence,
    parameter_facts,
    splits_sentence,
    usage_sentence,
)
from tools.report.numbers import number, percent, signed
from tools.report.safe_text import first_lines, markdown_cell, markdown_fence, markdown_inline, one_line
from tools.report.words import (
    SCALE_SENTENCE,
    UNKNOWN,
    answer_sentence,
    best_reader_sentence,
    beyond_length_sentence,
    candidates_words,
    headline,
    interval_words,
    residual_sentence,
    right_in,
    share_kind_sentence,
    share_words,
    side_names,
    total_sentence,
    total_words,
    unexplained_sentence,
    unseen_prompts_sentence,
)

_PAIRS = 2
_EXAMPLE = 600
_SENTENCE = 1000


def render(report: Report, pictures: Mapping[str, str] = MappingProxyType({})) -> str:
    """The whole report as GitHub-flavoured Markdown, ending in a line break.

    pictures: by the name of a figure, what stands for it: a `picture`, or why there is none.
    """
    before, after = side_names(report)
    blocks = [
        *_alerts(report),
        f"# What changed: {markdown_inline(before)} → {markdown_inline(after)}",
        f"Discovery {markdown_inline(report.name, 80)} of run {markdown_inline(report.run, 80)}.",
        *(_sentence(sentence) for sentence in (answer_sentence(report), *headline(report)[1:])),
        *_total(report),
        *_parameters(report, pictures),
        *_transition(report, pictures),
        *_along(report, pictures),
        *_unexplained(report),
        *_measured(report),
        *_warnings(report),
        *_candidates(report),
        *_settings(report),
        *_for_a_paper(report),
    ]
    return "\n\n".join(blocks) + "\n"


def picture(described: str, path: str) -> str:
    """A picture beside the report by its relative path, which is ours, with what is harmless of a description."""
    said = re.sub(r"[^\w\s.,;%()+-]", " ", one_line(described, 300))
    return f"![{said}]({path})"


def _drawn(pictures: Mapping[str, str], name: str) -> list[str]:
    return [pictures[name]] if name in pictures else []


def _sentence(text: str) -> str:
    return markdown_inline(text, _SENTENCE)


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {_sentence(sentence)}" for sentence in sentences if sentence)


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    """A table whose cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _alerts(report: Report) -> list[str]:
    return [f"> **Read this first.** {_sentence(alert)}" for alert in report.alerts]


def _transition(report: Report, pictures: Mapping[str, str]) -> list[str]:
    sweep = sweep_of(report)
    if sweep is None:
        return []
    transition = sweep.transition
    tops = {transition.at, *(peak.at for peak in transition.peaks)}
    rows = [
        [
            f"**{point.at:g}**" if point.at in tops else f"{point.at:g}",
            point_words(point, transition),
            *(UNKNOWN if value is None else number(value) for value in (point.js, point.tv)),
        ]
        for point in transition.curve
    ]
    header = [
        markdown_cell(report.control.name, 40),
        "dissimilarity (linear)",
        "Jensen-Shannon",
        "total variation",
    ]
    return [
        "## Where it changed",
        _sentence(" ".join(transition_sentences(sweep))),
        *_drawn(pictures, "transition"),
        _sentence(curve_sentence(sweep)),
        _table(header, rows),
    ]


def _total(report: Report) -> list[str]:
    total = report.total
    rows = [
        [name, total_words(value, total.bound), meaning]
        for name, value, meaning in (
            ("linear", total.linear, "1 - 4 Brier of the best reader; the measure of this report"),
            ("Jensen-Shannon", total.js, "bits one answer tells about its side"),
            ("total variation", total.tv, "1 - 2 error rate of the best reader"),
        )
    ]
    return [
        "## How much changed",
        f"{total_sentence(report)} {SCALE_SENTENCE} {best_reader_sentence(report)}".strip(),
        *([unseen] if (unseen := unseen_prompts_sentence(report)) else []),
        _table(["dissimilarity", "value", "meaning"], rows),
    ]


def _parameters(report: Report, pictures: Mapping[str, str]) -> list[str]:
    if not report.parameters:
        return []
    rows = [
        [
            str(place),
            markdown_cell(parameter.name, 80),
            share_words(report, parameter),
            interval_words(parameter.gain),
            UNKNOWN if parameter.tv is None else percent((1 + parameter.tv) / 2),
        ]
        for place, parameter in enumerate(report.parameters, start=1)
    ]
    header = ["", "parameter", "share of the total, alone", "adds to those above", "alone right in"]
    blocks = [
        "## Order parameters",
        share_kind_sentence(report),
        *_drawn(pictures, "shares"),
        _table(header, rows),
    ]
    if beyond := beyond_length_sentence(report):
        blocks.append(beyond)
    for place, parameter in enumerate(report.parameters, start=1):
        blocks += _parameter(report, place, parameter, pictures)
    return blocks


def _parameter(report: Report, place: int, parameter: Parameter, pictures: Mapping[str, str]) -> list[str]:
    levels = [
        [
            markdown_cell(level.name, 80),
            percent(parameter.before.get(level.name, 0.0)),
            percent(parameter.after.get(level.name, 0.0)),
            markdown_cell(level.description, 200),
        ]
        for level in parameter.scale.levels
    ]
    described = any(level.description for level in parameter.scale.levels)
    width = 4 if described else 3
    header = ["level", "before", "after", "what it means"][:width]
    alone = f"Alone {right_in(parameter.tv)}" if parameter.tv is not None else ""
    facts = parameter_facts(report, parameter)
    return [
        f"### {place}. {markdown_inline(parameter.name, 80)}",
        markdown_inline(parameter.question, 400),
        *_drawn(pictures, f"parameter-{place}-levels"),
        _table(header, [row[:width] for row in levels]),
        *_drawn(pictures, f"parameter-{place}-along"),
        _bullets(
            [judge_words(parameter.judge), alone, *facts, level_sentence(parameter), missing_sentence(parameter)]
        ),
        *(block for example in parameter.examples[:_PAIRS] for block in _example(example)),
    ]


def _along(report: Report, pictures: Mapping[str, str]) -> list[str]:
    if not any(point.parts is not None for point in report.decomposition):
        return []
    names = [markdown_cell(parameter.name, 60) for parameter in report.parameters]
    header = [markdown_cell(report.control.name, 40), "total", *names, "unexplained"]
    return [
        "## What changed where",
        _sentence(f"{decomposition_sentence(report)} {first_sentence(report)}".strip()),
        *_drawn(pictures, "decomposition"),
        _table(header, decomposition_rows(report)),
    ]


def _example(example: Example) -> list[str]:
    blocks = [f"**Prompt** {markdown_inline(example.prompt, 400)}"]
    for name, shown in (("Before", example.before), ("After", example.after)):
        if shown is not None:
            blocks += [f"**{name}**{_marks(shown)}", markdown_fence(first_lines(shown.response, _EXAMPLE))]
    return blocks


def _marks(shown: Shown) -> str:
    level = f" · {markdown_inline(shown.level, 80)}" if shown.level is not None else ""
    evidence = f" · signed evidence {signed(shown.evidence)}" if shown.evidence is not None else ""
    residual = f" · residual {shown.residual:+.2f}" if shown.residual is not None else ""
    quote = f" · by “{markdown_inline(shown.quote, 120)}”" if shown.quote else ""
    return level + quote + evidence + residual


def _unexplained(report: Report) -> list[str]:
    examples = report.set.unexplained.examples
    if not report.parameters and not examples:
        return []
    return [
        "## What is left unexplained",
        f"{unexplained_sentence(report)} {residual_sentence(report)}".strip(),
        *(block for example in examples for block in _example(example)),
    ]


def _measured(report: Report) -> list[str]:
    sentences = [mode_sentence(report), *fine_print(report), splits_sentence(report), usage_sentence(report)]
    return ["## How it was measured", _bullets(sentences)]


def _warnings(report: Report) -> list[str]:
    others = [warning for warning in report.warnings if warning not in report.alerts]
    notes = [*others, *report.input.notes]
    return ["## Warnings and notes", _bullets(notes)] if any(notes) else []


def _candidates(report: Report) -> list[str]:
    if not report.candidates:
        return []
    told = calls_are_told(report)
    rows = [
        [
            markdown_cell(candidate.name, 60),
            candidate.split or "–",
            candidate_share_words(candidate),
            candidate_test_words(candidate),
            *([candidate_calls_words(candidate)] if told else []),
            markdown_cell(candidate.dropped, 120) if candidate.dropped is not None else "**chosen**",
        ]
        for candidate in candidates_by_share(report)
    ]
    header = ["candidate", "tried on", "share there", "q", *(["calls"] if told else [])]
    header.append("why it is not in the set")
    return ["## All candidates", f"{candidates_words(report)}.", _table(header, rows)]


def _for_a_paper(report: Report) -> list[str]:
    return [
        "## For a paper",
        markdown_inline(method_paragraph(report)),
        _bullets(TITLES),
        markdown_fence(references(report)),
    ]


def _settings(report: Report) -> list[str]:
    pairs = [("orderparam", report.version), ("seed", report.seed), *report.models.items()]
    pairs += [*report.settings.items(), *report.versions.items()]
    rows = [[markdown_cell(str(name), 60), markdown_cell(str(value), 200)] for name, value in pairs]
    return ["## Settings and versions", _table(["name", "value"], rows)]
