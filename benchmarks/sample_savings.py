"""How many judged samples the likelihoods save: signed evidence against labels, at equal error.

    python -m benchmarks.sample_savings        about eight minutes on two cores

The root mean square error of a dissimilarity is measured on toy worlds, from signed evidence with a reference
number of judged samples, and from labels with growing numbers; the ratio is how many times more of them labels
need until their error is as small (interpolated on logarithms). Two estimates from labels: the plain plug-in on
level counts, and the bias-corrected one. Fixed prompts: 8 of them, and more samples a prompt. Random prompts: 5
samples a prompt and side, and more prompts. Writes results/sample_savings.json.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.coverage_results import table
from benchmarks.worlds import CLAIMS, MODES, sample, world_of
from probes.scale import FloatArray
from probes.toy_world import joint_cells
from tools import share
from tools.layout import Claim

TOTALS = (0.05, 0.3, 0.6)
QUANTITIES = {
    "length": ("length",),
    "hedge": ("hedge",),
    "closing": ("closing",),
    "set of three": ("length", "hedge", "closing"),
}
ESTIMATES = ("signed evidence", "plain counts", "corrected counts")
FIXED_PROMPTS, RANDOM_COUNT = 8, 5
GRID: dict[Claim, tuple[int, ...]] = {
    "fixed": (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512),  # samples a prompt and side
    "random": (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384),  # prompts
}
REFERENCE: dict[Claim, int] = {"fixed": 8, "random": 16}
GRAMMARS = 20
SEED = 20250828


@dataclass(frozen=True, slots=True)
class Saving:
    """Times as many judged samples that labels need; None where all of the grid is not enough."""

    total: float
    claim: Claim
    quantity: str
    against: str
    truth: float
    error: float  # of signed evidence at the reference number of samples
    ratio: float | None
    at_least: float  # the largest ratio that the grid could show


@dataclass(frozen=True, slots=True)
class Errors:
    """Squared errors [W, E] of the three estimates and truths [W] over worlds, at one size, by quantity."""

    squared_WE: dict[str, FloatArray]
    truth_W: dict[str, FloatArray]


def errors_at(total: float, claim: Claim, size: int, worlds: int, seed: int) -> Errors:
    prompts, count = (FIXED_PROMPTS, size) if claim == "fixed" else (size, RANDOM_COUNT)
    rng = np.random.default_rng([seed, round(1000 * total), CLAIMS.index(claim), size])
    squared: dict[str, list[list[float]]] = {name: [] for name in QUANTITIES}
    truths: dict[str, list[float]] = {name: [] for name in QUANTITIES}
    for number in range(worlds):
        world = world_of(1000 * seed + number * GRAMMARS // worlds, total)
        sampled = sample(rng, world, prompts, (count, count))
        for name, features in QUANTITIES.items():
            levels_NJ = sampled.levels_NJ(features)
            cells_X = joint_cells(np.stack([world.levels(feature) for feature in features], axis=1))
            truth = sampled.truth(claim).dissimilarity(cells_X)
            evidence, labels = (
                share.set_dissimilarity(sampled.values_N(mode), sampled.layout, levels_NJ, claim) for mode in MODES
            )
            estimates = (evidence.value, labels.plug_in, labels.value)
            squared[name].append([(estimate - truth) ** 2 for estimate in estimates])
            truths[name].append(truth)
    return Errors(
        {name: np.array(values) for name, values in squared.items()},
        {name: np.array(values) for name, values in truths.items()},
    )


def samples_needed(sizes: Sequence[int], errors: FloatArray, wanted: float) -> float | None:
    """The size at which errors, falling with size, reach what is wanted: interpolated on logarithms."""
    if errors.min() > wanted:
        return None
    first = int(np.argmax(errors <= wanted))
    if first == 0:
        return float(sizes[0])
    x, y = np.log(sizes[first - 1 : first + 1]), np.log(errors[first - 1 : first + 1])
    return float(np.exp(x[0] + (x[1] - x[0]) * (y[0] - np.log(wanted)) / (y[0] - y[1])))


def savings(worlds: int, seed: int = SEED, processes: int | None = None) -> list[Saving]:
    settings = [(total, claim, size) for total, claim in product(TOTALS, CLAIMS) for size in GRID[claim]]
    with ProcessPoolExecutor(processes or len(os.sched_getaffinity(0))) as pool:
        jobs = {setting: pool.submit(errors_at, *setting, worlds, seed) for setting in settings}
        found = {setting: job.result() for setting, job in jobs.items()}
    result = []
    for total, claim, name in product(TOTALS, CLAIMS, QUANTITIES):
        sizes, reference = GRID[claim], REFERENCE[claim]
        error_SE = np.sqrt([found[total, claim, size].squared_WE[name].mean(axis=0) for size in sizes])
        wanted = float(error_SE[sizes.index(reference), 0])
        truth = float(found[total, claim, reference].truth_W[name].mean())
        for column, against in enumerate(ESTIMATES[1:], start=1):
            needed = samples_needed(sizes, error_SE[:, column], wanted)
            ratio = None if needed is None else needed / reference
            result.append(Saving(total, claim, name, against, truth, wanted, ratio, sizes[-1] / reference))
    return result


def markdown(found: Sequence[Saving]) -> str:
    """One row a quantity: how many times more judged samples counts need."""
    by_row: dict[tuple[str, ...], dict[str, str]] = {}
    for saving in found:
        row = (f"{saving.total:g}", saving.claim, saving.quantity, f"{saving.truth:.3f}", f"{saving.error:.4f}")
        shown = f"over {saving.at_least:.0f}x" if saving.ratio is None else f"{saving.ratio:.1f}x"
        by_row.setdefault(row, {})[saving.against] = shown
    rows = [[*row, *(shown[name] for name in ESTIMATES[1:])] for row, shown in by_row.items()]
    return "\n".join(table(["total", "claim", "quantity", "truth", "error", *ESTIMATES[1:]], rows)) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    found = savings(options.worlds)
    options.out.mkdir(parents=True, exist_ok=True)
    content = {"seed": SEED, "worlds": options.worlds, "savings": [asdict(saving) for saving in found]}
    (options.out / "sample_savings.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (options.out / "sample_savings.md").write_text(
        "# Judged samples saved\n\n" + markdown(found), encoding="utf-8"
    )
    print(markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
