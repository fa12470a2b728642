"""How the numbers of a report came to be, in sentences: samples, splits, prompts, tests, judges, what it took.

Source: Method, sections 3 and 5.
"""

from probes.words import count
from tools.report.document import Candidate, Parameter, Report, Usage
from tools.report.numbers import listed, probability_value
from tools.report.safe_text import one_line
from tools.report.words import (
    estimator_sentence,
    fixed_beforehand,
    interval_words,
    measured_samples,
    measured_split,
    smallest_visible_sentence,
)

FEW_PROMPTS = 8
TESTED_UP_TO = 0.9
"""Largest true value up to which the method's intervals were tried out on worlds of known truth."""

FEW_PROMPTS_FOR_P = 6
_NAMES = 5


def fine_print(report: Report) -> list[str]:
    """All that belongs under the numbers, in order, empty sentences left out."""
    sentences = [
        measured_sentence(report),
        scored_sentence(report),
        set_samples_sentence(report),
        claim_sentence(report),
        left_out_sentence(report),
        *caution_sentences(report),
        seen_sentence(report),
        smallest_visible_sentence(report) if report.parameters else "",  # otherwise the headline says it
        estimator_sentence(report),
        stopped_sentence(report),
        *guided_sentences(report),
    ]
    return [sentence for sentence in sentences if sentence]


def mode_sentence(report: Report) -> str:
    """What the numbers were computed from."""
    if report.mode == "likelihood":
        return (
            "Mode: likelihood. Every sample was scored under both sides, so the total is measured and each share "
            "is an estimate with an interval."
        )
    return (
        "Mode: black box. No likelihoods were given, so the total is only bounded from below, by the best "
        "held-out reader, and each share from above."
    )


def splits_sentence(report: Report) -> str:
    splits = report.splits
    dealt = {"sample": ", dealt out by sample", "prompt": ", dealt out by whole prompts", None: ""}[splits.by]
    return (
        f"Samples: {splits.read:,} to read and propose from, {splits.select:,} to select on, "
        f"{splits.report:,} to report on{dealt}."
    )


def measured_sentence(report: Report) -> str:
    """Which rows the final numbers come from."""
    samples = count(measured_samples(report), "sample")
    if report.samples is not None:
        samples += f" ({report.samples.before:,} before, {report.samples.after:,} after)"
    if report.measured_on == "all":
        return f"Measured on all {samples}; the set was fixed beforehand."
    if fixed_beforehand(report):
        return f"Measured on the {measured_split(report)}: {samples}; the set was fixed beforehand."
    return f"Measured on the report split: {samples} that neither proposing nor selecting saw."


def scored_sentence(report: Report) -> str:
    """What the likelihoods come from."""
    scored = report.scored
    if scored is None:
        return ""
    engine, precision, device = (one_line(text, 40) for text in (scored.engine, scored.precision, scored.device))
    where = f" on {device}" if device else ""
    temperature = f", at temperature {scored.temperature:g}" if scored.temperature is not None else ""
    return f"Likelihoods: {engine}, layers in {precision}{where}{temperature}."


def set_samples_sentence(report: Report) -> str:
    """Says so where the set could be measured on some of the samples only."""
    complete = report.set.samples
    if complete is None or not report.parameters or complete == report.samples:
        return ""
    return (
        f"The set was measured on the samples that have a level on each of its parameters: {complete.before:,} "
        f"before, {complete.after:,} after."
    )


def claim_sentence(report: Report) -> str:
    """Which prompts the numbers speak about."""
    prompts = count(report.prompts.used, "prompt")
    if report.prompts.claim == "random":
        return f"The claim is about prompts like these: {prompts}, taken as a sample."
    which = "this 1 prompt" if report.prompts.used == 1 else f"these {prompts}"
    return f"The claim is about {which} only."


def left_out_sentence(report: Report) -> str:
    """Prompts without samples on both sides, by count and name."""
    prompts = report.prompts
    if not prompts.left_out:
        return ""
    names = [one_line(name, 40) for name in prompts.left_out_names[:_NAMES]]
    rest = prompts.left_out - len(names)
    if names and rest > 0:
        names.append(f"{rest:,} more")
    which = f": {listed(names)}" if names else ""
    verbs = ("has", "was") if prompts.left_out == 1 else ("have", "were")
    return (
        f"{count(prompts.left_out, 'prompt')} {verbs[0]} samples on one side only and {verbs[1]} left out{which}."
    )


def caution_sentences(report: Report) -> list[str]:
    """What few prompts, and dissimilarities near 1, forbid to say."""
    return cautions(report.prompts.used, report.prompts.claim, _highest(report))


def cautions(used: int, claim: str, highest: float) -> list[str]:
    """The same of so many prompts, and the largest dissimilarity that is given."""
    said = []
    if used < FEW_PROMPTS:
        said.append(
            f"Under {FEW_PROMPTS} prompts the intervals and tests of this method were never tried out; "
            f"with {count(used, 'prompt')} take them as a rough guide."
        )
    if used < FEW_PROMPTS_FOR_P and claim == "random":
        said.append(f"A claim about prompts like these needs {FEW_PROMPTS_FOR_P} prompts for a p-value of 0.05.")
    if highest > TESTED_UP_TO:
        said.append(
            f"Intervals were tried out up to {TESTED_UP_TO:.1f}; where nearly every sample tells its side, the "
            "lower limits are surer than the counts allow."
        )
    return said


def _highest(report: Report) -> float:
    """The largest dissimilarity that the report gives."""
    found = [report.total.linear, report.set.dissimilarity, *(one.dissimilarity for one in report.parameters)]
    curve = () if report.transition is None else report.transition.curve
    return max(one or 0.0 for one in (*(one.value for one in found), *(point.linear for point in curve)))


def seen_sentence(report: Report) -> str:
    """Warns of adaptive analysis once a report split has served more than once."""
    if report.reports_seen <= 1:
        return ""
    return (
        f"Report split seen {report.reports_seen:,} times, this report included: if an earlier one shaped this "
        "search, the numbers are no longer fresh (adaptive analysis)."
    )


def stopped_sentence(report: Report) -> str:
    reason = one_line(report.stopped_because, 300).rstrip(".")
    return f"The search stopped: {reason}." if reason else ""


def guided_sentences(report: Report) -> list[str]:
    """What a person had to do with the set, and the person's notes."""
    if report.guided is None:
        return []
    names = [one_line(one.name, 60) for one in report.parameters if one.chosen_by == "person"]
    chosen = f"A person chose {listed(names)}" if names else "A person chose no parameter"
    said = [
        f"A person guided this search in {count(len(report.guided.acts), 'act')}. {chosen}. The limit of 5% on "
        "false choices is that of the search on its own; p-values and q-values count all that was tried, and the "
        "numbers of the report split hold for any set chosen without it."
    ]
    if report.guided.guidance:
        told = "; ".join(f"“{one_line(text, 200)}”" for text in report.guided.guidance)
        said.append(f"Proposers were told: {told}.")
    return said + [f"Note: {one_line(text, 1000)}" for text in report.guided.notes]


def usage_sentence(report: Report) -> str:
    """What model calls took."""
    usage = report.usage
    if not usage.calls and not usage.cached:
        return "No model was called; no text left this machine."
    cost = "cost unknown" if usage.cost is None else f"cost ${usage.cost:,.2f}"
    lost = ""
    if usage.unusable or usage.failed:
        lost = f" ({usage.unusable:,} unusable, {usage.failed:,} more failed)"
    return (
        f"{count(usage.calls, 'model call')}{lost}, {usage.cached:,} more answered from the ledger, "
        f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, {cost}.{_racing_words(usage)}"
    )


def _racing_words(usage: Usage) -> str:
    """What was saved by not judging everything, where something was."""
    if usage.racing is None or usage.without_racing is None or usage.racing >= usage.without_racing:
        return ""
    return (
        f" On the read and select splits {usage.racing:,} calls judged what was proposed; judging all of it on "
        f"all of both would have taken {usage.without_racing:,}."
    )


# One parameter


def judge_words(judge: str) -> str:
    """Who answered the question: "measured in code (words)", "a score that came with the data (harm)", ..."""
    kind, _, rest = judge.partition(":")
    if kind == "code":
        return f"measured in code ({one_line(rest, 60)})"
    if kind == "pattern":
        what, _, pattern = rest.partition(":")
        return f"found in code (the {one_line(what, 20)} “{one_line(pattern, 60)}”)"
    if kind == "file":
        return f"measured by the user's own code ({one_line(rest, 60)})"
    if kind == "data":
        return f"a score that came with the data ({one_line(rest, 60)})"
    return f"judged by {one_line(judge, 60)}"


def parameter_facts(report: Report, parameter: Parameter) -> list[str]:
    """Short facts about one parameter beside its share."""
    facts = [f"Dissimilarity {interval_words(parameter.dissimilarity)}"]
    if parameter.shapley is not None:
        points = count(round(100 * parameter.shapley), "point")
        facts.append(f"{points} of the set's share (Shapley value)")
    if parameter.chosen_by == "person":
        facts.append("chosen by a person")
    if parameter.q_value is not None:
        facts.append(f"q {_test_value(parameter.q_value)} on the {tested_on(report)}")
    return facts


def tested_on(report: Report) -> str:
    """Which rows p- and q-values are of."""
    return measured_split(report) if fixed_beforehand(report) else "select split"


def q_words(parameter: Parameter) -> str:
    return "–" if parameter.q_value is None else probability_value(parameter.q_value)


def _test_value(value: float) -> str:
    shown = probability_value(value)
    return shown if shown.startswith("<") else f"= {shown}"


def missing_sentence(parameter: Parameter) -> str:
    """Samples without a level by reason and side, or "" if there are none."""
    judged = parameter.judged
    reasons = [
        ("refused", judged.refused),
        ("failed", judged.failed),
        ("missing", judged.missing),
        ("too rare for one", judged.rare),
    ]
    told = [
        f"{side.before:,} before and {side.after:,} after {reason}"
        for reason, side in reasons
        if side.before or side.after
    ]
    return f"Without a level: {'; '.join(told)}." if told else ""


# Candidates


def candidate_share_words(candidate: Candidate) -> str:
    """The share a candidate had where it was tried: for orientation, no result. A dash where it has none."""
    return "–" if candidate.share is None else interval_words(candidate.share, as_percent=True)


def candidate_test_words(candidate: Candidate) -> str:
    return "–" if candidate.q_value is None else probability_value(candidate.q_value)


def candidate_calls_words(candidate: Candidate) -> str:
    """Calls to a language model that it took; a dash where it took none."""
    return f"{candidate.calls:,}" if candidate.calls else "–"


def calls_are_told(report: Report) -> bool:
    """Whether any candidate took a call, so that there is something to tell."""
    return any(candidate.calls for candidate in report.candidates)


def candidates_by_share(report: Report) -> list[Candidate]:
    """All candidates: the chosen ones in their order, then the others from the largest share down."""
    chosen = {name: i for i, name in enumerate(report.set.parameters)}

    def place(candidate: Candidate) -> tuple[int, float]:
        share = candidate.share.value if candidate.share is not None else None
        return chosen.get(candidate.id, len(chosen)), 1.0 if share is None else -share

    return sorted(report.candidates, key=place)
