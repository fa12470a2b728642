"""The curve along a sweep and its transitions as records: part of report.json, and what `transition` prints."""

import json
from typing import Literal

from tools.report.record import ControlValue, Interval, Record, Split, Text


class TransitionPoint(Record):
    """The dissimilarity between the windows left and right of one boundary, null where it was not measurable.

    at: midway between the two neighbouring values of the control parameter. loss, gradient_norm: of the training
    between the two, means over its steps, where the control parameter is a step of training.
    """

    at: float
    linear: float | None
    low: float | None = None
    high: float | None = None
    js: float | None = None
    js_low: float | None = None
    js_high: float | None = None
    tv: float | None = None
    tv_low: float | None = None
    tv_high: float | None = None
    loss: float | None = None
    gradient_norm: float | None = None


class TransitionPeak(Record):
    """A peak of the curve that stands above its baseline.

    at: midway between its two checkpoints. low, high: 95%, from the checkpoint left of the first place where it
    may be to the one right of the last. height: above the baseline, its low at once for all places. width: at
    half height; null where the curve ends before it falls to half, on the sides `open`. lag: behind the largest
    gradient norm.
    """

    at: float
    low: float
    high: float
    dissimilarity: Interval
    height: Interval
    width: Interval
    lag: Interval | None = None
    open: tuple[Literal["start", "end"], ...] = ()


class Transition(Record):
    """Where the windowed curve peaks; `at` is null if the peak does not stand above the baseline.

    low, high, width, lag: of the highest of `peaks`, which are all that stand above `baseline`, the curve's
    median. window: checkpoints on either side of a boundary. largest: the boundary with the largest linear
    dissimilarity, whether or not it stands out. compared: whether its two sides are the report's.
    gradient_norm_peak: the step with the largest gradient norm, where the control parameter is a step of training.
    split: "all" for all samples. bound: "lower" for a curve of held-out discriminators.
    """

    at: float | None
    low: float | None = None
    high: float | None = None
    width: float | None = None
    gradient_norm_peak: float | None = None
    curve: tuple[TransitionPoint, ...] = ()
    window: int | None = None
    largest: float | None = None
    compared: bool = False
    split: Split | Literal["all"] = "read"
    baseline: float | None = None
    peaks: tuple[TransitionPeak, ...] = ()
    lag: Interval | None = None
    bound: Literal["exact", "lower"] = "exact"
    claim: Literal["fixed", "random"] | None = None
    prompts: int | None = None
    samples: int | None = None


class SweepReport(Record):
    """What `transition` prints as JSON: the control parameter, the curve and its transitions."""

    format: Literal[1] = 1
    version: str
    run: Text
    seed: int
    name: Text
    unit: Text = ""
    values: tuple[ControlValue, ...]
    transition: Transition
    warnings: tuple[Text, ...] = ()

    def to_json(self) -> str:
        """The record with two spaces of indent, ASCII only."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


# A chosen set along the sweep


class ParameterPoint(Record):
    """A parameter at one place between two checkpoints: its dissimilarity, alone, and its share of the total.

    effective: samples that the reweighted ones are worth. Null where too few support a number.
    """

    at: float
    value: float | None
    low: float | None = None
    high: float | None = None
    share: Interval | None = None
    effective: float | None = None


class LevelPoint(Record):
    """What a parameter shows at one checkpoint: `Parameter.shown` says what, from 0 to 1."""

    at: float
    value: float | None
    low: float | None = None
    high: float | None = None
    effective: float | None = None


class DecompositionPoint(Record):
    """The total at one place between two checkpoints, split among the chosen set and what that leaves.

    parts: Shapley values by parameter id, in dissimilarity; they add up to `captured`, and with `unexplained` to
    the total. Null where too few samples support a number.
    """

    at: float
    total: Interval
    captured: Interval
    parts: dict[Text, float] | None = None
    unexplained: float | None = None
    effective: float | None = None
