"""The numbers of a set: against tools.share, closed forms, and what they must add up to."""

import numpy as np
import pytest

from agent.comparison import Part
from agent.estimates import SetNumbers, mean_estimate, residual, share_of_bound
from probes.scale import FloatArray, IntArray
from tools.inference import Estimate
from tools.layout import layout_of
from tools.report.document import Interval
from tools.report.record import interval
from tools.share import gain, set_dissimilarity, share


def rows(prompts: int = 24, draws: int = 10) -> Part:
    prompt_N = np.repeat(np.arange(prompts), 2 * draws)
    side_N = np.tile(np.repeat([0, 1], draws), prompts)
    layout, _ = layout_of(prompt_N, side_N)
    return Part(np.arange(layout.samples), layout, layout.label_N)


def told_by_side(part: Part, rng: np.random.Generator, right: float) -> IntArray:
    side_N = part.layout.side_N
    return np.where(rng.random(len(side_N)) < right, side_N, 1 - side_N).astype(np.int64)


def evidence(part: Part, rng: np.random.Generator) -> FloatArray:
    return np.asarray(np.tanh(part.value_N * rng.normal(0.6, 0.8, part.layout.samples)))


def numbers(levels_NJ: IntArray, part: Part, mode: str = "black-box") -> SetNumbers:
    return SetNumbers(part, levels_NJ, mode, "random", 0)  # type: ignore[arg-type]


def test_a_well_filled_table_gives_the_numbers_of_the_table() -> None:
    rng, part = np.random.default_rng(0), rows()
    levels = np.column_stack([told_by_side(part, rng, 0.8), told_by_side(part, rng, 0.7)])
    found = numbers(levels, part)
    assert not found.by_regression
    assert found.whole == set_dissimilarity(part.value_N, part.layout, levels, "random")
    assert found.gains[1] == gain(part.value_N, part.layout, levels[:, :1], levels[:, 1], "random")
    assert found.shapley().sum() == pytest.approx(found.whole.value)


def test_a_thin_table_gives_way_to_the_regression_and_stays_a_lower_bound() -> None:
    rng, part = np.random.default_rng(1), rows()
    noise = rng.integers(0, 5, (part.layout.samples, 2))
    levels = np.column_stack([told_by_side(part, rng, 0.8), noise])
    found = numbers(levels, part)
    assert found.by_regression
    truth = (2 * 0.8 - 1) ** 2
    assert truth - 0.15 < found.whole.value < truth + 0.06
    assert found.shapley().sum() == pytest.approx(found.whole.value, abs=1e-9)
    assert found.shapley()[0] > 0.8 * found.whole.value
    assert found.gains[0].value == pytest.approx(found.singles[0].value, abs=0.05)
    assert found.of_set("tv") is None
    # v - g of a held-out g: its mean square is 1 less the mean of l, when that is not cut
    left_N = found.residual_N()
    assert part.layout.weight_N @ left_N**2 == pytest.approx(1 - found.whole.plug_in)


def test_the_share_with_likelihoods_is_that_of_the_table() -> None:
    rng, part = np.random.default_rng(2), rows()
    part = Part(part.row_N, part.layout, evidence(part, rng))
    levels = np.column_stack([told_by_side(part, rng, 0.8)])
    found = numbers(levels, part, "likelihood")
    assert found.share() == share(part.value_N, part.layout, levels, "random")
    assert found.total_on_complete_cases() == pytest.approx(part.layout.weight_N @ part.value_N**2)


def test_the_share_by_regression_is_its_mean_over_the_total() -> None:
    rng, part = np.random.default_rng(3), rows()
    part = Part(part.row_N, part.layout, evidence(part, rng))
    levels = np.column_stack([told_by_side(part, rng, 0.8), rng.integers(0, 5, (part.layout.samples, 3))])
    found = numbers(levels, part, "likelihood")
    assert found.by_regression
    assert found.share().value == pytest.approx(found.whole.value / found.total_on_complete_cases())
    assert found.share().low < found.share().value < (found.share().high or 0)


def test_what_the_set_adds_to_length_is_the_gain_of_its_joint_table() -> None:
    rng, part = np.random.default_rng(4), rows()
    length = told_by_side(part, rng, 0.75)
    levels = np.column_stack([length, told_by_side(part, rng, 0.8)])
    expected = gain(part.value_N, part.layout, length[:, None], levels[:, 1], "random")
    assert numbers(levels, part).beyond(length) == expected
    assert numbers(length[:, None], part).beyond(length).value == 0


def test_missing_levels_leave_their_rows_out_of_the_set() -> None:
    rng, part = np.random.default_rng(5), rows()
    level = told_by_side(part, rng, 0.8)
    level[::7] = -1
    found = numbers(np.column_stack([level]), part)
    assert found.complete.layout.samples == int((level >= 0).sum())
    left_N = residual(part, np.column_stack([level]))
    np.testing.assert_array_equal(left_N[::7], part.value_N[::7])


def test_the_residual_has_mean_zero_on_every_level() -> None:
    rng, part = np.random.default_rng(6), rows()
    level = told_by_side(part, rng, 0.7)
    left_N = residual(part, level[:, None])
    for one in (0, 1):
        assert part.layout.weight_N[level == one] @ left_N[level == one] == pytest.approx(0, abs=1e-12)


def test_an_empty_set_captures_nothing() -> None:
    part = rows()
    found = numbers(np.zeros((part.layout.samples, 0), dtype=np.int64), part)
    assert (found.whole.value, found.gains, len(found.shapley())) == (0, [], 0)
    np.testing.assert_array_equal(found.residual_N(), part.value_N)


def test_the_mean_of_scores_has_the_classical_interval() -> None:
    rng, part = np.random.default_rng(7), rows()
    f_N = rng.normal(0.3, 1, part.layout.samples)
    by_prompt = f_N.reshape(24, 20).mean(axis=1)
    found = mean_estimate(f_N, part, "random")
    half = 2.0686576104 * by_prompt.std(ddof=1) / np.sqrt(24)
    assert found.value == pytest.approx(by_prompt.mean())
    assert (found.low, found.high) == pytest.approx((by_prompt.mean() - half, by_prompt.mean() + half))


@pytest.mark.parametrize(
    ("alone", "total", "expected"),
    [
        # value over value, low as it is, high over the total's low
        (Estimate(0.4, 0.3, 0.5), Interval(value=0.8, low=0.7), (0.5, 0.3, 0.5 / 0.7)),
        (Estimate(0.4, 0.3, 0.9), Interval(value=0.8, low=0.7), (0.5, 0.3, 1.0)),
        (Estimate(0.9, 0.8, 0.95), Interval(value=0.8, low=0.7), (1.0, 0.8, 1.0)),
        (Estimate(0.1, 0.0, 0.2, True), Interval(value=0.2, low=0.0), (0.5, 0.0, 1.0)),
        (Estimate(0.0, 0.0, 0.2, True), Interval(value=0.0, low=0.0), (None, 0.0, 1.0)),
    ],
)
def test_a_share_of_a_lower_bound(
    alone: Estimate, total: Interval, expected: tuple[float | None, float, float]
) -> None:
    found = share_of_bound(alone, total)
    assert (found.value, found.low, found.high) == pytest.approx(expected)
    assert found.one_sided == alone.one_sided


def test_an_interval_of_a_lower_bound_has_no_upper_limit() -> None:
    assert interval(Estimate(0.4, 0.3, None)).high is None


def test_a_set_without_enough_complete_prompts_has_no_number() -> None:
    rng, part = np.random.default_rng(4), rows()
    levels = np.column_stack([told_by_side(part, rng, 0.8), told_by_side(part, rng, 0.7)])
    levels[part.layout.prompt_N > 0, 1] = -1
    found = numbers(levels, part)
    assert interval(found.singles[0]).value is not None
    assert interval(found.singles[1]) == Interval(value=None)
    assert interval(found.whole) == Interval(value=None)
    assert interval(found.gains[1]) == Interval(value=None)
    assert interval(found.beyond(levels[:, 0])) == Interval(value=None)
    assert share_of_bound(found.whole, Interval(value=0.9, low=0.8)) == Interval(value=None)
    assert np.isnan(found.shapley()).all()
