"""How far do reweighted samples reach, and is what is refused rightly refused? A study on worlds of known truth.

    python -m benchmarks.reweighting             about two minutes

Samples of some checkpoints of a toy sweep (all, four or two in the middle, both ends) speak for every checkpoint
and every boundary; in half of the worlds prompts are missing at some of them. Counted is how often 95% intervals
hold the exact value: the mean level of a parameter at checkpoints, its dissimilarity and share at boundaries.
Finished blocks are kept in build/; after a kill the same command goes on.
Writes benchmarks/results/reweighting.json.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from benchmarks.blocks import ROOT, Block, OtherStudy, Result, code_digest, run_blocks
from benchmarks.machine import machine
from benchmarks.worlds import CLAIMS
from probes.grammar import random_grammar
from probes.scale import FloatArray, IntArray
from probes.toy_world import Contrast, Course, CourseKind, ToyWorld, with_effect
from tools.inference import Estimate
from tools.layout import Claim
from tools.reweight import Pool, Weighted

SEED = 20250828
BLOCKS, WORLDS_A_BLOCK = 30, 30
CHECKPOINTS, TYPES = 11, 60
COURSES: tuple[tuple[CourseKind, float], ...] = (("drift", 0.8), ("sharp", 0.9), ("sharp", 0.98))
SOURCES: dict[str, tuple[int, ...]] = {
    "all": tuple(range(CHECKPOINTS)),
    "four in the middle": (4, 5, 6, 7),
    "two": (2, 3),
    "both ends": (0, CHECKPOINTS - 1),
}
PROMPTS, DRAWS = (8, 24), (2, 4, 8, 20)
SELDOM, ABSENT = 0.2, (0.3, 0.6)
"""Share of prompts with samples at a checkpoint that has few, and shares of prompts and checkpoints without."""
FEATURE = "length"


def sampled_QC(rng: np.random.Generator, prompts: int, sources: int) -> IntArray:
    """Whether prompts were sampled at checkpoints, 0 or 1: all at all, few at one, or some at each."""
    sampled_QC = np.ones((prompts, sources), dtype=np.int64)
    kind = rng.integers(4)
    if kind == 0:
        sampled_QC[:, rng.integers(sources)] = rng.random(prompts) < SELDOM
    elif kind == 1:
        sampled_QC = (rng.random((prompts, sources)) >= rng.choice(ABSENT)).astype(np.int64)
    sampled_QC[np.arange(prompts), rng.integers(sources, size=prompts)] = 1
    return sampled_QC


@lru_cache(maxsize=64)
def world_of(seed: int, kind: CourseKind, total: float) -> ToyWorld:
    world = ToyWorld(random_grammar(seed, TYPES), np.linspace(0, 1, CHECKPOINTS), Course(kind, 0.5, 0.1))
    return with_effect(world, lambda one: one.population().total(), total)


def class_of(found: Weighted, claim: Claim) -> str:
    """Which kind of support a point has; what is refused stands apart."""
    some = "the target sampled in some prompts" if found.sampled_Q.any() else "the target only reached"
    kind = "the target sampled in every prompt" if found.sampled_Q.all() else some
    if found.supports(claim):
        return f"said, {kind}"
    return f"refused for {'reach' if found.enough else 'effective samples'}, {kind}"


def cases(rng: np.random.Generator) -> Iterator[tuple[str, bool]]:
    """Of one world: what kind of case, and whether its interval holds the exact value."""
    kind, total = COURSES[rng.integers(len(COURSES))]
    world = world_of(int(rng.integers(20)), kind, total)
    types_Q = world.draw_prompts(rng, int(rng.choice(PROMPTS)))
    sources = SOURCES[list(SOURCES)[rng.integers(len(SOURCES))]]
    count_QC = int(rng.choice(DRAWS)) * sampled_QC(rng, len(types_Q), len(sources))
    draws = world.draw(rng, types_Q, count_QC, before=sources[:1], after=sources[1:])
    pool = Pool(world.loglik(draws), draws.prompt_N, draws.checkpoint_N)
    levels_X = world.levels(FEATURE)
    value_X = levels_X / levels_X.max()
    for k in range(CHECKPOINTS):
        found = pool.toward((k,))
        if found is not None:
            for claim in CLAIMS:
                mean = found.proportion(value_X[draws.output_N[found.row_N]], claim)
                yield (
                    f"mean|{claim}|{class_of(found, claim)}",
                    holds(mean, exact_mean(world, types_Q, value_X, k, claim)),
                )
    for k in range(CHECKPOINTS - 1):
        found = pool.toward((k, k + 1))
        if found is not None:
            yield from _at_boundary(world, types_Q, pool, found, levels_X[draws.output_N[found.row_N]], k)


def _at_boundary(
    world: ToyWorld, types_Q: IntArray, pool: Pool, found: Weighted, levels_N: IntArray, k: int
) -> Iterator[tuple[str, bool]]:
    s_N, levels_X = pool.evidence(found, (k,), (k + 1,)), world.levels(FEATURE)
    for claim in CLAIMS:
        contrast: Contrast = (
            world.given(types_Q, (k,), (k + 1,)) if claim == "fixed" else world.population((k,), (k + 1,))
        )
        case = f"{claim}|{class_of(found, claim)}"
        alone = found.dissimilarity(s_N, levels_N[:, None], claim)
        yield f"dissimilarity|{case}", holds(alone, contrast.dissimilarity(levels_X))
        share = found.share(s_N, levels_N[:, None], claim)
        yield f"share|{case}", holds(share, contrast.share(levels_X))


def exact_mean(world: ToyWorld, types_Q: IntArray, value_X: FloatArray, k: int, claim: Claim) -> float:
    mean_T = np.exp(world.log_probability_QKX[:, k]) @ value_X
    return float(mean_T[types_Q].mean() if claim == "fixed" else world.grammar.weight_Q @ mean_T)


def holds(estimate: Estimate, exact: float) -> bool:
    high = 1.0 if estimate.high is None else estimate.high
    return estimate.low - 1e-9 <= exact <= high + 1e-9


def work(block: Block, seed: int) -> Result:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    rng = block.generator(seed)
    for _ in range(WORLDS_A_BLOCK):
        for case, held in cases(rng):
            counts[case][0] += held
            counts[case][1] += 1
    return dict(counts)


def summary(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Cases and the share of them whose interval holds the exact value."""
    total: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for result in results:
        for case, (held, count) in result.items():
            total[case][0] += held
            total[case][1] += count
    rows = []
    for case, (held, count) in sorted(total.items()):
        quantity, claim, support = case.split("|")
        rows.append(
            {
                "quantity": quantity,
                "claim": claim,
                "support": support,
                "cases": count,
                "held": round(held / count, 3),
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int)
    options = parser.parse_args(arguments)
    blocks = [Block("reweighting", "all", index) for index in range(BLOCKS)]
    journal = ROOT / "build" / "reweighting" / f"{options.seed}.jsonl"
    try:
        results = run_blocks(
            blocks,
            partial(work, seed=options.seed),
            journal,
            {"seed": options.seed, "code": code_digest("blocks.py", "machine.py")},
            expected_seconds={"reweighting": 7.0},
            processes=options.processes,
        )
    except OtherStudy as error:
        print(error, file=sys.stderr)
        return 2
    found = {
        "seed": options.seed,
        "machine": machine(),
        "cases": summary([results[block.key] for block in blocks]),
    }
    text = json.dumps(found, indent=1)
    print(text)
    (ROOT / "benchmarks" / "results" / "reweighting.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
