"""Commands of every stage, killed at any moment and run again: what they leave equals that of one that was spared.

Each attempt begins with what lay on the disk before the stage, kills the command one to three times after a part
of the time that it takes undisturbed, and lets it come to its end.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from runs.check import check_run
from tests.runs import tiny_models as tiny
from tests.torture.processes import command, differing, killed_after
from tests.torture.tally import Tally, tallied

TIMES = {"created", "when", "sha256", "size"}
"""What a manifest holds that depends on when something was done."""

PLACE = "at work"
"""Where commands run, spared and killed: reports tell the paths of files."""

OWN_ID = re.compile(r"(?<=batch )[0-9a-f]{8}\b")
"""By which a batch tells its own measurements from those of another of the same name."""

SAME_BYTES = {".npy", ".parquet", ".safetensors", ".jsonl"}


@dataclass(frozen=True)
class Stage:
    """before, after: folders as they were and as they should become, each with the run at `run`. arguments: of the
    command, with paths inside the folder it works in. seconds: that it takes undisturbed."""

    name: str
    before: Path
    after: Path
    arguments: Sequence[str]
    seconds: float


@dataclass(frozen=True)
class Kill:
    stage: Stage
    number: int

    def __str__(self) -> str:
        return f"{self.stage.name}, kill {self.number}"


def lines_of(base: Path) -> list[tuple[str, list[str]]]:
    """The stages in order: each begins with what the ones before it left. base: of what is fine-tuned."""
    tuned = [
        "finetune",
        str(base),
        "data.jsonl",
        "--out",
        "run",
        "--steps",
        "6",
        "--checkpoints",
        "every:3",
        "--rank",
        "2",
    ]
    tuned += ["--batch", "4", "--targets", "down_proj"]
    drawn = [
        "sample",
        "run",
        "--prompts",
        "prompts.jsonl",
        "--draws",
        "8",
        "--max-new-tokens",
        "6",
        "--device",
        "cpu",
    ]
    return [
        ("finetune", tuned),
        ("sample", drawn),
        ("score", ["score", "run", "--device", "cpu"]),
        ("score token by token", ["score", "run", "--device", "cpu", "--tokens", "--before", "0", "--after", "6"]),
        ("transition", ["transition", "run", "--json"]),
        ("discover a sweep", ["discover", "run", "--before", "0", "--after", "6", "--name", "d1"]),
        ("import", ["import", "before.jsonl", "after.jsonl", "--out", "imported"]),
        ("discover two files", ["discover", "imported", "--name", "d1"]),
        ("guide", ["repl", "imported", "--name", "guided", "--script", "session.txt"]),
        ("measure", ["measure", "words,sentences", "imported", "--name", "known"]),
        ("report", ["report", "imported", "--rebuild"]),
        ("batch", ["batch", "plan.yaml", "--out", "batch", "--transfer"]),
    ]


PLAN = """\
settings: {seed: 1}
jobs:
  first: {before: before.jsonl, after: after.jsonl}
  second: {before: before-2.jsonl, after: after-2.jsonl}
"""
SESSION = "look\nresidual\ntry words\nadd words\ngreedy\nnote enough\nreport\n"


def put(folder: Path) -> None:
    """What a person has before the first stage."""
    folder.mkdir(parents=True)
    rows = [{"prompt": f"Is {n} even?", "response": "Yes." if n % 2 == 0 else "No, odd."} for n in range(10)]
    tiny.save_rows(folder / "data.jsonl", rows)
    tiny.save_rows(folder / "prompts.jsonl", [{"id": f"q{n}", "prompt": f"Is {n} odd?"} for n in range(8)])
    rng = np.random.default_rng(0)
    for domain, question in (("", "Question"), ("-2", "Riddle")):
        for side, longest in (("before", 30), ("after", 10)):
            said = [
                {"prompt": f"{question} {n}?", "response": " ".join(["so"] * int(rng.integers(3, longest)))}
                for n in range(8)
                for _ in range(8)
            ]
            tiny.save_rows(folder / f"{side}{domain}.jsonl", said)
    (folder / "plan.yaml").write_text(PLAN)
    (folder / "session.txt").write_text(SESSION)


def stages(folder: Path, only: Sequence[str] = ()) -> Iterator[Stage]:
    """Each stage, or only those named, run once undisturbed."""
    before = folder / "0"
    put(before)
    base = tiny.save_model(folder / "base", layers=2)
    wanted = [(name, arguments) for name, arguments in lines_of(base) if not only or name in only]
    for number, (name, arguments) in enumerate(wanted, 1):
        place, after = folder / PLACE, folder / str(number)
        shutil.copytree(before, place)
        began = time.monotonic()
        killed_after(None, command(*arguments), place)
        seconds = time.monotonic() - began
        place.rename(after)
        yield Stage(name, before, after, arguments, seconds)
        before = after


def attempt(kill: Kill, seed: int) -> bool:
    """Whether any kill hit the command; AssertionError where what it left is not what it should be."""
    rng = np.random.default_rng([seed, kill.number])
    place = kill.stage.before.parent / PLACE
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(kill.stage.before, place)
    arguments = command(*kill.stage.arguments)
    hits = 0
    for _ in range(int(rng.integers(1, 4))):
        if not killed_after(float(rng.uniform(0.2, 1.0)) * kill.stage.seconds, arguments, place):
            break
        hits += 1
    killed_after(None, arguments, place)
    differ = sorted(differences(place, kill.stage.after))
    assert not differ, f"differs: {differ[:5]}"
    return hits > 0


def differences(one: Path, other: Path) -> Iterator[str]:
    """In what two folders differ, but for times of day; and what is wrong in a run of the first."""
    names = {str(path.relative_to(folder)) for folder in (one, other) for path in folder.rglob("*")}
    for name in names:
        mine, theirs = one / name, other / name
        if mine.exists() != theirs.exists():
            if not name.endswith(("-wal", "-shm")):
                yield f"{name}: only in {'the killed' if mine.exists() else 'the spared'}"
        elif mine.suffix in SAME_BYTES and mine.read_bytes() != theirs.read_bytes():
            yield f"{name}: other bytes"
        elif mine.suffix == ".json":
            values = [_without_times(json.loads(path.read_bytes())) for path in (mine, theirs)]
            yield from (f"{name}: {where}" for where in differing(*values))
    for run in one.glob("*/run.json"):
        found = check_run(run.parent).findings
        yield from (f"check: {finding}" for finding in found if finding.severity != "note")


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(one) for key, one in value.items() if key not in TIMES}
    if isinstance(value, str):
        return OWN_ID.sub("", value)
    return [_without_times(one) for one in value] if isinstance(value, list) else value


def attack(count: int, seed: int, folder: Path) -> Tally:
    """So many killed commands, spread over the stages."""
    found = list(stages(folder / "stages"))
    kills = [Kill(found[number % len(found)], number) for number in range(count)]
    return tallied(kills, partial(attempt, seed=seed))
