"""Plain English from the numbers of a batch's summary."""

from collections.abc import Mapping

from agent.batch.summary import Cell, Domain, RowRecord, Summary
from probes.words import at_price, count
from tools.report.document import BySide
from tools.report.numbers import listed, number, percent, probability_value
from tools.report.safe_text import one_line
from tools.report.words import interval_words, is_near_all, limits, not_separable, total_words

VERDICTS = {
    "common": "Common to several domains",
    "specific": "Of one domain, among those it was measured in",
    "undecided": "Seen, but neither surely common nor surely of one domain",
    "not shown": "Not shown in any domain",
}

NOT_MEASURED = "–"
TOGETHER = "all together"
"""What the discovery over all domains is called."""


def labels_of(summary: Summary) -> dict[str, str]:
    """What a person calls each job, on one line."""
    return {one.name: one_line(one.label, 40) for one in summary.domains}


def verdict_words(row: RowRecord, labels: Mapping[str, str]) -> str:
    """What is claimed of a parameter, in a sentence."""
    seen = listed([one_line(labels[name], 40) for name in row.seen_in])
    tied = listed([one_line(labels[name], 40) for name in row.tied])
    if row.verdict == "common":
        where = _all(len(row.seen_in)) if row.everywhere else seen
        ways = f", but not the same way: {_ways(row, labels)}" if row.opposite else ""
        one = f"; {tied} count as one where they share prompts" if tied else ""
        return f"Common to {where}{ways}{one}."
    if row.verdict == "specific":
        return f"Of {seen}: seen there alone, and separably larger there than in {_others(row, labels)}."
    if row.verdict == "undecided":
        others = sum(cell.dissimilarity is not None for cell in row.cells.values()) - 1
        if not others:
            return f"Seen in {seen}; it was measured in no other domain."
        if len(row.seen_in) > 1:
            one = f"; {tied} count as one where they share prompts" if tied else ""
            return f"Seen in {seen}; whether in more than one of them, these samples cannot tell{one}."
        shares = f", as {tied} share prompts" if tied else ""
        return f"Seen in {seen}; whether there alone, these samples cannot tell{shares}."
    return "Not shown to have changed in any domain."


def _all(domains: int) -> str:
    return "both domains" if domains == 2 else f"all {domains} domains"


def _others(row: RowRecord, labels: Mapping[str, str]) -> str:
    """The domains that one was held against, and those that it was not."""
    others: dict[bool, list[str]] = {True: [], False: []}
    for name, cell in row.cells.items():
        if name != row.of:
            others[cell.dissimilarity is not None].append(one_line(labels[name], 40))
    lacking = f"; it was not measured in {listed(others[False])}" if others[False] else ""
    return f"{listed(others[True])}{lacking}"


def _ways(row: RowRecord, labels: Mapping[str, str]) -> str:
    groups = []
    for word, sign in (("higher after", 1), ("lower after", -1)):
        names = [one_line(labels[name], 40) for name in row.seen_in if (row.cells[name].shift or 0.0) * sign > 0]
        if names:
            groups.append(f"{word} in {listed(names)}")
    return ", ".join(groups)


def headline(summary: Summary) -> list[str]:
    """A few sentences that answer what the domains have in common."""
    labels = labels_of(summary)
    common = [row for row in summary.parameters if row.verdict == "common"]
    own = [row for row in summary.parameters if row.verdict == "specific"]
    said = []
    failed = [labels[one.name] for one in summary.domains if one.status == "failed"]
    if failed:
        said.append(f"Not complete: {listed(failed)} failed.")
    if common:
        names = [f"{one_line(row.name, 60)} ({_where(row, labels)})" for row in common[:3]]
        rest = len(common) - len(names)
        said.append(f"Common: {listed([*names, *([f'{rest} more'] if rest else [])])}.")
    if own:
        names = [f"{one_line(row.name, 60)} ({labels.get(row.of or '', '')})" for row in own[:4]]
        rest = len(own) - len(names)
        said.append(f"{VERDICTS['specific']}: {listed([*names, *([f'{rest} more'] if rest else [])])}.")
    if not common and not own:
        said.append("No order parameter was shown to be common to domains or to belong to one.")
    return said


def _where(row: RowRecord, labels: Mapping[str, str]) -> str:
    if row.everywhere:
        return f"in {_all(len(row.seen_in))}"
    return f"in {listed([labels[name] for name in row.seen_in])}"


def rule_sentences(summary: Summary) -> list[str]:
    """How the claims were made."""
    level = percent(summary.level)
    return [
        "Every number here is of report splits, which no search has seen; a parameter has the cut points of the "
        "job that defined it.",
        f"A parameter is seen in a domain where q is at most {number(summary.level)}. It is common where it is "
        "seen in two domains or more and the test of having changed in one at most is rejected. It is of one "
        "domain where it is seen there alone and its dissimilarity is separable there from that in each other "
        "domain it was measured in.",
        f"{count(summary.tests, 'test')} in three families: of the cells seen, of what is called common, and of "
        f"what is called of one domain, at most {level} each is expected to be false (Benjamini and Hochberg; "
        f"{summary.resamples:,} resamples). Intervals hold 95% each, not all at once.",
        *(
            ["The column of all domains together has the same samples again: no claim rests on it."]
            if summary.pooled is not None
            else []
        ),
        *(
            []
            if summary.transferred
            else ["Parameters were measured where they were found only: what is common may be more (--transfer)."]
        ),
        *(f"{one_line(note, 300)[:1].upper()}{one_line(note, 300)[1:]}." for note in summary.notes),
    ]


def share_cell(cell: Cell | None, bound: str | None) -> str:
    """ "42%", "≤ 44%", "≥ 91%", "0%": the share of a cell, for a table."""
    if cell is None or cell.dissimilarity is None:
        return NOT_MEASURED
    share = cell.share
    if share is None or share.value is None:
        return "?"
    if not_separable(share):
        return "0%"
    if _is_near_all(cell):
        return f"≥ {percent(share.low or 0.0, 'down')}"
    most = "≤ " if bound == "lower" else ""
    return f"{most}{percent(share.value, 'up' if most else 'nearest')}"


def limits_cell(cell: Cell | None) -> str:
    """The interval of the share; "" where it has no two limits."""
    if cell is None or cell.share is None or cell.share.low is None or cell.share.high is None:
        return ""
    if _is_near_all(cell):
        return ""
    return f"{percent(cell.share.low, 'down')} to {percent(cell.share.high, 'up')}"


def _is_near_all(cell: Cell) -> bool:
    samples = 0 if cell.samples is None else cell.samples.before + cell.samples.after
    return cell.share is not None and is_near_all(cell.share, samples)


def cell_words(cell: Cell) -> str:
    """All that a cell holds, for whoever points at it or does not see it."""
    if cell.dissimilarity is None:
        return one_line(cell.why or "not measured", 200)
    q = "" if cell.q_value is None else f", q {probability_value(cell.q_value)}"
    ways = (
        ""
        if not cell.shift or not is_seen(cell, 0.05)
        else (", higher after" if cell.shift > 0 else ", lower after")
    )
    return f"dissimilarity {interval_words(cell.dissimilarity)}{q}{ways}"


def is_seen(cell: Cell | None, level: float) -> bool:
    return cell is not None and cell.q_value is not None and cell.q_value <= level


def heat(cell: Cell | None) -> int:
    """0 to 10: how strong the color of a cell is, by its dissimilarity."""
    if cell is None or cell.dissimilarity is None or cell.dissimilarity.value is None:
        return 0
    if cell.dissimilarity.one_sided:
        return 0
    return max(1, min(10, round(10 * cell.dissimilarity.value)))


def total_cell(domain: Domain) -> str:
    return "" if domain.total is None else total_words(domain.total, domain.bound or "exact")


def usage_sentence(summary: Summary) -> str:
    used = summary.usage
    if not used.calls and not used.cached:
        return "No calls to language models."
    asked = f"{count(used.calls, 'call')} to language models {at_price(used.cost)}"
    return f"{asked}; {count(used.cached, 'answer')} from the ledger."


def captured_cell(domain: Domain) -> str:
    """The share that a domain's own set captures there."""
    own = domain.captured
    if own is None or own.value is None or not domain.parameters:
        return NOT_MEASURED
    counts = domain.samples or BySide()
    if is_near_all(own, counts.before + counts.after):
        return f"at least {percent(own.low or 0.0, 'down')}"
    if own.one_sided:
        return interval_words(own, as_percent=True)
    below, regression = domain.bound == "lower", domain.estimator == "regression"
    between = f"({limits(own, as_percent=True)})"
    if below and regression:
        return f"about {percent(own.value)} {between}"
    if below:
        return f"at most {percent(own.value, 'up')} {between}"
    return f"at least {percent(own.value, 'down')} {between}" if regression else f"{percent(own.value)} {between}"


def found_words(summary: Summary, row: RowRecord) -> str:
    """The jobs whose search chose a parameter."""
    labels = labels_of(summary)
    return listed([labels.get(name, TOGETHER) for name in row.found_in])
