"""Two reports side by side: what counts as the same, what differs, and what a terminal shows of it."""

import io
import re
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.tools.report.samples import HOSTILE, empty_report, harm_parameter, length_parameter, likelihood_report
from tests.tools.report.samples import report as sample_report
from tools.report.comparison import ByScores, Comparison, PairAgreement, compared, pairings_of
from tools.report.comparison_terminal import render_comparison
from tools.report.document import Judged, Report
from tools.report.record import Interval

NO_SCORES = ByScores(samples=None, why_not="scores.parquet is missing")


def compare(a: Report, b: Report, by_scores: ByScores = NO_SCORES) -> Comparison:
    return compared((a, b), ("a/report.json", "b/report.json"), by_scores, "0.1.0")


def printed(
    a: Report, b: Report, by_scores: ByScores = NO_SCORES, *, width: int = 100, encoding: str = "utf-8"
) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    console = Console(file=stream, width=width, color_system=None, _environ={})
    console.print(render_comparison(compare(a, b, by_scores), (a, b)))
    stream.flush()
    return raw.getvalue().decode(encoding)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def differing(a: Report, b: Report) -> dict[str, tuple[Any, Any]]:
    return {one.what: (one.a, one.b) for one in compare(a, b).differences}


def test_parameters_are_the_same_by_question_before_id() -> None:
    words, harm = length_parameter(), harm_parameter()
    renamed = words.model_copy(
        update={"id": "other", "name": "Wordiness", "question": f"  {words.question.upper()}"}
    )
    reworded = harm.model_copy(update={"question": "Is it harmful?"})
    swapped = harm.model_copy(update={"id": words.id, "question": "Something else?"})
    assert pairings_of([words, harm], [reworded, renamed]) == [
        (words, renamed, "question"),
        (harm, reworded, "id"),
    ]
    assert pairings_of([words], [swapped, renamed]) == [(words, renamed, "question"), (None, swapped, None)]
    assert pairings_of([], [harm]) == [(None, harm, None)]


def test_what_differs_is_found_and_what_is_alike_is_not_told() -> None:
    a = sample_report()
    assert differing(a, a) == {}
    assert compare(a, a).same_report
    b = sample_report(
        seed=7,
        models={"proposer": "openai:m", "judge": "builtin"},
        settings={**a.settings, "min_gain": 0.02, "samples": {"file": "x", "before": "y", "after": "z"}},
        splits=a.splits.model_copy(update={"read": 300}),
        parameters=(length_parameter(), harm_parameter().model_copy(update={"judge": "openai:m"})),
        judge_template="Judge this: {{ answer }}",
    )
    found = differing(a, b)
    assert found["seed"] == (0, 7)
    assert found["model: proposer"] == ("builtin", "openai:m")
    assert found["setting: min_gain"] == (0.01, 0.02)
    assert found["judge of Harm verdict"] == ("data:harm_verdict", "openai:m")
    assert found["samples before (checksum)"] == (None, "y")
    told: Any = found["splits"]
    assert (told[0]["read"], told[1]["read"]) == (318, 300)
    assert found.keys() == {
        "seed",
        "model: proposer",
        "setting: min_gain",
        "judge of Harm verdict",
        "samples before (checksum)",
        "samples after (checksum)",
        "splits",
        "judge prompt",
    }
    assert not compare(a, b).same_report


def test_what_differs_is_shown_without_brackets() -> None:
    a = sample_report()
    b = sample_report(
        settings={**a.settings, "given": ["words", "x"], "max_calls": None},
        splits=a.splits.model_copy(update={"read": 300}),
    )
    told = squeezed(printed(a, b, width=110))
    assert "splits read 318, select 318, report 420, by sample read 300, select 318, report 420, by sample" in told
    assert "setting: given – words, x" in told
    assert "max_calls" not in told


def test_numbers_are_those_of_the_reports() -> None:
    a, b = sample_report(), likelihood_report()
    record = compare(a, b)
    assert (record.a.total, record.b.total) == (a.total, b.total)
    assert record.a.set_share == a.set.share
    for pairing, one in zip(record.parameters, a.parameters, strict=True):
        assert pairing.a is not None
        assert pairing.b is not None
        assert pairing.a.share == pairing.b.share == one.share
        assert pairing.a.dissimilarity == one.dissimilarity
    assert Comparison.model_validate_json(record.to_json()) == record


def test_words_keep_to_the_kind_of_bound_of_each_report() -> None:
    told = squeezed(printed(sample_report(), likelihood_report()))
    assert "total dissimilarity at least 0.95 (lower limit 0.93) 0.95 (0.93 to 0.97)" in told
    assert "Length in words at most 86% (79% to 93%) 86% (79% to 93%)" in told
    assert "of the total at most 94% (87% to 100%) 94% (87% to 100%)" in told
    assert "Both chose Length in words and Harm verdict." in told
    assert "mode black-box likelihood" in told
    assert "Not compared: scores.parquet is missing." in told


def test_the_same_report_twice_and_nothing_chosen_are_said() -> None:
    a = sample_report()
    told = squeezed(printed(a, a))
    assert "Both are the same report." in told
    assert "What differs in how they were made Nothing." in told
    told = squeezed(printed(a, empty_report()))
    assert "Only A chose Length in words and Harm verdict." in told
    assert "nothing was chosen" in told
    assert "There is no order parameter that both chose. Only" in told
    told = squeezed(printed(empty_report(), empty_report()))
    assert "Neither chose an order parameter." in told
    assert "Order parameters" not in told


def agreement(a: str, b: str, v: float | None, **more: Any) -> PairAgreement:
    values: dict[str, Any] = {"samples": 300, "within_sides": v, "alpha": None}
    return PairAgreement(a=a, b=b, cramers_v=v, **(values | more))


def test_pairs_that_go_together_are_shown_the_same_ones_first() -> None:
    a = sample_report()
    words, harm = "words", "data:harm_verdict"
    pairs = (
        agreement(words, words, 0.31, alpha=-0.05),
        agreement(words, harm, 0.88, within_sides=None),
        agreement(harm, words, 0.12),
        agreement(harm, harm, 1.0),
    )
    told = squeezed(printed(a, a, ByScores(samples=1_234, pairs=pairs)))
    assert "1,234 samples are in both." in told
    rows = [
        "Harm verdict Harm verdict 300 1.00 1.00 –",
        "Length in words Length in words 300 0.31 0.31 -0.05",
        "Length in words Harm verdict 300 0.88 – –",
    ]
    places = [told.index(row) for row in rows]
    assert places == sorted(places)
    assert "0.12" not in told
    assert "two reports on the same samples are not independent" in told
    assert "no sample in common" in squeezed(printed(a, a, ByScores(samples=0)))


def test_shares_near_all_and_unknown_ones_are_worded_as_in_the_report() -> None:
    near = length_parameter().model_copy(
        update={"share": Interval(value=0.998, low=0.981, high=0.999), "judged": Judged(before=210, after=210)}
    )
    unknown = length_parameter().model_copy(update={"share": Interval(value=None)})
    told = squeezed(
        printed(
            sample_report(parameters=(near, harm_parameter())),
            likelihood_report(parameters=(unknown, harm_parameter())),
        )
    )
    assert "Length in words at least 98% not computed" in told


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_never_obeyed(text: str, encoding: str) -> None:
    hostile = sample_report(text)
    pairs = (agreement("words", "words", 0.9),)
    by_scores = ByScores(samples=9, pairs=pairs)
    lines = printed(hostile, sample_report(), by_scores, width=60, encoding=encoding).splitlines()
    assert max(cell_len(line) for line in lines) <= 60
    told = "\n".join(lines)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", told)
    assert compare(hostile, sample_report()).to_json().isascii()
