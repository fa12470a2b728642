"""Estimates against the reference vectors, hand computation and closed forms (Method, section 5)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools import share
from tools.dissimilarity import totals
from tools.inference import Estimate, interval
from tools.layout import Claim, Layout, layout_of

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())["cases"]


def layout_of_case(case: dict[str, Any]) -> Layout:
    layout, kept_N = layout_of(np.array(case["prompt"]), np.array(case["side"]))
    assert kept_N.all()
    return layout


def expectations() -> Iterator[tuple[str, dict[str, Any], Claim, str]]:
    for case in CASES:
        for claim, quantities in case["expected"].items():
            for quantity in quantities:
                if quantity != "critical":
                    yield f"{case['name']}-{claim}-{quantity}", case, claim, quantity


def assert_reproduced(estimate: Estimate, expected: dict[str, Any]) -> None:
    for key in ("value", "low", "high", "plug_in", "bias", "standard_error"):
        if key in expected:
            assert getattr(estimate, key) == pytest.approx(expected[key], abs=1e-9), key
    if "one_sided" in expected:
        assert estimate.one_sided == expected["one_sided"]


PARAMETERS = list(expectations())


@pytest.mark.parametrize(
    ("case", "claim", "quantity"), [p[1:] for p in PARAMETERS], ids=[p[0] for p in PARAMETERS]
)
def test_reference_vectors(case: dict[str, Any], claim: Claim, quantity: str) -> None:
    layout = layout_of_case(case)
    expected = case["expected"][claim][quantity]
    level_N = np.array(case["level"])
    if quantity == "total":
        estimate = totals(np.array(case["evidence"]), layout, claim)["linear"]
        assert_reproduced(estimate, dict(zip(("value", "low", "high"), expected, strict=True)))
        return
    if quantity == "share":
        evidence_N = np.array(case["evidence"])
        assert_reproduced(share.share(evidence_N, layout, level_N[:, None], claim), expected)
        return
    values_N = layout.label_N if quantity == "black-box" else np.array(case["evidence"])
    assert_reproduced(share.dissimilarity(values_N, layout, level_N, claim), expected)
    if "gain_of_second" in expected:
        second_N = np.array(case["second"])
        gained = share.gain(values_N, layout, level_N[:, None], second_N, claim)
        assert_reproduced(gained, expected["gain_of_second"])


def test_plug_in_in_black_box_is_the_triangular_discrimination_of_the_level_counts() -> None:
    # One prompt, 10 a side: p = (.7, .3), r = (.2, .8): 1/2 sum (p - r)^2 / (p + r).
    side_N = np.repeat([0, 1], 10)
    level_N = np.array([0] * 7 + [1] * 3 + [0] * 2 + [1] * 8)
    layout, _ = layout_of(np.zeros(20, dtype=np.int64), side_N)
    estimate = share.dissimilarity(layout.label_N, layout, level_N, "fixed")
    assert estimate.plug_in == pytest.approx(0.5 * (0.25 / 0.9 + 0.25 / 1.1))


def test_bias_by_hand_for_fixed_prompts() -> None:
    # phi_ic = 1_c (y - m_c) / sqrt(W_c); its variance within a side is (y - m_c)^2 f (1 - f) n / (n - 1) / W_c.
    side_N = np.repeat([0, 1], 10)
    level_N = np.array([0] * 7 + [1] * 3 + [0] * 2 + [1] * 8)
    layout, _ = layout_of(np.zeros(20, dtype=np.int64), side_N)
    expected = 0.0
    for in_before, in_after in ((0.7, 0.2), (0.3, 0.8)):
        mass = (in_before + in_after) / 2
        mean = (in_before - in_after) / (in_before + in_after)
        count = mass * 20  # equal weights: the effective count is the count
        variance = sum(
            (y - mean) ** 2 / mass * f * (1 - f) * 10 / 9 / (4 * 10) for y, f in ((1, in_before), (-1, in_after))
        )
        expected += count / (count - 1) * variance
    estimate = share.dissimilarity(layout.label_N, layout, level_N, "fixed")
    assert estimate.bias == pytest.approx(expected, abs=1e-12)


def test_missing_levels_are_measured_on_complete_cases() -> None:
    case = CASES[1]
    layout = layout_of_case(case)
    level_N, second_N = np.array(case["level"]), np.array(case["second"])
    level_N[::7] = -1
    second_N[::5] = -3
    kept_N = (level_N >= 0) & (second_N >= 0)
    smaller, mask_N = layout_of(layout.prompt_N[kept_N], layout.side_N[kept_N])
    joint = share.set_dissimilarity(layout.label_N, layout, np.column_stack([level_N, second_N]), "fixed")
    by_hand = share.set_dissimilarity(
        smaller.label_N,
        smaller,
        np.column_stack([level_N, second_N])[kept_N][mask_N],
        "fixed",
    )
    assert joint == by_hand


def test_one_cell_and_a_gain_without_new_cells_are_exactly_zero() -> None:
    layout = layout_of_case(CASES[0])
    level_N = np.array(CASES[0]["level"])
    assert share.dissimilarity(layout.label_N, layout, np.zeros_like(level_N), "random").value == 0
    again = share.gain(layout.label_N, layout, level_N[:, None], level_N, "random")
    assert (again.value, again.low, again.high) == (0, 0, 0)


def test_share_of_a_set_never_falls_when_a_parameter_joins_in_the_plug_in() -> None:
    rng = np.random.default_rng(5)
    layout, _ = layout_of(np.repeat(np.arange(8), 20), np.tile(np.repeat([0, 1], 10), 8))
    values_N = rng.normal(size=160)
    levels_NJ = rng.integers(0, 3, size=(160, 4))
    plug_ins = [share.set_dissimilarity(values_N, layout, levels_NJ[:, :j], "fixed").plug_in for j in range(1, 5)]
    assert plug_ins == sorted(plug_ins)


def test_cell_means_are_weighted_means_of_the_joint_cells() -> None:
    layout = layout_of_case(CASES[1])
    cell_N = share.joint_cells(np.column_stack([CASES[1]["level"], CASES[1]["second"]]))
    mean_N = share.cell_means(layout.label_N, layout, cell_N)
    for cell in np.unique(cell_N):
        inside = cell_N == cell
        expected = np.average(layout.label_N[inside], weights=layout.weight_N[inside])
        assert mean_N[inside] == pytest.approx(np.full(inside.sum(), expected))


def test_a_gain_of_zero_with_rounding_below_it_has_an_interval() -> None:
    estimate = interval(-1e-17, 0.01, 0.0, 2, 1.96)
    assert (estimate.value, estimate.low, estimate.one_sided) == (0.0, 0.0, True)
    assert estimate.high is not None
    assert 0 < estimate.high < 0.05
