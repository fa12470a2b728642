"""Where behavior changes along a run's sweep, seen on its read split, and the two sides that suggests.

Source: Method, section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from agent.values import Value, resolve_sides
from probes.scale import FloatArray
from runs.directory import Run
from runs.schema import SPLITS
from runs.training_state import gradient_norm_peak
from tools.dissimilarity import KINDS
from tools.layout import Claim
from tools.report.document import Transition, TransitionPoint
from tools.transition import Boundary, default_window, peak, stands_out, windowed_curve

TRAINING_STEP = "step"
"""Name of the control parameter of runs that come from a training, whose log has the gradient norm."""


@dataclass(frozen=True)
class Located:
    """The curve over the boundaries of a sweep and its peak. control_K: values of the control parameter.

    gradient_norm_peak: the step with the largest gradient norm, None where there is no log of a training.
    """

    control_K: FloatArray
    curve: tuple[Boundary, ...]
    peak: Boundary
    gradient_norm_peak: int | None

    def at(self, boundary: Boundary) -> float:
        """Midway between the control values on either side of it."""
        return float(self.control_K[[boundary.before[-1], boundary.after[0]]].mean())

    def record(self, before: tuple[int, ...], after: tuple[int, ...]) -> Transition:
        """What a report on these two sides keeps of it."""
        largest = self.at(self.peak)
        return Transition(
            at=largest if stands_out(self.curve) else None,
            gradient_norm_peak=self.gradient_norm_peak,
            curve=tuple(_point(self.at(boundary), boundary) for boundary in self.curve),
            window=default_window(len(self.control_K)),
            largest=largest,
            compared=(before, after) == (self.peak.before, self.peak.after),
        )


def locate(run: Run, claim: Claim) -> Located | None:
    """The curve and its peak, from the samples of the read split.

    None where there is nothing to locate: fewer than three checkpoints, values of the control parameter that are
    not rising numbers, no likelihoods, or no boundary whose samples are scored under its whole window.
    """
    control_K = _rising(run.manifest.control.values)
    loglik_SK = run.loglik()
    if control_K is None or loglik_SK is None:
        return None
    samples = run.samples(["prompt_id", "checkpoint", "split"])
    read_N = np.flatnonzero(pc.equal(samples["split"], SPLITS[0]).to_numpy())
    samples = samples.take(read_N)
    curve = windowed_curve(
        np.asarray(loglik_SK[read_N], dtype=np.float64),
        np.unique(np.asarray(samples["prompt_id"].to_pylist(), dtype=np.str_), return_inverse=True)[1],
        samples["checkpoint"].to_numpy().astype(np.int64),
        claim,
    )
    if all(boundary.total is None for boundary in curve):
        return None
    norm = gradient_norm_peak(run.path) if run.manifest.control.name == TRAINING_STEP else None
    return Located(control_K, tuple(curve), peak(curve), norm)


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


def _rising(values: Sequence[Value]) -> FloatArray | None:
    numbers = [float(value) for value in values if not isinstance(value, str)]
    rising = len(numbers) == len(values) > 2 and all(np.diff(numbers) > 0)
    return np.array(numbers) if rising else None


def _point(at: float, boundary: Boundary) -> TransitionPoint:
    if boundary.total is None:
        return TransitionPoint(at=at, linear=None)
    linear, js, tv = (boundary.total[kind] for kind in KINDS)
    return TransitionPoint(at=at, linear=linear.value, low=linear.low, high=linear.high, js=js.value, tv=tv.value)
