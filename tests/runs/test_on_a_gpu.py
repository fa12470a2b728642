"""The backend on a GPU, against float64 on the CPU and against the CPU's own way: python -m pytest -m gpu"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from probes.progress import Silent
from runs.adapters import alone, attach
from runs.check import check_run
from runs.checkpoints import open_checkpoints, outline_of
from runs.directory import Run
from runs.engines import Request
from runs.engines.transformers_engine import TransformersEngine
from runs.finetune import finetune
from runs.likelihood import PLAIN, Likelihoods, Way, checked_likelihoods
from runs.models import load_model
from runs.sampling import prompt_token_ids, prompts_table, sample
from runs.sampling_settings import SampleSettings, ScoreSettings
from runs.scoring import score
from runs.training_settings import FinetuneSettings
from tests.runs import tiny_models as tiny
from tests.runs.reference import CLOSE, LATE, in_float64, largest_error, reference, sequences
from tests.runs.sampled_run import PROMPTS, all_outputs, begin_run, exact_logliks

torch = pytest.importorskip("torch", reason="the backend is not installed")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
]

HALF = 0.3  # nats a token, of these models, whose weights and states are rounded to bfloat16


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return begin_run(tmp_path)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_every_way_agrees_with_single_sequences_in_float64(
    architecture: tiny.Architecture, tmp_path: Path
) -> None:
    base = tiny.save_model(tmp_path / "base", architecture, layers=4)
    names = [None, *(tiny.save_adapter(tmp_path / str(n), base, seed=n, layers=LATE) for n in (1, 2))]
    checkpoints = attach(load_model(str(base), device="cuda", dtype=torch.float32), map(alone, names))
    models = [in_float64(base, name) for name in names]
    prompts, responses = sequences(259, (1, 9, 4, 23), [(0, 1, 2), (1,), (1, 2)])
    likelihoods, notes = checked_likelihoods(checkpoints, 0.7, prompts, [[one] * 5 for one in range(3, 7)])
    assert likelihoods.way == Way(trunk=LATE[0], prompts=True, head=True)
    assert notes == []
    for way in (likelihoods.way, Way(0, True, True), Way(0, True, False), PLAIN):
        for batch_tokens in (24, 4096):
            likelihoods = Likelihoods(checkpoints, 0.7, way, batch_tokens)
            assert largest_error(likelihoods, models, 0.7, prompts, responses) < CLOSE, way


def test_half_precision_is_the_default_and_its_likelihoods_are_float32(tmp_path: Path) -> None:
    base = tiny.save_model(tmp_path / "base", layers=4)
    half = load_model(str(base))
    assert (half.device.type, half.dtype) == ("cuda", torch.bfloat16)
    prompts, responses = sequences(259, (5, 9), [(0,)], each=20)
    likelihoods, _ = checked_likelihoods(attach(half, [{}]), 1.0, prompts, [[7, 8], [9, 9]])
    found = {index: loglik_T for index, _, loglik_T in likelihoods.score(prompts, responses)}
    rounded = load_model(str(base), device="cpu", dtype=torch.bfloat16).model.double()  # computed exactly
    for index, one in enumerate(responses):
        expected = reference(rounded, prompts[one.prompt], one.ids, 1.0)
        assert np.abs(found[index] - expected).max(initial=0) < HALF
    assert not all((torch.tensor(one).bfloat16().double().numpy() == one).all() for one in found.values())


def test_whole_outputs_come_as_often_as_they_should(tmp_path: Path) -> None:
    run, longest, draws = begin_run(tmp_path, words=True, scale=0.3), 3, 1500
    engine = TransformersEngine(open_checkpoints(run, "cuda"), 0.8, longest)
    ids_P = prompt_token_ids(prompts_table(PROMPTS, None), outline_of(run))
    engine.start(ids_P)
    outputs = all_outputs(longest)
    drawn = engine.sample(2, [Request(ids, seed) for ids in ids_P for seed in range(draws)])
    adapted = attach(
        load_model(str(run.manifest.model), device="cpu", dtype=torch.bfloat16),
        [alone(run.path / "checkpoints" / "2")],
    )
    with adapted.use(0) as rounded:
        exact = [exact_logliks(rounded.model, ids, outputs, 0.8) for ids in ids_P]
    for prompt, loglik_O in enumerate(exact):
        counts = Counter(one.token_ids for one in drawn[draws * prompt : draws * (prompt + 1)])
        assert counts.keys() <= set(outputs)
        probability_O = np.exp(loglik_O) / np.exp(loglik_O).sum()
        expected_O = draws * probability_O
        observed_O = np.array([counts[output] for output in outputs], dtype=float)
        often = expected_O >= 5
        observed = np.append(observed_O[often], observed_O[~often].sum())
        expected = np.append(expected_O[often], expected_O[~often].sum())
        # Rounding moves each probability by a few percent at most: the distance is judged, not whether it is 0.
        assert 0.5 * np.abs(observed - expected).sum() / draws < 0.08
        assert stats.spearmanr(observed, expected).statistic > 0.9


def test_a_run_is_sampled_and_scored_and_both_give_the_same_likelihood(run: Run) -> None:
    sample(run, PROMPTS, SampleSettings(draws=6, temperature=0.8, max_new_tokens=12, seed=4), Silent())
    score(run, ScoreSettings(), Silent())
    loglik_SK = Run.open(run.path).loglik()
    assert loglik_SK is not None
    assert np.isfinite(loglik_SK).all()
    table = run.samples(["checkpoint", "token_ids", "logprob"])
    own_S = loglik_SK[np.arange(len(table)), table["checkpoint"].to_numpy()]
    tokens_S = np.array([len(ids) for ids in table["token_ids"].to_pylist()])
    assert (np.abs(own_S - table["logprob"].to_numpy()) / tokens_S).max() < HALF
    assert check_run(run.path).sound


def test_fine_tuning_follows_the_cpu_and_a_second_run_gives_the_same_adapters(tmp_path: Path) -> None:
    base = tiny.save_model(tmp_path / "base", layers=2)
    rows = [{"prompt": f"Is {i} even?", "response": "Yes." if i % 2 == 0 else "No, it is odd."} for i in range(10)]
    data = tiny.save_rows(tmp_path / "data.jsonl", rows)
    settings = FinetuneSettings(
        rank=2, learning_rate=0.01, batch=4, steps=6, checkpoints="every:1", targets=("down_proj",)
    )
    slow, one, two = (
        finetune(str(base), data, tmp_path / name, settings, Silent(), device=device)
        for name, device in (("cpu", "cpu"), ("one", "cuda"), ("two", "cuda"))
    )
    assert log_of(one) == log_of(two)
    for mine, theirs in zip(log_of(one), log_of(slow), strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=0.03)  # the GPU's base is rounded to bfloat16
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=0.1)
    for name in (f"checkpoints/{step}/adapter_model.safetensors" for step in (1, 6)):
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()


def log_of(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.path / "training.jsonl").read_text().splitlines()]
