"""Transitions along a sweep: the peaks of its curve that stand above its baseline, where they are and how wide.

The baseline is the curve's median over boundaries. A peak stands above it if, at once for all boundaries, the 95%
lower limit of their difference is above 0: the critical value is that of the largest deviation over boundaries in
resamples of the whole curve, so that a sweep of a hundred boundaries is not wrong more often than one of five.
With very many samples any curve differs from a flat one: a peak must also be twice the baseline (in odds, as a
dissimilarity ends at 1) and `SMALLEST_HEIGHT` above it. Source: Method, section 2.
Axes: B boundaries that are measured, R resamples, K checkpoints.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from probes.scale import FloatArray, IntArray
from tools.windowed_curve import RESAMPLES, WindowedCurve

WIDE_WINDOW_FROM = 6
"""Checkpoints from which on a window of 2 fits; 1 below."""

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
TIMES_BASELINE = 2.0
SMALLEST_HEIGHT = 0.01
SMALLEST_FALL = 0.25
"""By how much of its height the curve must fall between a peak and a higher one."""

LUCK = 1.5
"""Of readers: how well one has learned differs from place to place, and no resample of its scores knows. By
simulation, slow drifts then seem to have a transition in 3% of sweeps, without it in up to 25%."""

# Interface


@dataclass(frozen=True)
class Peak:
    """A peak of the curve that stands above its baseline.

    boundary: between the checkpoints `boundary` and `boundary + 1`. low, high: the first and the last boundary
    where it may be, 95%. height: above the baseline; height_low: its lower limit, at once for all boundaries.
    width: at half height, in units of the control parameter, and its 95% limits; NaN where the curve ends before
    it falls to half. open_start, open_end: on which side it does.
    """

    boundary: int
    low: int
    high: int
    height: float
    height_low: float
    width: float
    width_low: float
    width_high: float
    open_start: bool = False
    open_end: bool = False


@dataclass(frozen=True)
class Transitions:
    """What a curve says of transitions. baseline: its median. peaks: the highest first; none: no transition."""

    baseline: float
    peaks: tuple[Peak, ...]


def default_window(checkpoints: int) -> int:
    """2 checkpoints a side, 1 where the sweep has fewer than `WIDE_WINDOW_FROM`."""
    return 2 if checkpoints >= WIDE_WINDOW_FROM else 1


def widest_window(checkpoints: int) -> int:
    """The widest window that most boundaries have whole: else the baseline would be of narrower ones, and a drift,
    which a wider window sees more of, would seem to have a peak in the middle."""
    return max((checkpoints + 2) // 4, 1)


def transitions_of(
    curve: WindowedCurve, control_K: FloatArray, seed: int, resamples: int = RESAMPLES
) -> Transitions:
    """The transitions of a sweep with rising values of the control parameter [K].

    Raises ValueError where no boundary is measured.
    """
    measured = np.flatnonzero(curve.measured_B)
    if not len(measured):
        raise ValueError("no boundary of the sweep has samples that are scored under both its sides")
    resampled = _Resampled.of(
        curve.value_DB[0, measured],
        curve.deviations(resamples, seed)[:, measured],
        prompts=int(curve.prompts_B[measured].min()) if curve.claim == "random" else None,
        luck=LUCK if curve.lower_bound else 0.0,
    )
    at_B = (control_K[measured] + control_K[measured + 1]) / 2
    tops = resampled.separate_tops()
    return Transitions(resampled.baseline, tuple(_peak(resampled, top, tops, at_B, measured) for top in tops))


# Implementation


@dataclass(frozen=True, eq=False)
class _Resampled:
    """A curve, its resamples less it, and what follows for all boundaries at once.

    error_B: standard error of the height above the baseline. critical: how many of them the largest deviation
    over boundaries reaches in 5% of resamples.
    """

    value_B: FloatArray
    deviation_RB: FloatArray
    error_B: FloatArray
    critical: float

    @classmethod
    def of(cls, value_B: FloatArray, deviation_RB: FloatArray, prompts: int | None, luck: float) -> "_Resampled":
        """prompts: drawn again, where they were; few of them have the heavier tails of Student's t. luck: by how
        much of the curve's scatter around its median no place can be trusted, whatever its resamples say."""
        curve_RB = value_B + deviation_RB
        height_RB = curve_RB - np.median(curve_RB, axis=1)[:, None]
        moved_RB = height_RB - (value_B - np.median(value_B))
        error_B = moved_RB.std(axis=0)
        largest_R = (moved_RB / np.where(error_B > 0, error_B, np.inf)).max(axis=1)
        critical = float(np.quantile(largest_R, LEVEL))
        if prompts is not None:
            critical = float(stats.t.isf(stats.norm.sf(critical), prompts - 1))
        scatter = stats.median_abs_deviation(value_B, scale="normal")
        return cls(value_B, deviation_RB, np.hypot(error_B, luck * scatter), critical)

    @cached_property
    def curve_RB(self) -> FloatArray:
        return self.value_B + self.deviation_RB

    @property
    def baseline(self) -> float:
        return float(np.median(self.value_B))

    @property
    def height_B(self) -> FloatArray:
        return self.value_B - self.baseline

    @property
    def height_low_B(self) -> FloatArray:
        return self.height_B - self.critical * self.error_B

    def separate_tops(self) -> list[int]:
        """Boundaries of the peaks, the highest first."""
        odds_B = self.value_B / np.maximum(1 - self.value_B, 1e-12)
        stands_B = (
            (self.height_low_B > 0)
            & (self.height_B >= SMALLEST_HEIGHT)
            & (odds_B >= TIMES_BASELINE * max(self.baseline, 0.0) / max(1 - self.baseline, 1e-12))
        )
        tops: list[int] = []
        for place in np.argsort(-self.value_B, kind="stable").tolist():
            if stands_B[place] and all(self._apart(place, top) for top in tops):
                tops.append(place)
        return tops

    def valley(self, one: int, other: int) -> int:
        """The lowest place between two."""
        first, last = min(one, other), max(one, other)
        return first + int(np.argmin(self.value_B[first : last + 1]))

    def _apart(self, lesser: int, higher: int) -> bool:
        """Whether the curve falls, between two places, by `SMALLEST_FALL` of the lesser's height, surely so."""
        valley = self.valley(lesser, higher)
        fall = float(self.value_B[lesser] - self.value_B[valley])
        error = float((self.deviation_RB[:, lesser] - self.deviation_RB[:, valley]).std())
        return fall >= SMALLEST_FALL * self.height_B[lesser] and fall > self.critical * error


def _peak(resampled: _Resampled, top: int, tops: list[int], at_B: FloatArray, measured: IntArray) -> Peak:
    """The peak at a place of the curve; its own part of the curve reaches to the valleys on either side."""
    valleys = [resampled.valley(top, other) for other in tops if other != top]
    first = max((valley for valley in valleys if valley <= top), default=0)
    last = min((valley for valley in valleys if valley >= top), default=len(at_B) - 1)
    curve_RB = resampled.curve_RB
    top_R = first + np.argmax(curve_RB[:, first : last + 1], axis=1)
    low, high = np.quantile(top_R, [TAIL, 1 - TAIL], method="inverted_cdf").astype(int)
    width = float(widths_at_half_height(resampled.value_B[None], np.array([top]), at_B)[0])
    width_R = widths_at_half_height(curve_RB, top_R, at_B)
    limits = np.quantile(np.nan_to_num(width_R, nan=np.inf), [TAIL, 1 - TAIL], method="inverted_cdf")
    known = np.isfinite(width)
    under_B = resampled.value_B <= (resampled.baseline + resampled.value_B[top]) / 2
    return Peak(
        boundary=int(measured[top]),
        low=int(measured[min(low, top)]),
        high=int(measured[max(high, top)]),
        height=float(resampled.height_B[top]),
        height_low=float(resampled.height_low_B[top]),
        width=width,
        width_low=min(float(limits[0]), width) if known else np.nan,
        width_high=max(float(limits[1]), width) if known and np.isfinite(limits[1]) else np.nan,
        open_start=not under_B[:top].any(),
        open_end=not under_B[top:].any(),
    )


def widths_at_half_height(curve_RB: FloatArray, top_R: IntArray, at_B: FloatArray) -> FloatArray:
    """Width [R] of the peak at `top_R` of each curve, halfway between the curve's median and the top.

    Straight lines join the points at control values `at_B`. NaN where the curve ends before it falls to half.
    """
    rows = np.arange(len(curve_RB))
    half_R = (np.median(curve_RB, axis=1) + curve_RB[rows, top_R]) / 2
    place_B = np.arange(len(at_B))
    under_RB = curve_RB <= half_R[:, None]
    left_R = np.where(under_RB & (place_B < top_R[:, None]), place_B, -1).max(axis=1)
    right_R = np.where(under_RB & (place_B > top_R[:, None]), place_B, len(at_B)).min(axis=1)

    def crossing(outer_R: IntArray, inner_R: IntArray) -> FloatArray:
        low_R, high_R = curve_RB[rows, outer_R], curve_RB[rows, inner_R]
        part_R = (half_R - low_R) / np.where(high_R > low_R, high_R - low_R, 1.0)
        crossing_R: FloatArray = at_B[outer_R] + part_R * (at_B[inner_R] - at_B[outer_R])
        return crossing_R

    closed_R = (left_R >= 0) & (right_R < len(at_B))
    left_R, right_R = np.where(closed_R, left_R, 0), np.where(closed_R, right_R, 1 if len(at_B) > 1 else 0)
    last = len(at_B) - 1
    width_R = crossing(right_R, np.maximum(right_R - 1, 0)) - crossing(left_R, np.minimum(left_R + 1, last))
    return np.where(closed_R, width_R, np.nan)
