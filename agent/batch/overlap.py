"""Whether jobs are about different prompts, and whether the search of one has read what another reports on.

What is said of several domains rests on samples that are independent. Those of different prompts are, and those of
the same prompts where each job has answers of its own and claims something of these prompts alone; where a claim
is about prompts like these, what is peculiar to a prompt is in the answers of both.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np

from agent.comparison import prompts_of_domain
from probes.words import count
from runs.directory import Run
from runs.schema import SPLITS
from tools.domains import BoolArray, groups_of
from tools.report.numbers import listed

SAME = 0.95
"""Share of the answers of the smaller that two sets have in common from which on they are the same answers: draws
of their own may agree in many, above all in short ones."""

HARDLY_ANY = 0.05
"""The same share up to which two sets are answers of their own: so few would hardly tie them. In between they may
be either."""

Pair = frozenset[str]
"""Names of two jobs."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """text: a hash of the prompt and the answer. searched: whether it lies in the read or select split."""

    sample_id: str
    prompt: str
    text: bytes
    searched: bool


@dataclass(frozen=True, eq=False)
class Held:
    """The prompts and answers of a job. domain: whose prompts alone it compares. claim: what its report is about,
    these prompts or prompts like these."""

    name: str
    label: str
    run: Run
    domain: str | None
    claim: Literal["fixed", "random"]

    @cached_property
    def prompt_of(self) -> dict[str, str]:
        """Texts by id."""
        return _prompt_of(self.run, self.domain)

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


def texts_of(run: Run, domain: str | None) -> frozenset[str]:
    """The prompts of a run, or of a domain of it."""
    return frozenset(_prompt_of(run, domain).values())


def _prompt_of(run: Run, domain: str | None) -> dict[str, str]:
    prompts = run.prompts()
    texts = dict(zip(prompts["prompt_id"].to_pylist(), prompts["prompt"].to_pylist(), strict=True))
    wanted = texts if domain is None else prompts_of_domain(run, domain)
    return {one: texts[one] for one in wanted}


@dataclass(frozen=True)
class Overlap:
    """said: what must be read before what is said of several domains. tied: pairs of jobs whose samples are not
    independent. read: pairs of which the first has searched among answers that the second reports on."""

    said: tuple[str, ...] = ()
    tied: frozenset[Pair] = frozenset()
    read: frozenset[tuple[str, str]] = frozenset()

    def independent(self, names: Sequence[str]) -> BoolArray:
        """Of jobs by jobs, whether their samples are independent."""
        return _not_in(self.tied, names)


def overlap_of(jobs: Sequence[Held]) -> Overlap:
    """What the jobs have in common."""
    shared, tied = {}, set()
    read: dict[tuple[str, str], int] = {}
    for a, b in combinations(jobs, 2):
        prompts = len(a.texts & b.texts)
        if not prompts:
            continue
        pair = frozenset((a.name, b.name))
        shared[pair] = prompts
        if "random" in (a.claim, b.claim) or _may_share_answers(a, b):
            tied.add(pair)
        read |= {(x.name, y.name): seen for x, y in ((a, b), (b, a)) if (seen := _read_by(x, y))}
    said = (*_sharing(jobs, shared, tied), *_reading(jobs, read))
    return Overlap(said, frozenset(tied), frozenset(read))


def _sharing(jobs: Sequence[Held], shared: dict[Pair, int], tied: Collection[Pair]) -> list[str]:
    """A line for jobs that are tied, and for those that share prompts alone."""
    kinds = [
        (
            "they count as one for what is common, are not held against each other for what is of one domain, and "
            "nothing is discovered over all jobs",
            [pair for pair in shared if pair in tied],
        ),
        (
            "with answers of their own, they are held against each other for these prompts alone, and nothing is "
            "discovered over all jobs",
            [pair for pair in shared if pair not in tied],
        ),
    ]
    lines = []
    for meaning, pairs in kinds:
        group_J = groups_of(_not_in(pairs, [job.name for job in jobs]))
        for group in np.unique(group_J):
            members = [job for job, one in zip(jobs, group_J, strict=True) if one == group]
            if len(members) > 1:
                pair = frozenset(job.name for job in members)
                prompts = count(shared[pair], "prompt") if len(members) == 2 else "prompts"
                lines.append(f"{listed([job.label for job in members])} share {prompts}: {meaning}")
    return lines


def _reading(jobs: Sequence[Held], read: dict[tuple[str, str], int]) -> list[str]:
    """A line for each job whose search has read what others report on."""
    lines = []
    for source in jobs:
        theirs = [
            f"{count(read[source.name, other.name], 'answer')} that {other.label} reports on"
            for other in jobs
            if (source.name, other.name) in read
        ]
        if theirs:
            lines.append(
                f"the search in {source.label} has read {listed(theirs)}: what it found is not measured there"
            )
    return lines


def _not_in(pairs: Collection[Pair], names: Sequence[str]) -> BoolArray:
    """Of names by names, whether they are none of the pairs."""
    apart = [[frozenset((a, b)) not in pairs for b in names] for a in names]
    return np.array(apart, dtype=bool).reshape(len(names), len(names))


def _may_share_answers(one: Held, other: Held) -> bool:
    """Whether more answers of some side of both agree than answers of their own would."""
    shared = one.texts & other.texts
    return any(
        _in_common(_to(mine, shared), _to(theirs, shared)) > HARDLY_ANY
        for mine in one.checkpoints
        for theirs in other.checkpoints
    )


def _to(answers: Sequence[_Answer], prompts: Collection[str]) -> list[_Answer]:
    return [one for one in answers if one.prompt in prompts]


def _in_common(mine: Sequence[_Answer], theirs: Sequence[_Answer]) -> float:
    """The share of the answers of the smaller set that lie in both; 0 where one is empty."""
    counts = [Counter(one.text for one in answers) for answers in (mine, theirs)]
    return (counts[0] & counts[1]).total() / max(1, min(len(mine), len(theirs)))


def _read_by(source: Held, other: Held) -> int:
    """Answers of the other's report split that lie in the read or select split of the source, on whatever side."""
    shared = source.texts & other.texts
    read: set[str] = set()
    for mine in source.checkpoints:
        for theirs in other.checkpoints:
            both = _to(mine, shared), _to(theirs, shared)
            if _in_common(*both) >= SAME:
                read |= _read_among(*both)
    return len(read)


def _read_among(mine: Sequence[_Answer], theirs: Sequence[_Answer]) -> set[str]:
    """Ids of answers to be reported on that were searched. On another side an answer has another id."""
    by_id = {(one.sample_id, one.text): one.searched for one in mine}
    searched = {one.text for one in mine if one.searched}
    return {
        one.sample_id
        for one in theirs
        if not one.searched and by_id.get((one.sample_id, one.text), one.text in searched)
    }
