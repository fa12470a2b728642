"""Each kind of damage is found and named, a sound run is not suspected, and nothing is written by looking."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probes.errors import InputError
from runs.check import RunCheck, check_run
from runs.directory import Run
from runs.files import write_array_whole, write_json_whole
from runs.row_sums import sealed
from runs.schema import LEDGER_FILE, LEDGER_FORMAT
from runs.staging import staging_folder
from tests.runs.made_run import change_manifest, child, make_run, started
from tools.chat.ledger import Judgment, Ledger


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with all that a run can hold."""
    run = make_run(tmp_path / "run", draws=10)
    with run.locked():
        write_array_whole(run.path / "loglik.npy", np.zeros((60, 2), np.float32))
        run.record_stage("score", ["loglik.npy"])
        run.store_scores("words-1", np.arange(60.0))
        folder = run.discovery_folder()
        database = sqlite3.connect(folder / "state.sqlite")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE checkpoints (id INTEGER PRIMARY KEY, checkpoint BLOB)")
        database.execute("CREATE TABLE writes (value BLOB)")
        with database:
            states = [(sealed(b"x" * 3000),)] * 50
            database.executemany("INSERT INTO checkpoints (checkpoint) VALUES (?)", states)
        database.close()
        run.count_report("d1")
        write_json_whole(folder / "report.json", {"format": 1})
        run.record_stage("discover d1", ["discoveries/d1/report.json"])
    return run


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def said(result: RunCheck) -> list[tuple[str, str]]:
    return [(finding.severity, finding.where) for finding in result.findings]


def test_a_sound_run_is_sound_and_unchanged(run: Run) -> None:
    before = tree(run.path)
    result = check_run(run.path)
    assert result.findings == ()
    assert result.sound
    assert tree(run.path) == before
    assert result.files == 4
    assert result.splits == {"read": 18, "select": 18, "report": 24}  # ten draws in each of six groups
    assert result.discoveries == ("d1",)
    assert result.owner is None


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run"):
        check_run(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["prompts.parquet", "samples.parquet", "loglik.npy", "discoveries/d1/report.json", "measures/words-1.npy"],
)
def test_a_changed_byte_a_cut_and_a_loss_are_found_in_every_file(run: Run, name: str) -> None:
    path = run.path / name
    good = path.read_bytes()
    middle = len(good) // 2
    changes = [good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :], good[:-1], good + b"\n", b""]
    for content in changes:
        path.write_bytes(content)
        result = check_run(run.path)
        assert ("damaged", name) in said(result)
        assert not result.sound
    path.unlink()
    assert check_run(run.path).sound == name.startswith("measures")  # those are measured anew
    path.mkdir()
    assert not check_run(run.path).sound


def rewrite_samples(run: Run, change: Callable[[pa.Table], pa.Table]) -> None:
    """Changes the samples and records them as if they had been written so."""
    with run.locked():
        pq.write_table(change(run.samples()), run.path / "samples.parquet")
        run.record_stage("forged", ["samples.parquet"])


def put(column: str, row: int, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value
        position = table.schema.get_field_index(column)
        return table.set_column(
            position, table.schema.field(column), pa.array(values, table.schema.field(column).type)
        )

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.slice(1), "59 samples, and run.json says 60"),
        (put("prompt_id", 0, "q9"), "1 samples of prompts"),
        (put("checkpoint", 0, 2), "1 samples of checkpoints"),
        (put("checkpoint", 0, -1), "1 samples of checkpoints"),
        (put("sample_id", 0, "1-2-9"), "sample_id stands there twice"),
        (put("split", 0, "train"), "1 samples are not in the split"),
    ],
)
def test_rows_that_contradict_are_found_though_the_checksum_agrees(
    run: Run, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    rewrite_samples(run, change)
    findings = [finding for finding in check_run(run.path).findings if finding.where == "samples.parquet"]
    assert [finding.severity for finding in findings] == ["damaged"]
    assert message in findings[0].message


def test_samples_moved_to_another_split_are_found(run: Run) -> None:
    def swap(table: pa.Table) -> pa.Table:
        splits = table["split"].to_pylist()
        read, report = splits.index("read"), splits.index("report")
        return put("split", report, "read")(put("split", read, "report")(table))

    rewrite_samples(run, swap)
    assert "2 samples are not in the split" in check_run(run.path).findings[0].message


def test_prompts_of_another_run_are_found(run: Run) -> None:
    prompts = run.prompts()
    with run.locked():
        pq.write_table(put("prompt", 0, "Another question?")(prompts), run.path / "prompts.parquet")
        run.record_stage("forged", ["prompts.parquet"])
    assert "whose hash" in check_run(run.path).findings[0].message
    with run.locked():
        pq.write_table(pa.concat_tables([prompts, prompts]), run.path / "prompts.parquet")
        run.record_stage("forged", ["prompts.parquet"])
    messages = " ".join(finding.message for finding in check_run(run.path).findings)
    assert "6 prompts, and run.json says 3" in messages
    assert "prompt_id stands there twice" in messages


def test_foreign_columns_and_shapes_are_found(run: Run) -> None:
    with run.locked():
        pq.write_table(pa.table({"a": [1]}), run.path / "samples.parquet")
        np.save(run.path / "loglik.npy", np.zeros((60, 3), np.float32))
        run.record_stage("forged", ["samples.parquet", "loglik.npy"])
    result = check_run(run.path)
    messages = " ".join(finding.message for finding in result.findings)
    assert "not those of a run" in messages
    assert "(60, 2)" in messages
    assert result.splits == {}


def test_a_manifest_that_records_no_samples_is_damaged(run: Run) -> None:
    change_manifest(run.path, lambda values: values["files"].pop("samples.parquet"))
    assert said(check_run(run.path)) == [("damaged", "samples.parquet")]


def test_a_damaged_database_is_found(run: Run) -> None:
    path = run.path / "discoveries" / "d1" / "state.sqlite"
    good = path.read_bytes()
    for content in (good[:5000] + b"\xff" * 9000 + good[14000:], b"no database" * 1000, good[: len(good) // 2]):
        path.write_bytes(content)
        result = check_run(run.path)
        assert said(result) == [("damaged", "discoveries/d1/state.sqlite")]
        assert result.findings[0].message.isprintable()


def test_a_database_that_a_killed_process_left_mid_transaction_is_sound(run: Run) -> None:
    code = """
import os, signal, sqlite3, sys
from runs.row_sums import sealed
database = sqlite3.connect(sys.argv[1])
database.execute("INSERT INTO checkpoints (checkpoint) VALUES (?)", (sealed(b"0"),))
database.commit()
database.execute("INSERT INTO checkpoints (checkpoint) VALUES (x'01')")
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = run.path / "discoveries" / "d1" / "state.sqlite"
    assert child(code, path).returncode == -9
    assert path.with_name("state.sqlite-wal").stat().st_size > 0
    before = tree(run.path)
    assert check_run(run.path).findings == ()
    assert tree(run.path) == before


LEDGER = """
import os, signal, sys
from pathlib import Path
from tools.chat.ledger import Call, Ledger
ledger = Ledger.open(Path(sys.argv[1]) / "ledger.sqlite")
for number in range(200):
    ledger.record(Call(bytes([number]), "d1", "judging", "m", "failed", 0.1, reason="x" * 500))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_ledger_is_looked_into_and_the_log_of_a_killed_process_belongs_to_it(run: Run) -> None:
    child(LEDGER, str(run.path))
    assert (run.path / "ledger.sqlite-wal").stat().st_size > 0
    before = {path.name: path.read_bytes() for path in run.path.glob("ledger*")}
    assert check_run(run.path).findings == ()
    assert {path.name: path.read_bytes() for path in run.path.glob("ledger*")} == before
    ledger = Ledger.open(run.path / "ledger.sqlite")
    assert ledger.usage()[0].failed == 200
    ledger.close()
    path = run.path / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    (finding,) = check_run(run.path).findings
    assert (finding.severity, finding.where) == ("damaged", "ledger.sqlite")
    assert "move it away" in finding.message


def test_a_ledger_whose_tables_were_changed_is_damaged(run: Run) -> None:
    path = run.path / LEDGER_FILE
    Ledger.open(path).close()
    assert check_run(run.path).findings == ()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"key BLOB", b"key BLOC", 1))
    (finding,) = check_run(run.path).findings
    assert (finding.severity, finding.where) == ("damaged", LEDGER_FILE)
    assert finding.message.startswith("the tables are not laid out as those of a ledger; move it away")


def test_a_ledger_of_another_format_is_named(run: Run) -> None:
    Ledger.open(run.path / LEDGER_FILE).close()
    assert check_run(run.path).findings == ()
    with closing(sqlite3.connect(run.path / LEDGER_FILE)) as database:
        database.execute("PRAGMA user_version = 9")
    (finding,) = check_run(run.path).findings
    assert finding.severity == "damaged"
    assert f"format 9, and this program knows format {LEDGER_FORMAT}" in finding.message
    with pytest.raises(InputError, match="format 9"):
        Ledger.open(run.path / LEDGER_FILE)


def test_parts_of_a_stage_that_was_stopped_are_told_and_are_no_damage(run: Run) -> None:
    folder = run.path / "parts"
    folder.mkdir()
    for name in ("loglik-0123-000000.npy", "loglik-0123-000001.npy", "samples-4567-000000.parquet"):
        (folder / name).write_bytes(b"x")
    check = check_run(run.path)
    assert check.sound
    told = {finding.where: finding.message for finding in check.findings}
    assert told.keys() == {"parts/loglik", "parts/samples"}
    assert told["parts/loglik"].startswith("2 parts of a stage that was stopped")
    assert told["parts/samples"].startswith("1 part of a stage")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": NaN}', b"\xff", b'"text"'])
def test_a_report_that_is_no_json_object_is_damaged(run: Run, content: bytes) -> None:
    with run.locked():
        folder = run.discovery_folder("mine")
        run.count_report("mine")
    (folder / "report.json").write_bytes(content)
    assert said(check_run(run.path)) == [("damaged", "discoveries/mine/report.json")]


def test_a_report_that_was_not_counted_is_damaged(run: Run) -> None:
    shutil.copytree(run.path / "discoveries" / "d1", run.path / "discoveries" / "d2")
    assert said(check_run(run.path)) == [("damaged", "discoveries/d2/report.json")]


def test_what_killed_processes_left_is_told_and_is_no_damage(run: Run) -> None:
    with run.locked():
        run.discovery_folder("half")
        values = run.manifest.files.keys()
    assert "loglik.npy" in values
    (run.path / ".run.json.00ff.partial").write_text("{")
    (run.path / "measures" / ".hedging.00ff.partial").touch()
    change_manifest(run.path, lambda values: values["files"].pop("loglik.npy"))
    beside = staging_folder(run.path)
    beside.mkdir()
    result = check_run(run.path)
    assert result.sound
    assert sorted(said(result)) == sorted(
        [
            ("unfinished", "discoveries/half"),
            ("unfinished", ".run.json.00ff.partial"),
            ("unfinished", "measures/.hedging.00ff.partial"),
            ("unfinished", "loglik.npy"),
            ("unfinished", str(beside)),
        ]
    )


def test_a_run_at_work_is_checked_without_touching_its_work(run: Run) -> None:
    code = """
import sys, time
from pathlib import Path
from runs.directory import Run
with Run.open(Path(sys.argv[1])).locked() as run:
    (run.discovery_folder("now") / "state.sqlite").write_bytes(b"half written")
    (run.path / ".file.00ff.partial").touch()
    print("ready", flush=True)
    time.sleep(60)
"""
    owner = started(code, run.path)
    try:
        result = check_run(run.path)
        assert result.owner is not None
        assert result.owner.pid == owner.pid
        assert result.sound
        assert {severity for severity, _ in said(result)} == {"note"}
        assert str(owner.pid) in result.findings[0].message
    finally:
        owner.kill()
        owner.wait()
    assert ("damaged", "discoveries/now/state.sqlite") in said(check_run(run.path))


def test_the_owner_may_check_its_own_run_and_keeps_the_lock(run: Run) -> None:
    code = """
import sys
from pathlib import Path
from runs.lock import owner
print(owner(Path(sys.argv[1])).pid)
"""
    with run.locked():
        assert check_run(run.path).sound
        assert child(code, run.path).stdout.strip() == str(os.getpid())


def test_names_that_would_move_a_terminal_are_escaped(run: Run) -> None:
    (run.path / "discoveries" / "\x1b[31mred\n").mkdir()
    result = check_run(run.path)
    assert all(finding.where.isprintable() and finding.message.isprintable() for finding in result.findings)
    assert all(name.isprintable() for name in result.discoveries)
    assert len(result.findings) == 1


def test_a_number_that_was_changed_in_a_database_is_noticed(run: Run) -> None:
    state = run.path / "discoveries" / "d1" / "state.sqlite"
    with closing(sqlite3.connect(state)) as database, database:
        database.execute("UPDATE checkpoints SET checkpoint = ? WHERE id = 7", (b"y" + sealed(b"x" * 3000)[1:],))
    ledger = Ledger.open(run.path / LEDGER_FILE)
    ledger.store_judgments({b"key": Judgment(1, "so", None, None), b"other": Judgment(0)})
    ledger.close()
    with closing(sqlite3.connect(run.path / LEDGER_FILE)) as database, database:
        database.execute("UPDATE judgments SET level = 0 WHERE level = 1")
    result = check_run(run.path)
    assert said(result) == [("damaged", LEDGER_FILE), ("damaged", "discoveries/d1/state.sqlite")]
    assert "1 row of judgments changed" in result.findings[0].message
    again = Ledger.open(run.path / LEDGER_FILE)
    assert again.judgments([b"other"]) == {b"other": Judgment(0)}
    with pytest.raises(InputError, match="damaged"):
        again.judgments([b"key"])
    again.close()


def test_a_file_that_lies_elsewhere_is_told_and_a_folder_that_does_is_refused(run: Run, tmp_path: Path) -> None:
    samples = run.path / "samples.parquet"
    samples.rename(tmp_path / "samples.parquet")
    samples.symlink_to(tmp_path / "samples.parquet")
    result = check_run(run.path)
    assert result.sound
    assert said(result) == [("note", "samples.parquet")]
    (run.path / "discoveries" / "d2").symlink_to(tmp_path)
    with pytest.raises(InputError, match=r"discoveries/d2 is a link to another folder"):
        check_run(run.path)
