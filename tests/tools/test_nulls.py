"""Null versions against brute force: each resample computed again as a data set of its own (Method, section 5)."""

from functools import partial
from itertools import permutations, product

import numpy as np
import pytest

from probes.scale import FloatArray, IntArray
from tools import bias, nulls, prompt_flips
from tools.cells import sums_of
from tools.layout import Claim, Layout, layout_of
from tools.share import joint_cells, refine

VERSIONS = 7


def world(seed: int, prompts: int = 5, checkpoints: int = 2) -> tuple[Layout, FloatArray, IntArray]:
    """Unequal counts (single samples among them), values, and levels of four candidates, one with missing ones."""
    rng = np.random.default_rng(seed)
    count = prompts * 14
    layout, _ = layout_of(
        rng.integers(0, prompts, count), rng.integers(0, 2, count), rng.integers(0, checkpoints, count)
    )
    n = layout.samples
    levels_NJ = np.stack([rng.integers(0, size, n) for size in (2, 3, 5, 2)], axis=1)
    levels_NJ[rng.random(n) < 0.2, 3] = -1
    values_N = np.tanh(rng.normal(0, 1, n) + 0.5 * (levels_NJ[:, 0] - 0.5))
    return layout, values_N, levels_NJ


def case_of(layout: Layout, set_levels_NS: IntArray, levels_N: IntArray, claim: Claim) -> nulls._Case:
    (case,) = nulls._cases(layout, set_levels_NS, levels_N[:, None], claim)
    return case


def dissimilarity_of(values_M: FloatArray, layout: Layout, cell_M: IntArray, claim: Claim) -> float:
    return float(bias.corrected_dissimilarity(sums_of(values_M, layout, cell_M), claim)[0])


def gain_of(values_M: FloatArray, layout: Layout, parent_M: IntArray, cell_M: IntArray, claim: Claim) -> float:
    return float(bias.corrected_gain(refine(values_M, layout, parent_M, cell_M), claim)[0])


@pytest.mark.parametrize("candidate", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_prompt_flips_equal_flipped_data(seed: int, candidate: int) -> None:
    layout, values_N, levels_NJ = world(seed)
    case = case_of(layout, levels_NJ[:, :1], levels_NJ[:, candidate], "random")
    sign_RQ = np.random.default_rng(9).choice([-1.0, 1.0], (VERSIONS, layout.prompts))
    values_M = values_N[case.mask_N]
    null = nulls._PromptFlips(layout, sign_RQ, values_M, case)
    cell_M = case.cells[0]
    flipped_RM = (sign_RQ[:, layout.prompt_N] * values_N)[:, case.mask_N]
    assert null.dissimilarity(cell_M) == pytest.approx(
        [dissimilarity_of(v, case.layout, cell_M, "random") for v in flipped_RM], abs=1e-12
    )
    assert null.gain(cell_M) == pytest.approx(
        [gain_of(v, case.layout, case.parent_M, cell_M, "random") for v in flipped_RM], abs=1e-12
    )


def test_sparse_and_dense_prompt_tables_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, values_N, levels_NJ = world(3)
    sign_QR = np.random.default_rng(9).choice([-1.0, 1.0], (layout.prompts, VERSIONS))
    table = prompt_flips.prompt_table(values_N, layout, joint_cells(levels_NJ[:, :3]))
    results = []
    for border in (0.0, 2.0):
        monkeypatch.setattr(prompt_flips, "DENSE", border)
        results.append(prompt_flips.corrected_dissimilarity(prompt_flips.Flipped(table, sign_QR)))
    assert results[0] == pytest.approx(results[1], abs=1e-13)


@pytest.mark.parametrize("candidate", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_sample_flips_equal_flipped_data(seed: int, candidate: int) -> None:
    layout, values_N, levels_NJ = world(seed)
    case = case_of(layout, levels_NJ[:, :1], levels_NJ[:, candidate], "fixed")
    sign_RN = np.random.default_rng(9).choice([-1.0, 1.0], (VERSIONS, layout.samples))
    null = nulls._SampleFlips(sign_RN, values_N[case.mask_N], case)
    cell_M = case.cells[0]
    flipped_RM = (sign_RN * values_N)[:, case.mask_N]
    assert null.dissimilarity(cell_M) == pytest.approx(
        [dissimilarity_of(v, case.layout, cell_M, "fixed") for v in flipped_RM], abs=1e-12
    )
    assert null.gain(cell_M) == pytest.approx(
        [gain_of(v, case.layout, case.parent_M, cell_M, "fixed") for v in flipped_RM], abs=1e-12
    )


@pytest.mark.parametrize("candidate", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_permutations_equal_permuted_data(seed: int, candidate: int) -> None:
    layout, _, levels_NJ = world(seed)
    case = case_of(layout, levels_NJ[:, :1], levels_NJ[:, candidate], "fixed")
    key_RN = np.random.default_rng(9).random((VERSIONS, layout.samples))
    null = nulls._Permuted(key_RN, layout.label_N[case.mask_N], case)
    cell_M = case.cells[0]
    dissimilarities, gains = [], []
    for key_M in key_RN[:, case.mask_N]:
        side_M, checkpoint_M = case.layout.side_N.copy(), case.layout.checkpoint_N.copy()
        for group in set(zip(case.layout.prompt_N.tolist(), case.parent_M.tolist(), strict=True)):
            # Rows of the group take its strata, in their order, by rank of their keys.
            rows = np.flatnonzero((case.layout.prompt_N == group[0]) & (case.parent_M == group[1]))
            strata = case.layout.stratum_N[rows]
            taken = dict(zip(rows[np.argsort(key_M[rows])].tolist(), strata.tolist(), strict=True))
            for row, stratum in taken.items():
                example = int(np.flatnonzero(case.layout.stratum_N == stratum)[0])
                side_M[row] = case.layout.side_N[example]
                checkpoint_M[row] = case.layout.checkpoint_N[example]
        permuted = Layout(case.layout.prompt_N, side_M, checkpoint_M)
        dissimilarities.append(dissimilarity_of(permuted.label_N, permuted, cell_M, "fixed"))
        gains.append(gain_of(permuted.label_N, permuted, case.parent_M, cell_M, "fixed"))
    assert null.dissimilarity(cell_M) == pytest.approx(dissimilarities, abs=1e-12)
    assert null.gain(cell_M) == pytest.approx(gains, abs=1e-12)


def test_pieces_of_the_draws_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, values_N, levels_NJ = world(4)
    claims: list[Claim] = ["fixed", "random"]
    for claim, black_box in product(claims, (True, False)):
        gains = partial(
            nulls.null_gains,
            values_N,
            layout,
            levels_NJ[:, :1],
            levels_NJ,
            claim,
            black_box=black_box,
            seed=5,
            resamples=40,
        )
        whole = gains()
        monkeypatch.setattr(nulls, "DRAWS_HELD", 7 * nulls.SMALLEST_WIDTH)
        in_pieces = gains()
        monkeypatch.undo()
        assert in_pieces.null_JR == pytest.approx(whole.null_JR, abs=1e-13)
        assert whole.new_cells_J[0] == 0
        assert not whole.null_JR[0].any()


def test_permutation_p_value_against_all_permutations() -> None:
    """Two prompts with three samples a side: all 20 x 20 labelings can be enumerated."""
    prompt_N = np.repeat([0, 1], 6)
    side_N = np.tile([0, 0, 0, 1, 1, 1], 2)
    layout, _ = layout_of(prompt_N, side_N)
    level_N = np.array([0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1])
    observed = dissimilarity_of(layout.label_N, layout, level_N, "fixed")
    labelings = sorted(set(permutations([0, 0, 0, 1, 1, 1])))
    reached = []
    for first, second in product(labelings, labelings):
        permuted = Layout(prompt_N, np.array([*first, *second]), layout.checkpoint_N)
        reached.append(dissimilarity_of(permuted.label_N, permuted, level_N, "fixed") >= observed - 1e-12)
    exact = float(np.mean(reached))
    p = nulls.p_values(layout.label_N, layout, level_N[:, None], "fixed", black_box=True, seed=1, resamples=20_000)
    assert p[0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))
    assert 0.05 < exact < 0.95


def test_prompt_flip_p_value_against_all_flips() -> None:
    layout, values_N, levels_NJ = world(6, prompts=8, checkpoints=1)
    observed = dissimilarity_of(values_N, layout, levels_NJ[:, 0], "random")
    flips = [
        dissimilarity_of(np.array(sign_Q)[layout.prompt_N] * values_N, layout, levels_NJ[:, 0], "random")
        for sign_Q in product([-1.0, 1.0], repeat=layout.prompts)
    ]
    exact = float(np.mean(np.array(flips) >= observed - 1e-12))
    p = nulls.p_values(values_N, layout, levels_NJ[:, :1], "random", black_box=False, seed=1, resamples=20_000)
    assert p[0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000) + 1e-4)


def test_one_level_has_p_1_and_too_few_prompts_too() -> None:
    layout, values_N, levels_NJ = world(7)
    levels_NJ = levels_NJ.copy()
    levels_NJ[:, 0] = 2
    levels_NJ[layout.prompt_N > 0, 1] = -1
    p_J = nulls.p_values(values_N, layout, levels_NJ[:, :2], "random", black_box=False, seed=1)
    assert p_J.tolist() == [1.0, 1.0]


def test_q_values_by_hand() -> None:
    """Benjamini and Hochberg: min over larger p of p m / rank."""
    assert nulls.q_values(np.array([0.01, 0.5, 0.03, 1.0])) == pytest.approx([0.04, 2 / 3, 0.06, 1.0])
    assert nulls.q_values(np.empty(0)).shape == (0,)
