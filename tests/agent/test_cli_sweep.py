"""`sweep` as a person meets it, on tiny models, and `discover` on what comes of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from agent.cli.ending import USAGE
from runs.check import check_run
from runs.directory import Run
from runs.models import load_model
from tests.agent import in_process
from tests.runs.sampled_run import PROMPTS, WORDS, all_outputs, exact_logliks
from tests.runs.tiny_models import save_adapter, save_model, save_rows, word_tokenizer

pytest.importorskip("torch", reason="the backend is not installed")

LONGEST = 3
HOW = ("--prompts", "prompts.jsonl", "--max-new-tokens", LONGEST, "--device", "cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three words, two adapters, and prompts with and without a place to fill in."""
    folder = tmp_path_factory.mktemp("made")
    base = save_model(folder / "base", tokenizer=word_tokenizer(WORDS), layers=2)
    save_model(folder / "other", tokenizer=word_tokenizer(WORDS), layers=2, seed=1)
    for name, seed in (("A", 1), ("B", 2)):
        save_adapter(folder / name, base, seed=seed, rank=seed)
    save_rows(folder / "prompts.jsonl", [{"id": prompt.id, "prompt": prompt.text} for prompt in PROMPTS])
    save_rows(folder / "filled.jsonl", [{"id": "a", "prompt": "yes {T}"}, {"id": "b", "prompt": "{T} why"}])
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_temperature_sweep_is_discovered_with_its_exact_total(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = (
        "sweep",
        "base",
        "--control",
        "temperature=0.5,2,1",
        *HOW,
        "--draws",
        40,
        "--seed",
        5,
        "--out",
        "run",
    )
    code, out, err = in_process.command(capfd, *command)
    assert code == 0, err
    assert "run: temperature 0.5, 1, 2\n" in out
    assert "the values were not in order: they are sorted" in out
    assert "360 samples of 3 prompts" in out
    assert "next: orderparam transition run" in out
    code, out, err = in_process.command(capfd, *command, "--json")
    assert (code, json.loads(out)["control"]["values"]) == (0, [0.5, 1, 2]), err
    assert "the samples are there already" in err
    assert "the likelihoods are there already" in err
    for stage in (("sample", "run", *HOW, "--draws", 40, "--seed", 5), ("score", "run", "--device", "cpu")):
        code, out, err = in_process.command(capfd, *stage)
        assert code == 0, err
    assert "each at its own temperature" in out
    assert [finding for finding in check_run(Path("run")).findings if finding.severity != "note"] == []
    code, out, err = in_process.command(capfd, "transition", "run", "--json")
    assert code == 0, err
    code, out, err = in_process.command(
        capfd, "discover", "run", "--before", "0.5", "--after", "2", "--rounds", 1, "--json"
    )
    assert code == 0, err
    report = json.loads(out)
    assert report["mode"] == "likelihood"
    total = report["total"]
    assert total["bound"] == "exact"
    truth = exact_dissimilarity(Path("base"), (0.5, 2.0))
    assert 0.1 < truth < 0.9
    assert total["linear"]["low"] <= truth <= total["linear"]["high"]
    assert total["linear"]["value"] == pytest.approx(truth, abs=0.1)


def exact_dissimilarity(base: Path, temperatures: tuple[float, float]) -> float:
    """Linear, over all outputs, mean over the prompts."""
    language_model = load_model(str(base), device="cpu")
    outputs, found = all_outputs(LONGEST), []
    for prompt in PROMPTS:
        ids = language_model.prompt_ids(prompt.text)
        p, r = (np.exp(exact_logliks(language_model.model, ids, outputs, one)) for one in temperatures)
        found.append(((p - r) ** 2 / (p + r)).sum() / 2)
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("arguments", "name", "values"),
    [
        (("base", "--control", "lora-scale=-1:1:1", "--adapter", "A"), "lora-scale", [-1, 0, 1]),
        (("base", "--control", "merge=0,0.5,1", "--adapter", "A", "--adapter", "B"), "merge", [0, 0.5, 1]),
        (("--models", "base", "other", "--values", "plain,steered"), "model", ["plain", "steered"]),
        (("--models", "other", "base", "--values", "2,1", "--axis", "dose"), "dose", [1, 2]),
        (("base", "--control", "prompt=no,yes why", "--prompts", "filled.jsonl"), "prompt", ["no", "yes why"]),
    ],
)
def test_other_sweeps_become_runs_that_are_sound(
    here: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], name: str, values: list[object]
) -> None:
    code, out, err = in_process.command(capfd, "sweep", *HOW, *arguments, "--draws", 6, "--out", "run", "--json")
    assert code == 0, err
    assert json.loads(out)["control"] == {"name": name, "unit": "", "values": values}
    run = Run.open("run")
    loglik_SK = run.loglik()
    assert loglik_SK is not None
    assert loglik_SK.shape == (run.manifest.samples, len(values))
    assert np.isfinite(loglik_SK).all()
    assert np.abs(loglik_SK[:, 0] - loglik_SK[:, -1]).max() > 0.01
    assert [finding for finding in check_run(Path("run")).findings if finding.severity != "note"] == []


def test_who_reads_the_samples_sees_the_template(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    prompts = ("--prompts", "filled.jsonl", "--max-new-tokens", LONGEST, "--device", "cpu", "--draws", 20)
    code, _, err = in_process.command(
        capfd, "sweep", "base", "--control", "prompt=no,why", *prompts, "--out", "run"
    )
    assert code == 0, err
    code, out, err = in_process.command(capfd, "discover", "run", "--before", "no", "--after", "why", "--json")
    assert code == 0, err
    seen = [example["prompt"] for example in json.loads(out)["set"]["unexplained"]["examples"]]
    assert seen
    assert set(seen) <= {"yes {T}", "{T} why"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("base",), "--control: say what moves"),
        (("base", "--control", "warmth=1,2"), "there are temperature, lora-scale, merge, prompt"),
        (("base", "--control", "temperature"), "name its values too"),
        (("base", "--control", "temperature=1"), "two values at least"),
        (("base", "--control", "temperature=0,1"), "'0': a temperature is above 0"),
        (("base", "--control", "temperature=2:1:0.5"), "an empty range"),
        (("base", "--control", "temperature=1,1"), "1 stands there twice"),
        (("base", "--control", "temperature=1,2", "--temperature", "0.5"), "--temperature 0.5: in this run"),
        (("base", "--control", "temperature=1,2", "--values", "1,2"), "--values belong to --models"),
        (("base", "other", "--control", "temperature=1,2"), "one model is moved by --control, and 2 are named"),
        (("nowhere/at/all", "--control", "temperature=1,2"), "there is no such folder"),
        (("base", "--control", "lora-scale=0,1"), "--adapter: lora-scale works with 1, and 0 are named"),
        (("base", "--control", "lora-scale=0,1", "--adapter", "C"), "C: not an adapter"),
        (("base", "--control", "merge=0,1", "--adapter", "A"), "--adapter: merge works with 2, and 1 are named"),
        (("base", "--control", "prompt=1,2"), "the prompt 'short' has no {T} to be filled in"),
        (("--models", "base", "other"), "--values: name a value"),
        (("--models", "base", "other", "--values", "1"), "--values: 1 values for 2 models"),
        (("--models", "base", "other", "--values", "1,2", "--adapter", "A"), "leave out --control and --adapter"),
        (("--models", "base", "nowhere/at/all", "--values", "1,2"), "there is no such folder"),
        (("--models", "base", "base", "--values", "1,2"), "--models: the same folder twice"),
    ],
)
def test_wrong_usage_is_one_line_and_nothing_is_written(
    here: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], named: str
) -> None:
    code, out, err = in_process.command(capfd, "sweep", *arguments, *HOW, "--out", "run")
    assert (code, out) == (USAGE, "")
    line = err.strip().splitlines()[-1]
    assert line.startswith("orderparam: error:")
    assert named in line
    assert not Path("run").exists()


def test_a_model_that_nobody_has_leaves_no_run(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    code, _, err = in_process.command(
        capfd, "sweep", "nobody/model", "--control", "temperature=1,2", *HOW, "--out", "run"
    )
    assert code == USAGE
    assert "error: the model nobody/model is no folder here, and the model hub cannot be reached" in err
    assert "Retrying" not in err
    assert not Path("run").exists()


def test_two_values_are_compared_next_and_three_are_looked_along(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for values, following in (("1,2", "discover"), ("1,2,3", "transition")):
        command = ("sweep", "base", "--control", f"temperature={values}", *HOW, "--draws", 1, "--out", following)
        code, out, err = in_process.command(capfd, *command)
        assert code == 0, err
        assert f"next: orderparam {following} {following}" in out


def test_without_out_nothing_begins(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = in_process.command(capfd, "sweep", "base", "--control", "temperature=1,2", *HOW)
    assert (code, "--out: name the folder" in err) == (USAGE, True)
