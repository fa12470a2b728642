"""What a person must hear about the responses that come in: alerts, which stand before any number, and warnings.

Each is a function of what was read; what a length limit or a lost adapter does to responses is measured like a
change of behavior, so it is said.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from probes.words import are, count
from runs.formats.beside import Beside
from runs.formats.fields import plain_name
from runs.formats.record import listed, shown
from runs.formats.rows import LENGTH

EMPTY_ALERT = 0.2
"""Share of empty responses under a condition from which on it is an alert."""

IDENTICAL_ALERT = 0.5
"""Share of responses that the other side gave word for word to the same prompt."""

SHORT_IDENTICAL_ALERT = 0.95
"""The same where most responses are short: a benchmark's letters are often the same."""

SHORT = 20  # characters
CUT_DIFFERENCE = 0.1
THINKING_DIFFERENCE = 0.1
REPEATED = 0.5
"""Share of prompts whose responses are all the same from which on it is a warning."""

SETTINGS = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "max_new_tokens", "repetition_penalty")
POOLED = ("checkpoint", "step", "global_step", "model", "model_id", "model_name")
"""Columns that tell conditions apart; several values within a side are pooled."""


def alerts(
    labels: Sequence[str], prompt_N: Sequence[int], condition_N: Sequence[int], response_N: Sequence[str]
) -> tuple[str, ...]:
    """Alerts about N responses to prompts (by index) under conditions named `labels`."""
    found = list(_empty(labels, condition_N, response_N))
    if len(labels) == 2:
        found += _identical(prompt_N, condition_N, response_N)
        found += _hardly_paired(labels, prompt_N, condition_N)
    return tuple(found)


def _empty(labels: Sequence[str], condition_N: Sequence[int], response_N: Sequence[str]) -> Iterator[str]:
    total = Counter(condition_N)
    empty = Counter(at for at, text in zip(condition_N, response_N, strict=True) if not text.strip())
    for index, label in enumerate(labels):
        if empty[index] >= EMPTY_ALERT * total[index] > 0:
            yield f"{percent(empty[index] / total[index])} of the responses {label} are empty or only white space"


def _identical(prompt_N: Sequence[int], condition_N: Sequence[int], response_N: Sequence[str]) -> Iterator[str]:
    """Responses that both sides gave to one prompt, counted with their multiplicity."""
    counts: dict[int, tuple[Counter[str], Counter[str]]] = defaultdict(lambda: (Counter(), Counter()))
    lengths = []
    for prompt, condition, text in zip(prompt_N, condition_N, response_N, strict=True):
        if text.strip():
            counts[prompt][condition][text] += 1
            lengths.append(len(text))
    common = sum((before & after).total() for before, after in counts.values())
    possible = sum(min(before.total(), after.total()) for before, after in counts.values())
    if not possible:
        return
    limit = IDENTICAL_ALERT if median(lengths) >= SHORT else SHORT_IDENTICAL_ALERT
    if common >= limit * possible:
        yield f"{percent(common / possible)} of the responses are identical on both sides: was the adapter loaded?"


def _hardly_paired(labels: Sequence[str], prompt_N: Sequence[int], condition_N: Sequence[int]) -> Iterator[str]:
    prompts = [{p for p, at in zip(prompt_N, condition_N, strict=True) if at == index} for index in range(2)]
    common = len(prompts[0] & prompts[1])
    for label, found in zip(labels, prompts, strict=True):
        if 2 * common < len(found):
            yield f"only {common} of {count(len(found), 'prompt')} {label} {are(common)} on the other side too"


def missing(labels: Sequence[str], counts: Mapping[int, int]) -> list[str]:
    """Responses that were null: left out, by condition."""
    if not any(counts.values()):
        return []
    return [f"missing responses (null) were left out: {_by_label(labels, counts)}"]


def empty(labels: Sequence[str], condition_N: Sequence[int], response_N: Sequence[str]) -> list[str]:
    """Empty responses: kept, by condition."""
    counts = Counter(at for at, text in zip(condition_N, response_N, strict=True) if not text.strip())
    return [f"empty responses were kept: {_by_label(labels, counts)}"] if counts else []


def thinking(
    labels: Sequence[str], condition_N: Sequence[int], counts: Mapping[int, int], stripped: bool
) -> tuple[list[str], list[str]]:
    """Notes and warnings about thinking blocks before the answer."""
    if not any(counts.values()):
        return [], []
    what = "were stripped" if stripped else "were kept as part of the answer (--thinking strip leaves them out)"
    notes = [f"thinking blocks before the answer {what}: {_by_label(labels, counts)}"]
    shares = _shares(labels, condition_N, counts)
    if stripped or max(shares) - min(shares) < THINKING_DIFFERENCE:
        return notes, []
    return notes, [
        "the conditions differ in how many responses hold a thinking block: that difference is measured too"
    ]


def sampled_differently(
    labels: Sequence[str],
    prompt_N: Sequence[int],
    condition_N: Sequence[int],
    response_N: Sequence[str],
    finish_N: Sequence[str | None],
    settings: Mapping[str, Sequence[set[object]]],
) -> list[str]:
    """Warnings where the conditions were not sampled alike. settings: values by name and condition."""
    found = []
    for name, values in settings.items():
        present = [one for one in values if one]
        if len(present) == len(labels) and any(one != present[0] for one in present):
            said = ", ".join(
                f"{listed(sorted(one, key=str), 3)} {label}" for one, label in zip(values, labels, strict=True)
            )
            found.append(f"{name} differs ({said}): that difference is measured too")
    cut = Counter(at for at, reason in zip(condition_N, finish_N, strict=True) if reason == LENGTH)
    shares = _shares(labels, condition_N, cut)
    if max(shares) - min(shares) >= CUT_DIFFERENCE:
        said = " and ".join(f"{percent(share)} {label}" for share, label in zip(shares, labels, strict=True))
        found.append(f"responses cut at the length limit: {said}: that difference is measured too")
    elif max(shares) >= CUT_DIFFERENCE:
        found.append(f"{percent(max(shares))} of the responses were cut at the length limit under every condition")
    return found + _repeated(labels, prompt_N, condition_N, response_N)


def settings_of(
    beside: Beside, metadata: Sequence[Mapping[str, object]], condition_N: Sequence[int], conditions: int
) -> dict[str, list[set[object]]]:
    """Settings of sampling by condition, from the columns beside the responses and from what the files say."""
    found: dict[str, list[set[object]]] = {}
    for name in beside.names:
        setting = plain_name(name.split(".")[-1])
        if setting in SETTINGS:
            sets = found.setdefault(setting, [set() for _ in range(conditions)])
            for value, at in zip(beside.column(name), condition_N, strict=True):
                if value is not None:
                    sets[at].add(value)
    for at, told in enumerate(metadata):
        for name, setting_value in told.items():
            if plain_name(name) in SETTINGS:
                found.setdefault(plain_name(name), [set() for _ in range(conditions)])[at].add(setting_value)
    return found


def pooled(labels: Sequence[str], beside: Beside, condition_N: Sequence[int]) -> list[str]:
    """Warnings where a side holds several checkpoints or models, which are taken as one."""
    found = []
    for name in beside.names:
        if plain_name(name) not in POOLED:
            continue
        values: list[dict[object, None]] = [{} for _ in labels]
        for value, at in zip(beside.column(name), condition_N, strict=True):
            if value is not None:
                values[at][value] = None
        for label, distinct in zip(labels, values, strict=True):
            if len(distinct) > 1:
                found.append(
                    f"{label} holds {len(distinct)} values of {shown(name)} ({listed(distinct, 4)}) on one side; "
                    f"--by {name.strip()} --before VALUE --after VALUE compares two of them"
                )
    return found


def _repeated(
    labels: Sequence[str], prompt_N: Sequence[int], condition_N: Sequence[int], response_N: Sequence[str]
) -> list[str]:
    """Draws that are all the same are one draw counted several times."""
    groups: dict[tuple[int, int], list[str]] = defaultdict(list)
    for prompt, at, text in zip(prompt_N, condition_N, response_N, strict=True):
        groups[at, prompt].append(text)
    found = []
    for index, label in enumerate(labels):
        several = [texts for (at, _), texts in groups.items() if at == index and len(texts) > 1 and any(texts)]
        same = sum(len(set(texts)) == 1 for texts in several)
        if several and same >= REPEATED * len(several):
            found.append(
                f"{percent(same / len(several))} of the prompts have several responses {label} that are all the "
                "same (temperature 0?): repeated draws say nothing new, so the intervals are too narrow"
            )
    return found


def _shares(labels: Sequence[str], condition_N: Sequence[int], counts: Mapping[int, int]) -> list[float]:
    total = Counter(condition_N)
    return [counts.get(index, 0) / max(total[index], 1) for index in range(len(labels))]


def _by_label(labels: Sequence[str], counts: Mapping[int, int]) -> str:
    return ", ".join(f"{counts.get(index, 0)} {label}" for index, label in enumerate(labels))


def percent(fraction: float) -> str:
    """A share of a whole; never 100% or 0% where something is missing or there."""
    if 0.995 <= fraction < 1:
        return "over 99%"
    return "under 1%" if 0 < fraction < 0.01 else f"{fraction:.0%}"
