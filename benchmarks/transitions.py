"""Are transitions found where they were planted, and none where there is none? A study on worlds of known truth.

    python -m benchmarks.transitions             all of it, about ten minutes on two cores
    python -m benchmarks.transitions --quick     30 worlds a cell

A world is a grammar whose behavior moves along a sweep as planned: once, twice, slowly all the way, or not at all.
Prompts and answers are drawn anew for each world; the transition's place is drawn too. Finished blocks are kept in
build/; after a kill the same command goes on. Writes benchmarks/results/transitions.json.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blocks import ROOT, Block, OtherStudy, Result, code_digest, run_blocks
from benchmarks.machine import machine
from probes.grammar import random_grammar
from probes.scale import FloatArray, IntArray
from probes.toy_world import Course, CourseKind, ToyWorld, with_effect
from tools.curve_sums import Windows, sums_of_loglik
from tools.held_out_curve import sums_of_texts
from tools.layout import Claim
from tools.transition import Peak, default_window, transitions_of, widths_at_half_height
from tools.windowed_curve import WindowedCurve

SEED = 20250828
WORLDS, QUICK_WORLDS, BLACK_BOX_WORLDS = 300, 30, 60
WORLDS_A_BLOCK = 10
TYPES = 60
GRAMMARS = 20
APART = 2.0
"""Widths between two transitions: of the exact curve of one of them, at half height."""


@dataclass(frozen=True)
class Cell:
    """Worlds alike in course, sweep and samples. total: dissimilarity of the first and the last checkpoint in the
    population; of each half of the way, where there are two transitions. width: of the sigmoid."""

    course: CourseKind
    checkpoints: int
    prompts: int
    draws: int
    claim: Claim
    total: float = 0.6
    width: float = 0.01
    black_box: bool = False

    @property
    def name(self) -> str:
        plan = {"none": "none", "drift": f"drift of {self.total:g}"}.get(
            self.course, f"{self.course} of {self.total:g}, width {self.width:g}"
        )
        mode = ", black box" if self.black_box else ""
        return f"{plan}: K={self.checkpoints} Q={self.prompts} n={self.draws} {self.claim}{mode}"

    @property
    def window(self) -> int:
        return default_window(self.checkpoints)


CELLS = (
    Cell("none", 11, 8, 4, "fixed"),
    *(Cell("drift", *sweep, total=total) for total in (0.3, 0.6) for sweep in (
        (5, 8, 8, "fixed"), (11, 8, 4, "fixed"), (11, 24, 4, "random"), (21, 8, 1, "fixed"), (41, 24, 2, "random")
    )),
    Cell("drift", 41, 60, 8, "random", total=0.8),
    *(Cell("sharp", *sweep, width=width) for width in (0.01, 0.05) for sweep in (
        (11, 8, 4, "fixed"), (11, 24, 4, "random"), (41, 8, 4, "fixed"), (41, 24, 2, "random")
    )),
    Cell("two", 41, 8, 4, "fixed", total=0.5),
    Cell("two", 41, 24, 4, "random", total=0.5),
    Cell("two", 41, 24, 4, "random", total=0.5, width=0.03),
    Cell("none", 11, 12, 6, "fixed", black_box=True),
    Cell("drift", 11, 24, 6, "random", black_box=True),
    Cell("sharp", 11, 12, 6, "fixed", black_box=True),
)  # fmt: skip


@dataclass
class Counts:
    """Over worlds. said: at least one peak. right_number: of peaks. planted, exact: all planted places, or the
    tops of the exact curve, lie within the intervals of as many peaks. width: the exact curve's is within its
    interval."""

    worlds: int = 0
    said: int = 0
    right_number: int = 0
    planted: int = 0
    exact: int = 0
    width: int = 0


# One world


@lru_cache(maxsize=64)
def effect_of(grammar: int, cell: Cell) -> float:
    """The dial at which the whole way has the cell's total; for two, half the way."""
    world = ToyWorld(random_grammar(grammar, TYPES), np.linspace(0, 1, 3), Course("sharp", 0.5, 0.01))
    if cell.course == "drift":
        world = replace(world, course=Course("drift"))
    effect = with_effect(world, lambda one: one.population().total(), cell.total).effect
    return 2 * effect if cell.course == "two" else effect


def exact_curve(world: ToyWorld, cell: Cell, types_Q: IntArray) -> FloatArray:
    """[B] of what the claim is about."""
    windows = Windows(cell.checkpoints, cell.window)
    sides = [windows.sides(boundary) for boundary in range(windows.boundaries)]
    of = partial(world.given, types_Q) if cell.claim == "fixed" else world.population
    return np.array([of(before, after).total() for before, after in sides])


def world_of(cell: Cell, rng: np.random.Generator) -> ToyWorld:
    """A world of the cell, its transitions at places drawn at random."""
    grammar = int(rng.integers(GRAMMARS))
    control_K = np.linspace(0, 1, cell.checkpoints)
    if cell.course == "none":
        return ToyWorld(random_grammar(grammar, TYPES), control_K, Course("none"))
    course = Course(cell.course, float(rng.uniform(0.25, 0.75)), cell.width)
    world = ToyWorld(random_grammar(grammar, TYPES), control_K, course, effect_of(grammar, cell))
    return _two_places(world, cell, rng) if cell.course == "two" else world


def _two_places(world: ToyWorld, cell: Cell, rng: np.random.Generator) -> ToyWorld:
    """Two transitions, as far apart as `APART` says, the first where the second has room."""
    alone = replace(world, course=Course("sharp", 0.5, cell.width), effect=world.effect / 2)
    curve_B = exact_curve(alone, replace(cell, claim="random"), np.zeros(0, dtype=np.int64))
    width = float(widths_at_half_height(curve_B[None], np.array([curve_B.argmax()]), middles(world.control_K))[0])
    first = float(rng.uniform(0.15, 0.85 - APART * width))
    return replace(world, course=Course("two", first, cell.width, first + APART * width))


def middles(control_K: FloatArray) -> FloatArray:
    middle_B: FloatArray = (control_K[1:] + control_K[:-1]) / 2
    return middle_B


def sampled_curve(world: ToyWorld, cell: Cell, types_Q: IntArray, rng: np.random.Generator) -> WindowedCurve:
    draws = world.draw(rng, types_Q, cell.draws, before=(0,), after=range(1, cell.checkpoints))
    if not cell.black_box:
        loglik_NK = world.loglik(draws).astype(np.float32)
        return WindowedCurve(
            sums_of_loglik(loglik_NK, draws.prompt_N, draws.checkpoint_N, cell.window), cell.claim
        )
    windows = Windows(cell.checkpoints, cell.window)
    sums = sums_of_texts(world.texts(draws)[1], draws.prompt_N, draws.checkpoint_N, windows, seed=0)
    return WindowedCurve(sums, cell.claim, lower_bound=True)


def one_world(cell: Cell, counts: Counts, rng: np.random.Generator) -> None:
    """Draws a world, locates its transitions and counts what was right."""
    world = world_of(cell, rng)
    types_Q = world.draw_prompts(rng, cell.prompts)
    curve = sampled_curve(world, cell, types_Q, rng)
    peaks = transitions_of(curve, world.control_K, seed=int(rng.integers(2**31))).peaks
    planted = {"sharp": [world.course.position], "two": [world.course.position, world.course.second]}.get(
        cell.course, []
    )
    counts.worlds += 1
    counts.said += bool(peaks)
    counts.right_number += len(peaks) == len(planted)
    if not planted or len(peaks) < len(planted):
        return
    in_order = sorted(peaks[: len(planted)], key=lambda peak: peak.boundary)
    control_K = world.control_K
    counts.planted += all(
        control_K[peak.low] <= place <= control_K[peak.high + 1]
        for peak, place in zip(in_order, planted, strict=True)
    )
    counts.exact += _exact(world, cell, types_Q, in_order)
    counts.width += _width(world, cell, types_Q, in_order[0])


def _exact(world: ToyWorld, cell: Cell, types_Q: IntArray, peaks: Sequence[Peak]) -> bool:
    """Whether the top of the exact curve, on either side of its valley, lies in the peak's interval."""
    curve_B = exact_curve(world, cell, types_Q)
    if len(peaks) == 1:
        tops = [int(curve_B.argmax())]
    else:
        middle = int(np.searchsorted(middles(world.control_K), (world.course.position + world.course.second) / 2))
        tops = [int(curve_B[:middle].argmax()), middle + int(curve_B[middle:].argmax())]
    return all(peak.low <= top <= peak.high for peak, top in zip(peaks, tops, strict=True))


def _width(world: ToyWorld, cell: Cell, types_Q: IntArray, peak: Peak) -> bool:
    curve_B = exact_curve(world, cell, types_Q)
    top = np.array([curve_B.argmax() if cell.course == "sharp" else peak.boundary])
    width = float(widths_at_half_height(curve_B[None], top, middles(world.control_K))[0])
    return bool(peak.width_low <= width <= peak.width_high)


# The study


def work(block: Block, seed: int) -> Result:
    cell = next(one for one in CELLS if one.name == block.cell)
    rng, counts = block.generator(seed), Counts()
    for _ in range(WORLDS_A_BLOCK):
        one_world(cell, counts, rng)
    return asdict(counts)


def study(worlds: int, seed: int, journal: Path, processes: int | None = None) -> list[dict[str, Any]]:
    """Counts of all cells, or what is missing of them. Raises OtherStudy."""
    blocks = [
        Block("black box" if cell.black_box else "likelihood", cell.name, index)
        for cell in CELLS
        for index in range((min(worlds, BLACK_BOX_WORLDS) if cell.black_box else worlds) // WORLDS_A_BLOCK)
    ]
    expected = {"likelihood": 1.5, "black box": 30.0}
    results = run_blocks(
        blocks,
        partial(work, seed=seed),
        journal,
        {"seed": seed, "code": code_digest("blocks.py", "machine.py")},
        expected_seconds=expected,
        processes=processes,
    )
    return [summary(cell, [results[block.key] for block in blocks if block.cell == cell.name]) for cell in CELLS]


def summary(cell: Cell, results: Sequence[Result]) -> dict[str, Any]:
    """Shares of worlds; of planted places among worlds with as many peaks or more, of all worlds where none."""
    total = {name: sum(result[name] for result in results) for name in asdict(Counts())}
    worlds = total["worlds"]
    found: dict[str, Any] = {"cell": cell.name, "worlds": worlds}
    if cell.course in ("none", "drift"):
        return {**found, "no transition": 1 - total["said"] / worlds}
    found |= {
        "found": total["said"] / worlds,
        "right number": total["right_number"] / worlds,
        "planted place within": total["planted"] / worlds,
        "exact curve's top within": total["exact"] / worlds,
    }
    if not cell.black_box:  # the width of a lower bound is its own
        found["exact width within"] = total["width"] / worlds
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_WORLDS} worlds a cell; writes no file")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int)
    options = parser.parse_args(arguments)
    journal = ROOT / "build" / "transitions" / f"{options.seed}.jsonl"
    try:
        cells = study(QUICK_WORLDS if options.quick else WORLDS, options.seed, journal, options.processes)
    except OtherStudy as error:
        print(error, file=sys.stderr)
        return 2
    text = json.dumps({"seed": options.seed, "machine": machine(), "cells": cells}, indent=2)
    print(text)
    if not options.quick:
        (ROOT / "benchmarks" / "results" / "transitions.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
