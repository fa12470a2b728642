"""`loglik.npy` and `token_loglik.parquet` of a run, killed and resumed, against single passes and exact totals."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import special

from probes.errors import InputError
from probes.progress import Silent
from runs import scoring
from runs.checkpoints import WholeModels, open_checkpoints, outline_of
from runs.directory import Run
from runs.engines import Request
from runs.engines.transformers_engine import TransformersEngine
from runs.files import write_array_whole
from runs.likelihood import Response, checked_likelihoods
from runs.manifest import Control
from runs.sampling import prompt_token_ids, sample
from runs.sampling_settings import SampleSettings, ScoreSettings
from runs.schema import TOKEN_LOGLIK_FILE
from runs.scoring import score, score_tokens
from tests.runs.made_run import ROOT, make_run
from tests.runs.sampled_run import PROMPTS, Heard, all_outputs, begin_run, exact_logliks
from tests.runs.tiny_models import save_model
from tools.dissimilarity import Dissimilarity, totals
from tools.evidence import side_mixtures, signed_evidence
from tools.layout import layout_of

torch = pytest.importorskip("torch", reason="the backend is not installed")

pytestmark = pytest.mark.usefixtures("one_thread")

ON_CPU = ScoreSettings(device="cpu")
SETTINGS = SampleSettings(draws=6, temperature=0.8, max_new_tokens=12, seed=4, device="cpu")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = begin_run(tmp_path)
    sample(run, PROMPTS, SETTINGS, Silent())
    return run


def expected_matrix(run: Run) -> Any:
    """Every sample under every checkpoint, one pass each."""
    outline = outline_of(run)
    ids = dict(zip(run.prompts()["prompt_id"].to_pylist(), prompt_token_ids(run.prompts(), outline), strict=True))
    checkpoints = open_checkpoints(run, "cpu")
    rows = run.samples(["prompt_id", "token_ids"]).to_pylist()
    columns = []
    for checkpoint in range(len(checkpoints)):
        with checkpoints.use(checkpoint) as language_model:
            columns.append(
                [
                    exact_logliks(language_model.model, ids[row["prompt_id"]], [row["token_ids"]], 0.8)[0]
                    for row in rows
                ]
            )
    return np.array(columns).T


def matrix(run: Run) -> Any:
    """The scored matrix, which must be there."""
    loglik_SK = Run.open(run.path).loglik()
    assert loglik_SK is not None
    return loglik_SK


# What is written


def test_every_sample_is_scored_under_every_checkpoint(run: Run) -> None:
    heard = Heard()
    score(run, ON_CPU, heard)
    loglik_SK = matrix(run)
    assert loglik_SK.dtype == np.float32
    np.testing.assert_allclose(loglik_SK, expected_matrix(run), atol=1e-3)
    own = loglik_SK[np.arange(54), run.samples(["checkpoint"])["checkpoint"].to_numpy()]
    np.testing.assert_allclose(own, run.samples(["logprob"])["logprob"].to_numpy(), atol=1e-3)
    assert heard.steps[-1] == heard.stages[-1][1] == 54 * 3
    assert "differ by" in heard.notes[-1]
    how = run.manifest.scoring
    assert how is not None
    assert (how.precision, how.device, how.temperature, how.band) == ("float32", "cpu", 0.8, None)
    assert not (run.path / "parts").exists()


def test_a_band_leaves_far_checkpoints_out(run: Run) -> None:
    score(run, ON_CPU, Silent())
    whole = np.array(matrix(run))
    heard = Heard()
    score(run, ScoreSettings(band=1, device="cpu"), heard)
    banded = matrix(run)
    far = np.abs(run.samples(["checkpoint"])["checkpoint"].to_numpy()[:, None] - np.arange(3)) > 1
    assert np.array_equal(np.isnan(banded), far)
    np.testing.assert_allclose(banded[~far], whole[~far], atol=1e-4)
    assert heard.steps[-1] == (~far).sum()


def test_token_log_likelihoods_of_two_sides(run: Run) -> None:
    score(run, ON_CPU, Silent())
    score_tokens(run, [0], [2], ON_CPU, Silent())
    loglik_SK = matrix(run)
    samples = run.samples(["sample_id", "checkpoint", "token_ids"]).to_pylist()
    place = {row["sample_id"]: index for index, row in enumerate(samples)}
    rows = pq.read_table(run.path / TOKEN_LOGLIK_FILE).to_pylist()
    wanted = {(row["sample_id"], k) for row in samples if row["checkpoint"] != 1 for k in (0, 2)}
    assert {(row["sample_id"], row["checkpoint"]) for row in rows} == wanted
    assert len(rows) == len(wanted)
    for row in rows:
        index = place[row["sample_id"]]
        assert len(row["loglik"]) == len(samples[index]["token_ids"])
        assert sum(row["loglik"]) == pytest.approx(loglik_SK[index, row["checkpoint"]], abs=1e-3)


def test_what_is_there_is_not_scored_again_and_other_sides_are(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    score(run, ON_CPU, Silent())
    score_tokens(run, [0], [2], ON_CPU, Silent())
    monkeypatch.setattr(scoring, "open_checkpoints", None)  # calling it would fail
    score(run, ON_CPU, Silent())
    score_tokens(run, [0], [2], ON_CPU, Silent())
    score_tokens(run, [2], [0], ON_CPU, Silent())
    monkeypatch.undo()
    score_tokens(run, [0, 1], [2], ON_CPU, Silent())
    assert pq.read_table(run.path / TOKEN_LOGLIK_FILE).num_rows == 54 * 3


def test_whole_models_are_loaded_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.begin(
        tmp_path / "run",
        control=Control(name="step", values=[0, 1, 2]),
        seed=0,
        name="whole",
        model=str(save_model(tmp_path / "base", "qwen2")),
        models=[None, "checkpoints/1", "checkpoints/2"],
    )
    for number in (1, 2):
        save_model(run.path / "checkpoints" / str(number), "qwen2", seed=number)
    with run.locked():
        run.record_stage("adopt", sorted(run.path.glob("checkpoints/*/*.safetensors")))
    sample(run, PROMPTS, SETTINGS, Silent())
    monkeypatch.setattr(scoring, "_GROUP_BATCHES", 1 / 8)
    loaded: list[int] = []
    plain = WholeModels.use

    def counted(self: WholeModels, checkpoint: int) -> Any:
        if self._loaded is None or self._loaded[0] != checkpoint:
            loaded.append(checkpoint)
        return plain(self, checkpoint)

    monkeypatch.setattr(WholeModels, "use", counted)
    score(run, ON_CPU, Silent())
    assert loaded == [0, 2, 0, 2, 0, 1, 2]  # the first and the last twice, to find out which way agrees
    monkeypatch.undo()
    np.testing.assert_allclose(matrix(run), expected_matrix(run), atol=1e-3)


# Killed and resumed


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [1, 4])
def test_after_a_kill_only_what_is_missing_is_scored(
    run: Run, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(scoring, "_GROUP_BATCHES", 1 / 4)  # small parts
    written: list[Path] = []
    plain = write_array_whole

    def dying(path: Path, array: Any) -> None:
        if len(written) == after:
            raise Killed
        written.append(path)
        plain(path, array)

    monkeypatch.setattr(scoring, "write_array_whole", dying)
    with pytest.raises(Killed):
        score(run, ON_CPU, Silent())
    assert run.loglik() is None
    rewritten: list[Path] = []

    def counting(path: Path, array: Any) -> None:
        rewritten.append(path)
        plain(path, array)

    monkeypatch.setattr(scoring, "write_array_whole", counting)
    heard = Heard()
    score(run, ON_CPU, heard)
    assert len(written) == after
    assert not set(written) & set(rewritten)
    assert len(rewritten) > 1
    assert heard.steps[-1] == 54 * 3
    np.testing.assert_allclose(matrix(run), expected_matrix(run), atol=1e-3)


CHILD = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from probes.progress import Silent
from runs import sampling, scoring
from runs.directory import Run
from runs.sampling import sample
from runs.sampling_settings import SampleSettings, ScoreSettings
from runs.scoring import score
from tests.runs.sampled_run import PROMPTS

sampling._PART_REQUESTS = (2, 2)
scoring._GROUP_BATCHES = 1 / 16
run = Run.open(Path(sys.argv[1]))
print("ready", flush=True)
sample(run, PROMPTS, SampleSettings(draws=6, temperature=0.8, max_new_tokens=12, seed=4, device="cpu"), Silent())
score(run, ScoreSettings(device="cpu"), Silent())
print("done", flush=True)
"""


def test_kill_nine_at_any_moment_loses_nothing_that_was_done(tmp_path: Path) -> None:
    run = begin_run(tmp_path)
    wait = float(np.random.default_rng().uniform(0.05, 1.5))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(run.path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(wait)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    run = Run.open(run.path)
    sample(run, PROMPTS, SETTINGS, Silent())
    score(run, ON_CPU, Silent())
    (tmp_path / "other").mkdir()
    other = begin_run(tmp_path / "other")
    sample(other, PROMPTS, SETTINGS, Silent())
    assert run.samples(["sample_id", "token_ids"]).equals(other.samples(["sample_id", "token_ids"])), wait
    np.testing.assert_allclose(matrix(run), expected_matrix(run), atol=1e-3, err_msg=str(wait))
    assert not (run.path / "parts").exists()


def test_memory_holds_a_part_not_the_matrix(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "_GROUP_BATCHES", 1 / 8)
    largest: list[int] = []
    plain = np.full

    def full(shape: Any, *arguments: Any, **named: Any) -> Any:
        largest.append(int(np.prod(shape)))
        return plain(shape, *arguments, **named)

    monkeypatch.setattr(np, "full", full)
    score(run, ON_CPU, Silent())
    assert 0 < max(largest) < 54 * 3 / 2


# Refusals


def test_samples_without_token_ids_or_temperature_cannot_be_scored(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(InputError, match="at what temperature"):
        score(run, ON_CPU, Silent())


def test_a_run_without_samples_says_what_draws_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no samples yet"):
        score(begin_run(tmp_path), ON_CPU, Silent())


# The total of a model whose outputs can be enumerated


def test_the_total_is_the_exact_dissimilarity_within_its_interval(tmp_path: Path) -> None:
    """200 seeds of 3 prompts x 12 draws a side: the linear total's interval holds the truth in 91% or more."""
    seeds, draws, longest, temperature = 200, 12, 3, 0.8
    run = begin_run(tmp_path, words=True, checkpoints=2, scale=0.3)
    checkpoints = open_checkpoints(run, "cpu")
    outline = outline_of(run)
    ids_P = [tuple(outline.prompt_ids(text)) for text in (prompt.text for prompt in PROMPTS)]
    outputs = all_outputs(longest)

    exact: dict[Dissimilarity, list[float]] = {"linear": [], "js": [], "tv": []}
    for ids in ids_P:
        log_kO = []
        for checkpoint in (0, 1):
            with checkpoints.use(checkpoint) as language_model:
                log_kO.append(exact_logliks(language_model.model, ids, outputs, temperature))
        p, r = np.exp(log_kO)
        m = (p + r) / 2
        exact["linear"].append(float(((p - r) ** 2 / (p + r)).sum() / 2))
        exact["js"].append(float((special.rel_entr(p, m) + special.rel_entr(r, m)).sum() / 2 / np.log(2)))
        exact["tv"].append(float(np.abs(p - r).sum() / 2))
    truth = {kind: float(np.mean(values)) for kind, values in exact.items()}
    assert 0.05 < truth["linear"] < 0.9

    engine = TransformersEngine(checkpoints, temperature, longest)
    engine.start(ids_P)
    requests = [
        Request(ids, seed * draws + draw) for seed in range(seeds) for ids in ids_P for draw in range(draws)
    ]
    sides = [
        engine.sample(0, requests),
        engine.sample(1, [Request(one.prompt_ids, one.seed + 10**6) for one in requests]),
    ]
    place = {ids: index for index, ids in enumerate(ids_P)}
    responses = [
        Response(place[request.prompt_ids], one.token_ids, (0, 1))
        for side in sides
        for request, one in zip(requests, side, strict=True)
    ]
    likelihoods, _ = checked_likelihoods(checkpoints, temperature, ids_P, [outputs[-1]] * len(ids_P))
    loglik_SK = np.empty((len(responses), 2))
    for index, checkpoint, loglik_T in likelihoods.score(ids_P, responses):
        loglik_SK[index, checkpoint] = loglik_T.sum()
    s_S = signed_evidence(*side_mixtures(loglik_SK, [0], [1])).reshape(2, seeds, len(ids_P) * draws)

    prompt_N = np.tile(np.repeat(np.arange(len(ids_P)), draws), 2)
    side_N = np.repeat([0, 1], len(ids_P) * draws)
    layout, _ = layout_of(prompt_N, side_N)
    held = dict.fromkeys(truth, 0)
    means = dict.fromkeys(truth, 0.0)
    for seed in range(seeds):
        for kind, estimate in totals(s_S[:, seed].reshape(-1), layout, "fixed").items():
            assert estimate.high is not None
            held[kind] += estimate.low <= truth[kind] <= estimate.high
            means[kind] += estimate.value / seeds
    assert held["linear"] >= 0.91 * seeds
    for kind, value in truth.items():
        assert means[kind] == pytest.approx(value, abs=0.01), kind
