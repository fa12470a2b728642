"""Plain English from the numbers of a report. Every word agrees with the kind of bound a number is.

A total without likelihoods is a lower bound ("at least"), and a share of it an upper bound ("at most"). A set
measured by regression is a lower bound. A parameter that alone has total variation D_TV tells before from after
in (1 + D_TV) / 2 of cases. Source: Method, sections 2, 3 and 5.
"""

from probes.words import count
from tools.report.document import BySide, Interval, Parameter, Report
from tools.report.numbers import Rounding, listed, number, percent
from tools.report.safe_text import one_line

UNKNOWN = "not computed"

LENGTH = "code:words"
"""The judge of the measure that `beyond_length` is measured beyond."""

_NEAR_ALL = 0.95
_FEW_LEFT = 15
_SAME_LEVEL = 0.05  # a smaller move of the mean level is not worth a word
_NAMED = 3


# The two sides


def side_names(report: Report) -> tuple[str, str]:
    """What a person calls the two sides: the values of the control parameter, or the files they came from."""
    control = report.control
    if control.name != "side":
        named = control.name.lower() in control.unit.lower()  # "step 8", not "step 8 optimizer steps"
        unit = f" {one_line(control.unit, 20)}" if control.unit and not named else ""
        before, after = (
            f"{one_line(control.name, 40)} {listed([one_line(str(value), 40) for value in values])}{unit}"
            for values in (control.before, control.after)
        )
        return before, after
    source = report.input
    return one_line(source.before, 80) or "before", one_line(source.after, 80) or "after"


def fixed_beforehand(report: Report) -> bool:
    """Whether the set was given, not found: nothing was tried, and q is of the rows that were measured."""
    return bool(report.parameters) and not report.candidates


def measured_split(report: Report) -> str:
    """Which rows the final numbers come from: a set fixed beforehand may be measured on two splits."""
    if report.measured_on == "all":
        return "whole data"
    return "select and report splits" if measured_samples(report) > report.splits.report else "report split"


def measured_samples(report: Report) -> int:
    """Samples that the final numbers come from."""
    if report.samples is not None:
        return report.samples.before + report.samples.after
    splits = report.splits
    return splits.report if report.measured_on == "report" else splits.read + splits.select + splits.report


# Intervals


def not_separable(interval: Interval) -> bool:
    """Whether 0 lies inside the interval, or there is no value."""
    return interval.one_sided or interval.value is None or (interval.low is not None and interval.low <= 0)


def limits(interval: Interval, *, as_percent: bool = False) -> str:
    """ "0.31 to 0.53", or "" where the interval has no two limits."""
    if interval.low is None or interval.high is None:
        return ""
    show = percent if as_percent else number
    return f"{show(interval.low)} to {show(interval.high)}"


def interval_words(interval: Interval, *, as_percent: bool = False) -> str:
    """ "0.42 (0.31 to 0.53)", "not separable from 0 (at most 0.04)", "not computed"."""
    show = percent if as_percent else number
    if interval.value is None:
        return UNKNOWN
    if interval.one_sided:
        high = f" (at most {show(interval.high, 'up')})" if interval.high is not None else ""
        return f"not separable from 0{high}"
    between = limits(interval, as_percent=as_percent)
    return f"{show(interval.value)} ({between})" if between else show(interval.value)


def right_in(tv: float) -> str:
    """How well one reader tells before from after: "right in 88% of cases" (50% is guessing)."""
    return f"right in {percent((1 + tv) / 2)} of cases"


# The total


def total_words(interval: Interval, bound: str) -> str:
    """A total: as `interval_words`, or for a lower bound "at least 0.95 (lower limit 0.93)"."""
    if bound == "exact" or interval.value is None:
        return interval_words(interval)
    if not_separable(interval):
        return f"not separable from 0 (estimate {number(interval.value)}, a lower bound)"
    low = f" (lower limit {number(interval.low, 'down')})" if interval.low is not None else ""
    return f"at least {number(interval.value, 'down')}{low}"


def total_sentence(report: Report) -> str:
    """The total in one sentence, with what kind of bound it is."""
    total = report.total
    if total.linear.value is None:
        return "The total dissimilarity could not be computed; the warnings say why."
    shown = total_words(total.linear, total.bound)
    if total.bound == "exact":
        kind = "" if total.linear.one_sided else ", with its 95% interval"
        return f"The total dissimilarity is {shown}{kind}."
    kind = "" if not_separable(total.linear) else "a lower bound "
    return f"The total dissimilarity is {shown}, {kind}from {found_by(report)}."


SCALE_SENTENCE = "0 means no difference; 1 means that the two sides never give the same answer."


def found_by(report: Report) -> str:
    """What gave the lower bound of the total."""
    return {
        "text": "a held-out reader of the texts",
        "scores": "a held-out reader of the scores",
        "both": "a held-out reader of texts and scores",
        "set": "the chosen set itself, as no held-out reader did better",
        None: "held-out readers",
    }[report.total.discriminator]


def best_reader_sentence(report: Report) -> str:
    """The total variation in words: how well the best reader of whole answers tells the sides apart."""
    tv = report.total.tv
    if tv.value is None:
        return ""
    if not_separable(tv):
        return "Not even the best reader of whole answers was shown to do better than guessing."
    if report.total.bound == "exact":
        return f"The best reader of whole answers is {right_in(tv.value)} (50% is guessing)."
    least = percent((1 + tv.value) / 2, "down")
    return f"The best reader of whole answers is right in at least {least} of cases (50% is guessing)."


def unseen_prompts_sentence(report: Report) -> str:
    """The lower bound when the reader is tested on prompts it never saw."""
    unseen = report.total.unseen_prompts
    if unseen is None or unseen.value is None:
        return ""
    return f"On prompts that the reader never saw: {total_words(unseen, 'lower')}."


# Shares


def share_words(report: Report, parameter: Parameter) -> str:
    """The share of one parameter: "42% (31% to 53%)", "at most 44% (37% to 53%)", "at least 91%"."""
    samples = BySide(before=parameter.judged.before, after=parameter.judged.after)
    return _share(report, parameter.share, samples, regression=False)


def set_share_words(report: Report) -> str:
    """The share of the set, as `share_words`, or "about" where its bounds pull both ways."""
    regression = report.set.estimator == "regression"
    return _share(report, report.set.share, report.set.samples, regression=regression)


def _share(report: Report, share: Interval, samples: BySide | None, *, regression: bool) -> str:
    if share.value is None or share.one_sided:
        return interval_words(share, as_percent=True)
    if is_near_all(share, _samples_with_levels(report, samples)):
        assert share.low is not None
        return f"at least {percent(share.low, 'down')}"  # no upper limit is valid so close to 1
    below = report.total.bound == "lower"
    word, rounding = _bound_word(too_high=below, too_low=regression)
    between = limits(share, as_percent=True)
    return f"{word}{percent(share.value, rounding)}" + (f" ({between})" if between else "")


def _samples_with_levels(report: Report, samples: BySide | None) -> int:
    n = measured_samples(report)
    return n if samples is None else min(n, samples.before + samples.after)


def is_near_all(share: Interval, samples: int) -> bool:
    """Whether a share is so close to 1, for so many samples, that only its lower limit says something."""
    if share.value is None or share.low is None or share.one_sided:
        return False
    return share.value > _NEAR_ALL and (1 - share.value) * samples < _FEW_LEFT


def _bound_word(*, too_high: bool, too_low: bool) -> tuple[str, Rounding]:
    if too_high and too_low:
        return "about ", "nearest"
    if too_high:
        return "at most ", "up"
    return ("at least ", "down") if too_low else ("", "nearest")


def shapley_words(parameter: Parameter) -> str:
    """The part of the set's share that falls to a parameter, in points; it may fall below 0 by chance."""
    if parameter.shapley is None:
        return UNKNOWN
    return percent(parameter.shapley) if parameter.shapley >= 0 else f"−{percent(-parameter.shapley)}"


def right_words(parameter: Parameter) -> str:
    """In how many cases a reader is right who knows this parameter alone: "88%"."""
    return UNKNOWN if parameter.tv is None else percent((1 + parameter.tv) / 2)


def share_is_known(report: Report) -> bool:
    """False where the set's share says nothing: the set itself is the best lower bound of the total."""
    return report.set.share.value is not None and report.total.discriminator != "set"


def share_kind_sentence(report: Report) -> str:
    """What the shares are of, what kind of bound they are, and which samples they were measured on."""
    samples = count(measured_samples(report), "sample")
    measured = f"measured on the {measured_split(report)} ({samples}), with 95% intervals"
    sentences = [f"Shares of the total, {measured}."]
    if report.total.bound == "lower":
        sentences.append(
            "They are upper bounds, because the total they are divided by is a lower bound. The dissimilarities "
            "are not: they are estimated without such a bound."
        )
    if _some_near_all(report):
        sentences.append("Of a share too near to all for a valid upper limit, the lower limit is said (at least).")
    return " ".join(sentences)


def _some_near_all(report: Report) -> bool:
    shares = [(report.set.share, report.set.samples)]
    shares += [(one.share, BySide(before=one.judged.before, after=one.judged.after)) for one in report.parameters]
    return any(is_near_all(share, _samples_with_levels(report, samples)) for share, samples in shares)


# The set


def set_sentence(report: Report) -> str:
    """How much of the total the set captures."""
    subject = "It captures" if len(report.parameters) == 1 else "Together they capture"
    own = f"a dissimilarity of {set_dissimilarity_words(report)}"
    if not share_is_known(report):
        if report.set.share.value is None:
            return f"{subject} {own}; the share of the total was {UNKNOWN}."
        low = report.set.dissimilarity.low
        least = f", but that it is at least {percent(low, 'down')}, as no total is above 1" if low else ""
        return (
            f"{subject} {own}. No held-out reader found more, so these samples cannot say how much of the whole "
            f"change that is{least}."
        )
    share = set_share_words(report)
    if report.set.share.one_sided:
        return f"The share of the total that {'it captures' if subject[0] == 'I' else 'they capture'} is {share}."
    return f"{subject} {share} of the total change: {own}."


def set_dissimilarity_words(report: Report) -> str:
    """The set's dissimilarity; from a regression it is a lower bound."""
    own = report.set.dissimilarity
    words = interval_words(own)
    regression = report.set.estimator == "regression" and own.value is not None and not own.one_sided
    return f"at least {words}" if regression else words


def set_reader_sentence(report: Report) -> str:
    """How well a reader does who knows the set's levels and nothing else."""
    if report.set.tv is None or not report.parameters:
        return ""
    known = "this" if len(report.parameters) == 1 else "these"
    return f"A reader who knows {known} alone is {right_in(report.set.tv)}."


def estimator_sentence(report: Report) -> str:
    """Says so where the set was not measured by its table."""
    if report.set.estimator == "table":
        return ""
    return (
        "The joint table of the set is too sparse for these counts: the numbers of the set, the gains and the "
        "Shapley values come from a cross-fitted regression, which makes the set's dissimilarity a lower bound."
    )


def beyond_length_sentence(report: Report) -> str:
    beyond = report.set.beyond_length
    if beyond is None or not report.parameters or all(one.judge == LENGTH for one in report.parameters):
        return ""
    return f"What the set captures beyond the mere length of the answers: {interval_words(beyond)}."


def unexplained_sentence(report: Report) -> str:
    """What the set leaves of the total, and within which limits: a difference of two estimates."""
    left = report.set.unexplained
    below = report.total.bound == "lower"
    if left.value is None:
        return "What is left unexplained could not be computed; the warnings say why."
    if left.value <= 0:
        return (
            "No held-out reader found more than the set captures; what is left unexplained is unknown."
            if below
            else "Nothing measurable is left unexplained."
        )
    share = f", {percent(left.share)} of the total" if left.share is not None else ""
    between = (
        f" ({number(left.low, 'down')} to {number(left.high, 'up')})"
        if left.low is not None and left.high is not None
        else ""
    )
    return f"Left unexplained: a dissimilarity of about {number(left.value)}{between}{share}."


def residual_sentence(report: Report) -> str:
    """What the examples under "unexplained" are, or "" if there are none."""
    if not report.set.unexplained.examples:
        return ""
    own = "signed evidence" if report.mode == "likelihood" else "side (+1 before, -1 after)"
    return (
        f"These samples are explained worst. The residual is a sample's {own} minus what the set predicts of it."
    )


# The headline


def answer_sentence(report: Report) -> str:
    """The one sentence that answers "what changed?", with the number that says how much of it that is."""
    shown = [one for one in report.parameters if not not_separable(one.dissimilarity)]
    if not shown:
        return headline(report)[0]
    several = f"; together the {len(report.parameters)} chosen parameters capture"
    subject = ", which captures" if len(report.parameters) == 1 else several
    known = share_is_known(report) and not report.set.share.one_sided
    share = f"{set_share_words(report)} of the total change"
    captured = share if known else f"a dissimilarity of {set_dissimilarity_words(report)}"
    return f"What changed: {_first_of([_with_direction(one) for one in shown])}{subject} {captured}."


def headline(report: Report) -> list[str]:
    """A few short sentences that answer "what changed?"."""
    if not report.parameters:
        return _nothing_chosen(report)
    shown = [one for one in report.parameters if not not_separable(one.dissimilarity)]
    unsure = [one for one in report.parameters if not_separable(one.dissimilarity)]
    sentences = [
        f"What changed: {_first_of([_with_direction(one) for one in shown])}." if shown else "",
        f"Not shown to have changed: {_first_of([one_line(one.name, 60) for one in unsure])}." if unsure else "",
        set_reader_sentence(report) if shown else "",
        set_sentence(report),
    ]
    return [sentence for sentence in sentences if sentence]


def _first_of(names: list[str]) -> str:
    others = len(names) - _NAMED
    return listed([*names[:_NAMED], *([f"{others} more"] if others > 0 else [])])


def _nothing_chosen(report: Report) -> list[str]:
    tried_words = candidates_words(report)
    if not_separable(report.total.linear):
        found = f"No change was found with these samples. {tried_words}; none was chosen."
    else:
        total = total_words(report.total.linear, report.total.bound)
        found = f"Something changed, but no order parameter was chosen to explain it. {tried_words}. "
        found += f"The total dissimilarity is {total}."
    return [found, smallest_visible_sentence(report)] if report.smallest_visible is not None else [found]


def candidates_words(report: Report) -> str:
    """ "5 candidates were tried", or of how many proposed: the others were screened out, or never judged."""
    proposed = len(report.candidates)
    tried = sum(one.split is not None for one in report.candidates)
    if tried == proposed:
        return f"{count(tried, 'candidate')} {'was' if tried == 1 else 'were'} tried"
    which = f"{tried:,} of them" if tried else "none of them"
    were = "was" if proposed == 1 else "were"
    return f"{count(proposed, 'candidate')} {were} proposed and {which} tried"


def smallest_visible_sentence(report: Report) -> str:
    if report.smallest_visible is None:
        return ""
    shown = number(report.smallest_visible, "up")
    return (
        f"The smallest dissimilarity that these counts could just have shown is {shown}; "
        "anything smaller may be there, unseen."
    )


def _with_direction(parameter: Parameter) -> str:
    told = direction(parameter)
    return f"{one_line(parameter.name, 60)} ({told})" if told else one_line(parameter.name, 60)


def seen_words(value: float, low: float | None, high: float | None) -> str:
    """How often a level was seen: "44% (33% to 56%)"."""
    return interval_words(Interval(value=value, low=low, high=high), as_percent=True)


def direction(parameter: Parameter) -> str:
    """Which way it went: "yes: 12% before, 78% after", "higher after", or "" for categories without an order."""
    levels = [level.name for level in parameter.scale.levels]
    if parameter.scale.kind == "yes_no" and len(levels) == 2:
        before, after = (side.get(levels[1], 0.0) for side in (parameter.before, parameter.after))
        return f"{one_line(levels[1], 20)}: {percent(before)} before, {percent(after)} after"
    if parameter.scale.kind == "categories":
        return ""
    before, after = (
        sum(i * side.get(name, 0.0) for i, name in enumerate(levels))
        for side in (parameter.before, parameter.after)
    )
    if abs(after - before) < _SAME_LEVEL:
        return ""
    return "higher after" if after > before else "lower after"
