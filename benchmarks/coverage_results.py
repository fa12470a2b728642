"""What the coverage study found: whether each promise was held, its tables, its figure."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from benchmarks.blocks import Block, Result
from benchmarks.intervals import REGULAR
from benchmarks.tally import Key, Tallies, Tally
from benchmarks.worlds import CLAIMS, MODES

LARGE = ("set of three", "share of three")
"""Tables of 24 cells, larger than those that Method, section 5, reports figures for: judged by themselves."""

GROUPS = ("total", "D_z", "set of two", "gain", "share", *LARGE)

ENOUGH = 0.5
"""Share of a cell's worlds that must fall into a regime for the cell to count there by itself."""

LIMITS = (
    ("stopping", "null", "taken", 0.08),
    ("stopping", "after three true ones", "taken", 0.09),
    ("bound", "", "exceeds, fixed", 0.04),
    ("bound", "", "exceeds, random", 0.04),
)
"""Part, end of a cell's name, an event, and in how many of the cell's worlds it may happen at most."""


@dataclass(frozen=True)
class Study:
    """What was run (cells, blocks a part), tallies by part and cell, and counts by part and cell."""

    seed: int
    ran: dict[str, dict[str, int]]
    tallies: dict[str, dict[str, Tallies]]
    counts: dict[str, dict[str, dict[str, float]]]

    @classmethod
    def of(cls, blocks: Sequence[Block], results: Mapping[str, Result], seed: int) -> "Study":
        ran: dict[str, dict[str, int]] = {}
        tallies: dict[str, dict[str, Tallies]] = defaultdict(lambda: defaultdict(Tallies))
        counts: dict[str, dict[str, dict[str, float]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(float))
        )
        for block in blocks:
            result = results[block.key]
            if "tallies" in result:
                tallies[block.part][block.cell].merge_json(result["tallies"])
            else:
                for name, count in result["counts"].items():
                    counts[block.part][block.cell][name] += count
        for part in dict.fromkeys(block.part for block in blocks):
            cells = {block.cell for block in blocks if block.part == part}
            ran[part] = {"cells": len(cells), "blocks": sum(block.part == part for block in blocks)}
        return cls(seed, ran, tallies, counts)


@dataclass(frozen=True)
class Line:
    """One quantity in one regime over its cells; `cells` are those with enough worlds in the regime."""

    part: str
    key: Key
    cells: list[Tally]
    worlds: int
    pooled: float  # coverage over all worlds, also of cells with few of them


def lines(study: Study) -> list[Line]:
    """In the order in which quantities are measured, regular cases first."""
    grouped: dict[tuple[str, Key], list[tuple[Tally, bool]]] = defaultdict(list)
    for part, by_cell in study.tallies.items():
        for tallies in by_cell.values():
            worlds = max(tally.worlds for tally in tallies.by_key.values())
            for key, tally in tallies.by_key.items():
                grouped[part, key].append((tally, tally.worlds >= ENOUGH * worlds))
    found = []
    for (part, key), members in grouped.items():
        worlds = sum(tally.worlds for tally, _ in members)
        pooled = sum(tally.covered for tally, _ in members) / worlds
        found.append(Line(part, key, [tally for tally, enough in members if enough], worlds, pooled))
    order = {quantity: place for place, quantity in enumerate(dict.fromkeys(line.key.quantity for line in found))}
    return sorted(found, key=lambda line: (line.key.regime != REGULAR, line.part, order[line.key.quantity]))


@dataclass(frozen=True, slots=True)
class Promise:
    """A figure that was to be kept, what was found, and whether it was."""

    what: str
    limit: str
    found: float
    held: bool


def promises(study: Study) -> list[Promise]:
    """Of the parts that were run. Cases shown apart do not enter."""
    found = []
    regular = [line for line in lines(study) if line.key.regime == REGULAR]
    for part, group, mode, claim in product(study.tallies, GROUPS, MODES, CLAIMS):
        cells = [
            tally
            for line in regular
            for tally in line.cells
            if (line.part, line.key.mode, line.key.claim) == (part, mode, claim)
            and line.key.quantity.startswith(group)
            and (group in LARGE or not line.key.quantity.startswith(LARGE))
        ]
        if cells:
            found += _promises_of_cells(f"{part}: {group}, {mode}, {claim} prompts", cells)
    for part, by_cell in study.counts.items():
        for cell, counts in by_cell.items():
            found += _promises_of_counts(part, cell, counts)
    return found


def _promises_of_cells(what: str, cells: Sequence[Tally]) -> list[Promise]:
    coverages = [tally.coverage for tally in cells]
    errors = [tally.mean_error for tally in cells]
    mean, least = sum(coverages) / len(cells), min(coverages)
    mean_error, worst = sum(errors) / len(cells), max(errors, key=abs)
    return [
        Promise(f"{what}: mean coverage of {len(cells)} cells", "0.92 to 0.99", mean, 0.92 <= mean <= 0.99),
        Promise(f"{what}: least coverage of a cell", "0.88", least, least >= 0.88),
        Promise(f"{what}: worst mean error of a cell", "0.01", worst, abs(worst) <= 0.01),
        Promise(f"{what}: mean error over cells", "0.003", mean_error, abs(mean_error) <= 0.003),
    ]


def _promises_of_counts(part: str, cell: str, counts: Mapping[str, float]) -> list[Promise]:
    return [
        Promise(f"{part}: {event}, {cell}", f"{limit}", rate, rate <= limit)
        for of_part, ending, event, limit in LIMITS
        if of_part == part and cell.endswith(ending)
        for rate in [counts[event] / counts["worlds"]]
    ]


# Files


def save(study: Study, folder: Path) -> list[Path]:
    """Write coverage.json, coverage.md and coverage.png."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["part", "cell", *Key._fields, *Tally.__dataclass_fields__]
    table = [
        [part, cell, *key, *(_short(number) for number in asdict(tally).values())]
        for part, by_cell in study.tallies.items()
        for cell, tallies in by_cell.items()
        for key, tally in tallies.by_key.items()
    ]
    head = {
        "seed": study.seed,
        "ran": study.ran,
        "promises": [asdict(promise) for promise in promises(study)],
        "counts": study.counts,
        "columns": columns,
    }
    rows = ",\n".join(json.dumps(row) for row in table)
    text = json.dumps(head, indent=1)[:-2] + f',\n "rows": [\n{rows}\n]}}\n'
    (folder / "coverage.json").write_text(text, encoding="utf-8")
    (folder / "coverage.md").write_text(markdown(study), encoding="utf-8")
    paths = [folder / "coverage.json", folder / "coverage.md"]
    if study.tallies:
        paths.append(folder / "coverage.png")
        draw(study, paths[-1])
    return paths


def _short(number: float) -> float:
    return round(number, 6)


def markdown(study: Study) -> str:
    """The promises that were missed, every quantity, then the cases shown apart."""
    ran = "; ".join(f"{part}: {n['cells']} cells in {n['blocks']} blocks" for part, n in study.ran.items())
    made = promises(study)
    missed = [promise for promise in made if not promise.held]
    text = ["# Coverage study", "", f"Seed {study.seed}. Ran {ran}.", ""]
    text += [f"{len(made) - len(missed)} of {len(made)} promises held (all of them: coverage.json)."]
    if missed:
        rows = [[promise.what, promise.limit, f"{promise.found:.4f}"] for promise in missed]
        text += ["", "## Missed", "", *table(["promise", "limit", "found"], rows)]
    for part, by_cell in study.counts.items():
        names = list(next(iter(by_cell.values())))
        rows = [[cell, *(f"{counts[name]:.5g}" for name in names)] for cell, counts in by_cell.items()]
        text += ["", f"## Counts of {part}", "", *table(["cell", *names], rows)]
    for title, apart in (("Coverage and error", False), ("Shown apart", True)):
        chosen = [line for line in lines(study) if (line.key.regime != REGULAR) == apart]
        if chosen:
            text += ["", f"## {title}", "", *_EXPLAINED, "", *table(_HEADER, [_cells_of(line) for line in chosen])]
    return "\n".join(text) + "\n"


_EXPLAINED = [
    "Coverage of 95% intervals in %: min, mean, max over cells with enough worlds of this kind, pooled over all.",
    "Mean error of T - b in thousandths, before it is cut at 0: the worst cell's, and the mean over cells.",
]


_OVER_CELLS = ["cells", "worlds", "min", "mean", "max", "pooled", "worst", "mean error"]
_HEADER = ["part", "quantity", "mode", "claim", *_OVER_CELLS]


def _cells_of(line: Line) -> list[str]:
    key = line.key
    name = key.quantity if key.regime == REGULAR else f"{key.quantity}: {key.regime}"
    coverages = [100 * tally.coverage for tally in line.cells]
    errors = [1000 * tally.mean_error for tally in line.cells]
    over = [""] * 5
    if line.cells:
        mean, mean_error = sum(coverages) / len(coverages), sum(errors) / len(errors)
        over = [f"{number:.1f}" for number in (min(coverages), mean, max(coverages))]
        over += [f"{max(errors, key=abs):+.1f}", f"{mean_error:+.1f}"]
    counts = [str(len(line.cells)), str(line.worlds)]
    return [line.part, name, key.mode, key.claim, *counts, *over[:3], f"{100 * line.pooled:.1f}", *over[3:]]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]


def draw(study: Study, path: Path) -> None:
    """Coverage of every cell: one panel a mode and claim, one row a quantity; cases shown apart are pale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = lines(study)
    names = list(dict.fromkeys((line.part, line.key.quantity) for line in found))[::-1]
    least = min(100 * tally.coverage for line in found for tally in line.cells)
    figure, panels = pyplot.subplots(2, 2, figsize=(13, 2.5 + 0.42 * len(names)), sharex=True, sharey=True)
    for panel, (mode, claim) in zip(panels.flat, product(MODES, CLAIMS), strict=True):
        panel.set_title(f"{mode}, {claim} prompts", fontsize=10)
        panel.axvspan(92, 99, color="#dfeadf", zorder=0)
        panel.axvline(95, color="#6a8f6a", linewidth=0.8, zorder=1)
        panel.axvline(88, color="#b04a4a", linewidth=0.8, linestyle=":", zorder=1)
        for line in found:
            if (line.key.mode, line.key.claim) != (mode, claim):
                continue
            regular = line.key.regime == REGULAR
            height = names.index((line.part, line.key.quantity)) - (0.0 if regular else 0.25)
            coverages = [100 * tally.coverage for tally in line.cells]
            colour = "#1f4e79" if regular else "#c98a2b"
            panel.scatter(coverages, [height] * len(coverages), s=9, alpha=0.45, color=colour, zorder=2)
        panel.set_yticks(range(len(names)), [f"{name} ({part})" for part, name in names], fontsize=7)
        panel.set_xlim(least - 1, 101)
    for panel in panels[1]:
        panel.set_xlabel("coverage of 95% intervals, %")
    figure.suptitle("One dot a cell; orange: cases shown apart (few hits, few samples a cell, share above 0.95)")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
