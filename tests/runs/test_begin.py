"""A run that begins with a model's checkpoints and gets its samples later."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from probes.errors import InputError
from runs.check import check_run
from runs.directory import Run
from runs.manifest import Control, Sampling
from tests.runs.made_run import child, make_run, prompt_table, sample_batches

STEP = Control(name="step", unit="optimizer steps", values=[0, 4])
SAMPLING = Sampling(temperature=0.7, max_new_tokens=24, seed=3, engine="transformers")


def begun(path: Path, seed: int = 0) -> Run:
    return Run.begin(
        path,
        control=STEP,
        seed=seed,
        name="begun",
        model="base",
        adapters=[None, "checkpoints/4"],
        tokenizer="base",
    )


def add(run: Run) -> None:
    with run.locked():
        run.add_samples(prompt_table(), sample_batches(), SAMPLING)


def test_a_run_begins_without_samples_and_says_so(tmp_path: Path) -> None:
    run = begun(tmp_path / "r")
    opened = Run.open(run.path)
    assert opened.manifest == run.manifest
    assert (opened.manifest.samples, opened.manifest.prompts) == (0, 0)
    assert opened.manifest.adapters == [None, "checkpoints/4"]
    with pytest.raises(InputError, match="holds no samples yet; `orderparam sample`"):
        opened.samples()
    with pytest.raises(InputError, match="holds no samples yet"):
        opened.prompts()


def test_samples_added_later_are_split_as_those_of_a_run_made_with_them(tmp_path: Path) -> None:
    later = begun(tmp_path / "later", seed=5)
    add(later)
    at_once = make_run(tmp_path / "at-once", seed=5)
    opened = Run.open(later.path)
    assert opened.samples().equals(at_once.samples())
    assert opened.prompts().equals(at_once.prompts())
    assert opened.manifest.prompts_hash == at_once.manifest.prompts_hash
    assert (opened.manifest.samples, opened.manifest.prompts) == (24, 3)
    assert opened.manifest.sampling == SAMPLING
    assert opened.manifest.has_done("samples")


def test_samples_are_added_once_and_by_the_owner_only(tmp_path: Path) -> None:
    run = begun(tmp_path / "r")
    with pytest.raises(RuntimeError, match="owner of its lock"):
        run.add_samples(prompt_table(), sample_batches(), SAMPLING)
    add(run)
    with pytest.raises(RuntimeError, match="added once"):
        add(run)


def test_samples_that_fail_half_way_leave_the_run_without_any(tmp_path: Path) -> None:
    run = begun(tmp_path / "r")

    def failing() -> Iterator[pa.Table]:
        yield next(sample_batches())
        raise ZeroDivisionError

    with run.locked():
        with pytest.raises(ZeroDivisionError):
            run.add_samples(prompt_table(), failing(), SAMPLING)
        run.add_samples(prompt_table(), sample_batches(), SAMPLING)  # the same owner tries again
    assert Run.open(run.path).samples().num_rows == 24
    assert sorted(entry.name for entry in run.path.iterdir()) == [
        ".lock",
        "prompts.parquet",
        "run.json",
        "samples.parquet",
    ]


KILLED = """
import os, sys
from pathlib import Path
from runs.directory import Run
from tests.runs.test_begin import SAMPLING
from tests.runs.made_run import prompt_table, sample_batches
def batches():
    found = list(sample_batches())
    for index, batch in enumerate(found):
        if index == int(sys.argv[2]):
            os.kill(os.getpid(), 9)
        yield batch
run = Run.open(sys.argv[1])
with run.locked():
    run.add_samples(prompt_table(), batches(), SAMPLING)
"""


@pytest.mark.parametrize("at", [0, 1, 5])
def test_a_process_killed_while_it_adds_samples_leaves_nothing_in_the_way(tmp_path: Path, at: int) -> None:
    run = begun(tmp_path / "r")
    assert child(KILLED, run.path, at).returncode == -9
    assert Run.open(run.path).manifest.samples == 0
    add(run)
    assert check_run(run.path).splits == {"read": 6, "select": 6, "report": 12}


def test_the_check_tells_what_a_run_still_lacks(tmp_path: Path) -> None:
    run = begun(tmp_path / "r")
    found = check_run(run.path)
    assert found.sound
    assert [(finding.severity, finding.where) for finding in found.findings] == [
        ("unfinished", "checkpoints/4"),
        ("note", "samples.parquet"),
    ]
    (run.path / "checkpoints" / "4").mkdir(parents=True)
    (run.path / "checkpoints" / "4" / "adapter_config.json").write_text("{}")
    with run.locked():
        run.record_stage("finetune", ["checkpoints/4/adapter_config.json"])
    add(run)
    assert check_run(run.path).findings == ()
    (run.path / "checkpoints" / "4" / "adapter_config.json").write_text("[]")
    assert [finding.where for finding in check_run(run.path).findings] == ["checkpoints/4/adapter_config.json"]


@pytest.mark.parametrize("kind", ["adapters", "models"])
def test_checkpoints_must_be_one_a_value_and_inside_the_run(tmp_path: Path, kind: str) -> None:
    for folders in ([None], ["checkpoints/0", "../elsewhere"]):
        with pytest.raises(ValueError, match=kind):
            Run.begin(tmp_path / "r", control=STEP, seed=0, name="x", model="base", **{kind: folders})  # type: ignore[arg-type]
    assert not (tmp_path / "r").exists()
