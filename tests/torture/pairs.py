"""Two processes on one run: one has it, the other is refused with the owner's number and since when, or waits.

Whoever was refused comes to its end afterwards, and the run is sound.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runs.check import check_run
from tests.torture.kills import Stage, stages
from tests.torture.processes import command, ended, environment
from tests.torture.tally import Tally, tallied

IN_USE = re.compile(r"process (\d+) since \d{4}-\d\d-\d\d[ T]")


@dataclass(frozen=True)
class Pair:
    """Two commands that begin so many seconds apart, in a copy of a folder."""

    before: Path
    one: Sequence[str]
    other: Sequence[str]
    gap: float

    def __str__(self) -> str:
        return f"{self.one[0]} and {self.other[0]}, {self.gap:.2f} s later"


GUIDED = ["repl", "imported", "--name", "guided", "--script", "session.txt"]
DISCOVERED = ["discover", "imported", "--name", "d1"]


def pairs(found: dict[str, Stage], seed: int, count: int) -> list[Pair]:
    """Of each kind of pair some, at gaps drawn from the time that the first command takes."""
    sampled, asked = found["sample"], found["discover two files"]
    kinds = [
        (sampled, sampled.arguments, sampled.arguments),
        (asked, DISCOVERED, [*DISCOVERED[:-1], "d2"]),
        (asked, DISCOVERED, DISCOVERED),
        (asked, DISCOVERED, GUIDED),
        (asked, GUIDED, DISCOVERED),
    ]
    rng = np.random.default_rng(seed)
    drawn = [kinds[number % len(kinds)] for number in range(count)]
    return [Pair(stage.before, one, other, float(rng.uniform(0, stage.seconds))) for stage, one, other in drawn]


def attempt(pair: Pair, folder: Path) -> bool:
    """Whether both came to their end at once; AssertionError where a refusal says too little, or harm was done."""
    place = folder / "pair"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(pair.before, place)
    first = _begun(pair.one, place)
    with suppress(subprocess.TimeoutExpired):
        first.wait(pair.gap)
    second = _begun(pair.other, place)
    told = [one.communicate()[1] for one in (first, second)]
    codes = [one.returncode for one in (first, second)]
    refused = [n for n, code in enumerate(codes) if code != 0]
    assert len(refused) < 2, f"both failed: {codes}, {told}"
    for n in refused:
        owner = IN_USE.search(told[n])
        assert codes[n] == 4, f"exit code {codes[n]}: {told[n][-300:]!r}"
        assert owner is not None, f"no owner in {told[n][-300:]!r}"
        assert int(owner[1]) == (first, second)[1 - n].pid, f"another owner in {told[n][-300:]!r}"
        again = ended(command(*(pair.one, pair.other)[n]), place)
        assert again.returncode == 0, f"exit code {again.returncode} later: {again.stderr[-300:]!r}"
    for run in place.glob("*/run.json"):
        findings = [one for one in check_run(run.parent).findings if one.severity != "note"]
        assert not findings, f"{findings}"
    return not refused


def _begun(arguments: Sequence[str], place: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(*arguments),
        cwd=place,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def attack(count: int, seed: int, folder: Path) -> Tally:
    """So many pairs of commands."""
    wanted = ("finetune", "sample", "import", "discover two files")
    found = {stage.name: stage for stage in stages(folder / "stages", wanted)}
    return tallied(pairs(found, seed, count), lambda pair: attempt(pair, folder))
