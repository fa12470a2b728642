"""Which responses answer the same prompt: by the prompt's id or by its text, whichever pairs more, and said aloud.

The system prompt is part of the prompt, by id as well, unless then nothing would pair.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from probes.errors import InputError
from probes.scale import IntArray
from probes.words import are, count
from runs.formats.chat import Prompt
from runs.formats.record import shown

PairBy = Literal["auto", "id", "text"]

EXAMPLES = 3
SIMILAR = 0.5
"""Share of the shorter text's words that the longer must hold for two texts to be one prompt spelled twice."""


@dataclass(frozen=True)
class Pairing:
    """Prompts told apart. prompt_N: index of each response's prompt into the Q prompts; prompt_ids_Q, text_Q: the
    id and the index of the text that stands for each; notes, warnings: sentences."""

    by: Literal["id", "text"]
    prompt_N: IntArray
    prompt_ids_Q: tuple[str, ...]
    text_Q: tuple[int, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Way:
    """One way to tell prompts apart: a key for each response."""

    by: Literal["id", "text"]
    key_N: IntArray
    conditions: dict[int, set[int]] = field(default_factory=dict)

    def rows_paired(self) -> int:
        """Responses whose prompt is there under at least two conditions."""
        paired = np.asarray([len(self.conditions[key]) > 1 for key in self.key_N.tolist()], dtype=bool)
        return int(paired.sum())


def pair(
    prompts: Sequence[Prompt],
    text_N: Sequence[int],
    id_N: Sequence[str | None],
    condition_N: Sequence[int],
    labels: Sequence[str],
    pair_by: PairBy = "auto",
) -> Pairing:
    """The pairing of N responses under conditions (two sides, or the values of a sweep) named `labels`.

    prompts: the different texts, text_N an index into them. InputError: no prompt in common (with examples), ids
    that carry other prompts on the other side, or `pair_by` asks for ids that there are not.
    """
    ways = [_way(name, prompts, text_N, id_N, condition_N) for name in _names(pair_by, id_N)]
    # the first of equals: text, then id with system prompt, then the id alone
    way = max(ways, key=lambda one: one.rows_paired())
    if not way.rows_paired():
        raise _nothing_in_common(prompts, text_N, id_N, condition_N, labels)
    key_K, first_K, prompt_N = np.unique(way.key_N, return_index=True, return_inverse=True)
    order_Q = np.argsort(first_K)  # prompts in the order of their first response
    rank_K = np.empty(len(key_K), dtype=np.int64)
    rank_K[order_Q] = np.arange(len(key_K))
    prompt_N = rank_K[prompt_N.reshape(-1)]
    text_Q = tuple(text_N[first] for first in first_K[order_Q])
    texts_Q = _sets(prompt_N.tolist(), text_N)
    warnings = _differing_texts(way, prompts, texts_Q, prompt_N, text_N, id_N, condition_N, pair_by)
    return Pairing(
        by=way.by,
        prompt_N=prompt_N,
        prompt_ids_Q=_prompt_ids(way, prompts, text_Q, prompt_N, id_N),
        text_Q=text_Q,
        notes=(
            _counts(way, prompt_N, condition_N, labels),
            *_unpaired(prompts, text_Q, prompt_N, condition_N, labels),
            *_ids_against_texts(way, prompts, text_N, id_N),
        ),
        warnings=warnings,
    )


def _names(pair_by: PairBy, id_N: Sequence[str | None]) -> list[str]:
    has_ids = any(one is not None for one in id_N)
    if pair_by == "text" or (pair_by == "auto" and not has_ids):
        return ["text"]
    if not has_ids:
        raise InputError("--pair-by id: the rows have no prompt id; name its field with --prompt-id-field")
    return ["id and system", "id"] if pair_by == "id" else ["text", "id and system", "id"]


def _way(
    name: str,
    prompts: Sequence[Prompt],
    text_N: Sequence[int],
    id_N: Sequence[str | None],
    condition_N: Sequence[int],
) -> _Way:
    index: dict[object, int] = {}
    keys = []
    for text, prompt_id in zip(text_N, id_N, strict=True):
        key: object = text
        if name != "text" and prompt_id is not None:
            key = (prompt_id, prompts[text].system if name == "id and system" else None)
        keys.append(index.setdefault(key, len(index)))
    return _Way("text" if name == "text" else "id", np.asarray(keys, dtype=np.int64), _sets(keys, condition_N))


def _sets(keys: Sequence[int], values: Sequence[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for key, value in zip(keys, values, strict=True):
        found[key].add(value)
    return found


def _prompt_ids(
    way: _Way, prompts: Sequence[Prompt], text_Q: Sequence[int], prompt_N: IntArray, id_N: Sequence[str | None]
) -> tuple[str, ...]:
    """The given id where it names one prompt and the prompt has no other; else with a short hash of the text."""
    ids_Q: dict[int, set[str | None]] = defaultdict(set)
    prompts_of_id: dict[str | None, set[int]] = defaultdict(set)
    for prompt, prompt_id in zip(prompt_N.tolist(), id_N, strict=True):
        ids_Q[prompt].add(prompt_id)
        prompts_of_id[prompt_id].add(prompt)
    found = []
    for prompt, text in enumerate(text_Q):
        given = next(iter(ids_Q[prompt])) if len(ids_Q[prompt]) == 1 else None
        mark = hashlib.sha256(repr(prompts[text].turns).encode()).hexdigest()[:10]
        if given is None:
            found.append(f"p-{mark}")
        else:
            found.append(given if len(prompts_of_id[given]) == 1 else f"{given}-{mark}")
    return tuple(found)


def _counts(way: _Way, prompt_N: IntArray, condition_N: Sequence[int], labels: Sequence[str]) -> str:
    conditions_Q = _sets(prompt_N.tolist(), condition_N)
    everywhere = sum(len(conditions) == len(labels) for conditions in conditions_Q.values())
    if len(labels) > 2:
        return f"paired by prompt {way.by}: {everywhere} of {len(conditions_Q)} prompts under every value"
    said = []
    for index, label in enumerate(labels):
        prompts = sum(index in conditions for conditions in conditions_Q.values())
        rows = [q for q, at in zip(prompt_N.tolist(), condition_N, strict=True) if at == index]
        paired = sum(len(conditions_Q[q]) == len(labels) for q in rows)
        said.append(f"{label} {count(prompts, 'prompt')}, {paired} of {count(len(rows), 'response')} paired")
    return f"paired by prompt {way.by}: {count(everywhere, 'prompt')} on both sides ({'; '.join(said)})"


def _unpaired(
    prompts: Sequence[Prompt],
    text_Q: Sequence[int],
    prompt_N: IntArray,
    condition_N: Sequence[int],
    labels: Sequence[str],
) -> list[str]:
    """What did not pair, with examples; in a sweep what is not under all values."""
    conditions_Q = _sets(prompt_N.tolist(), condition_N)
    found = []
    if len(labels) > 2:
        partial = [q for q in sorted(conditions_Q) if len(conditions_Q[q]) < len(labels)]
        if partial:
            found.append(
                f"{count(len(partial), 'prompt')} {are(len(partial))} not under every value, "
                f"e.g. {_examples(prompts, text_Q, partial)}"
            )
        return found
    for index, label in enumerate(labels):
        alone = [q for q in sorted(conditions_Q) if conditions_Q[q] == {index}]
        if alone:
            found.append(
                f"{count(len(alone), 'prompt')} {are(len(alone))} only {label}, "
                f"e.g. {_examples(prompts, text_Q, alone)}"
            )
    return found


def _examples(prompts: Sequence[Prompt], text_Q: Sequence[int], chosen: Sequence[int]) -> str:
    return ", ".join(shown(_asked(prompts[text_Q[q]])) for q in chosen[:EXAMPLES])


def _ids_against_texts(
    way: _Way, prompts: Sequence[Prompt], text_N: Sequence[int], id_N: Sequence[str | None]
) -> list[str]:
    """Ids that stand for several prompts, and prompts under several ids, when the text was used to pair."""
    if way.by == "id":
        return []
    texts_of_id: dict[str, set[int]] = defaultdict(set)
    ids_of_text: dict[int, set[str]] = defaultdict(set)
    for text, prompt_id in zip(text_N, id_N, strict=True):
        if prompt_id is not None:
            texts_of_id[prompt_id].add(text)
            ids_of_text[text].add(prompt_id)
    found = []
    several = [prompt_id for prompt_id, texts in texts_of_id.items() if len(texts) > 1]
    if several:
        prompts_there = len(set().union(*(texts_of_id[one] for one in several)))
        systems = len({prompts[text].system for one in several for text in texts_of_id[one]})
        why = f", under {systems} system prompts" if systems > 1 else ""
        found.append(
            f"{count(len(several), 'prompt id')} {'stands' if len(several) == 1 else 'stand'} for "
            f"{prompts_there} prompts{why} (e.g. {shown(several[0])}): "
            "the text tells them apart"
        )
    doubled = [text for text, ids in ids_of_text.items() if len(ids) > 1]
    if doubled:
        ids = sorted(ids_of_text[doubled[0]])[:2]
        found.append(
            f"{count(len(doubled), 'prompt')} {are(len(doubled))} under several ids "
            f"(e.g. {shown(prompts[doubled[0]].text)} under {shown(ids[0])} and {shown(ids[1])}): "
            "rows of one text are one prompt"
        )
    return found


def _differing_texts(
    way: _Way,
    prompts: Sequence[Prompt],
    texts_Q: dict[int, set[int]],
    prompt_N: IntArray,
    text_N: Sequence[int],
    id_N: Sequence[str | None],
    condition_N: Sequence[int],
    pair_by: PairBy,
) -> tuple[str, ...]:
    """Ids whose prompt is spelled differently on the sides. InputError where most are other prompts altogether."""
    if way.by == "text":
        return ()
    differing = [q for q in sorted(texts_Q) if len(texts_Q[q]) > 1]
    if not differing:
        return ()
    first_row = dict(reversed(list(zip(prompt_N.tolist(), id_N, strict=True))))
    pairs = {q: _two_texts(prompts, sorted(texts_Q[q])) for q in differing}
    unlike = [q for q in differing if not _similar(*pairs[q])]
    example = unlike[0] if unlike else differing[0]
    one, other = pairs[example]
    shown_pair = f"e.g. id {shown(first_row[example])}: {shown(one)} and {shown(other)}"
    if pair_by == "auto" and 2 * len(unlike) > len(texts_Q):
        raise InputError(
            f"the same prompt ids carry different prompts ({len(unlike)} of {len(texts_Q)}, {shown_pair}); "
            "if they mean the same prompt, say --pair-by id"
        )
    what = f"{len(differing)} prompt ids carry different texts, paired by id all the same ({shown_pair})"
    if unlike:
        what += f"; {len(unlike)} of them have hardly a word in common"
    return (what,)


def _two_texts(prompts: Sequence[Prompt], texts: Sequence[int]) -> tuple[str, str]:
    return prompts[texts[0]].text, prompts[texts[1]].text


def _similar(one: str, other: str) -> bool:
    words, others = set(one.lower().split()), set(other.lower().split())
    return len(words & others) >= SIMILAR * min(len(words), len(others))


def _nothing_in_common(
    prompts: Sequence[Prompt],
    text_N: Sequence[int],
    id_N: Sequence[str | None],
    condition_N: Sequence[int],
    labels: Sequence[str],
) -> InputError:
    """Examples of each side, and what would pair."""
    sides = range(len(labels))
    rows = list(zip(text_N, id_N, condition_N, strict=True))
    texts = [dict.fromkeys(text for text, _, at in rows if at == side) for side in sides]
    ids = [{prompt_id for _, prompt_id, at in rows if at == side and prompt_id is not None} for side in sides]
    asked = [{_without_system(prompts[text]) for text in side} for side in texts]
    if texts[0].keys() & texts[1].keys():
        hint = "their texts pair: say --pair-by text"
    elif ids[0] & ids[1]:
        hint = "their ids pair: say --pair-by id"
    elif asked[0] & asked[1]:
        hint = (
            "without system prompts they pair: name the question's field with --prompt-id-field, say --pair-by id"
        )
    else:
        hint = "both sides must answer the same prompts"
    examples = "; ".join(
        f"{label} {', '.join(shown(_asked(prompts[text])) for text in list(side)[:2])}"
        for label, side in zip(labels[:2], texts, strict=False)
    )
    return InputError(f"no prompt in common: {examples}; {hint}")


def _asked(prompt: Prompt) -> str:
    """The last turn, which tells prompts of one system message apart."""
    return prompt.turns[-1][1]


def _without_system(prompt: Prompt) -> tuple[tuple[str, str], ...]:
    return tuple(turn for turn in prompt.turns if turn[0] != "system")
