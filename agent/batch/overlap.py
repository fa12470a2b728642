"""Whether jobs are about different prompts, and whether the search of one has read what another reports on.

What is said of several domains takes them for independent, as they are where their prompts differ.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from agent.comparison import prompts_of_domain
from probes.words import count
from runs.directory import Run
from runs.schema import SPLITS

SAME = 0.95
"""Share of the answers of the smaller that two sets have in common from which on they are the same answers: draws
of their own may agree in many, above all in short ones."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """text: a hash of the prompt and the answer. searched: whether it lies in the read or select split."""

    sample_id: str
    prompt: str
    text: bytes
    searched: bool


@dataclass(frozen=True, eq=False)
class Held:
    """The prompts and answers of a job. domain: whose prompts alone it compares."""

    name: str
    label: str
    run: Run
    domain: str | None

    @cached_property
    def prompt_of(self) -> dict[str, str]:
        """Texts by id."""
        prompts = self.run.prompts()
        texts = dict(zip(prompts["prompt_id"].to_pylist(), prompts["prompt"].to_pylist(), strict=True))
        wanted = texts if self.domain is None else prompts_of_domain(self.run, self.domain)
        return {one: texts[one] for one in wanted}

    @cached_property
    def texts(self) -> frozenset[str]:
        return frozenset(self.prompt_of.values())

    @cached_property
    def checkpoints(self) -> list[list[_Answer]]:
        """The answers of each checkpoint."""
        names = ("checkpoint", "sample_id", "prompt_id", "split", "response")
        samples = self.run.samples(list(names))
        found = defaultdict(list)
        for at, one, prompt_id, split, response in zip(
            *(samples[name].to_pylist() for name in names), strict=True
        ):
            if prompt_id in self.prompt_of:
                prompt = self.prompt_of[prompt_id]
                text = hashlib.sha256(repr((prompt, response)).encode()).digest()
                found[at].append(_Answer(one, prompt, text, split != SPLITS[-1]))
        return list(found.values())


@dataclass(frozen=True)
class Overlap:
    """said: what must be read before what is said of several domains. read: pairs of jobs of which the first has
    searched among answers that the second reports on."""

    said: tuple[str, ...] = ()
    read: frozenset[tuple[str, str]] = frozenset()


def overlap_of(jobs: Sequence[Held]) -> Overlap:
    """What the jobs have in common."""
    said, read = [], set()
    for a, b in combinations(jobs, 2):
        shared = len(a.texts & b.texts)
        if not shared:
            continue
        said.append(
            f"{a.label} and {b.label} share {count(shared, 'prompt')}: what is said of several domains takes them "
            "for independent, which they are not, and nothing is discovered over all of them"
        )
        for source, other in ((a, b), (b, a)):
            seen = _read_by(source, other)
            if seen:
                read.add((source.name, other.name))
                said.append(
                    f"the search in {source.label} has read {count(seen, 'answer')} that {other.label} reports "
                    "on: what it found is not measured there"
                )
    return Overlap(tuple(said), frozenset(read))


def _read_by(source: Held, other: Held) -> int:
    """Answers of the other's report split that lie in the read or select split of the source, on whatever side."""
    shared = source.texts & other.texts
    read: set[str] = set()
    for mine in source.checkpoints:
        for theirs in other.checkpoints:
            both = [[one for one in answers if one.prompt in shared] for answers in (mine, theirs)]
            if _are_the_same(*both):
                read |= _read_among(*both)
    return len(read)


def _are_the_same(mine: Sequence[_Answer], theirs: Sequence[_Answer]) -> bool:
    counts = [Counter(one.text for one in answers) for answers in (mine, theirs)]
    smaller = min(len(mine), len(theirs))
    return smaller > 0 and (counts[0] & counts[1]).total() >= SAME * smaller


def _read_among(mine: Sequence[_Answer], theirs: Sequence[_Answer]) -> set[str]:
    """Ids of answers to be reported on that were searched. On another side an answer has another id."""
    by_id = {(one.sample_id, one.text): one.searched for one in mine}
    searched = {one.text for one in mine if one.searched}
    return {
        one.sample_id
        for one in theirs
        if not one.searched and by_id.get((one.sample_id, one.text), one.text in searched)
    }
