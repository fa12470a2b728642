"""Whether a run on disk is what was written: sizes, checksums, columns, counts, splits, databases, leftovers.

Nothing is changed and no lock is taken, so that a run can be checked where it may only be read.
"""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import from_json

from probes.errors import OrderparamError
from probes.words import count
from runs.arrays import read_loglik, read_scores
from runs.controls import checkpoint_folders
from runs.directory import DISCOVERIES_FOLDER, MEASURES_FOLDER, PARTS_FOLDER, SAMPLES_STAGE, Run
from runs.files import explained, is_leftover, leftovers, shown
from runs.lock import Owner, owner
from runs.manifest import RunManifest, file_record, prompts_hash
from runs.row_sums import changed_rows, tables_sum, unsealed
from runs.schema import (
    LEDGER_FILE,
    LEDGER_FORMAT,
    LEDGER_TABLES,
    LOGLIK_FILE,
    PROMPTS_FILE,
    REPORT_FILE,
    SAMPLES_FILE,
    SPLITS,
    STATE_FILE,
)
from runs.splits import assign_splits
from runs.staging import staging_folder

Severity = Literal["damaged", "unfinished", "note"]
"""damaged: not what was written. unfinished: what a killed process left; the same command goes on or clears it."""


@dataclass(frozen=True)
class Finding:
    """One thing to say. where: path inside the run, safe to print."""

    severity: Severity
    where: str
    message: str


@dataclass(frozen=True)
class RunCheck:
    """The result. files: how many recorded files were verified. splits: samples of read, select, report."""

    path: Path
    manifest: RunManifest
    owner: Owner | None
    files: int
    splits: dict[str, int]
    discoveries: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged; what is merely unfinished does not count."""
        return not any(finding.severity == "damaged" for finding in self.findings)


def check_run(path: Path | str) -> RunCheck:
    """Verifies the whole run at `path`. Raises InputError where no run of this format version is."""
    run = Run.open(path)
    holder = owner(run.path)
    broken = {finding.where: finding for finding in _recorded_files(run)}
    findings = list(broken.values())
    splits: dict[str, int] = {}
    if run.manifest.has_done(SAMPLES_STAGE) and not broken.keys() & {PROMPTS_FILE, SAMPLES_FILE}:
        try:
            prompts = run.prompts()
            samples = run.samples(["sample_id", "prompt_id", "checkpoint", "split"])
        except OrderparamError as error:
            findings.append(Finding("damaged", "prompts and samples", str(error)))
        else:
            splits = {split: Counter(samples["split"].to_pylist())[split] for split in SPLITS}
            findings += _prompts(run.manifest, prompts)
            findings += _samples(run.manifest, prompts, samples)
    if LOGLIK_FILE not in broken:
        findings += _loglik(run)
    findings += _stages(run.manifest, holder)
    findings += _measures(run)
    findings += _ledger(run, holder)
    for name in run.discoveries():
        try:
            findings += _discovery(run, name, holder)
        except OrderparamError as error:
            findings.append(Finding("damaged", shown(f"{DISCOVERIES_FOLDER}/{name}"), str(error)))
    findings += _left_behind(run, holder)
    findings += _links(run)
    return RunCheck(
        run.path,
        run.manifest,
        holder,
        len(run.manifest.files) - len(broken),
        splits,
        tuple(shown(name) for name in run.discoveries()),
        tuple(findings),
    )


def _recorded_files(run: Run) -> Iterator[Finding]:
    needed = {PROMPTS_FILE, SAMPLES_FILE} if run.manifest.has_done(SAMPLES_STAGE) else set()
    for name in needed - run.manifest.files.keys():
        yield Finding("damaged", name, "run.json records no such file, and a run needs one")
    for name, record in run.manifest.files.items():
        path = run.path / name
        if name.startswith(f"{DISCOVERIES_FOLDER}/") and not path.parent.is_dir():
            continue  # a discovery that somebody removed
        if not path.is_file():
            yield Finding("damaged", shown(name), "it is missing")
            continue
        try:
            found = file_record(path)
        except OrderparamError as error:
            yield Finding("damaged", shown(name), str(error))
            continue
        if found.size != record.size:
            yield Finding("damaged", shown(name), f"it holds {found.size} bytes, and {record.size} were written")
        elif found.sha256 != record.sha256:
            yield Finding("damaged", shown(name), "its checksum is not that of what was written")


def _stages(manifest: RunManifest, holder: Owner | None) -> Iterator[Finding]:
    """What a run of a model's checkpoints still lacks."""
    if holder is not None:
        return
    lacking = [
        f for f in checkpoint_folders(manifest) if not any(name.startswith(f"{f}/") for name in manifest.files)
    ]
    if lacking:
        begun = "the command that began the run goes on"
        yield Finding("unfinished", shown(lacking[0]), f"{len(lacking)} checkpoints are not recorded; {begun}")
    if not manifest.has_done(SAMPLES_STAGE):
        yield Finding("note", SAMPLES_FILE, "no samples yet; `orderparam sample` draws them")


def _prompts(manifest: RunManifest, prompts: pa.Table) -> Iterator[Finding]:
    if prompts.num_rows != manifest.prompts:
        yield Finding("damaged", PROMPTS_FILE, f"{prompts.num_rows} prompts, and run.json says {manifest.prompts}")
    if pc.count_distinct(prompts["prompt_id"]).as_py() != prompts.num_rows:
        yield Finding("damaged", PROMPTS_FILE, "a prompt_id stands there twice")
    if prompts_hash(prompts) != manifest.prompts_hash:
        yield Finding("damaged", PROMPTS_FILE, "these are not the prompts whose hash run.json holds")


def _samples(manifest: RunManifest, prompts: pa.Table, samples: pa.Table) -> Iterator[Finding]:
    """Counts and references; where these hold, whether the splits are those of the run's seed."""
    wrong = []
    if samples.num_rows != manifest.samples:
        wrong.append(f"{samples.num_rows} samples, and run.json says {manifest.samples}")
    prompt_ids = prompts["prompt_id"].combine_chunks()
    prompt_N = pc.index_in(samples["prompt_id"], value_set=prompt_ids)
    if prompt_N.null_count:
        wrong.append(f"{prompt_N.null_count} samples of prompts that {PROMPTS_FILE} does not hold")
    checkpoint_N = samples["checkpoint"].to_numpy().astype(np.int64)
    outside = int(((checkpoint_N < 0) | (checkpoint_N >= len(manifest.control.values))).sum())
    if outside:
        wrong.append(f"{outside} samples of checkpoints that the control parameter has not")
    if pc.count_distinct(samples["sample_id"]).as_py() != samples.num_rows:
        wrong.append("a sample_id stands there twice")
    yield from (Finding("damaged", SAMPLES_FILE, message) for message in wrong)
    if wrong or pc.count_distinct(prompt_ids).as_py() != len(prompt_ids) or manifest.splits == "kept":
        return
    expected_N = assign_splits(
        samples["sample_id"].to_pylist(),
        prompt_N.to_numpy().astype(np.int64),
        checkpoint_N,
        manifest.seed,
        prompt_ids=prompt_ids.to_pylist(),
    )
    expected = np.asarray(SPLITS, dtype=object)[expected_N]
    moved = int((expected != samples["split"].to_numpy()).sum())
    if moved:
        yield Finding(
            "damaged", SAMPLES_FILE, f"{moved} samples are not in the split that the run's seed gives them"
        )


def _loglik(run: Run) -> Iterator[Finding]:
    record = run.manifest.files.get(LOGLIK_FILE)
    if record is None:
        return
    try:
        read_loglik(run.path, run.manifest, record)
    except OrderparamError as error:
        yield Finding("damaged", LOGLIK_FILE, str(error))


def _measures(run: Run) -> Iterator[Finding]:
    if SAMPLES_FILE not in run.manifest.files:
        return
    for path in sorted((run.path / MEASURES_FOLDER).glob("*.npy")):
        try:
            with explained(path, "read"):
                read_scores(path, run.manifest)
        except (OrderparamError, ValueError) as error:
            yield Finding("damaged", _inside(run, path), f"{shown(error)}; remove it: it is measured anew")


def _discovery(run: Run, name: str, holder: Owner | None) -> Iterator[Finding]:
    folder = run.path / DISCOVERIES_FOLDER / name
    state, report = folder / STATE_FILE, folder / REPORT_FILE
    if state.exists():
        if holder is None:
            yield from _database(run, state, "remove its folder, then discover again", _blobs_of_state)
        else:
            yield Finding("note", _inside(run, state), f"not looked into: {holder} is at work")
    if not report.exists():
        if holder is None:
            yield Finding("unfinished", _inside(run, folder), "no report yet; the same command goes on")
        return
    with explained(report, "read"):
        data = report.read_bytes()
    try:
        readable = isinstance(from_json(data, allow_inf_nan=False), dict)
    except ValueError:
        readable = False
    if not readable:
        yield Finding(
            "damaged", _inside(run, report), "not a JSON object; remove it, then run the discovery again"
        )
    elif not any(one.discovery == name for one in run.manifest.reports):
        yield Finding("damaged", _inside(run, report), "run.json does not count this report")


def _ledger(run: Run, holder: Owner | None) -> Iterator[Finding]:
    """Paid calls to language models; the log that a killed process leaves beside it is part of it."""
    path = (run.path / LEDGER_FILE).resolve()  # the runs of a batch share one
    if not path.exists():
        return
    if holder is not None:
        yield Finding("note", LEDGER_FILE, f"not looked into: {holder} is at work")
        return
    remedy = "move it away: what was answered is then asked for again"
    try:
        yield from _database(run, path, remedy, _rows_of_ledger, LEDGER_FORMAT)
    except OrderparamError as error:
        yield Finding("damaged", LEDGER_FILE, str(error))


def _rows_of_ledger(database: sqlite3.Connection) -> str:
    """ "ok", or what was changed: how the tables are laid out, or which rows."""
    if tables_sum(database) != LEDGER_TABLES:
        return "the tables are not laid out as those of a ledger"
    changed = changed_rows(database)
    return ", ".join(f"{count(rows, 'row')} of {table} changed" for table, rows in changed.items()) or "ok"


def _blobs_of_state(database: sqlite3.Connection) -> str:
    """The same of the states of a graph, which are sealed one by one."""
    for query in ("SELECT checkpoint FROM checkpoints", "SELECT value FROM writes"):
        for (blob,) in database.execute(query):
            unsealed(blob)
    return "ok"


def _database(
    run: Run, path: Path, remedy: str, contents: Callable[[sqlite3.Connection], str], version: int | None = None
) -> Iterator[Finding]:
    """Looks into a copy: opening a database in WAL mode writes beside it, even to read. version: what is known.

    contents: says "ok", or what is wrong with what lies in it.
    """
    with TemporaryDirectory() as folder, explained(path, "read"):
        copy = Path(folder, path.name)
        shutil.copyfile(path, copy)
        log = path.with_name(f"{path.name}-wal")
        if log.exists():
            shutil.copyfile(log, copy.with_name(log.name))
        try:
            with closing(sqlite3.connect(copy)) as database:
                answer = str(database.execute("PRAGMA integrity_check").fetchone()[0])
                found = int(database.execute("PRAGMA user_version").fetchone()[0])
                if answer == "ok" and version not in (None, found):
                    answer = f"format {found}, and this program knows format {version}"
                elif answer == "ok":
                    answer = contents(database)
        except (sqlite3.DatabaseError, ValueError) as error:
            answer = str(error)
    if answer != "ok":
        yield Finding("damaged", _inside(run, path), f"{shown(answer)}; {remedy}")


def _links(run: Run) -> Iterator[Finding]:
    """Files that lie elsewhere; linked adapters and the ledger of a batch are meant to."""
    with explained(run.path, "read"):
        names = [one.name for one in run.path.iterdir() if one.is_symlink()]
    for name in sorted(set(names) - {LEDGER_FILE}):
        yield Finding("note", shown(name), "a link: a copy of the run holds it only if what it leads to is copied")


def _left_behind(run: Run, holder: Owner | None) -> Iterator[Finding]:
    """What killed processes left; files of an owner at work are his."""
    if holder is not None:
        return
    for path in leftovers(run.path):
        yield Finding("unfinished", _inside(run, path), "half written; the next command on this run clears it")
    yield from _parts(run)
    if LOGLIK_FILE not in run.manifest.files and (run.path / LOGLIK_FILE).exists():
        yield Finding("unfinished", LOGLIK_FILE, "run.json does not record it, so it is not used")
    beside = staging_folder(run.path)
    if beside.is_dir() and owner(beside) is None:
        yield Finding("unfinished", shown(beside), "a half made run beside this one; it can be removed")


def _parts(run: Run) -> Iterator[Finding]:
    """Finished parts of stages that were stopped before all were there."""
    folder = run.path / PARTS_FOLDER
    if not folder.is_dir():
        return
    with explained(folder, "read"):
        stages = Counter(path.name.split("-")[0] for path in folder.iterdir() if not is_leftover(path.name))
    for stage, parts in sorted(stages.items()):
        message = (
            f"{count(parts, 'part')} of a stage that was stopped: the same command goes on, or drops what it does "
            "not need"
        )
        yield Finding("unfinished", shown(f"{PARTS_FOLDER}/{stage}"), message)


def _inside(run: Run, path: Path) -> str:
    """A path as it is told: what a link leads to lies elsewhere."""
    return shown(path.relative_to(run.path).as_posix() if path.is_relative_to(run.path) else path)
