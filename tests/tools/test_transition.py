"""Peaks of curves that are known: which stand out, where they are, how wide; and the study's small version."""

import numpy as np
import pytest

from probes.scale import FloatArray
from tools.curve_sums import CurveSums, Strata, Windows
from tools.transition import default_window, transitions_of, widest_window, widths_at_half_height
from tools.windowed_curve import WindowedCurve


def curve_with(value_B: FloatArray, spread: float, *, prompts: int = 30, seed: int = 0) -> WindowedCurve:
    """A curve with window 1 whose points are these, from prompts that scatter around them."""
    rng = np.random.default_rng(seed)
    boundaries = len(value_B)
    prompt_N, checkpoint_N = (part.reshape(-1) for part in np.indices((prompts, boundaries + 1)))
    sums = CurveSums.empty(Windows(boundaries + 1, 1), Strata.of(prompt_N, checkpoint_N, boundaries + 1))
    scatter_QB = rng.normal(0, spread, size=(prompts, boundaries))
    value_QB = value_B + scatter_QB - scatter_QB.mean(axis=0)
    value_DON = np.zeros((3, 2, len(prompt_N)))
    after_N, before_N = checkpoint_N > 0, checkpoint_N < boundaries
    value_DON[:, 1, after_N] = value_QB[prompt_N[after_N], checkpoint_N[after_N] - 1]
    value_DON[:, 0, before_N] = value_QB[prompt_N[before_N], checkpoint_N[before_N]]
    sums.add(sums.strata.stratum_N, value_DON)
    return WindowedCurve(sums, "random")


CONTROL_K = np.linspace(0.0, 20.0, 21)
HAT_B = np.maximum(0.02, 0.8 - 0.2 * np.abs(np.arange(20) - 8.0))
"""A triangle with its top at boundary 8, control value 8.5, and 3.9 wide at half height."""


def test_windows_by_the_number_of_checkpoints() -> None:
    assert (default_window(5), default_window(6)) == (1, 2)
    assert [widest_window(checkpoints) for checkpoints in (2, 3, 5, 6, 9, 10, 41)] == [1, 1, 1, 2, 2, 3, 10]
    for checkpoints in range(3, 60):
        width_B = Windows(checkpoints, widest_window(checkpoints)).width_B
        assert (width_B == width_B.max()).sum() > len(width_B) / 2
        wider_B = Windows(checkpoints, widest_window(checkpoints) + 1).width_B
        assert (wider_B == widest_window(checkpoints) + 1).sum() <= len(wider_B) / 2


def test_a_hat_has_one_peak_with_its_place_height_and_width() -> None:
    found = transitions_of(curve_with(HAT_B, 0.05), CONTROL_K, seed=0)
    assert found.baseline == pytest.approx(0.02)
    (peak,) = found.peaks
    assert (peak.boundary, peak.low, peak.high) == (8, 8, 8)
    assert peak.height == pytest.approx(0.78)
    assert 0.7 < peak.height_low < 0.78
    assert peak.width == pytest.approx(0.78 / 2 / 0.2 * 2)
    assert peak.width_low <= peak.width <= peak.width_high
    assert peak.width_high - peak.width_low < 0.6


def test_places_that_can_not_be_told_apart_are_all_within_the_interval() -> None:
    value_B = np.full(20, 0.02)
    value_B[8:11] = 0.5, 0.501, 0.5
    (peak,) = transitions_of(curve_with(value_B, 0.2), CONTROL_K, seed=0).peaks
    assert (peak.low, peak.boundary, peak.high) == (8, 9, 10)


def test_two_hats_are_two_peaks_and_a_dent_is_none() -> None:
    two_B = np.maximum(HAT_B, 0.6 - 0.2 * np.abs(np.arange(20) - 15.0))
    found = transitions_of(curve_with(two_B, 0.05), CONTROL_K, seed=0)
    assert [peak.boundary for peak in found.peaks] == [8, 15]
    assert found.peaks[1].low >= 13
    dented_B = HAT_B.copy()
    dented_B[8] = 0.55
    assert [peak.boundary for peak in transitions_of(curve_with(dented_B, 0.02), CONTROL_K, seed=0).peaks] == [7]
    uncertain_B = np.maximum(HAT_B, 0.4 - 0.1 * np.abs(np.arange(20) - 13.0))
    uncertain = transitions_of(curve_with(uncertain_B, 1.0, prompts=12), CONTROL_K, seed=0)
    assert len(uncertain.peaks) <= 1


@pytest.mark.parametrize(
    ("value_B", "spread"),
    [
        (np.zeros(20), 0.0),  # nothing moves at all
        (np.where(np.arange(20) == 4, 1e-6, 1e-9), 0.0),  # a difference in the last digits
        (np.where(np.arange(20) == 4, 0.15, 0.1), 0.001),  # sure, but not twice the baseline
        (np.where(np.arange(20) == 4, 0.3, 0.1), 0.5),  # large, but not sure
        (np.where(np.arange(20) == 4, 0.009, 0.001), 0.0001),  # sure and relatively large, but tiny
    ],
)
def test_what_does_not_stand_out_is_no_transition(value_B: FloatArray, spread: float) -> None:
    assert transitions_of(curve_with(value_B, spread), CONTROL_K, seed=0).peaks == ()


def test_noise_alone_stands_out_in_five_percent_at_most() -> None:
    """A flat curve with much noise, so that nothing but the test of the difference keeps peaks away."""
    said = 0
    rng = np.random.default_rng(1)
    for world in range(120):
        value_B = np.maximum(0.1 + rng.normal(0, 0.05, size=20), 0.0)
        said += bool(
            transitions_of(
                curve_with(value_B, 0.05 * np.sqrt(20), prompts=20, seed=world), CONTROL_K, 0, 199
            ).peaks
        )
    assert said <= 11  # 5% of 120 within 2.5 standard deviations


def test_a_sweep_that_ends_before_its_half_has_no_width() -> None:
    rising_B = np.where(np.arange(20) >= 17, 0.7, 0.02)
    (peak,) = transitions_of(curve_with(rising_B, 0.02), CONTROL_K, seed=0).peaks
    assert np.isnan(peak.width)
    assert (peak.open_start, peak.open_end) == (False, True)
    first_B = np.where(np.arange(20) == 0, 0.7, 0.02)
    (peak,) = transitions_of(curve_with(first_B, 0.02), CONTROL_K, seed=0).peaks
    assert (peak.boundary, peak.open_start, peak.open_end) == (0, True, False)
    (peak,) = transitions_of(curve_with(HAT_B, 0.05), CONTROL_K, seed=0).peaks
    assert (peak.open_start, peak.open_end) == (False, False)


def test_widths_of_triangles_in_units_of_the_control_parameter() -> None:
    """Against the crossing points of the straight lines, at uneven places."""
    at_B = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    curve_RB = np.array([[0.0, 0.0, 0.4, 1.0, 0.2, 0.0, 0.0], [0.0, 0.1, 0.1, 0.1, 0.9, 0.3, 0.1]])
    widths = widths_at_half_height(curve_RB, np.array([3, 4]), at_B)
    # medians 0 and 0.1: halves 0.5 and 0.5
    first = (4 + 4 * (1.0 - 0.5) / (1.0 - 0.2)) - (2 + 2 * (0.5 - 0.4) / (1.0 - 0.4))
    second = (8 + 8 * (0.9 - 0.5) / (0.9 - 0.3)) - (4 + 4 * (0.5 - 0.1) / (0.9 - 0.1))
    assert widths == pytest.approx([first, second])
    assert np.isnan(widths_at_half_height(np.array([[0.9, 0.8, 0.1, 0.0, 0.0, 0.0, 0.0]]), np.array([0]), at_B))


def test_a_curve_without_a_measured_boundary_is_refused() -> None:
    curve = curve_with(HAT_B, 0.05)
    curve.sums.missing_B[:] = True
    with pytest.raises(ValueError, match="no boundary"):
        transitions_of(curve, CONTROL_K, seed=0)


def test_gaps_are_left_out() -> None:
    curve = curve_with(HAT_B, 0.05)
    curve.sums.missing_B[[0, 9]] = True
    (peak,) = transitions_of(curve, CONTROL_K, seed=0).peaks
    assert peak.boundary == 8
