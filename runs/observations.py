"""What a person must hear about the responses that come in: alerts, which stand before any number, and warnings.

Each is a function of what was read; what a length limit or a lost adapter does to responses is measured like a
change of behavior, so it is said.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from probes.scale import IntArray
from probes.words import are, count
from runs.formats.beside import Beside
from runs.formats.fields import plain_name
from runs.formats.record import listed, shown
from runs.formats.rows import LENGTH
from runs.texts import TextFacts, equals

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


def alerts(labels: Sequence[str], prompt_N: IntArray, condition_N: IntArray, facts: TextFacts) -> tuple[str, ...]:
    """Alerts about N responses to prompts (by index) under conditions named `labels`."""
    found = list(_empty(labels, condition_N, facts))
    if len(labels) == 2:
        found += _identical(prompt_N, condition_N, facts)
        found += _hardly_paired(labels, prompt_N, condition_N)
    return tuple(found)


def _empty(labels: Sequence[str], condition_N: IntArray, facts: TextFacts) -> Iterator[str]:
    total = np.bincount(condition_N, minlength=len(labels)).tolist()
    empty = np.bincount(condition_N[facts.blank_N], minlength=len(labels)).tolist()
    for index, label in enumerate(labels):
        if empty[index] >= EMPTY_ALERT * total[index] > 0:
            yield f"{percent(empty[index] / total[index])} of the responses {label} are empty or only white space"


def _identical(prompt_N: IntArray, condition_N: IntArray, facts: TextFacts) -> Iterator[str]:
    """Responses that both sides gave to one prompt, counted with their multiplicity."""
    filled = np.flatnonzero(~facts.blank_N)
    if not len(filled):
        return
    prompt_F, at_F = prompt_N[filled], condition_N[filled]
    counts_Q2 = np.bincount(2 * prompt_F + at_F, minlength=2 * (int(prompt_F.max()) + 1)).reshape(-1, 2)
    possible = int(counts_Q2.min(axis=1).sum())
    if not possible:
        return
    text_F = equals(np.column_stack([prompt_F.astype(np.uint64), facts.digest_N2[filled]]))
    counts_T2 = np.bincount(2 * text_F + at_F, minlength=2 * (int(text_F.max()) + 1)).reshape(-1, 2)
    common = int(counts_T2.min(axis=1).sum())
    limit = IDENTICAL_ALERT if np.median(facts.length_N[filled]) >= SHORT else SHORT_IDENTICAL_ALERT
    if common >= limit * possible:
        yield (
            f"{percent(common / possible)} of the responses are identical on both sides: was the adapter loaded? "
            "or was one file given twice?"
        )


def _hardly_paired(labels: Sequence[str], prompt_N: IntArray, condition_N: IntArray) -> Iterator[str]:
    prompts = [np.unique(prompt_N[condition_N == index]) for index in range(2)]
    common = len(np.intersect1d(prompts[0], prompts[1]))
    for label, found in zip(labels, prompts, strict=True):
        if 2 * common < len(found):
            yield f"only {common} of {count(len(found), 'prompt')} {label} {are(common)} on the other side too"


def missing(labels: Sequence[str], counts: Mapping[int, int]) -> list[str]:
    """Responses that were null: left out, by condition."""
    if not any(counts.values()):
        return []
    return [f"missing responses (null) were left out: {_by_label(labels, counts)}"]


def empty(labels: Sequence[str], condition_N: IntArray, facts: TextFacts) -> list[str]:
    """Empty responses: kept, by condition."""
    counts = Counter(condition_N[facts.blank_N].tolist())
    return [f"empty responses were kept: {_by_label(labels, counts)}"] if counts else []


def thinking(
    labels: Sequence[str], condition_N: IntArray, counts: Mapping[int, int], stripped: bool
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
    prompt_N: IntArray,
    condition_N: IntArray,
    facts: TextFacts,
    finish_N: Iterable[str | None],
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
    is_cut_N = np.fromiter((reason == LENGTH for reason in finish_N), dtype=bool)
    cut = Counter(condition_N[is_cut_N].tolist())
    shares = _shares(labels, condition_N, cut)
    if max(shares) - min(shares) >= CUT_DIFFERENCE:
        said = " and ".join(f"{percent(share)} {label}" for share, label in zip(shares, labels, strict=True))
        found.append(f"responses cut at the length limit: {said}: that difference is measured too")
    elif max(shares) >= CUT_DIFFERENCE:
        found.append(f"{percent(max(shares))} of the responses were cut at the length limit under every condition")
    return found + _repeated(labels, prompt_N, condition_N, facts)


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


def _repeated(labels: Sequence[str], prompt_N: IntArray, condition_N: IntArray, facts: TextFacts) -> list[str]:
    """Draws that are all the same are one draw counted several times."""
    if not len(prompt_N):
        return []
    groups = int(prompt_N.max()) + 1
    group_N = condition_N * groups + prompt_N
    size_G = np.bincount(group_N, minlength=groups * len(labels))
    filled_G = np.bincount(group_N[facts.length_N > 0], minlength=len(size_G)) > 0
    text_N = equals(np.column_stack([group_N.astype(np.uint64), facts.digest_N2]))
    _, first_T = np.unique(text_N, return_index=True)
    texts_G = np.bincount(group_N[first_T], minlength=len(size_G))
    several_G = (size_G > 1) & filled_G
    found = []
    for index, label in enumerate(labels):
        own = slice(index * groups, (index + 1) * groups)
        several = int(several_G[own].sum())
        same = int((several_G[own] & (texts_G[own] == 1)).sum())
        if several and same >= REPEATED * several:
            found.append(
                f"{percent(same / several)} of the prompts have several responses {label} that are all the "
                "same (temperature 0?): repeated draws say nothing new, so the intervals are too narrow"
            )
    return found


def _shares(labels: Sequence[str], condition_N: IntArray, counts: Mapping[int, int]) -> list[float]:
    total = np.bincount(condition_N, minlength=len(labels)).tolist()
    return [counts.get(index, 0) / max(total[index], 1) for index in range(len(labels))]


def _by_label(labels: Sequence[str], counts: Mapping[int, int]) -> str:
    return ", ".join(f"{counts.get(index, 0)} {label}" for index, label in enumerate(labels))


def percent(fraction: float) -> str:
    """A share of a whole; never 100% or 0% where something is missing or there."""
    if 0.995 <= fraction < 1:
        return "over 99%"
    return "under 1%" if 0 < fraction < 0.01 else f"{fraction:.0%}"
