"""Racing against judging everything: the same parameters, how many fewer judgments, no more false ones?

    python -m benchmarks.racing             about three minutes
    python -m benchmarks.racing --quick     a small version, in build/

40 yes-or-no candidates race on the read half of a world's samples, as a discovery has them race, and the greedy
choice goes on from the survivors on the select half; or it goes on from all 40. The two are paired: one world, one
half, one seed. Beside it, how often something false is chosen of what was found on read: the 20 of 400 that differ
most there. Finished blocks are kept in build/; after a kill the same command goes on. Writes
benchmarks/results/racing.json.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from agent.builtin import MOST_PATTERNS
from agent.proposer_tools import PILOT
from agent.racing import FEWEST_RACING
from benchmarks.blocks import ROOT, Block, OtherStudy, Result, code_digest, run_blocks
from benchmarks.machine import machine
from probes.scale import FloatArray, IntArray
from tools.layout import AFTER, BEFORE, Claim, Layout, layout_of
from tools.race import survivors
from tools.selection import greedy

SEED = 20251126
WORLDS_A_BLOCK = 10
CANDIDATES = 40
PROMPTS, DRAWS = 24, 20
MIN_GAIN = 0.01
CLEAR, FAINT = (0.8, 0.65, 0.5), (0.7, 0.5, 0.4)
"""How much more often "yes" is said after than before."""
MISREAD = 0.1


@dataclass(frozen=True, slots=True)
class Kind:
    """effects: of the first candidates. twice: each of these is followed by a second question about the same, a
    tenth of whose answers are misread. spread: effects of the others on single prompts, uniform from -spread to
    spread, which cancel in the population. candidates: as many there are."""

    claim: Claim
    effects: tuple[float, ...] = ()
    twice: bool = False
    spread: float = 0.0
    candidates: int = CANDIDATES


PLANTED = {
    "three clear traits, random prompts": Kind("random", CLEAR),
    "a faint third trait, random prompts": Kind("random", FAINT),
    "a faint third trait, fixed prompts": Kind("fixed", FAINT),
    "a faint third trait, each asked about twice, random prompts": Kind("random", FAINT, twice=True),
}
NULL = {
    "nothing changes, random prompts": Kind("random"),
    "nothing changes, fixed prompts": Kind("fixed"),
    "effects on single prompts that cancel, random prompts": Kind("random", spread=0.5),
}
FOUND = {
    "found on read, nothing changes": Kind("random", candidates=400),
    "found on read, small effects on single prompts that cancel": Kind("random", spread=0.2, candidates=400),
    "found on read, effects on single prompts that cancel": Kind("random", spread=0.5, candidates=400),
}
PARTS = {"planted": PLANTED, "null": NULL, "found": FOUND}
KINDS = PLANTED | NULL | FOUND
BLOCKS = {"planted": 10, "null": 24, "found": 12}


@dataclass(frozen=True, eq=False)
class World:
    """Levels [N, 40] of the candidates, and the rows of the two halves, in the order in which they are judged."""

    claim: Claim
    layout: Layout
    levels_NJ: IntArray
    read: IntArray
    select: IntArray

    def part(self, rows: IntArray, columns: Sequence[int]) -> tuple[FloatArray, Layout, IntArray]:
        layout, kept_N = self.layout.rows(np.isin(np.arange(self.layout.samples), rows))
        return layout.label_N, layout, self.levels_NJ[kept_N][:, list(columns)]


def world_of(rng: np.random.Generator, kind: Kind, draws: int = DRAWS) -> World:
    """Every prompt has a base rate of its own, so that answers to one prompt go together."""
    prompt_N, side_N = (grid.reshape(-1) for grid in np.mgrid[0:PROMPTS, 0:2].repeat(draws, axis=2))
    effect_J = np.zeros(kind.candidates)
    effect_J[: len(kind.effects)] = kind.effects
    base_QJ = rng.uniform(0.25, 0.75, size=(PROMPTS, kind.candidates))
    effect_QJ = np.where(effect_J, effect_J, rng.uniform(-1, 1, size=base_QJ.shape) * kind.spread)
    chance_NJ = np.clip(base_QJ[prompt_N] + (side_N[:, None] - 0.5) * effect_QJ[prompt_N], 0.02, 0.98)
    levels_NJ = (rng.random(chance_NJ.shape) < chance_NJ).astype(np.int64)
    if kind.twice:
        traits = len(kind.effects)
        misread_NJ = rng.random((len(side_N), traits)) < MISREAD
        levels_NJ[:, traits : 2 * traits] = levels_NJ[:, :traits] ^ misread_NJ
    layout, kept_N = layout_of(prompt_N, side_N, side_N)
    assert kept_N.all()
    return World(kind.claim, layout, levels_NJ, *_halves(rng, layout))


def _halves(rng: np.random.Generator, layout: Layout) -> tuple[IntArray, IntArray]:
    """Half of each prompt and side, as the splits of a run; one answer a side of every prompt, then the next."""
    group_N = layout.prompt_N * 2 + layout.side_N
    shuffled = rng.permutation(layout.samples)
    by_group = shuffled[np.argsort(group_N[shuffled], kind="stable")]
    rank_N = np.empty(layout.samples, dtype=np.int64)
    rank_N[by_group] = np.arange(layout.samples) % (layout.samples // (2 * layout.prompts))
    order = np.lexsort((group_N, rank_N))
    return order[: len(order) // 2], order[len(order) // 2 :]


def raced(world: World) -> tuple[list[int], int]:
    """Who is left after the race on read, and how many judgments it took."""
    left, size, judgments = list(range(CANDIDATES)), PILOT, PILOT * CANDIDATES
    while True:
        values_N, layout, levels_NJ = world.part(world.read[:size], left)
        nothing_NK = levels_NJ[:, :0]
        stay_J = survivors(
            values_N, layout, nothing_NK, levels_NJ, world.claim, min_gain=MIN_GAIN, fewest=FEWEST_RACING
        )
        left = [j for j, stays in zip(left, stay_J.tolist(), strict=True) if stays]
        if size >= len(world.read) or len(left) <= FEWEST_RACING:
            return left, judgments
        judgments += (min(2 * size, len(world.read)) - size) * len(left)
        size *= 2


def chosen(
    world: World,
    columns: Sequence[int],
    seed: int,
    *,
    rows: IntArray | None = None,
    raced_out: int = 0,
    most: int = 3,
    min_gain: float = MIN_GAIN,
) -> set[int]:
    """The greedy choice from some candidates, on select unless told otherwise."""
    selection = greedy(
        *world.part(world.select if rows is None else rows, columns),
        world.claim,
        black_box=True,
        seed=seed,
        min_gain=min_gain,
        max_parameters=most,
        resamples=199,
        raced_out=raced_out,
    )
    return {columns[j] for j in selection.chosen}


def planted(world: World, kind: Kind, seed: int) -> dict[str, int]:
    """Of one world with traits: whether the same set is chosen, what the race lost, and the judgments."""
    left, judgments = raced(world)
    everything = range(CANDIDATES)
    whole = chosen(world, everything, seed)
    with_race = chosen(world, left, seed, raced_out=CANDIDATES - len(left))
    traits = len(kind.effects)

    def asked(columns: set[int]) -> set[int]:
        """The traits that these ask about."""
        return {j % traits for j in columns if j < traits * (1 + kind.twice)}

    return {
        "worlds": 1,
        "same": with_race == whole,
        "same_traits": asked(with_race) == asked(whole),
        "same_if_raced_out_do_not_count": chosen(world, left, seed) == whole,
        "same_by_judging_everything_on_other_samples": chosen(world, everything, seed, rows=world.read) == whole,
        "all_traits_survive_the_race": len(asked(set(left))) == traits,
        "all_traits_chosen_with_race": len(asked(with_race)) == traits,
        "all_traits_chosen_without": len(asked(whole)) == traits,
        "judgments_with_race": judgments + len(world.select) * len(left),
        "judgments_without": (len(world.read) + len(world.select)) * CANDIDATES,
    }


def null(world: World, seed: int) -> dict[str, int]:
    """Of one world without change: whether something is chosen. The minimum gain is 0: the rule decides."""
    left, _ = raced(world)
    rule = partial(chosen, world, seed=seed, most=1, min_gain=0.0)
    with_race = bool(rule(left, raced_out=CANDIDATES - len(left)))
    without = bool(rule(range(CANDIDATES)))
    return {
        "worlds": 1,
        "false_with_race": with_race,
        "false_without": without,
        "only_with_race": with_race and not without,
        "only_without": without and not with_race,
        "false_if_raced_out_do_not_count": bool(rule(left)),
    }


def found_on_read(world: World, seed: int) -> dict[str, int]:
    """Of one world without change: whether something is chosen of what differs most on read, as words are found
    that tell the sides apart, and of as many taken at random. Splits by sample share their prompts."""
    _, layout, levels_NJ = world.part(world.read, range(world.levels_NJ.shape[1]))
    rate_SJ = np.stack([levels_NJ[layout.side_N == side].mean(axis=0) for side in (BEFORE, AFTER)])
    order = np.argsort(-np.abs(rate_SJ[0] - rate_SJ[1]), kind="stable").tolist()
    best, others = order[:MOST_PATTERNS], order[MOST_PATTERNS:]
    rule = partial(chosen, world, seed=seed, most=1, min_gain=0.0)
    return {
        "worlds": 1,
        "false_of_the_best_on_read": bool(rule(best)),
        "false_of_the_best_on_read_above_the_minimum_gain": bool(rule(best, min_gain=MIN_GAIN)),
        "false_if_the_others_count": bool(rule(best, raced_out=len(others))),
        "false_of_as_many_at_random": bool(rule(range(MOST_PATTERNS))),
    }


def work(block: Block, seed: int) -> Result:
    rng, kind = block.generator(seed), KINDS[block.cell]
    counts: Counter[str] = Counter()
    for _ in range(WORLDS_A_BLOCK):
        world, greedy_seed = world_of(rng, kind), int(rng.integers(2**31))
        match block.part:
            case "planted":
                found = planted(world, kind, greedy_seed)
            case "null":
                found = null(world, greedy_seed)
            case _:
                found = found_on_read(world, greedy_seed)
        counts.update({key: int(value) for key, value in found.items()})
    return dict(counts)


def summary(cell: str, results: Sequence[Result]) -> dict[str, Any]:
    """Sums of a cell's blocks; how many times fewer judgments; whether false choices are more, by McNemar's exact
    test of the worlds in which only one of the two finds something."""
    total = sum((Counter(result) for result in results), Counter[str]())
    row: dict[str, Any] = {"cell": cell, **{key: total[key] for key in results[0]}}
    if cell in PLANTED:
        row["times_fewer_judgments"] = round(row["judgments_without"] / row["judgments_with_race"], 2)
    elif cell in NULL:
        more, fewer = row["only_with_race"], row["only_without"]
        p = stats.binomtest(more, more + fewer, alternative="greater").pvalue if more + fewer else 1.0
        row["p_if_racing_finds_no_more"] = float(f"{p:.3g}")
    return row


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--quick", action="store_true", help="two blocks a cell; the result is kept in build/")
    options = parser.parse_args(arguments)
    blocks = [
        Block(part, cell, index)
        for part, cells in PARTS.items()
        for cell in cells
        for index in range(2 if options.quick else BLOCKS[part])
    ]
    folder = ROOT / "build" / "racing"
    try:
        results = run_blocks(
            blocks,
            partial(work, seed=options.seed),
            folder / f"{options.seed}.jsonl",
            {
                "seed": options.seed,
                "race": [PILOT, FEWEST_RACING],
                "code": code_digest("blocks.py", "machine.py"),
            },
            expected_seconds={"planted": 8.0, "null": 3.0, "found": 3.0},
            processes=options.processes,
        )
    except OtherStudy as error:
        print(error, file=sys.stderr)
        return 2
    found = {
        "seed": options.seed,
        "machine": machine(),
        "cells": [summary(cell, [results[block.key] for block in blocks if block.cell == cell]) for cell in KINDS],
    }
    text = json.dumps(found, indent=1)
    print(text)
    result = folder / "quick.json" if options.quick else ROOT / "benchmarks" / "results" / "racing.json"
    result.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
