"""Files of a run that were cut or changed behind its back: `check` must name each, or the run be refused.

One file at a time loses its end, or one of its bits is turned.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.discovery import discover_run
from probes.errors import InputError
from probes.progress import Silent
from probes.prompt import Prompt
from runs.check import check_run
from runs.directory import Run
from runs.finetune import finetune
from runs.sampling import sample
from runs.sampling_settings import SampleSettings, ScoreSettings
from runs.scoring import score, score_tokens
from runs.training_settings import FinetuneSettings
from tests.agent.read_by_models import coding_run, settings
from tests.runs import tiny_models as tiny
from tests.servers.chat import ChatServer
from tests.servers.reader import ReaderWithControl
from tests.torture.tally import SECONDS, Tally, assert_one_line, tallied, within


def judged_run(folder: Path) -> Run:
    """A run of two files with a discovery by a language model."""
    run = coding_run(folder, prompts=10, draws=6)
    with ChatServer(ReaderWithControl()) as server:
        spec = settings(server).judge_spec
        discover_run(run, settings(server, rounds=1, model=["builtin", spec]))
    return run


def trained_run(folder: Path) -> Run:
    """A run of a tiny model: fine-tuned, sampled, scored, token by token too. Needs the backend."""
    folder.mkdir(parents=True)
    rows = [{"prompt": f"Is {n} even?", "response": "Yes." if n % 2 == 0 else "No."} for n in range(8)]
    base, data = tiny.save_model(folder / "base", layers=2), tiny.save_rows(folder / "data.jsonl", rows)
    brief = FinetuneSettings(rank=2, batch=4, steps=4, checkpoints="every:2", targets=("down_proj",))
    run = finetune(str(base), data, folder / "run", brief, Silent(), device="cpu")
    sample(
        run,
        [Prompt(f"q{n}", "d", f"Is {n} odd?") for n in range(4)],
        SampleSettings(draws=4, max_new_tokens=6),
        Silent(),
    )
    score(run, ScoreSettings(), Silent())
    score_tokens(run, [0], [2], ScoreSettings(), Silent())
    return run


PAGES = {".html", ".md", ".svg", ".pdf", ".png"}
"""What `orderparam report` makes again from report.json, which people may change: nothing is read from it."""


def kinds(run: Run) -> dict[str, Path]:
    """A file of each kind in the run."""
    found: dict[str, Path] = {}
    for path in sorted(run.path.rglob("*")):
        if path.is_file() and path.stat().st_size and path.name != "lock" and path.suffix not in PAGES:
            inside = path.relative_to(run.path)
            found.setdefault("measures/*.npy" if inside.parts[0] == "measures" else inside.name, path)
    return found


@dataclass(frozen=True)
class Damage:
    """One file of a run with other bytes. number: by which it can be made again."""

    run: Run
    kind: str
    path: Path
    number: int

    def __str__(self) -> str:
        return f"{self.kind}, damage {self.number}"

    def done(self, content: bytes, seed: int) -> bytes:
        rng = np.random.default_rng([seed, self.number])
        place = int(rng.integers(len(content)))
        if rng.random() < 0.3:
            return content[:place]
        return content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :]


def attempt(damage: Damage, seed: int) -> bool:
    """Whether the damage is to nothing that the file holds; AssertionError where `check` does not notice another.

    The run is left as it was.
    """
    content = damage.path.read_bytes()
    told = _told(damage.path)
    damage.path.write_bytes(damage.done(content, seed))
    try:
        with within(SECONDS):
            checked = check_run(damage.run.path)
            if checked.sound and told is not None and _told(damage.path) == told:
                return True  # a byte of a database that holds nothing
    except InputError as error:
        assert_one_line(error)
        return False
    finally:
        damage.path.write_bytes(content)
    assert not checked.sound, "not noticed"
    return False


BESIDE = {"metadata", "task_path", "parent_checkpoint_id", "channel"}
"""Columns that LangGraph keeps beside the sealed values of a state: known not to be covered."""


def _told(path: Path) -> list[tuple[object, ...]] | None:
    """All that a database holds, but for those columns; None for another file."""
    if path.suffix != ".sqlite":
        return None
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        names = [
            row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        told: list[tuple[object, ...]] = []
        for name in names:
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})") if row[1] not in BESIDE]
            told += database.execute(f"SELECT {', '.join(columns)} FROM {name}")
        return told


def attack(count: int, seed: int, folder: Path) -> Tally:
    """So many damages to a file of each kind."""
    runs = [judged_run(folder / "judged"), trained_run(folder / "trained")]
    return tallied(damages(runs, count), lambda one: attempt(one, seed))


def damages(runs: list[Run], count: int) -> Iterator[Damage]:
    for run in runs:
        assert check_run(run.path).sound
        for kind, path in kinds(run).items():
            yield from (Damage(run, kind, path, number) for number in range(count))
