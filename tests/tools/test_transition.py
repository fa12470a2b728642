"""The windowed curve against sums over all outputs of a small exactly known sweep (Method, section 2)."""

import numpy as np
import pytest

from probes.scale import FloatArray, IntArray
from tools.transition import boundaries, default_window, peak, windowed_curve

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


def exact(before: tuple[int, ...], after: tuple[int, ...]) -> float:
    p, r = PROBABILITY_KX[list(before)].mean(axis=0), PROBABILITY_KX[list(after)].mean(axis=0)
    return float(((p - r) ** 2 / (p + r)).sum() / 2)


def sweep(prompts: int, draws: int) -> tuple[FloatArray, IntArray, IntArray]:
    rng = np.random.default_rng(3)
    checkpoints = len(PROBABILITY_KX)
    checkpoint_N = np.tile(np.repeat(np.arange(checkpoints), draws), prompts)
    prompt_N = np.repeat(np.arange(prompts), draws * checkpoints)
    output_N = np.array([rng.choice(4, p=PROBABILITY_KX[k]) for k in checkpoint_N])
    return np.log(PROBABILITY_KX.T[output_N]), prompt_N, checkpoint_N


def test_windows_are_alike_in_size_and_narrow_towards_the_ends() -> None:
    assert boundaries(5, 2) == [
        ((0,), (1,)),
        ((0, 1), (2, 3)),
        ((1, 2), (3, 4)),
        ((3,), (4,)),
    ]
    assert boundaries(3, 1) == [((0,), (1,)), ((1,), (2,))]
    assert boundaries(1, 1) == []
    assert (default_window(5), default_window(6)) == (1, 2)


@pytest.mark.parametrize("window", [1, 2])
def test_curve_is_the_exact_dissimilarity_within_its_error(window: int) -> None:
    curve = windowed_curve(*sweep(20, 40), "fixed", window)
    for boundary in curve:
        assert boundary.total is not None
        estimate = boundary.total["linear"]
        truth = exact(boundary.before, boundary.after)
        assert abs(estimate.value - truth) <= 4 * estimate.standard_error + 1e-12
    assert curve[0].linear == pytest.approx(0, abs=1e-9)
    assert peak(curve).after[0] == 3


def test_what_was_not_scored_has_no_total_and_is_no_peak() -> None:
    loglik_NK, prompt_N, checkpoint_N = sweep(4, 10)
    loglik_NK = loglik_NK.copy()
    loglik_NK[0, 3] = np.nan  # the first sample is of checkpoint 0: no window around boundary 2 or 3 holds it
    loglik_NK[checkpoint_N == 3, 2] = np.nan
    curve = windowed_curve(loglik_NK, prompt_N, checkpoint_N, "fixed", 1)
    assert [boundary.total is None for boundary in curve] == [False, False, True, False]
    assert peak(curve).before == (1,)


def test_a_sweep_without_any_boundary_has_no_peak() -> None:
    for curve in ([], windowed_curve(np.full((2, 2), np.nan), np.zeros(2, int), np.arange(2), "fixed")):
        with pytest.raises(ValueError, match="no boundary"):
            peak(curve)
