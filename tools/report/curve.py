"""The curve along a sweep in a report: what it says in sentences.

Source: Method, section 2.
"""

from dataclasses import dataclass

from probes.words import count
from tools.layout import ABOUT
from tools.report.document import Report
from tools.report.numbers import number
from tools.report.record import Interval
from tools.report.safe_text import one_line
from tools.report.sweep_document import SweepReport, Transition, TransitionPeak, TransitionPoint
from tools.report.words import total_words

CHANGES_MUCH = 0.1
"""Median along a sweep from which on behavior is said to change at every place, where each differs from 0."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep's curve is shown from: the control parameter's name and unit, and the transition."""

    name: str
    unit: str
    transition: Transition


def sweep_of(report: Report) -> Sweep | None:
    """None where the report has no curve."""
    if report.transition is None or not report.transition.curve:
        return None
    return Sweep(report.control.name, report.control.unit, report.transition)


def sweep_of_transition(report: SweepReport) -> Sweep:
    return Sweep(report.name, report.unit, report.transition)


def transition_sentences(sweep: Sweep) -> list[str]:
    """Where behavior changes most and how sure that is, other peaks, the two sides, the gradient norm."""
    transition = sweep.transition
    name = one_line(sweep.name, 40)
    point = largest_point(transition)
    if point is None:
        return []
    if transition.at is None:
        said = _no_transition_sentences(transition, name, point)
    else:
        most = "The lower bound is largest" if transition.bound == "lower" else "Behavior changes most"
        found = point_words(point, transition)
        said = [f"{most} at {name} {point.at:g}: the dissimilarity of its two sides is {found}."]
        said += [_peak_sentence(transition, peak, name, place) for place, peak in enumerate(transition.peaks)]
    if transition.compared:
        said.append("Before and after are those two sides.")
    return [*said, *_norm_sentences(transition, name)]


def _no_transition_sentences(transition: Transition, name: str, point: TransitionPoint) -> list[str]:
    """That no place stands out, whether because nothing changes much or because everything does."""
    known = [one for one in transition.curve if one.linear is not None]
    every, none = "every place of the sweep", "no place of the sweep"
    if len(known) < len(transition.curve):
        measured = f"of the {len(known)} places measured, of {len(transition.curve)},"
        every, none = f"each {measured}", f"none {measured}"
    values = sorted(one.linear or 0.0 for one in known)
    kind = "lower bound" if transition.bound == "lower" else "dissimilarity"
    median = transition.baseline or 0.0
    if median >= CHANGES_MUCH and all((one.low or 0.0) > 0 for one in known):
        said = (
            f"No transition: behavior changes at {every} and none stands out. The change is spread: the {kind} is "
            f"{number(values[0])} to {number(values[-1])}, its median {number(median)}."
        )
    else:
        said = f"No transition: {none} stands out."
    held_to = (
        f"The largest {kind}, at {name} {point.at:g}, is {point_words(point, transition)}; a transition is surely "
        f"above {_median_words(transition)}, and at twice its odds at least."
    )
    ends = {known[0].at: ("first", "begin"), known[-1].at: ("last", "end")}
    if point.at not in ends or (point.low or 0.0) <= median:
        return [said, held_to]
    which, verb = ends[point.at]
    seen = _seen_words(transition)
    return [said, held_to, f"The largest is the {which} one: {seen} may {verb} inside a transition."]


def _seen_words(transition: Transition) -> str:
    """What the curve is of: the ends of a sweep may be gaps."""
    ends = transition.curve[0], transition.curve[-1]
    return "the sweep" if all(one.linear is not None for one in ends) else "the measured part of the sweep"


def _peak_sentence(transition: Transition, peak: TransitionPeak, name: str, place: int) -> str:
    """Position, height and width of a peak; the first one was named already."""
    between = f"between {peak.low:g} and {peak.high:g} (95%)"
    subject = f"It lies {between}" if place == 0 else f"Another peak is at {name} {peak.at:g}, {between}"
    stands = f"stands {number(peak.height.value or 0.0)} above {_median_words(transition)}"
    if peak.height.low is not None:
        stands += f" (at least {number(peak.height.low, 'down')})"
    if peak.open:
        verbs = " and ".join("begins" if one == "start" else "ends" for one in peak.open)
        side = "that side" if len(peak.open) == 1 else "both sides"
        where = f"where {_seen_words(transition)} {verbs}, maybe inside the transition"
        return (
            f"{subject}, and {stands}. The curve is still above half of that {where}: the width is open on {side}."
        )
    if peak.width.value is None:
        return f"{subject}, and {stands}; the sweep ends before the curve falls to half of that."
    if _is_one_place(transition, peak):
        return f"{subject}, and {stands}; it is narrower than the places on either side lie apart."
    wide = f"{peak.width.value:.3g}"
    if peak.width.low is not None and peak.width.high is not None:
        wide += f" ({peak.width.low:.3g} to {peak.width.high:.3g})"
    return f"{subject}, {stands}, and is {wide} wide at half of that."


def _median_words(transition: Transition) -> str:
    return "the median of the bounds" if transition.bound == "lower" else "the median along the sweep"


def _is_one_place(transition: Transition, peak: TransitionPeak) -> bool:
    """Whether the curve falls to half of the peak right at the places beside it: its width is then the sweep's."""
    points = [point for point in transition.curve if point.linear is not None]
    top = next(place for place, point in enumerate(points) if point.at == peak.at)
    half = (transition.baseline or 0.0) + (peak.height.value or 0.0) / 2
    beside = points[max(top - 1, 0) : top] + points[top + 1 : top + 2]
    return all((point.linear or 0.0) <= half for point in beside)


def _norm_sentences(transition: Transition, name: str) -> list[str]:
    norm, lag = transition.gradient_norm_peak, transition.lag
    if norm is None:
        return []
    said = f"The gradient norm was largest at {name} {norm:g}"
    if lag is None or lag.value is None:
        return [f"{said}."]
    order = "later" if lag.value >= 0 else "earlier"
    changed = "the lower bound is largest" if transition.bound == "lower" else "behavior changed"
    interval = "" if lag.low is None or lag.high is None else f" (lag {lag.low:g} to {lag.high:g})"
    return [f"{said}; {changed} {abs(lag.value):g} {order}{interval}."]


def curve_sentence(sweep: Sweep) -> str:
    """What the curve shows and what it was computed from."""
    transition = sweep.transition
    window = transition.window
    sides = "" if window is None else f" of up to {count(window, 'checkpoint')} on either side"
    rows = "all samples" if transition.split == "all" else f"the {transition.split} split"
    if transition.bound == "lower":
        return (
            f"The curve shows how well a held-out reader tells the answers{sides} apart (linear, 0 to 1), at each "
            f"place between two checkpoints, on {rows}: a lower bound of the dissimilarity, with 95% lower limits."
        )
    return (
        f"The curve shows the dissimilarity (linear, 0 to 1){sides}, at each place between two checkpoints, on "
        f"{rows}, with 95% intervals."
    )


def claim_sentence(sweep: Sweep) -> str:
    """How much data, and whom the claim is about."""
    transition = sweep.transition
    about = ABOUT[transition.claim or "fixed"]
    return (
        f"{count(transition.samples or 0, 'sample')} of {count(transition.prompts or 0, 'prompt')}; "
        f"the claim is about {about}."
    )


def largest_point(transition: Transition) -> TransitionPoint | None:
    """The point of the curve with the largest dissimilarity."""
    return next((point for point in transition.curve if point.at == transition.largest), None)


def interval_of(point: TransitionPoint) -> Interval:
    """The linear dissimilarity of a point; from 0 where it cannot be told from it."""
    separable = point.low is None or point.low > 0
    return Interval(value=point.linear, low=point.low, high=point.high, one_sided=not separable)


def point_words(point: TransitionPoint, transition: Transition) -> str:
    return total_words(interval_of(point), transition.bound)


def axis_words(name: str, unit: str) -> str:
    return f"{one_line(name, 40)} ({one_line(unit, 40)})" if unit else one_line(name, 40)
