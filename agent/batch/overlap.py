"""Whether jobs are about different prompts, and whether the search of one has read what another reports on.

What is said of several domains takes them for independent, as they are where their prompts differ.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from agent.comparison import prompts_of_domain
from probes.words import count
from runs.directory import Run
from runs.schema import SPLITS


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
    def split_of(self) -> dict[bytes, str]:
        """The split of each answer, by a hash of its id, prompt and text."""
        samples = self.run.samples(["sample_id", "prompt_id", "split", "response"])
        columns = (samples[name].to_pylist() for name in ("sample_id", "prompt_id", "split", "response"))
        return {
            hashlib.sha256(repr((one, self.prompt_of[prompt], response)).encode()).digest(): split
            for one, prompt, split, response in zip(*columns, strict=True)
            if prompt in self.prompt_of
        }


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
    """Answers of the other's report split that lie in the read or select split of the source."""
    report = SPLITS[-1]
    return sum(
        split == report and source.split_of.get(key, report) != report for key, split in other.split_of.items()
    )
