"""Do the estimates, intervals and tests keep what Method, section 5, promises? A study on worlds of known truth.

    python -m benchmarks.coverage                    the whole study, about 70 minutes on two cores
    python -m benchmarks.coverage --part intervals   one part of it
    python -m benchmarks.coverage --quick            a small version of every part, about three minutes

A killed study goes on where it was when the same command is run again. Results go to benchmarks/results.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks import coverage_results
from benchmarks.blocks import ROOT, Block, OtherStudy, Result, code_digest, run_blocks
from benchmarks.bound import bound
from benchmarks.intervals import intervals
from benchmarks.missing import missing
from benchmarks.stopping import stopping
from benchmarks.tally import Tallies
from benchmarks.worlds import CLAIMS, COUNTS, MODES, Cell

SEED = 20250828

PROMPTS = (8, 23, 60)
TOTALS = (0.04, 0.25, 0.56, 0.8)


@dataclass(frozen=True)
class Part:
    """One part of the study: a computation by cell name, each in blocks of worlds.

    run: computes a block from world seed, random numbers and number of worlds. quick: the cells of the small
    version. expected_seconds: of a block, before any was timed.
    """

    run: dict[str, Callable[[int, np.random.Generator, int], Tallies | Mapping[str, float]]]
    worlds: int
    worlds_a_block: int
    expected_seconds: float
    quick: tuple[str, ...]

    def blocks(self, name: str, cells: Sequence[str], worlds: int) -> list[Block]:
        """Block by block through all cells, so that a study cut short has seen them all alike."""
        count = -(-min(worlds, self.worlds) // self.worlds_a_block)
        return [Block(name, cell, index) for index, cell in product(range(count), cells)]


def parts() -> dict[str, Part]:
    interval_cells = [
        *(Cell(*cell) for cell in product(TOTALS, PROMPTS, COUNTS)),
        *(Cell(0.0, *cell) for cell in product(PROMPTS, ("10", "1-5"))),
        *(Cell(0.92, *cell, alike=True) for cell in product(PROMPTS, ("10", "2-18"))),
    ]
    missing_cells = [Cell(*cell) for cell in product((0.04, 0.25, 0.56), PROMPTS, ("2-18",))]
    bound_cells = [Cell(total, *cell) for total, cell in product((0.0, 0.25, 0.56), ((8, "2-18"), (23, "5")))]
    stopping_cells = {"fixed": Cell(0.25, 8, "10"), "random": Cell(0.25, 23, "1-5")}
    return {
        "intervals": Part(
            {cell.name: partial(intervals, cell) for cell in interval_cells},
            worlds=1000,
            worlds_a_block=50,
            expected_seconds=2.5,
            quick=("D=0.04 Q=23 n=1-5", "D=0.25 Q=8 n=2-18", "D=0.56 Q=23 n=5", "D=0.56 Q=60 n=2-18"),
        ),
        "missing": Part(
            {cell.name: partial(missing, cell) for cell in missing_cells},
            worlds=1000,
            worlds_a_block=50,
            expected_seconds=2.0,
            quick=("D=0.25 Q=23 n=2-18",),
        ),
        "stopping": Part(
            {
                f"{claim} {mode} {'after three true ones' if after_three else 'null'}": partial(
                    stopping, stopping_cells[claim], claim, mode, after_three
                )
                for claim, mode, after_three in product(CLAIMS, MODES, (False, True))
            },
            worlds=1000,
            worlds_a_block=20,
            expected_seconds=8.0,
            quick=("random black-box null", "random black-box after three true ones"),
        ),
        "bound": Part(
            {cell.name: partial(bound, cell) for cell in bound_cells},
            worlds=200,
            worlds_a_block=10,
            expected_seconds=8.0,
            quick=("D=0.25 Q=8 n=2-18",),
        ),
    }


def work(block: Block, seed: int) -> Result:
    part = parts()[block.part]
    world_seed = 1000 * seed + block.index % 20
    outcome = part.run[block.cell](world_seed, block.generator(seed), part.worlds_a_block)
    return {"tallies": outcome.to_json()} if isinstance(outcome, Tallies) else {"counts": outcome}


CODE = code_digest("coverage.py", "coverage_results.py", "blocks.py")


def study(
    names: Sequence[str], *, worlds: int, seed: int, quick: bool, journal: Path, processes: int | None = None
) -> coverage_results.Study:
    """Run parts of the study, or go on with them, and add the blocks up. Raises OtherStudy."""
    chosen = {name: parts()[name] for name in names}
    blocks = [
        block
        for name, part in chosen.items()
        for block in part.blocks(name, part.quick if quick else tuple(part.run), worlds)
    ]
    results = run_blocks(
        blocks,
        partial(work, seed=seed),
        journal,
        {"seed": seed, "code": CODE},
        expected_seconds={name: part.expected_seconds for name, part in chosen.items()},
        processes=processes,
    )
    return coverage_results.Study.of(blocks, results, seed)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--part", action="append", choices=list(parts()), help="only this part; may be given again"
    )
    parser.add_argument("--worlds", type=int, default=1000, help="worlds a cell, at most")
    parser.add_argument("--quick", action="store_true", help="few cells, 100 worlds each")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--out", type=Path, help="where results go (benchmarks/results, or build/coverage with --quick)"
    )
    parser.add_argument("--journal", type=Path, help="finished blocks (build/coverage/SEED.jsonl)")
    options = parser.parse_args(arguments)
    out = options.out or ROOT / ("build/coverage" if options.quick else "benchmarks/results")
    journal = options.journal or ROOT / "build" / "coverage" / f"{options.seed}.jsonl"
    try:
        finished = study(
            options.part or list(parts()),
            worlds=min(options.worlds, 100) if options.quick else options.worlds,
            seed=options.seed,
            quick=options.quick,
            journal=journal,
        )
    except OtherStudy as error:
        print(error, file=sys.stderr)
        return 2
    coverage_results.save(finished, out)
    print(coverage_results.markdown(finished))
    return 0


if __name__ == "__main__":
    sys.exit(main())
