"""A batch on disk: what its jobs were asked, their parts of the budget, the ledger, the runs made for them.

batch.json  ledger.sqlite  runs/JOB/  summary.json  summary.md  summary.html
"""

import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from agent.batch.plan import Files, Job, OfModel, OfRun
from agent.batch.purse import Part
from agent.discovery import NO_PART_OF_THE_ANSWER
from agent.settings import shown
from probes.errors import InputError
from runs.files import explained, remove_leftovers, write_json_whole
from runs.files import shown as path_shown
from runs.lock import hold
from runs.schema import LEDGER_FILE
from runs.staging import refuse_taken
from tools.chat.ledger import Ledger

STATE_FILE = "batch.json"
RUNS_FOLDER = "runs"
SUMMARY = "summary"


class BatchFolder:
    """An open batch. Made by `opened`, which holds its lock."""

    def __init__(self, path: Path, state: "_State") -> None:
        self.path = path
        self._state = state
        self._guard = threading.Lock()

    @classmethod
    @contextmanager
    def opened(cls, path: Path, jobs: list[Job]) -> Iterator["BatchFolder"]:
        """The batch at `path`, new or gone on with, for the length of the block.

        Raises InputError: something else is there, or a job was begun with other settings; OutsideError: another
        process has it, or the disk refuses.
        """
        state = _load(path)
        if state is None:
            refuse_taken(path)
            state = _State(matrix=f"matrix of {path.resolve().name} {secrets.token_hex(4)}")
        with explained(path, "write"):
            path.mkdir(parents=True, exist_ok=True)
        with hold(path):
            remove_leftovers(path)
            folder = cls(path, state)
            folder._ask(jobs)
            Ledger.open(path / LEDGER_FILE).close()
            try:
                yield folder
            finally:
                Ledger.open(path / LEDGER_FILE).close()  # its log goes into it

    @property
    def matrix(self) -> str:
        """The scope of what is measured on all jobs: of this batch alone, wherever its folder is moved."""
        return self._state.matrix

    def run_folder(self, name: str) -> Path:
        """Where a run is made."""
        return self.path / RUNS_FOLDER / name

    def share_ledger(self, run: Path) -> None:
        """Lets a run that was made here have the batch's ledger for its own."""
        link = run / LEDGER_FILE
        with explained(link, "write"):
            if not os.path.lexists(link):
                os.symlink(os.path.relpath(self.path.resolve() / LEDGER_FILE, run.resolve()), link)

    def parts(self) -> dict[str, Part]:
        """Parts of the budget that were dealt by now."""
        return dict(self._state.parts)

    def keep_parts(self, parts: Mapping[str, Part]) -> None:
        """Writes them down."""
        self._save({"parts": dict(parts)})

    def _ask(self, jobs: list[Job]) -> None:
        asked: dict[str, Any] = {job.name: json.loads(json.dumps(_asked(job))) for job in jobs}
        for name, wanted in asked.items():
            known = self._state.asked.get(name, wanted)
            for key in wanted:
                if known.get(key) != wanted[key]:
                    raise InputError(
                        f"{path_shown(self.path)} holds a batch whose job {shown(name)} had {key} "
                        f"{shown(known.get(key))}, not {shown(wanted[key])}; name another folder by --out"
                    )
        self._save({"asked": {**self._state.asked, **asked}})

    def _save(self, changes: Mapping[str, Any]) -> None:
        with self._guard:
            self._state = self._state.model_copy(update=dict(changes))
            write_json_whole(self.path / STATE_FILE, self._state.model_dump(mode="json"))


class _State(BaseModel):
    """batch.json. matrix: the scope of its calls and looks; asked: by job; parts: of the budget."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    matrix: str
    asked: dict[str, dict[str, JsonValue]] = {}
    parts: dict[str, Part] = {}


def _load(path: Path) -> _State | None:
    file = path / STATE_FILE
    with explained(file, "read"):
        if not file.is_file():
            return None
        data = file.read_bytes()
    try:
        return _State.model_validate_json(data)
    except ValidationError:
        raise InputError(
            f"{path_shown(file)} is no batch of this version of the program; name another folder by --out"
        ) from None


def _asked(job: Job) -> dict[str, object]:
    """What a job is asked. Files are told by what is in them, when they are imported."""
    settings = job.settings.model_dump(mode="json", exclude=set(NO_PART_OF_THE_ANSWER) - {"before", "after"})
    match job.source:
        case Files():
            return {**settings, "source": "files"}
        case OfRun(run):
            return {**settings, "source": str(run.resolve())}
        case OfModel(model, adapter, prompts, sampling):
            return {
                **settings,
                "source": [model, str(adapter.resolve())],
                "prompts": [prompt.id for prompt in prompts],
                "sampling": sampling.model_dump(mode="json"),
            }
