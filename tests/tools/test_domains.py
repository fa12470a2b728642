"""What is common to domains and what belongs to one: on estimates by hand, and on worlds of known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tools.domains import LEVEL, Decided, common_p_value, contrast_p_value, decide
from tools.inference import Estimate
from tools.layout import layout_of
from tools.nulls import p_values
from tools.share import dissimilarity


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, low == 0.0)


def test_the_contrast_is_that_of_the_nearest_with_the_errors_of_the_limits() -> None:
    top, near, far = estimate(0.5, 0.4, 0.6), estimate(0.2, 0.1, 0.35), estimate(0.0, 0.0, 0.05)
    error = np.hypot(0.5 - 0.4, 0.35 - 0.2) / 1.96
    assert contrast_p_value([near, top, far]) == pytest.approx(2 * stats.norm.sf(0.3 / error))
    assert np.isnan(contrast_p_value([top]))
    assert contrast_p_value([top, top]) == 1.0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6))
def test_a_domain_more_never_makes_a_contrast_surer(found: list[tuple[float, float, float]]) -> None:
    cells = [estimate(value, value * low, value + (1 - value) * high) for value, low, high in found]
    order = sorted(cells, key=lambda one: -one.value)
    assert contrast_p_value(order) >= contrast_p_value(order[:-1] if len(order) > 2 else order) - 1e-12
    assert 0 <= contrast_p_value(cells) <= 1


def test_common_is_tested_by_all_domains_but_the_surest() -> None:
    assert common_p_value(np.array([0.001, 0.03, np.nan])) == pytest.approx(0.03)
    assert common_p_value(np.array([0.9, 0.001, 0.01])) == pytest.approx(min(2 * 0.01, 0.9))
    assert common_p_value(np.array([0.04, 0.03, 0.02])) == pytest.approx(min(2 * 0.03, 0.04))
    assert np.isnan(common_p_value(np.array([0.001, np.nan])))


def test_where_each_parameter_changed_in_one_domain_hardly_any_is_said_to_be_common() -> None:
    """The cells' false discovery rate alone would let every fourth of these tables name one."""
    rng = np.random.default_rng(3)
    weak: list[list[Estimate | None]] = [[estimate(0.1, 0.0, 0.45)] * 4] * 5
    false = by_cells = 0
    for _ in range(1000):
        p_RD = rng.uniform(size=(5, 4))
        p_RD[np.arange(5), np.arange(5) % 4] = 1e-5
        found = decide(weak, p_RD)
        false += any(one.verdict == "common" for one in found)
        by_cells += any(len(one.seen) > 1 for one in found)
    assert by_cells / 1000 >= 0.2
    assert false / 1000 <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 1000)


def test_verdicts() -> None:
    strong, weak, none = estimate(0.5, 0.4, 0.6), estimate(0.1, 0.0, 0.45), estimate(0.0, 0.0, 0.04)
    p = np.array(
        [
            [0.001, 0.001, 0.5],  # two of three
            [0.001, 0.5, 0.5],  # one, the others surely less
            [0.001, 0.2, 0.5],  # one, another may be as large
            [0.3, 0.5, 0.5],
            [0.001, np.nan, np.nan],  # measured in one alone
        ]
    )
    rows: list[list[Estimate | None]] = [
        [strong, strong, none],
        [strong, none, none],
        [strong, weak, none],
        [none, none, none],
        [strong, None, None],
    ]
    found = decide(rows, p)
    assert [one.verdict for one in found] == ["common", "specific", "undecided", "not shown", "undecided"]
    assert found[0].seen == (0, 1)
    assert found[1].of == 0
    assert all(one.of is None for one in found if one.verdict != "specific")
    assert np.isnan(found[4].contrast_q)
    assert np.isnan(found[4].common_q)
    families = (p[np.isfinite(p)], [one.common_p for one in found[:4]], [one.contrast_p for one in found[:4]])
    cells, common, contrasts = (stats.false_discovery_control(family) for family in families)
    assert found[0].q_D[0] == pytest.approx(cells[0])
    assert found[0].common_q == pytest.approx(common[0])
    assert found[1].contrast_q == pytest.approx(contrasts[1])


def world(rng: np.random.Generator, effects_RD: np.ndarray, prompts: int, draws: int) -> list[Decided]:
    """Decisions on R yes-or-no parameters in D domains; `effects`: how much likelier yes is after than before.

    The parameters of a domain share the noise of its samples, so that their tests hang together.
    """
    rows, columns = effects_RD.shape
    layout, _ = layout_of(np.repeat(np.arange(prompts), 2 * draws), np.tile(np.repeat([0, 1], draws), prompts))
    estimates: list[list[Estimate | None]] = [[None] * columns for _ in range(rows)]
    p_RD = np.zeros(effects_RD.shape)
    for d in range(columns):
        shared_N = rng.normal(size=layout.samples)
        level_NR = np.stack(
            [
                stats.norm.cdf((shared_N + rng.normal(size=layout.samples)) / np.sqrt(2))
                < 0.5 + effects_RD[r, d] * np.where(layout.side_N == 1, 0.5, -0.5)
                for r in range(rows)
            ],
            axis=1,
        ).astype(np.int64)
        p_RD[:, d] = p_values(
            layout.label_N,
            layout,
            level_NR,
            "fixed",
            black_box=True,
            seed=int(rng.integers(1 << 30)),
            resamples=399,
        )
        for r in range(rows):
            estimates[r][d] = dissimilarity(layout.label_N, layout, level_NR[:, r], "fixed")
    return decide(estimates, p_RD)


def test_a_common_and_a_specific_parameter_are_told_apart_in_worlds_of_known_truth() -> None:
    rng = np.random.default_rng(1)
    effects_RD = np.zeros((6, 3))
    effects_RD[0] = 0.5  # common to all
    effects_RD[1, 1] = 0.6  # of the second alone
    found = [world(rng, effects_RD, 10, 8) for _ in range(25)]
    verdicts = np.array([[one.verdict for one in decided] for decided in found])
    assert (verdicts[:, 0] == "common").mean() >= 0.95
    assert (verdicts[:, 1] == "specific").mean() >= 0.9
    assert {decided[1].of for decided in found} <= {1, None}
    false = np.isin(verdicts[:, 2:], ["common", "specific"]).mean()
    assert false <= 0.03


@pytest.mark.slow
def test_false_claims_are_as_rare_as_is_said() -> None:
    """Cells seen where there is nothing, and parameters said to belong to one of several equal domains."""
    rng = np.random.default_rng(2)
    effects_RD = np.zeros((8, 4))
    effects_RD[0], effects_RD[1, :2] = 0.4, 0.35
    discovered, specific = [], 0
    for _ in range(400):
        decided = world(rng, effects_RD, 10, 6)
        seen = np.array([one.q_D <= LEVEL for one in decided])
        false = int(seen[effects_RD == 0].sum())
        specific += sum(one.verdict == "specific" for one in decided)
        discovered.append(false / max(1, int(seen.sum())))
    assert np.mean(discovered) <= LEVEL
    assert specific / 400 <= LEVEL
