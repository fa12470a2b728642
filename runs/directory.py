"""A run on disk: made whole or not at all, owned by one process at a time, read and added to from here.

    run.json  prompts.parquet  samples.parquet  loglik.npy  measures/KEY.npy  discoveries/NAME/

`run.json` records size and checksum of every finished file; what is not recorded there does not count as done.
"""

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from probes.errors import InputError
from probes.scale import FloatArray, IntArray
from runs.arrays import read_loglik, read_scores, scores_digest
from runs.columns import Batches, conform, read_parquet, require_unchanged, write_samples
from runs.files import explained, refuse_links, remove_leftovers, shown, whole_file, write_table_whole
from runs.lock import hold, owner
from runs.manifest import (
    MANIFEST_FILE,
    Control,
    InputRecord,
    ReportRecord,
    RunManifest,
    Sampling,
    Stage,
    SweepRecord,
    file_record,
    load_manifest,
    now,
    program_version,
    prompts_hash,
    save_manifest,
)
from runs.names import is_plain_name
from runs.schema import LOGLIK_FILE, PROMPTS_FILE, PROMPTS_SCHEMA, SAMPLES_FILE, SAMPLES_SCHEMA
from runs.splits import SplitArray
from runs.staging import refuse_taken, staged, staging_folder
from runs.texts import ColumnTexts, Texts

MEASURES_FOLDER = "measures"
SAMPLES_STAGE = "samples"
DISCOVERIES_FOLDER = "discoveries"
PARTS_FOLDER = "parts"

_SAFE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_NUMBERED = re.compile(r"d([1-9][0-9]{0,8})")


class Run:
    """A run at `path`. What changes it needs its lock: `with run.locked(): ...`."""

    def __init__(self, path: Path, manifest: RunManifest) -> None:
        self.path = path
        self._manifest = manifest
        self._locked = False

    # Making and opening

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        control: Control,
        prompts: pa.Table,
        samples: Batches | pa.Table,
        seed: int,
        name: str,
        model: str | None = None,
        sampling: Sampling | None = None,
        input_fingerprint: InputRecord | None = None,
        notes: Sequence[str] = (),
        warnings: Sequence[str] = (),
        split_N: SplitArray | None = None,
    ) -> "Run":
        """Makes a run, whole or not at all, and assigns the splits.

        split_N: the splits that the samples have in the runs they come from.
        prompts: as `PROMPTS_SCHEMA`. samples: as `SAMPLES_SCHEMA` without `split`, a table or batches, which are
        taken one at a time. notes, warnings: read after the samples were taken. Raises InputError (`path` is taken
        or cannot be written) and OutsideError (another process is making it, no space); ValueError where prompts
        or samples contradict the schemas or each other; and whatever `samples` raises. Nothing remains then.
        """
        path = Path(path)
        prompts = conform(prompts, PROMPTS_SCHEMA)
        prompt_ids = prompts["prompt_id"].to_pylist()
        batches = [samples] if isinstance(samples, pa.Table) else samples
        with staged(path) as folder:
            write_table_whole(folder / PROMPTS_FILE, prompts)
            count = write_samples(folder / SAMPLES_FILE, batches, prompt_ids, len(control.values), seed, split_N)
            created = now()
            version = program_version()
            manifest = RunManifest(
                name=_storable(name),
                created=created,
                version=version,
                control=control,
                model=model,
                sampling=sampling or Sampling(),
                prompts=len(prompt_ids),
                samples=count,
                prompts_hash=prompts_hash(prompts),
                seed=seed,
                splits="assigned" if split_N is None else "kept",
                stages=[Stage(what=SAMPLES_STAGE, when=created, version=version)],
                files={file: file_record(folder / file) for file in (PROMPTS_FILE, SAMPLES_FILE)},
                input=input_fingerprint,
                notes=[_storable(note) for note in notes],
                warnings=[_storable(warning) for warning in warnings],
            )
            save_manifest(folder, manifest)
        return cls(path, manifest)

    @classmethod
    def begin(
        cls,
        path: Path | str,
        *,
        control: Control,
        seed: int,
        name: str,
        model: str | None,
        adapters: Sequence[str | None] | None = None,
        models: Sequence[str | None] | None = None,
        sweep: SweepRecord | None = None,
        tokenizer: str | None = None,
        input_fingerprint: InputRecord | None = None,
        notes: Sequence[str] = (),
    ) -> "Run":
        """Makes a run of a model's checkpoints, without prompts and samples as yet: `add_samples` brings them.

        Raises InputError (`path` is taken or cannot be written), OutsideError (another process is making it, no
        space); ValueError where adapters or models are not one a value of the control parameter.
        """
        path = Path(path)
        manifest = RunManifest(
            name=_storable(name),
            created=now(),
            version=program_version(),
            control=control,
            model=model,
            adapters=None if adapters is None else list(adapters),
            models=None if models is None else list(models),
            sweep=sweep,
            tokenizer=tokenizer,
            prompts=0,
            samples=0,
            prompts_hash=prompts_hash(PROMPTS_SCHEMA.empty_table()),
            seed=seed,
            input=input_fingerprint,
            notes=[_storable(note) for note in notes],
        )
        with staged(path) as folder:
            save_manifest(folder, manifest)
        return cls(path, manifest)

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """The run at `path`.

        Raises InputError: no run there, another format version, a malformed `run.json`, a folder that is written
        to and is a link to another one.
        """
        path = Path(path)
        with explained(path, "read"):
            unfinished = staging_folder(path)
            half_made = not path.exists() and unfinished.is_dir()
        if half_made:
            maker = owner(unfinished)
            state = (
                "its import was stopped half way; import it again" if maker is None else f"{maker} is making it"
            )
            raise InputError(f"{shown(path)} is not there yet: {state}")
        run = cls(path, load_manifest(path))
        written = [path / name for name in (DISCOVERIES_FOLDER, MEASURES_FOLDER, PARTS_FOLDER)]
        refuse_links([*written, *(path / DISCOVERIES_FOLDER / name for name in run.discoveries())])
        return run

    @classmethod
    def of_input(cls, path: Path | str, fingerprint: InputRecord) -> "Run | None":
        """The run at `path` if it was made from this very input, None where nothing is.

        Raises InputError where anything else is there.
        """
        path = Path(path)
        with explained(path, "read"):
            is_run = (path / MANIFEST_FILE).is_file()
        if not is_run:
            refuse_taken(path)
            return None
        run = cls.open(path)
        run.require_input(fingerprint)
        return run

    def require_input(self, fingerprint: InputRecord) -> None:
        """Raises InputError, naming what differs, unless the run was imported from this very input."""
        mine = self.manifest.input
        difference = "it was not imported" if mine is None else mine.difference(fingerprint)
        if difference is not None:
            raise InputError(
                f"{shown(self.path)} was made from other input ({difference}); "
                "name another folder with --out, or remove this one"
            )

    @contextmanager
    def locked(self) -> Iterator["Run"]:
        """Owns the run for the length of the block; what killed owners left is cleared, the manifest read again.

        Raises OutsideError that names the owner when another process, or another part of this one, has it.
        """
        with hold(self.path):
            remove_leftovers(self.path)
            self._manifest = load_manifest(self.path)
            self._locked = True
            try:
                yield self
            finally:
                self._locked = False

    # Reading

    @property
    def manifest(self) -> RunManifest:
        return self._manifest

    def prompts(self) -> pa.Table:
        """All prompts, columns as `PROMPTS_SCHEMA`. Raises InputError where there are none yet, or the file is
        damaged."""
        return self._table(PROMPTS_FILE, PROMPTS_SCHEMA, None)

    def samples(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All samples [N] in the run's order, these columns of `SAMPLES_SCHEMA` or all. Raises InputError where
        there are none yet, or the file is damaged."""
        return self._table(SAMPLES_FILE, SAMPLES_SCHEMA, columns)

    def responses(self, row_R: IntArray | None = None) -> Texts:
        """The responses of these samples, in rising order, or of all, read from the file a block at a time. Raises
        as `samples`."""
        self._require_samples()
        path = self.path / SAMPLES_FILE
        require_unchanged(path, self._manifest.files.get(SAMPLES_FILE))
        return ColumnTexts(path, "response", row_R)

    def _table(self, name: str, schema: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
        self._require_samples()
        return read_parquet(self.path / name, schema, self._manifest.files.get(name), columns)

    def _require_samples(self) -> None:
        if not self._manifest.has_done(SAMPLES_STAGE):
            raise InputError(f"{shown(self.path)} holds no samples yet; `orderparam sample` draws them")

    def loglik(self) -> NDArray[np.float32] | None:
        """Log-likelihoods [samples, checkpoints], NaN where not scored, as a memory map; None in a black-box run.

        Raises InputError when the recorded file is damaged.
        """
        record = self._manifest.files.get(LOGLIK_FILE)
        return None if record is None else read_loglik(self.path, self._manifest, record)

    # Adding

    def add_samples(self, prompts: pa.Table, samples: Batches | pa.Table, sampling: Sampling) -> None:
        """Adds the prompts and samples of a run that has none yet, and assigns the splits.

        As in `create`, with the seed of the run. Until the end the run has none: what a killed process left is
        written anew. Raises RuntimeError for a run that has samples: its splits are fixed.
        """
        self._require_lock()
        if self._manifest.has_done(SAMPLES_STAGE):
            raise RuntimeError("the samples of a run are added once")
        prompts = conform(prompts, PROMPTS_SCHEMA)
        batches = [samples] if isinstance(samples, pa.Table) else samples
        write_table_whole(self.path / PROMPTS_FILE, prompts)
        count = write_samples(
            self.path / SAMPLES_FILE,
            batches,
            prompts["prompt_id"].to_pylist(),
            len(self._manifest.control.values),
            self._manifest.seed,
        )
        self.record_stage(
            SAMPLES_STAGE,
            [PROMPTS_FILE, SAMPLES_FILE],
            prompts=prompts.num_rows,
            samples=count,
            prompts_hash=prompts_hash(prompts),
            sampling=sampling,
        )

    def record_stage(self, what: str, files: Iterable[Path | str] = (), **changes: Any) -> None:
        """Records a stage as done, with size and checksum of its finished files (paths inside the run).

        A stage or a file recorded before is replaced. changes: fields of the manifest that the stage settles.
        """
        records = dict(self._manifest.files)
        for file in files:
            name = (self.path / file).relative_to(self.path).as_posix()
            records[name] = file_record(self.path / name)
        stage = Stage(what=what, when=now(), version=program_version())
        stages = [one for one in self._manifest.stages if one.what != what]
        self._save(stages=[*stages, stage], files=records, **changes)

    def count_report(self, discovery: str, fingerprint: str = "") -> int:
        """How many reports were made from this run by now, the discovery's own included.

        To be called before the report is saved or shown. Counted once per name and fingerprint (of what was
        asked), so that a resumed discovery is not counted twice and another one under a name used before is.
        """
        reports = self._manifest.reports
        if not any((one.discovery, one.fingerprint) == (discovery, fingerprint) for one in reports):
            report = ReportRecord(discovery=discovery, fingerprint=fingerprint, when=now())
            self._save(reports=[*reports, report])
        return len(self._manifest.reports)

    def discoveries(self) -> list[str]:
        """Names of the discoveries that have a folder: d1, d2, ..., then named ones."""
        folder = self.path / DISCOVERIES_FOLDER
        with explained(folder, "read"):
            names = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
        return sorted(names, key=lambda name: (_number(name) or 1 << 40, name))

    def discovery_folder(self, name: str | None = None) -> Path:
        """The folder of the discovery, made where it lacks; without a name the next of d1, d2, ...

        A number that a report was counted under is not given again. Raises InputError for a name that is not safe
        as a folder's.
        """
        self._require_lock()
        if name is None:
            used = [*self.discoveries(), *(report.discovery for report in self._manifest.reports)]
            name = f"d{1 + max((_number(one) for one in used), default=0)}"
        if not is_plain_name(name):
            raise InputError(
                f"the name {shown(repr(name), 80)} of a discovery (--name) must be 1 to 64 letters, digits, dots, "
                "dashes or underscores, and not begin with a dot or a dash"
            )
        return self._folder(f"{DISCOVERIES_FOLDER}/{name}")

    def parts_folder(self) -> Path:
        """Where a stage keeps finished parts until they are joined; made where it lacks."""
        self._require_lock()
        return self._folder(PARTS_FOLDER)

    # Scores of measures in code

    def load_scores(self, key: str) -> FloatArray | None:
        """The scores [N] stored under this key, or None. Raises InputError when they are damaged: never other
        numbers than were stored, for this run and this key."""
        path = self._scores_path(key)
        try:
            with explained(path, "read"):
                if not path.exists():
                    return None
                return read_scores(path, self._manifest)
        except ValueError as error:
            raise InputError(
                f"{shown(path)} is damaged ({shown(error)}); remove it, then run the same command again"
            ) from error

    def store_scores(self, key: str, values: FloatArray) -> None:
        """Stores a measure's scores [N] of all samples of the run, NaN where it does not apply.

        key: the measure's id and a hash of its definition; letters, digits, dots, dashes and underscores.
        """
        self._require_lock()
        path = self._scores_path(key)
        if values.shape != (self._manifest.samples,):
            raise ValueError(f"{values.shape} scores for {self._manifest.samples} samples")
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(values, dtype=np.float64), allow_pickle=False)
        data = buffer.getvalue()
        self._folder(MEASURES_FOLDER)
        with whole_file(path) as file:
            file.write(data + scores_digest(self._manifest, path.stem, data))

    def _scores_path(self, key: str) -> Path:
        if not _SAFE_KEY.fullmatch(key):
            raise ValueError(f"not a safe key: {key!r}")
        return self.path / MEASURES_FOLDER / f"{key}.npy"

    # Changing the manifest

    def _require_lock(self) -> None:
        if not self._locked:
            raise RuntimeError("a run is changed by the owner of its lock only")

    def _folder(self, name: str) -> Path:
        """A folder of the run, made where it lacks. Raises InputError for one that is a link out of the run."""
        folder = self.path / name
        inside = Path(os.path.realpath(self.path), name)
        if Path(os.path.realpath(folder)) != inside:
            raise InputError(f"{shown(folder)} is a link to another place; remove it")
        with explained(folder, "write"):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _save(self, **changes: Any) -> None:
        self._require_lock()
        values = {name: getattr(self._manifest, name) for name in RunManifest.model_fields}
        manifest = RunManifest(**{**values, **changes})
        save_manifest(self.path, manifest)
        self._manifest = manifest


def _storable(text: str) -> str:
    """The text with what UTF-8 cannot hold (bytes of a file name that are not text) as visible escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _number(discovery: str) -> int:
    """The number of a discovery named by number, 0 for another name."""
    match = _NUMBERED.fullmatch(discovery)
    return int(match[1]) if match else 0
