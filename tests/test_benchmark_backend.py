"""The benchmark of the backend with sizes so small that it takes a second: it must check what it times."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the backend is not installed")

from benchmarks import backend, temperatures
from runs.adapters import attach
from runs.likelihood import PLAIN, Likelihoods, Response
from tests.runs.tiny_models import save_model


def test_the_gpu_part_runs_through_with_tiny_sizes() -> None:
    found = backend.gpu_part(backend.TINY, device="cpu", repeats=1)
    assert found["trunk"]["shared_layers"] == 3
    assert found["scoring"]["largest_difference_a_token"] < 1e-4
    assert found["scoring"]["way"] == "Way(trunk=3, prompts=True, head=True)"
    assert found["scoring"]["tokens_a_second"] > 0
    assert found["scoring"]["share_of_peak"] is None
    assert not found["scoring"]["held"]
    assert found["sampling"]["tokens"] <= 3 * 6


def test_what_is_held_against_a_peak_can_be_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "peak_flops", lambda device: 1.0)
    found = json.loads(json.dumps(backend.gpu_part(backend.TINY, device="cpu", repeats=1)))
    assert found["scoring"]["share_of_peak"] > 1
    assert found["scoring"]["held"] is True


def test_the_cpu_part_runs_through_with_a_tiny_model(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m", "llama", context=2048)
    found = backend.cpu_part(repeats=1, model=str(model), draws=2, max_new_tokens=4)
    assert found["scoring"]["tokens"] == found["sampling"]["tokens"] <= 8 * 2 * 4
    assert found["scoring"]["ratio"] > 0


def test_one_pass_is_held_against_a_pass_for_each_temperature(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m", "llama", context=2048)
    found = temperatures.measured(str(model), prompts=2, draws=2, max_new_tokens=4, repeats=1)
    assert (found["responses"], len(found["temperatures"])) == (4, 8)
    assert found["largest_difference_a_token"] <= 1e-5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(temperatures, "AGREE", -1.0)
        with pytest.raises(SystemExit, match="nothing to time"):
            temperatures.measured(str(model), prompts=1, draws=1, max_new_tokens=2)


def test_ways_that_differ_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = attach(backend.random_model(backend.TINY, "cpu"), [{}])
    plain = backend.plain_scoring
    monkeypatch.setattr(backend, "plain_scoring", lambda *arguments: plain(*arguments) - 0.1)
    with pytest.raises(SystemExit, match="differ by"):
        backend.scoring_rows(checkpoints, [(9, 8, 7)], [Response(0, (5, 6, 7), (0,))], 1.0, repeats=1)


def test_many_small_calls_give_what_one_call_gives() -> None:
    checkpoints = attach(backend.random_model(backend.TINY, "cpu"), [{}])
    rng = np.random.default_rng(0)
    prompts = [tuple(rng.integers(500, size=5).tolist()) for _ in range(6)]
    responses = [Response(prompt, tuple(rng.integers(500, size=7).tolist()), (0,)) for prompt in range(6)]
    found = [
        backend.score(Likelihoods(checkpoints, 1.0, PLAIN, tokens), prompts, responses) for tokens in (1, 900)
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_flops_are_twice_the_weights_of_the_matrix_products() -> None:
    model = backend.random_model(backend.TINY, "cpu").model
    weights = sum(
        one.numel() for name, one in model.named_parameters() if one.dim() == 2 and "embed_tokens" not in name
    )
    assert backend.flops_per_token(backend.TINY) == 2 * weights
