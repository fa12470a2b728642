"""The curve from per-stratum sums: against sums over all outputs, and boundary by boundary against the estimators
of two sides (Method, sections 2 and 5)."""

import numpy as np
import pytest
from scipy import stats

from probes.scale import FloatArray, IntArray
from tools.curve_sums import CurveSums, Strata, Windows, sums_of_loglik
from tools.discriminator import bounds_of
from tools.dissimilarity import totals
from tools.evidence import side_mixtures, signed_evidence
from tools.layout import FEWEST_PROMPTS, Claim, layout_of
from tools.windowed_curve import WindowedCurve, largest

# Four outputs under five checkpoints: nothing moves, then the third boundary jumps.
PROBABILITY_KX = np.array(
    [
        [0.7, 0.1, 0.1, 0.1],
        [0.7, 0.1, 0.1, 0.1],
        [0.6, 0.2, 0.1, 0.1],
        [0.1, 0.1, 0.2, 0.6],
        [0.1, 0.1, 0.1, 0.7],
    ]
)
Samples = tuple[FloatArray, IntArray, IntArray]


def exact(before: tuple[int, ...], after: tuple[int, ...]) -> float:
    p, r = PROBABILITY_KX[list(before)].mean(axis=0), PROBABILITY_KX[list(after)].mean(axis=0)
    return float(((p - r) ** 2 / (p + r)).sum() / 2)


def sweep(prompts: int, draws: int) -> Samples:
    rng = np.random.default_rng(3)
    checkpoints = len(PROBABILITY_KX)
    checkpoint_N = np.tile(np.repeat(np.arange(checkpoints), draws), prompts)
    prompt_N = np.repeat(np.arange(prompts), draws * checkpoints)
    output_N = np.array([rng.choice(4, p=PROBABILITY_KX[k]) for k in checkpoint_N])
    return np.log(PROBABILITY_KX.T[output_N]), prompt_N, checkpoint_N


def ragged(seed: int, *, prompts: int, checkpoints: int, most: int) -> Samples:
    """0 to `most` samples a prompt and checkpoint, in any order, with log-likelihoods that mean nothing."""
    rng = np.random.default_rng(seed)
    count_QK = rng.integers(0, most + 1, size=(prompts, checkpoints))
    cell_N = rng.permutation(np.repeat(np.arange(count_QK.size), count_QK.reshape(-1)))
    loglik_NK = rng.normal(-30, 1.5, size=(len(cell_N), checkpoints))
    return loglik_NK, 10 * (cell_N // checkpoints), cell_N % checkpoints


def curve_of(samples: Samples, claim: Claim, window: int) -> WindowedCurve:
    return WindowedCurve(sums_of_loglik(*samples, window), claim)


def test_windows_are_alike_in_size_and_narrow_towards_the_ends() -> None:
    windows = Windows(5, 2)
    assert [windows.sides(boundary) for boundary in range(4)] == [
        ((0,), (1,)),
        ((0, 1), (2, 3)),
        ((1, 2), (3, 4)),
        ((3,), (4,)),
    ]
    assert [Windows(3, 1).sides(boundary) for boundary in range(2)] == [((0,), (1,)), ((1,), (2,))]
    assert Windows(1, 1).boundaries == 0


@pytest.mark.parametrize("window", [1, 2, 3])
def test_a_place_of_a_window_belongs_to_the_boundaries_whose_window_holds_it(window: int) -> None:
    windows = Windows(9, window)
    seen = set()
    for place in range(windows.places):
        boundary_K, width_K = windows.boundary_at(np.arange(9), place)
        seen |= {(k, int(boundary_K[k]), place < window) for k in range(9) if width_K[k]}
    expected = set()
    for boundary in range(8):
        for side, checkpoints in zip((True, False), windows.sides(boundary), strict=True):
            expected |= {(k, boundary, side) for k in checkpoints}
    assert seen == expected


@pytest.mark.parametrize("window", [1, 2])
def test_curve_is_the_exact_dissimilarity_within_its_error(window: int) -> None:
    curve = curve_of(sweep(20, 40), "fixed", window).boundaries()
    for boundary in curve:
        assert boundary.total is not None
        estimate = boundary.total["linear"]
        truth = exact(boundary.before, boundary.after)
        assert abs(estimate.value - truth) <= 4 * estimate.standard_error + 1e-12
    assert curve[0].linear == pytest.approx(0, abs=1e-9)
    assert largest(curve).after[0] == 3


@pytest.mark.parametrize("claim", ["fixed", "random"])
@pytest.mark.parametrize(("window", "most"), [(1, 1), (1, 4), (2, 2), (3, 5)])
def test_every_boundary_is_that_of_the_two_sides_alone(claim: Claim, window: int, most: int) -> None:
    """Values and intervals agree with the estimators that see the samples, gaps and single samples included."""
    for seed in range(3):
        loglik_NK, prompt_N, checkpoint_N = ragged(seed, prompts=7, checkpoints=8, most=most)
        for boundary in curve_of((loglik_NK, prompt_N, checkpoint_N), claim, window).boundaries():
            inside = np.flatnonzero(np.isin(checkpoint_N, boundary.before + boundary.after))
            side_M = np.isin(checkpoint_N[inside], boundary.after).astype(np.int64)
            layout, kept_M = layout_of(prompt_N[inside], side_M, checkpoint_N[inside])
            s_M = signed_evidence(*side_mixtures(loglik_NK[inside[kept_M]], boundary.before, boundary.after))
            if layout.prompts < FEWEST_PROMPTS[claim]:
                assert boundary.total is None
                continue
            assert boundary.total is not None
            for kind, estimate in totals(s_M, layout, claim).items():
                found = boundary.total[kind]
                assert (found.value, found.low, found.high) == pytest.approx(
                    (estimate.value, estimate.low, estimate.high), abs=1e-9
                )


def test_blocks_and_chosen_rows_change_nothing() -> None:
    loglik_NK, prompt_N, checkpoint_N = ragged(1, prompts=9, checkpoints=7, most=4)
    whole = sums_of_loglik(loglik_NK, prompt_N, checkpoint_N, 2)
    pieces = sums_of_loglik(loglik_NK, prompt_N, checkpoint_N, 2, block_numbers=50)
    assert pieces.sum_DSO == pytest.approx(whole.sum_DSO)
    assert pieces.product_SOO == pytest.approx(whole.product_SOO)
    row_N = np.flatnonzero(np.arange(len(loglik_NK)) % 3)
    chosen = sums_of_loglik(loglik_NK, prompt_N[row_N], checkpoint_N[row_N], 2, row_N, block_numbers=90)
    alone = sums_of_loglik(loglik_NK[row_N], prompt_N[row_N], checkpoint_N[row_N], 2)
    assert chosen.sum_DSO == pytest.approx(alone.sum_DSO)


def test_what_was_not_scored_has_no_total_and_is_no_peak() -> None:
    loglik_NK, prompt_N, checkpoint_N = sweep(4, 10)
    loglik_NK = loglik_NK.copy()
    loglik_NK[0, 3] = np.nan  # the first sample is of checkpoint 0: no window around boundary 2 or 3 holds it
    loglik_NK[checkpoint_N == 3, 2] = np.nan
    curve = curve_of((loglik_NK, prompt_N, checkpoint_N), "fixed", 1).boundaries()
    assert [boundary.total is None for boundary in curve] == [False, False, True, False]
    assert largest(curve).before == (1,)


@pytest.mark.parametrize("window", [1, 2])
def test_a_log_likelihood_of_minus_infinity_is_a_probability_of_zero(window: int) -> None:
    """Against sums over all outputs, where half of what one checkpoint says the next cannot say."""
    probability_KX = np.array([[0.5, 0.5, 0.0], [0.4, 0.6, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    rng = np.random.default_rng(0)
    prompt_N, checkpoint_N = np.divmod(np.arange(8000) // 1000, 4)
    output_N = np.array([rng.choice(3, p=probability_KX[k]) for k in checkpoint_N])
    with np.errstate(divide="ignore"):
        loglik_NK = np.log(probability_KX.T)[output_N]
    loglik_NK[0] = -np.inf  # drawn, and yet impossible everywhere: where a window is of such, it is a gap
    for boundary in curve_of((loglik_NK, prompt_N, checkpoint_N), "fixed", window).boundaries():
        if 0 in boundary.before:
            assert boundary.total is None
            continue
        assert boundary.total is not None
        p_X, r_X = (probability_KX[list(side)].mean(axis=0) for side in (boundary.before, boundary.after))
        m_X = (p_X + r_X) / 2
        eta_X = np.divide(p_X / 2, m_X, out=np.zeros(3), where=m_X > 0)
        entropy_X = -sum(
            np.where(one > 0, one * np.log2(np.maximum(one, 1e-300)), 0) for one in (eta_X, 1 - eta_X)
        )
        expected = {
            "linear": m_X @ (2 * eta_X - 1) ** 2,
            "js": m_X @ (1 - entropy_X),
            "tv": np.abs(p_X - r_X).sum() / 2,
        }
        for kind, estimate in boundary.total.items():
            assert abs(estimate.value - expected[kind]) <= 4 * estimate.standard_error + 1e-9


def test_a_sweep_without_any_boundary_has_no_peak() -> None:
    for loglik_NK in (np.full((2, 2), np.nan), np.zeros((2, 1))):
        samples = (loglik_NK, np.zeros(2, int), np.arange(2) % loglik_NK.shape[1])
        with pytest.raises(ValueError, match="no boundary"):
            largest(curve_of(samples, "fixed", 1).boundaries())


def test_held_out_scores_have_the_lower_limits_of_a_discriminator() -> None:
    _, prompt_N, checkpoint_N = ragged(5, prompts=9, checkpoints=2, most=6)
    layout, kept_N = layout_of(prompt_N, checkpoint_N)
    eta_N = np.random.default_rng(0).uniform(0.05, 0.95, layout.samples)
    l_N = 2 * layout.label_N * (2 * eta_N - 1) - (2 * eta_N - 1) ** 2
    sums = CurveSums.empty(Windows(2, 1), Strata.of(prompt_N, checkpoint_N, 2))
    value_DON = np.zeros((3, 2, len(prompt_N)))
    value_DON[0, checkpoint_N[kept_N], kept_N] = l_N
    sums.add(sums.strata.stratum_N, value_DON)
    total = WindowedCurve(sums, "fixed", lower_bound=True).totals(0)
    expected = bounds_of(eta_N, layout, np.ones(layout.samples, dtype=bool)).linear
    assert total is not None
    assert total["linear"].high is None
    assert (total["linear"].value, total["linear"].low) == pytest.approx((expected.value, expected.low))


@pytest.mark.parametrize("window", [1, 2])
def test_resamples_of_prompts_are_those_of_the_curve_of_the_drawn_prompts(window: int) -> None:
    """The spread of the resamples is the standard error, and their correlation that of the prompts' own curves."""
    samples = ragged(2, prompts=40, checkpoints=6, most=3)
    curve = curve_of(samples, "random", window)
    deviation_RB = curve.deviations(4000, seed=0)
    assert deviation_RB.std(axis=0) == pytest.approx(curve.error_DB[0], rel=0.1)
    assert deviation_RB.mean(axis=0) == pytest.approx(0, abs=0.2 * curve.error_DB[0].max())


def test_resamples_without_any_prompt_of_a_boundary_do_not_narrow_it() -> None:
    """20 prompts, of which two have samples of checkpoint 2: every eighth drawing holds neither of the two."""
    prompt_N = np.concatenate([np.repeat(np.arange(20), 2), np.arange(2)])
    checkpoint_N = np.concatenate([np.tile([0, 1], 20), [2, 2]])
    loglik_NK = np.random.default_rng(0).normal(-30, 1.0, size=(len(prompt_N), 3))
    curve = curve_of((loglik_NK, prompt_N, checkpoint_N), "random", 1)
    assert curve.prompts_B.tolist() == [20, 2]
    deviation_R = curve.deviations(20_000, seed=0)[:, 1]
    drawn = np.arange(1, 21)
    present = stats.binom.pmf(drawn, 20, 2 / 20) / stats.binom.sf(0, 20, 2 / 20)
    # the mean of n picks from two values has 1 / n of their variance, which is the square of the standard error
    variance = curve.error_DB[0, 1] ** 2 * (present / drawn).sum() * 2
    assert deviation_R.var() == pytest.approx(variance, rel=0.05)
    assert (np.abs(deviation_R) < 1e-9).mean() == pytest.approx(
        sum(p * stats.binom.pmf(n / 2, n, 0.5) for n, p in zip(drawn, present, strict=True) if n % 2 == 0),
        abs=0.01,
    )


@pytest.mark.parametrize("window", [1, 2])
def test_resamples_within_strata_have_the_covariance_of_samples_drawn_again(window: int) -> None:
    rng = np.random.default_rng(0)
    prompt_N, checkpoint_N = (np.repeat(one, 40) for one in np.divmod(np.arange(30), 6))
    loglik_NK = rng.normal(-30, 1.0, size=(len(prompt_N), 6))
    curve = curve_of((loglik_NK, prompt_N, checkpoint_N), "fixed", window)
    deviation_RB = curve.deviations(4000, seed=0)
    assert deviation_RB.std(axis=0) == pytest.approx(curve.error_DB[0], rel=0.1)
    drawn_again = []
    for _ in range(600):
        row_N = 40 * np.arange(30)[:, None] + rng.integers(40, size=(30, 40))
        again = (loglik_NK[row_N.reshape(-1)], prompt_N, checkpoint_N)
        drawn_again.append(curve_of(again, "fixed", window).value_DB[0])
    expected_BB, found_BB = (np.atleast_2d(np.corrcoef(one.T)) for one in (np.array(drawn_again), deviation_RB))
    assert np.abs(found_BB - expected_BB).max() < 0.2
    assert found_BB[1, 2] > 0.2 if window == 2 else abs(found_BB[0, 2]) < 0.1
