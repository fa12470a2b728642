"""Each formula of Method, section 5, twice: by hand on a few numbers, and written out sample by sample.

The slow versions follow the text to the letter and share nothing with `tools` but the layout's weights, which are
held to hand-made ones first.
"""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import optimize, stats

from probes.scale import FloatArray, IntArray
from tools import share
from tools.inference import critical_value, interval, variance_of_mean
from tools.layout import Claim, Layout, layout_of

CLAIMS: list[Claim] = ["fixed", "random"]


class World(NamedTuple):
    layout: Layout
    values_N: FloatArray
    first_N: IntArray
    second_N: IntArray


def world(seed: int, prompts: int = 7, checkpoints: int = 1) -> World:
    """Unequal counts, strata of one sample among them; two parameters, one with a rare level."""
    rng = np.random.default_rng(seed)
    count = prompts * checkpoints * 7
    layout, _ = layout_of(
        rng.integers(0, prompts, count), rng.integers(0, 2, count), rng.integers(0, checkpoints, count)
    )
    n = layout.samples
    first_N = rng.integers(0, 3, n)
    second_N = (rng.random(n) < 0.15).astype(np.int64)
    return World(layout, np.tanh(rng.normal(0, 1, n) + 0.6 * (first_N - 1)), first_N, second_N)


WORLDS = [world(seed, checkpoints=checkpoints) for seed in range(4) for checkpoints in (1, 2)]


# The formulas, written out


def slow_variance(f_N: FloatArray, layout: Layout, claim: Claim) -> float:
    """V(f)."""
    prompts = layout.prompts
    if claim == "random":
        mean_Q = []
        for q in range(prompts):
            of_prompt = layout.prompt_N == q
            mean_Q.append((layout.weight_N[of_prompt] @ f_N[of_prompt]) / layout.weight_N[of_prompt].sum())
        return float(np.var(mean_Q, ddof=1) / prompts)
    total = 0.0
    singles: dict[int, list[int]] = {0: [], 1: []}
    for s in range(layout.strata):
        members = np.flatnonzero(layout.stratum_N == s)
        mass = layout.weight_N[members].sum()
        if len(members) == 1:
            singles[int(layout.side_S[s])].append(int(members[0]))
        else:
            total += mass**2 * np.var(f_N[members], ddof=1) / len(members)
    for side, rows in singles.items():
        mass_N = layout.weight_N[rows]
        if len(rows) == 1:
            on_side = layout.side_N == side
            mean = (layout.weight_N[on_side] @ f_N[on_side]) / layout.weight_N[on_side].sum()
            total += float(mass_N[0] ** 2 * (f_N[rows[0]] - mean) ** 2)
        elif rows:
            total += float((mass_N**2).sum() * np.var(f_N[rows], ddof=1))
    return total


class Table(NamedTuple):
    """A table of cells: W_c, m_c, phi_c [N] of each cell, T, psi [N] and b."""

    mass_C: FloatArray
    mean_C: FloatArray
    phi_CN: FloatArray
    plug_in: float
    psi_N: FloatArray
    bias: float


def slow_table(values_N: FloatArray, layout: Layout, cell_N: IntArray, claim: Claim) -> Table:
    w_N, prompts = layout.weight_N, layout.prompts
    cells = int(cell_N.max()) + 1
    mass_C = np.array([w_N[cell_N == c].sum() for c in range(cells)])
    mean_C = np.array([(w_N * values_N)[cell_N == c].sum() for c in range(cells)]) / mass_C
    plug_in = float((mass_C * mean_C**2).sum())
    phi_CN = np.array([(cell_N == c) * (values_N - mean_C[c]) / np.sqrt(mass_C[c]) for c in range(cells)])
    mean_N = mean_C[cell_N]
    psi_N = 2 * values_N * mean_N - mean_N**2 - plug_in
    bias = 0.0
    for c in range(cells):
        inside = cell_N == c
        if claim == "fixed":
            effective = mass_C[c] ** 2 / (w_N[inside] ** 2).sum()
            thin, factor = effective < 1.5, effective / (effective - 1) if effective >= 1.5 else np.nan
        else:
            mass_Q = np.array([w_N[inside & (layout.prompt_N == q)].sum() for q in range(prompts)])
            effective = mass_C[c] ** 2 / (mass_Q**2).sum()
            thin = effective <= 1.2
            factor = np.nan if thin else effective / (effective - 1) * (prompts - 1) / prompts
        bias += mass_C[c] * mean_C[c] ** 2 if thin else factor * slow_variance(phi_CN[c], layout, claim)
    return Table(mass_C, mean_C, phi_CN, plug_in, psi_N, float(bias))


def slow_gain(world: World, claim: Claim) -> tuple[float, float, float]:
    """T_J - T_S, b and SE of the gain of the second parameter over the first."""
    layout, values_N = world.layout, world.values_N
    parent_N = world.first_N
    child_N = share.joint_cells(np.column_stack([world.first_N, world.second_N]))
    joint, parent = (slow_table(values_N, layout, cell_N, claim) for cell_N in (child_N, parent_N))
    half = 0.0
    for c in range(len(joint.mass_C)):
        p = int(parent_N[child_N == c][0])
        phi_N = joint.phi_CN[c] - parent.phi_CN[p] / np.sqrt(parent.mass_C[p]) * np.sqrt(joint.mass_C[c])
        half += 0.5 * slow_variance(phi_N, layout, claim)
    bias = max(joint.bias - parent.bias, half)
    error = np.sqrt(slow_variance(joint.psi_N - parent.psi_N, layout, claim))
    return joint.plug_in - parent.plug_in, bias, float(error)


# The tools against them


def test_weights_by_hand() -> None:
    """Two prompts; of the first, 1 before and 3 after; of the second, checkpoints with 2 and 1 before, 2 after."""
    prompt_N = np.array([0] * 4 + [1] * 5)
    side_N = np.array([0, 1, 1, 1, 0, 0, 0, 1, 1])
    checkpoint_N = np.array([0, 9, 9, 9, 0, 0, 1, 9, 9])
    layout, _ = layout_of(prompt_N, side_N, checkpoint_N)
    assert layout.weight_N == pytest.approx([1 / 4, 1 / 12, 1 / 12, 1 / 12, 1 / 16, 1 / 16, 1 / 8, 1 / 8, 1 / 8])


def test_variance_of_the_mean_by_hand() -> None:
    layout, _ = layout_of(np.array([0, 0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 0, 0, 1]))
    f_N = np.array([1.0, 3.0, 0.0, 4.0, 2.0, 2.0, 7.0])
    # Fixed, mass 1/4 each: variances 2, 8, 0 over n = 2; the lone one lies 7 - (2 + 7) / 2 = 2.5 from its side.
    assert variance_of_mean(f_N, layout, "fixed") == pytest.approx((1 + 4 + 0) / 16 + 2.5**2 / 16)
    # Random: prompt means (2 + 2) / 2 and (2 + 7) / 2, their variance 2.5^2 / 2, over Q = 2.
    assert variance_of_mean(f_N, layout, "random") == pytest.approx(2.5**2 / 4)
    # Two strata of one sample on a side share the variance between them.
    pooled, _ = layout_of(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 0, 0, 1]))
    assert variance_of_mean(np.array([1.0, 1.0, 3.0, 1.0, 1.0, 7.0]), pooled, "fixed") == pytest.approx(2 * 8 / 16)


@pytest.mark.parametrize("claim", CLAIMS)
def test_variance_written_out(claim: Claim) -> None:
    for layout, values_N, _, _ in WORLDS:
        assert variance_of_mean(values_N, layout, claim) == pytest.approx(slow_variance(values_N, layout, claim))


def test_bias_for_random_prompts_by_hand() -> None:
    """Three prompts, one sample a side; level 1 is before in all, with values 0.5, 0.7, 0.9, level 0 after in all.

    Cell 1 has W = 1/2 and m = 0.7: prompt means of phi are (v - m) / sqrt(W) / 2, K = 3, k = (3/2)(2/3) = 1.
    """
    layout, _ = layout_of(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1]))
    values_N = np.array([0.5, -0.7, 0.7, -0.7, 0.9, -0.7])
    found = share.dissimilarity(values_N, layout, np.array([1, 0, 1, 0, 1, 0]), "random")
    assert found.plug_in == pytest.approx(0.49)
    assert found.bias == pytest.approx(((-0.1) ** 2 + 0.1**2) / 0.5 / 2 / 3)


def test_a_cell_of_one_sample_adds_all_of_itself_to_the_bias() -> None:
    """N = 1 < 1.5, K = 1 <= 1.2: b gains W m^2 of that cell."""
    layout, _ = layout_of(np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    values_N = np.array([1.0, 1, -1, -1, 1, 1, -1, -1])
    level_N = np.array([1, 0, 0, 0, 0, 0, 0, 0])
    for claim in CLAIMS:
        rest = slow_table(values_N, layout, level_N, claim)
        thin = 1 / 8 * 1.0**2
        others = rest.bias - thin
        assert share.dissimilarity(values_N, layout, level_N, claim).bias == pytest.approx(thin + others)
        assert others > 0


@pytest.mark.parametrize("claim", CLAIMS)
def test_dissimilarities_written_out(claim: Claim) -> None:
    for layout, values_N, first_N, _ in WORLDS:
        table = slow_table(values_N, layout, first_N, claim)
        found = share.dissimilarity(values_N, layout, first_N, claim)
        assert found.plug_in == pytest.approx(table.plug_in)
        assert found.bias == pytest.approx(table.bias)
        assert found.standard_error == pytest.approx(np.sqrt(slow_variance(table.psi_N, layout, claim)))


@pytest.mark.parametrize("claim", CLAIMS)
def test_gains_written_out(claim: Claim) -> None:
    for one in WORLDS:
        plug_in, bias, error = slow_gain(one, claim)
        found = share.gain(one.values_N, one.layout, one.first_N[:, None], one.second_N, claim)
        assert found.plug_in == pytest.approx(plug_in)
        assert found.bias == pytest.approx(bias)
        assert found.standard_error == pytest.approx(error)


@pytest.mark.parametrize("claim", CLAIMS)
def test_shares_written_out(claim: Claim) -> None:
    """psi_share = (psi_z - (T / D)(s^2 - D)) / D, and T, b over D."""
    for layout, values_N, first_N, _ in WORLDS:
        table = slow_table(values_N, layout, first_N, claim)
        whole = float(layout.weight_N @ values_N**2)
        psi_N = (table.psi_N - table.plug_in / whole * (values_N**2 - whole)) / whole
        found = share.share(values_N, layout, first_N[:, None], claim)
        assert found.plug_in == pytest.approx(table.plug_in / whole)
        assert found.bias == pytest.approx(table.bias / whole)
        assert found.standard_error == pytest.approx(np.sqrt(slow_variance(psi_N, layout, claim)))


def test_critical_values() -> None:
    layout, _ = layout_of(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1] * 3))
    assert critical_value(layout, "fixed") == 1.96
    assert critical_value(layout, "random") == pytest.approx(4.3027, abs=1e-4)  # Student, 2 degrees of freedom


def test_interval_away_from_zero_by_hand() -> None:
    """T = 0.54, b = 0.04: r^2 = 0.5, atanh(r) -+ 1.96 x 0.05 / (2 r (1 - r^2))."""
    found = interval(0.54, 0.04, 0.05, 3, 1.96)
    r = np.sqrt(0.5)
    half = 1.96 * 0.05 / (2 * r * 0.5)
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx(
        (np.tanh(np.arctanh(r) - half) ** 2, np.tanh(np.arctanh(r) + half) ** 2)
    )
    assert not found.one_sided


@pytest.mark.parametrize(("plug_in", "critical"), [(0.012, 1.96), (0.03, 2.2), (0.001, 1.96)])
def test_interval_near_zero_against_the_noncentral_chi_square(plug_in: float, critical: float) -> None:
    """One-sided: the noncentrality at which the distribution leaves 2.5% below max(T, b), found by bisection."""
    bias, error, degrees = 0.01, 0.009, 3
    scale = bias / degrees
    if plug_in > bias:
        scale = max(scale, error**2 / (4 * plug_in))
    scale *= (critical / 1.96) ** 2
    freedom = bias / scale
    found = interval(plug_in, bias, error, degrees, critical)
    assert stats.chi2.cdf(plug_in / scale, freedom) <= 0.975
    at = max(plug_in, bias) / scale
    limit = optimize.brentq(lambda noncentrality: stats.ncx2.cdf(at, freedom, noncentrality) - 0.025, 1e-9, 200)
    assert found.one_sided
    assert (found.value, found.low) == pytest.approx((max(plug_in - bias, 0), 0))
    assert found.high == pytest.approx(min(scale * limit, 1.0), rel=1e-6)


def test_interval_of_certainty_ends_at_one() -> None:
    found = interval(0.99995, 1e-6, 0.001, 1, 1.96)
    assert found.high == 1.0
    assert found.low < 0.99995
