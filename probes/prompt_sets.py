"""The prompt sets that come with the project, one a domain; samples of a set; prompts that are nearly the same."""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import NamedTuple

from probes.errors import InputError
from probes.prompt import Prompt, PromptSet
from probes.prompt_files import SUFFIXES, load_prompt_file

__all__ = [
    "NEAR",
    "NearDuplicate",
    "Prompt",
    "PromptSet",
    "load_prompt_file",
    "near_duplicates",
    "prompt_set",
    "prompt_sets",
    "sample",
    "set_or_file",
]

_FOLDER = Path(__file__).with_name("domains")

NEAR = 0.6
"""Share of common words from which two prompts count as nearly the same."""


def prompt_sets() -> tuple[str, ...]:
    """The names of the sets that come with the project, in alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@cache
def prompt_set(name: str) -> PromptSet:
    """A set that comes with the project. Raises InputError, with the nearest name, where there is none of it."""
    names = prompt_sets()
    if name not in names:
        nearest = get_close_matches(name, names, 1)
        right = f"nearest: {nearest[0]}" if nearest else f"sets are {', '.join(names)}"
        raise InputError(
            f"{_quoted(name)}: no such set of prompts; {right}, or name a file ({', '.join(SUFFIXES)})"
        )
    return load_prompt_file(_FOLDER / f"{name}.yaml")


def set_or_file(source: str) -> PromptSet:
    """The set of that name, or that of a file. Raises InputError as `prompt_set` and `load_prompt_file`."""
    is_file = Path(source).suffix.lower() in SUFFIXES
    return load_prompt_file(source) if is_file else prompt_set(source)


def sets_or_files(sources: str) -> list[Prompt]:
    """The prompts of several, named with commas between them. Raises InputError as `set_or_file`."""
    names = [name.strip() for name in sources.split(",") if name.strip()]
    return [prompt for name in names for prompt in set_or_file(name).prompts]


def sample(prompts: PromptSet, n: int, seed: int) -> PromptSet:
    """n prompts of a set, in its order; each topic (first tag) has its part of them, as nearly as may be.

    The same seed draws the same prompts, and a larger n keeps those of a smaller one. Chance is a hash of seed and
    id: where the file's order changes, the draw does not. Raises InputError unless 1 <= n <= the set's size.
    """
    if not 1 <= n <= len(prompts.prompts):
        raise InputError(f"--sample: {n}; the set {_quoted(prompts.name)} has 1 to {len(prompts.prompts)} to draw")
    topics: defaultdict[str, list[Prompt]] = defaultdict(list)
    for prompt in prompts.prompts:
        topics[prompt.tags[0] if prompt.tags else ""].append(prompt)
    turn: dict[str, float] = {}
    for topic, members in topics.items():
        offset = _chance(seed, "topic", topic)  # systematic: the topic's prompts come at even steps from here
        for rank, prompt in enumerate(sorted(members, key=lambda one: _chance(seed, "prompt", one.id))):
            turn[prompt.id] = (rank + offset) / len(members)
    drawn = set(sorted(turn, key=lambda prompt_id: (turn[prompt_id], prompt_id))[:n])
    kept = tuple(prompt for prompt in prompts.prompts if prompt.id in drawn)
    return PromptSet(prompts.name, prompts.description, prompts.licence, kept)


def _chance(seed: int, kind: str, name: str) -> float:
    """A number in [0, 1) that belongs to a name under a seed."""
    digest = hashlib.sha256(f"{seed}\0{kind}\0{name}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)


class NearDuplicate(NamedTuple):
    """Two prompts and their similarity: words in both / words in either."""

    first: Prompt
    second: Prompt
    similarity: float


def near_duplicates(prompts: Sequence[Prompt], threshold: float = NEAR) -> list[NearDuplicate]:
    """All pairs of prompts whose sets of words have a Jaccard similarity of at least `threshold`, nearest first.

    System messages add no words; prompts under different ones are not the same. threshold: above 0, at most 1.
    Not every pair is looked at: two sets that are so similar share a word among the rarest
    |set| - ceil(threshold |set|) + 1 of each (prefix filter; Chaudhuri, Ganti & Kaushik 2006).
    """
    systems = [_said(prompt, by_system=True) for prompt in prompts]
    words = [frozenset(re.findall(r"\w+", _said(prompt, by_system=False).casefold())) for prompt in prompts]
    count = Counter(word for found in words for word in found)
    by_word: defaultdict[str, list[int]] = defaultdict(list)
    pairs = []
    for second, found in enumerate(words):
        rarest = sorted(found, key=lambda word: (count[word], word))
        prefix = rarest[: len(found) - math.ceil(threshold * len(found) - 1e-9) + 1]
        candidates = {first for word in prefix for first in by_word[word]}
        for first in candidates:
            similarity = len(found & words[first]) / len(found | words[first])
            if similarity >= threshold and systems[first] == systems[second]:
                pairs.append(NearDuplicate(prompts[first], prompts[second], similarity))
        for word in prefix:
            by_word[word].append(second)
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.first.id, pair.second.id))


def _said(prompt: Prompt, *, by_system: bool) -> str:
    """The system message, or the text of all other turns."""
    turns = prompt.messages or ({"role": "user", "content": prompt.text},)
    return "\n".join(turn["content"] for turn in turns if (turn["role"] == "system") is by_system)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
