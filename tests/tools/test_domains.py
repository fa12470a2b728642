"""What is common to domains and what belongs to one: on estimates by hand, and on worlds of known truth."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from probes.scale import FloatArray, IntArray
from tools.domains import LEVEL, BoolArray, Decided, common_p_value, contrast_p_value, decide
from tools.inference import Estimate
from tools.layout import Layout, layout_of
from tools.nulls import p_values
from tools.share import dissimilarity


def all_but(domains: int, *tied: tuple[int, int]) -> BoolArray:
    """Domains of which all but these pairs are independent."""
    independent_DD = np.ones((domains, domains), dtype=bool)
    for a, b in tied:
        independent_DD[a, b] = independent_DD[b, a] = False
    return independent_DD


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, low == 0.0)


def test_the_contrast_is_that_of_the_nearest_with_the_errors_of_the_limits() -> None:
    top, near, far = estimate(0.5, 0.4, 0.6), estimate(0.2, 0.1, 0.35), estimate(0.0, 0.0, 0.05)
    error = np.hypot(0.5 - 0.4, 0.35 - 0.2) / 1.96
    assert contrast_p_value([near, top, far], all_but(3)) == pytest.approx(2 * stats.norm.sf(0.3 / error))
    assert np.isnan(contrast_p_value([top], all_but(1)))
    assert contrast_p_value([top, top], all_but(2)) == 1.0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6))
def test_a_domain_more_never_makes_a_contrast_surer(found: list[tuple[float, float, float]]) -> None:
    cells = [estimate(value, value * low, value + (1 - value) * high) for value, low, high in found]
    order = sorted(cells, key=lambda one: -one.value)
    fewer = order[:-1] if len(order) > 2 else order
    assert contrast_p_value(order, all_but(len(order))) >= contrast_p_value(fewer, all_but(len(fewer))) - 1e-12
    assert 0 <= contrast_p_value(cells, all_but(len(cells))) <= 1


def test_what_is_not_independent_is_not_held_against_each_other() -> None:
    """The first two of three are not: a claim for the third does not rest on their difference, theirs would."""
    strong, none = estimate(0.5, 0.4, 0.6), estimate(0.0, 0.0, 0.04)
    tied = all_but(3, (0, 1))
    assert (
        contrast_p_value([none, none, strong], tied) == contrast_p_value([none, none, strong], all_but(3)) < 0.01
    )
    assert contrast_p_value([strong, none, none], tied) == 1.0
    assert np.isnan(contrast_p_value([strong, none], all_but(2, (0, 1))))


def test_common_is_tested_by_all_domains_but_the_surest() -> None:
    each = np.arange(3)
    assert common_p_value(np.array([0.001, 0.03, np.nan]), each) == pytest.approx(0.03)
    assert common_p_value(np.array([0.9, 0.001, 0.01]), each) == pytest.approx(min(2 * 0.01, 0.9))
    assert common_p_value(np.array([0.04, 0.03, 0.02]), each) == pytest.approx(min(2 * 0.03, 0.04))
    assert np.isnan(common_p_value(np.array([0.001, np.nan]), each[:2]))


def test_domains_that_are_not_independent_count_as_one_for_what_is_common() -> None:
    p_D = np.array([0.001, 0.002, 0.03, np.nan])
    assert common_p_value(p_D, np.array([0, 0, 1, 1])) == pytest.approx(max(2 * 0.001, 0.03))
    assert common_p_value(p_D, np.array([0, 1, 1, 0])) == pytest.approx(max(0.001, 2 * 0.002))
    assert np.isnan(common_p_value(p_D, np.array([0, 0, 0, 1])))
    assert common_p_value(np.array([0.9, 0.9, 0.9]), np.array([0, 0, 1])) == 1.0


def test_where_each_parameter_changed_in_one_domain_hardly_any_is_said_to_be_common() -> None:
    """The cells' false discovery rate alone would let every fourth of these tables name one."""
    rng = np.random.default_rng(3)
    weak: list[list[Estimate | None]] = [[estimate(0.1, 0.0, 0.45)] * 4] * 5
    false = by_cells = 0
    for _ in range(1000):
        p_RD = rng.uniform(size=(5, 4))
        p_RD[np.arange(5), np.arange(5) % 4] = 1e-5
        found = decide(weak, p_RD, all_but(4))
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
    found = decide(rows, p, all_but(3))
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


def test_verdicts_where_two_of_three_domains_are_not_independent() -> None:
    strong, none = estimate(0.5, 0.4, 0.6), estimate(0.0, 0.0, 0.04)
    rows: list[list[Estimate | None]] = [
        [strong, strong, none],  # in both that count as one
        [strong, none, strong],
        [strong, none, none],  # in one of those that count as one
        [none, none, strong],
        [strong, None, none],  # where only one of them was measured it is as any other
    ]
    p = np.where([[one is strong for one in row] for row in rows], 1e-4, 0.5)
    p[4, 1] = np.nan
    found = decide(rows, p, all_but(3, (0, 1)))
    assert [one.verdict for one in found] == ["undecided", "common", "undecided", "specific", "specific"]
    assert [one.tied for one in found] == [(0, 1), (0, 1), (0, 1), (), ()]
    assert decide(rows, p, all_but(3))[0].verdict == "common"
    apart = decide(rows, p, all_but(3, (0, 1), (1, 2), (0, 2)))
    assert {one.verdict for one in apart[:4]} == {"undecided"}
    assert all(np.isnan([one.common_p, one.contrast_p]).all() for one in apart[:4])


def test_domains_in_a_chain_count_as_one_where_the_middle_one_was_measured() -> None:
    strong, none = estimate(0.5, 0.4, 0.6), estimate(0.0, 0.0, 0.04)
    chain = all_but(3, (0, 1), (1, 2))
    p = np.array([[1e-4, 0.5, 1e-4], [1e-4, np.nan, 1e-4]])
    found = decide([[strong, none, strong], [strong, None, strong]], p, chain)
    assert [(one.verdict, one.tied) for one in found] == [("undecided", (0, 1, 2)), ("common", ())]


def world(rng: np.random.Generator, effects_RD: np.ndarray, prompts: int, draws: int) -> list[Decided]:
    """Decisions on R yes-or-no parameters in D domains; `effects`: how much likelier yes is after than before.

    The parameters of a domain share the noise of its samples, so that their tests hang together.
    """
    rows, columns = effects_RD.shape
    layout = plain_layout(prompts, draws)
    cells = []
    for d in range(columns):
        shared_N = rng.normal(size=layout.samples)
        noise_NR = (shared_N[:, None] + rng.normal(size=(layout.samples, rows))) / np.sqrt(2)
        likelihood_NR = 0.5 + np.outer(np.where(layout.side_N == 1, 0.5, -0.5), effects_RD[:, d])
        cells.append(measured(rng, layout, (stats.norm.cdf(noise_NR) < likelihood_NR).astype(np.int64)))
    return decide(*table_of(cells), all_but(columns))


def plain_layout(prompts: int, draws: int) -> Layout:
    """As many draws before as after, prompt by prompt: first before, then after."""
    return layout_of(np.repeat(np.arange(prompts), 2 * draws), np.tile(np.repeat([0, 1], draws), prompts))[0]


Measured = tuple[list[Estimate], FloatArray]
"""Estimates and p-values of R parameters in a domain."""


def measured(
    rng: np.random.Generator, layout: Layout, level_NR: IntArray, claim: Literal["fixed", "random"] = "fixed"
) -> Measured:
    seed = int(rng.integers(1 << 30))
    p_R = p_values(layout.label_N, layout, level_NR, claim, black_box=True, seed=seed, resamples=399)
    return [dissimilarity(layout.label_N, layout, level_N, claim) for level_N in level_NR.T], p_R


def table_of(cells: list[Measured]) -> tuple[list[list[Estimate | None]], FloatArray]:
    """Domain by domain turned into parameter by parameter."""
    rows: list[list[Estimate | None]] = [list(row) for row in zip(*(one for one, _ in cells), strict=True)]
    return rows, np.column_stack([p_R for _, p_R in cells])


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


def versions(
    rng: np.random.Generator, layout: Layout, rates_VR: FloatArray, pairs: list[tuple[int, int]]
) -> list[Measured]:
    """R yes-or-no parameters in each pair of versions of a model, whose answers are drawn once."""
    half = layout.samples // 2
    answers = [rng.uniform(size=(half, len(rates_R))) < rates_R for rates_R in rates_VR]
    cells = []
    for before, after in pairs:
        level_NR = np.zeros((layout.samples, rates_VR.shape[1]), dtype=np.int64)
        level_NR[layout.side_N == 0], level_NR[layout.side_N == 1] = answers[before], answers[after]
        cells.append(measured(rng, layout, level_NR))
    return cells


def test_what_changed_in_one_of_two_domains_with_the_same_answers_before_is_not_said_of_two() -> None:
    """All that changed is seen in two jobs of the same answers: they are one domain, another has no change at all.

    Were they taken for two, every parameter would be common.
    """
    rng = np.random.default_rng(5)
    layout = plain_layout(10, 8)
    changed_VR = np.array([[0.2, 0.2, 0.5, 0.5], [0.8, 0.8, 0.5, 0.5]])
    still_VR = np.full((2, 4), 0.5)
    false = as_two = common = 0
    for _ in range(40):
        twice, other = (
            versions(rng, layout, changed_VR, [(0, 1), (0, 1)]),
            versions(rng, layout, still_VR, [(0, 1)]),
        )
        rows, p_RD = table_of([*twice, *other])
        false += any(one.verdict in ("common", "specific") for one in decide(rows, p_RD, all_but(3, (0, 1))))
        as_two += any(one.verdict == "common" for one in decide(rows, p_RD, all_but(3)))
        rows, p_RD = table_of([*twice, *versions(rng, layout, changed_VR, [(0, 1)])])
        found = decide(rows, p_RD, all_but(3, (0, 1)))
        common += found[0].verdict == found[1].verdict == "common"
    assert as_two == 40
    assert false / 40 <= LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / 40)
    assert common >= 38


def test_steps_of_the_same_size_are_told_apart_too_often_as_if_independent_where_they_share_a_version() -> None:
    """What by chance is high in the version between makes the first step larger and the second smaller."""
    rng = np.random.default_rng(6)
    layout = plain_layout(10, 10)
    rates_VR = np.repeat([[0.2], [0.5], [0.8]], 40, axis=1)
    tables = [table_of(versions(rng, layout, rates_VR, [(0, 1), (1, 2)])) for _ in range(15)]
    assert_told_apart_as_if_independent_alone(tables)


def test_and_where_claims_of_prompts_like_these_share_the_prompts() -> None:
    """A prompt on which one job changes more and the other less; the answers are their own."""
    rng = np.random.default_rng(7)
    layout = plain_layout(24, 10)
    tables = []
    for _ in range(15):
        peculiar_NR = rng.choice([-0.25, 0.25], (24, 40))[np.repeat(np.arange(24), 20)]
        cells = []
        for sign in (1, -1):
            rate_NR = 0.5 + (layout.side_N == 1)[:, None] * (0.25 + sign * peculiar_NR)
            level_NR = (rng.uniform(size=rate_NR.shape) < rate_NR).astype(np.int64)
            cells.append(measured(rng, layout, level_NR, "random"))
        tables.append(table_of(cells))
    assert_told_apart_as_if_independent_alone(tables)


def assert_told_apart_as_if_independent_alone(
    tables: list[tuple[list[list[Estimate | None]], FloatArray]],
) -> None:
    """Two equal domains: too often as if independent, never where it is known that they are not."""
    apart = [one.contrast_p <= LEVEL for rows, p in tables for one in decide(rows, p, all_but(2))]
    assert np.mean(apart) > 1.5 * LEVEL
    for rows, p_RD in tables:
        tied = decide(rows, p_RD, all_but(2, (0, 1)))
        assert all(one.verdict in ("undecided", "not shown") for one in tied)
