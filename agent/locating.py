"""Where behavior changes along a run's sweep, and the two sides that suggests.

Source: Method, section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow.compute as pc

from agent.values import Value, resolve_sides
from probes.scale import FloatArray, IntArray
from runs.directory import Run
from runs.schema import SPLITS
from runs.training_state import gradient_norm_peak, training_records
from tools.curve_sums import sums_of_loglik
from tools.dissimilarity import KINDS
from tools.layout import Claim
from tools.report.record import Interval, interval
from tools.report.sweep_document import Transition, TransitionPeak, TransitionPoint
from tools.transition import Peak, Transitions, default_window, transitions_of
from tools.windowed_curve import Boundary, WindowedCurve, largest

TRAINING_STEP = "step"
"""Name of the control parameter of runs that come from a training, whose log has loss and gradient norm."""

Rows = Literal["read", "all"]


@dataclass(frozen=True)
class Training:
    """What the log of a training says beside a curve. loss_B, norm_B: means between neighbouring checkpoints, NaN
    where nothing was logged. gradient_norm_peak: the step with the largest gradient norm."""

    loss_B: FloatArray
    norm_B: FloatArray
    gradient_norm_peak: int | None


@dataclass(frozen=True, eq=False)
class Located:
    """The curve over the boundaries of a sweep, of which at least one is measured.

    control_K: values of the control parameter. rows: the samples it is of. seed: of the resamples behind what is
    said of its peaks.
    """

    control_K: FloatArray
    windowed: WindowedCurve
    training: Training | None
    rows: Rows
    samples: int
    seed: int

    @cached_property
    def curve(self) -> tuple[Boundary, ...]:
        return tuple(self.windowed.boundaries())

    @cached_property
    def peak(self) -> Boundary:
        """The largest dissimilarity, whether or not it stands out."""
        return largest(self.curve)

    @cached_property
    def transitions(self) -> Transitions:
        return transitions_of(self.windowed, self.control_K, self.seed)

    @property
    def gradient_norm_peak(self) -> int | None:
        return None if self.training is None else self.training.gradient_norm_peak

    def at(self, boundary: Boundary) -> float:
        """Midway between the control values on either side of it."""
        return float(self.control_K[[boundary.before[-1], boundary.after[0]]].mean())

    def record(self, before: tuple[int, ...] = (), after: tuple[int, ...] = ()) -> Transition:
        """What a report on these two sides keeps of it."""
        peaks = tuple(self._peak(one) for one in self.transitions.peaks)
        first = peaks[0] if peaks else None
        windowed = self.windowed
        return Transition(
            at=None if first is None else first.at,
            low=None if first is None else first.low,
            high=None if first is None else first.high,
            width=None if first is None else first.width.value,
            gradient_norm_peak=self.gradient_norm_peak,
            curve=tuple(self._point(number, boundary) for number, boundary in enumerate(self.curve)),
            window=windowed.sums.windows.window,
            largest=self.at(self.peak),
            compared=(before, after) == (self.peak.before, self.peak.after),
            split=self.rows,
            baseline=max(self.transitions.baseline, 0.0),
            peaks=peaks,
            lag=None if first is None else first.lag,
            bound="lower" if windowed.lower_bound else "exact",
            claim=windowed.claim,
            prompts=int(windowed.prompts_B.max()),
            samples=self.samples,
        )

    def _peak(self, peak: Peak) -> TransitionPeak:
        boundary = self.curve[peak.boundary]
        at, low, high = self.at(boundary), self.control_K[peak.low], self.control_K[peak.high + 1]
        norm = self.gradient_norm_peak
        assert boundary.total is not None  # a peak is measured
        return TransitionPeak(
            at=at,
            low=low,
            high=high,
            dissimilarity=interval(boundary.total["linear"]),
            height=Interval(value=peak.height, low=peak.height_low),
            width=Interval(value=_known(peak.width), low=_known(peak.width_low), high=_known(peak.width_high)),
            lag=None if norm is None else Interval(value=at - norm, low=low - norm, high=high - norm),
            open=(*(("start",) if peak.open_start else ()), *(("end",) if peak.open_end else ())),
        )

    def _point(self, number: int, boundary: Boundary) -> TransitionPoint:
        at, training = self.at(boundary), self.training
        beside = {}
        if training is not None:
            beside = {"loss": _known(training.loss_B[number]), "gradient_norm": _known(training.norm_B[number])}
        if boundary.total is None:
            return TransitionPoint(at=at, linear=None, **beside)
        linear, js, tv = (boundary.total[kind] for kind in KINDS)
        return TransitionPoint(
            at=at,
            linear=linear.value,
            low=linear.low,
            high=linear.high,
            js=js.value,
            js_low=js.low,
            js_high=js.high,
            tv=tv.value,
            tv_low=tv.low,
            tv_high=tv.high,
            **beside,
        )


def locate(
    run: Run, claim: Claim, *, rows: Rows = "read", window: int | None = None, seed: int = 0
) -> Located | None:
    """The curve from the log-likelihoods of the samples of the read split, or of all.

    None where there is nothing to locate: fewer than three checkpoints, values of the control parameter that are
    not rising numbers, no likelihoods, or no boundary whose samples are scored under its whole window.
    """
    control_K = rising(run.manifest.control.values)
    loglik_SK = run.loglik()
    if control_K is None or loglik_SK is None:
        return None
    row_N, prompt_N, checkpoint_N = located_rows(run, rows)
    window = window or default_window(len(control_K))
    windowed = WindowedCurve(sums_of_loglik(loglik_SK, prompt_N, checkpoint_N, window, row_N), claim)
    if not windowed.measured_B.any():
        return None
    return Located(control_K, windowed, training_of(run, control_K), rows, len(row_N), seed)


def located_rows(run: Run, rows: Rows) -> tuple[IntArray, IntArray, IntArray]:
    """Row in the run [N], prompt and checkpoint of the samples that a curve is of."""
    samples = run.samples(["prompt_id", "checkpoint", "split"])
    row_N = np.arange(samples.num_rows)
    if rows == "read":
        row_N = np.flatnonzero(pc.equal(samples["split"], SPLITS[0]).to_numpy())
        samples = samples.take(row_N)
    prompt_N = samples["prompt_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return row_N, prompt_N, samples["checkpoint"].to_numpy().astype(np.int64)


def training_of(run: Run, control_K: FloatArray) -> Training | None:
    """What the log of the run's training says, None where the control parameter is no step or there is no log."""
    records = training_records(run.path) if run.manifest.control.name == TRAINING_STEP else []
    if not records:
        return None
    step_L = np.array([one["step"] for one in records])
    between_L = np.searchsorted(control_K, step_L) - 1  # steps after checkpoint k, up to and with checkpoint k + 1

    def means(key: str) -> FloatArray:
        value_L = np.array([np.nan if one.get(key) is None else one[key] for one in records], dtype=np.float64)
        kept_L = np.isfinite(value_L) & (between_L >= 0) & (between_L < len(control_K) - 1)
        sums_B = np.bincount(between_L[kept_L], weights=value_L[kept_L], minlength=len(control_K) - 1)
        count_B = np.bincount(between_L[kept_L], minlength=len(control_K) - 1)
        return np.where(count_B > 0, sums_B / np.maximum(count_B, 1), np.nan)

    return Training(means("loss"), means("grad_norm"), gradient_norm_peak(run.path))


def sides_of(
    values: Sequence[Value], before: str | None, after: str | None, located: Located | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Checkpoints before and after: those that are named, else the two sides of the peak.

    Raises InputError as `resolve_sides`; where a side must be named, it says so.
    """
    if before is None and after is None and located is not None:
        return located.peak.before, located.peak.after
    return resolve_sides(values, before, after)


def sides_in(run: Run, before: str | None, after: str | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """As `sides_of`, for a run whose samples are scored."""
    return sides_of(tuple(run.manifest.control.values), before, after, locate(run, "fixed"))


def no_transition_warning(run: Run, located: Located) -> str:
    """What must be known of two sides that were taken from a curve on which no place stands out."""
    return (
        f"no transition was found: no place of the sweep stands out. {said_aloud(run, located)}; the largest of "
        "several is partly so by chance"
    )


def said_aloud(run: Run, located: Located) -> str:
    """The line that says which two sides were chosen, and how to choose others."""
    control = run.manifest.control
    before, after = (
        ", ".join(str(control.values[k]) for k in side) for side in (located.peak.before, located.peak.after)
    )
    return (
        f"{control.name}: before {before}, after {after}: the two sides of the largest dissimilarity along the "
        f"sweep, at {located.at(located.peak):g} (--before and --after choose others)"
    )


def rising(values: Sequence[Value]) -> FloatArray | None:
    """Values of the control parameter as numbers; None unless they are three or more that rise."""
    numbers = [float(value) for value in values if not isinstance(value, str)]
    rises = len(numbers) == len(values) > 2 and all(np.diff(numbers) > 0)
    return np.array(numbers) if rises else None


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
