"""Control parameters: values as people write them, and what each does to a model, held against plain models."""

import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from probes.errors import InputError
from probes.progress import Silent
from probes.prompt import Prompt
from runs import sampling, scoring
from runs.adapters import alone, attach
from runs.checkpoints import adapter_folders, open_checkpoints, outline_of
from runs.controls import CONTROLS, control_named, ordered_values, parsed_values, setups_of
from runs.decoder import Decoder
from runs.directory import Run
from runs.files import write_array_whole, write_table_whole
from runs.likelihood import PLAIN, Likelihoods, Response, Way
from runs.models import load_model
from runs.sampling_settings import SampleSettings, ScoreSettings
from runs.sweep import begin_sweep, run_sweep, sweep_of_control, sweep_of_models
from tests.runs.made_run import change_manifest
from tests.runs.sampled_run import PROMPTS, WORDS, Heard, all_outputs, exact_logliks
from tests.runs.tiny_models import byte_tokenizer, save_adapter, save_model, word_tokenizer

torch = pytest.importorskip("torch", reason="the backend is not installed")

pytestmark = pytest.mark.usefixtures("one_thread")

LONGEST = 3
ON_CPU = ScoreSettings(device="cpu")
TEMPERATURES = [0.2, 0.7, 1.0, 3.0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of bytes and one of three words, with adapters of different ranks, matrices and scalings."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "bytes", layers=3)
    save_model(folder / "words", tokenizer=word_tokenizer(WORDS), layers=3)
    save_model(folder / "wide", layers=3, width=64)
    for base in ("bytes", "words"):
        save_adapter(folder / f"{base}-A", folder / base, seed=1, rank=2, layers=[1, 2], use_rslora=True)
        save_adapter(folder / f"{base}-B", folder / base, seed=2, rank=3, targets=["q_proj", "down_proj"])
    save_adapter(folder / "dora", folder / "bytes", targets=["q_proj"], use_dora=True)
    save_adapter(folder / "whole", folder / "bytes", targets=["q_proj"], modules_to_save=["lm_head"])
    save_adapter(folder / "wide-A", folder / "wide", targets=["q_proj"])
    return folder


# Values as people write them


@pytest.mark.parametrize(
    ("control", "text", "values"),
    [
        ("temperature", "0.2:1.6:0.2", [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6]),
        ("temperature", "0.5, 1,2.25", [0.5, 1, 2.25]),
        ("lora-scale", "-1:1:1", [-1, 0, 1]),
        ("merge", "0:1:0.4", [0.0, 0.4, 0.8]),
        ("prompt", "3:9:3", [3, 6, 9]),
        ("prompt", '"kind, but brief",curt', ["kind, but brief", "curt"]),
        ("prompt", "be kind: always,007", ["be kind: always", "007"]),
    ],
)
def test_values_of_ranges_and_lists(control: str, text: str, values: list[object]) -> None:
    found = parsed_values(CONTROLS[control], text)
    assert found == values
    assert all(type(one) is type(other) for one, other in zip(found, values, strict=True))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 30), st.integers(0, 3))
def test_a_range_holds_what_decimals_say(start: int, step: int, count: int, digits: int) -> None:
    def written(number: int) -> str:
        return str(Decimal(number).scaleb(-digits))

    text = f"{written(start)}:{written(start + (count - 1) * step)}:{written(step)}"
    found = parsed_values(CONTROLS["lora-scale"], text)
    assert found == [float(written(start + place * step)) for place in range(count)]


@pytest.mark.parametrize(
    ("control", "text", "said"),
    [
        ("temperature", "0:1:0.5", "'0.0': a temperature is above 0"),
        ("temperature", "-1,1", "'-1': a temperature is above 0"),
        ("temperature", "nan,1", "'nan': a finite number"),
        ("temperature", "", "two values at least"),
        ("temperature", "1", "two values at least"),
        ("temperature", "1,warm", "'warm': a number is wanted"),
        ("temperature", "1,1.0", "1.0 stands there twice"),
        ("merge", "1:0:0.5", "an empty range"),
        ("merge", "0:1:0", "an empty range"),
        ("merge", "0:1:-0.5", "an empty range"),
        ("merge", "0:1", "START:STOP:STEP"),
        ("merge", "0:1:0.0000001", "10,000,001 values"),
        ("prompt", "a, ,b", "something in it"),
        ("prompt", "a,b,a", "'a' stands there twice"),
    ],
)
def test_values_that_a_control_parameter_cannot_have(control: str, text: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        ordered_values(parsed_values(CONTROLS[control], text), f"--control {control}")
    assert str(refused.value).startswith(f"--control {control}")
    assert said in str(refused.value)


def test_numbers_are_sorted_and_texts_are_not() -> None:
    assert ordered_values([3, 0.5, 2], "--x") == [0.5, 2, 3]
    assert ordered_values(["plain", "curt"], "--x") == ["plain", "curt"]
    assert ordered_values([2, "curt", 1], "--x") == ["2", "curt", "1"]


def test_an_unknown_control_parameter_is_told_those_there_are() -> None:
    with pytest.raises(
        InputError, match="no such control parameter; there are temperature, lora-scale, merge, pr"
    ):
        control_named("warmth")


# One pass for all temperatures


def logliks_by_definition(model: Any, prompt: Sequence[int], ids: Sequence[int], temperature: float) -> Any:
    with torch.no_grad():
        logits_TV = model(torch.tensor([[*prompt, *ids]])).logits[0].double().numpy()
    loglik_TV = special.log_softmax(logits_TV / temperature, axis=1)
    return np.array([loglik_TV[len(prompt) - 1 + t, token] for t, token in enumerate(ids)])


@pytest.mark.parametrize("way", [PLAIN, Way(0, True, False), Way(0, True, True)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_one_pass_gives_what_a_pass_for_each_temperature_gives(made: Path, way: Way, dtype: Any) -> None:
    language_model = load_model(str(made / "bytes"), device="cpu", dtype=dtype)
    rng = np.random.default_rng(0)
    prompts = [rng.integers(3, 250, size=length).tolist() for length in (1, 5, 9)]
    every, some = (0, 1, 2, 3), (1, 3)
    responses = [
        Response(number % 3, tuple(rng.integers(3, 250, 1 + number % 7).tolist()), every if number % 2 else some)
        for number in range(14)
    ]
    together = Likelihoods(attach(language_model, [{}] * 4), TEMPERATURES, way, batch_tokens=40)
    found = {(index, k): loglik_T for index, k, loglik_T in together.score(prompts, responses)}
    assert found.keys() == {(index, k) for index, one in enumerate(responses) for k in one.checkpoints}
    for k, temperature in enumerate(TEMPERATURES):
        one = Likelihoods(attach(language_model, [{}]), temperature, way, batch_tokens=40)
        alone_ = [Response(response.prompt, response.ids, (0,)) for response in responses]
        for index, _, loglik_T in one.score(prompts, alone_):
            if (index, k) in found:
                np.testing.assert_allclose(found[index, k], loglik_T, atol=1e-5, rtol=1e-6)
    exact = load_model(str(made / "bytes"), device="cpu", dtype=torch.float64).model
    atol, rtol = (1e-9, 0) if dtype == torch.float64 else (1e-4, 1e-5)
    for (index, k), loglik_T in found.items():
        response = responses[index]
        expected = logliks_by_definition(exact, prompts[response.prompt], response.ids, TEMPERATURES[k])
        np.testing.assert_allclose(loglik_T, expected, atol=atol, rtol=rtol)


def test_more_temperatures_cost_no_more_passes(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    language_model = load_model(str(made / "bytes"), device="cpu")
    calls: list[int] = []
    plain = Decoder.states

    def counted(self: Decoder, *arguments: Any, **named: Any) -> Any:
        calls.append(1)
        return plain(self, *arguments, **named)

    monkeypatch.setattr(Decoder, "states", counted)
    counts = []
    for temperatures in ([1.0], TEMPERATURES):
        calls.clear()
        checkpoints = attach(language_model, [{}] * len(temperatures))
        likelihoods = Likelihoods(checkpoints, temperatures, Way(0, True, True), 64)
        responses = [Response(0, (5, 6, number), tuple(range(len(temperatures)))) for number in range(9)]
        assert len(list(likelihoods.score([[3, 4]], responses))) == 9 * len(temperatures)
        counts.append(len(calls))
    assert counts[0] == counts[1] > 0


# Adapters scaled and mixed


def deltas(folder: Path) -> dict[str, Any]:
    """What the adapter adds to each matrix, in float64, from its files alone."""
    from safetensors.torch import load_file

    said = json.loads((folder / "adapter_config.json").read_text())
    scale = said["lora_alpha"] / (said["r"] ** 0.5 if said["use_rslora"] else said["r"])
    weights = {name: tensor.double() for name, tensor in load_file(folder / "adapter_model.safetensors").items()}
    return {
        name.removeprefix("base_model.model.").removesuffix(".lora_A.weight"): scale
        * weights[name.replace("lora_A", "lora_B")]
        @ factor
        for name, factor in weights.items()
        if name.endswith("lora_A.weight")
    }


def changed(base: Path, weights: Mapping[Path, float]) -> Any:
    """The plain model, its matrices W + the weighted sum of deltas."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64).eval()
    with torch.no_grad():
        for folder, weight in weights.items():
            for name, delta in deltas(folder).items():
                model.get_submodule(name).weight += weight * delta
    return model


def logits_of(model: Any) -> Any:
    with torch.no_grad():
        return model(torch.tensor([[5, 80, 77, 9, 130, 44, 21, 3]])).logits


def test_mixes_are_the_weighted_sum_of_what_their_adapters_add(made: Path) -> None:
    base, first, second = made / "bytes", made / "bytes-A", made / "bytes-B"
    mixes: list[dict[Path, float]] = [
        {},
        {first: 1.0},
        {first: -0.75},
        {first: 2.5},
        {first: 0.7, second: 0.3},
        {first: 1.5, second: -0.5},
        {second: 1.0},
        {first: 0.7, second: 0.3},
    ]
    adapted = attach(load_model(str(base), device="cpu", dtype=torch.float64), mixes)
    assert adapted.model_K == [0, 1, 2, 3, 4, 5, 6, 4]
    assert adapted.first_layer == 0
    expected = [logits_of(changed(base, mix)) for mix in mixes]
    for k in (4, 0, 2, 1, 7, 5, 3, 6, 4):  # whatever was at work before
        with adapted.use(k) as language_model:
            torch.testing.assert_close(logits_of(language_model.model), expected[k], rtol=0, atol=1e-10)
    assert float((expected[4] - expected[1]).abs().max()) > 0.1
    assert attach(load_model(str(base), device="cpu"), [{first: 0.5}]).first_layer == 1


@pytest.mark.parametrize("control", ["lora-scale=-0.5,0,1,2", "merge=0:1:0.25"])
def test_a_run_brings_its_model_to_each_value(made: Path, tmp_path: Path, control: str) -> None:
    first, second = made / "bytes-A", made / "bytes-B"
    adapters = [first] if control.startswith("lora") else [first, second]
    sweep = sweep_of_control(str(made / "bytes"), control, adapters, Silent())
    run = Run.open(begin_sweep(sweep, tmp_path / "run", Silent()).path)
    checkpoints = open_checkpoints(run, "cpu")
    for k, value in enumerate(map(float, run.manifest.control.values)):
        weights = {first: value} if len(adapters) == 1 else {first: 1 - value, second: value}
        with checkpoints.use(k) as language_model:
            torch.testing.assert_close(
                logits_of(language_model.model).double(),
                logits_of(changed(made / "bytes", weights)),
                rtol=0,
                atol=1e-4,
            )


def test_a_value_at_which_the_model_gives_no_numbers_ends_sampling_and_scoring(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a checkpoint between the first and the last, on which alone ways of scoring are tried."""
    sweep = sweep_of_control(str(made / "bytes"), "lora-scale=0,1,1e38", [made / "bytes-A"], Silent())
    sweep = dataclasses.replace(sweep, values=(0, 1e38, 1))
    how = SampleSettings(draws=1, max_new_tokens=LONGEST, device="cpu")
    with pytest.raises(InputError, match=r"^lora-scale 1e\+38: the model gives no number there \(NaN\)"):
        run_sweep(sweep, PROMPTS, how, ON_CPU, tmp_path / "run", Silent())
    monkeypatch.setattr(sampling, "require_numbers", lambda loglik, where: None)
    with pytest.raises(InputError, match=r"^lora-scale 1e\+38: the model gives no number there \(NaN\)"):
        run_sweep(sweep, PROMPTS, how, ON_CPU, tmp_path / "other", Silent())


@pytest.mark.parametrize("name", ["dora", "whole"])
def test_what_is_more_than_two_factors_is_not_scaled(made: Path, name: str) -> None:
    attach(load_model(str(made / "bytes"), device="cpu"), [alone(made / name)])
    with pytest.raises(InputError, match=f"{name} cannot be scaled or mixed"):
        attach(load_model(str(made / "bytes"), device="cpu"), [{}, {made / name: 0.5}])
    with pytest.raises(InputError, match=f"{name} cannot be scaled or mixed"):
        sweep_of_control(str(made / "bytes"), "lora-scale=0,1", [made / name], Silent())


# Temperature: what is sampled and scored, against all that a model can say


@pytest.fixture(scope="module")
def warmed(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """1,500 draws of three prompts at two temperatures, with an adapter, scored."""
    sweep = sweep_of_control(str(made / "words"), "temperature=2,0.5", [made / "words-A"], Silent())
    how = SampleSettings(draws=1500, max_new_tokens=LONGEST, seed=3, device="cpu")
    return run_sweep(sweep, PROMPTS, how, ON_CPU, tmp_path_factory.mktemp("warmed") / "run", Silent())


def exact_by_prompt(run: Run, made: Path, outputs: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    """log P [values, outputs] by prompt, from the plain model with the adapter's change in its matrices."""
    model, outline = changed(made / "words", {made / "words-A": 1.0}), outline_of(run)
    return {
        prompt.id: np.array(
            [exact_logliks(model, outline.prompt_ids(prompt.text), outputs, value) for value in (0.5, 2.0)]
        )
        for prompt in PROMPTS
    }


def test_outputs_come_as_often_as_each_temperature_says(warmed: Run, made: Path) -> None:
    outputs = all_outputs(LONGEST)
    exact = exact_by_prompt(warmed, made, outputs)
    rows = warmed.samples(["prompt_id", "checkpoint", "token_ids", "logprob"]).to_pylist()
    assert warmed.manifest.control.values == [0.5, 2]
    assert "the values were not in order: they are sorted" in warmed.manifest.notes
    for prompt, loglik_KO in exact.items():
        for k in (0, 1):
            mine = [row for row in rows if (row["prompt_id"], row["checkpoint"]) == (prompt, k)]
            counts = Counter(tuple(row["token_ids"]) for row in mine)
            observed = np.array([counts[output] for output in outputs], dtype=float)
            expected = 1500 * np.exp(loglik_KO[k]) / np.exp(loglik_KO[k]).sum()
            rare = expected < 5
            observed = np.append(observed[~rare], observed[rare].sum())
            expected = np.append(expected[~rare], expected[rare].sum())
            assert observed.sum() == 1500
            assert stats.chisquare(observed + 1e-9, expected + 1e-9).pvalue > 1e-3
            by_output = dict(zip(outputs, loglik_KO[k], strict=True))
            assert all(
                row["logprob"] == pytest.approx(by_output[tuple(row["token_ids"])], abs=1e-4) for row in mine
            )


def test_likelihoods_of_a_temperature_sweep_are_exact(warmed: Run, made: Path) -> None:
    outputs = all_outputs(LONGEST)
    exact = exact_by_prompt(warmed, made, outputs)
    loglik_SK = warmed.loglik()
    assert loglik_SK is not None
    rows = warmed.samples(["prompt_id", "token_ids"]).to_pylist()
    expected = np.array([exact[row["prompt_id"]][:, outputs.index(tuple(row["token_ids"]))] for row in rows])
    np.testing.assert_allclose(loglik_SK, expected, atol=1e-4)
    manifest = warmed.manifest
    assert manifest.scoring is not None
    assert (manifest.sampling.temperature, manifest.scoring.temperature) == (None, None)
    assert [setup.temperature for setup in setups_of(manifest)] == [0.5, 2.0]


# A text in the prompt

TEMPLATES = [Prompt("a", "", "yes {T}"), Prompt("b", "", "{T} why {T}")]


def test_prompts_are_filled_for_the_model_and_masked_for_readers(made: Path, tmp_path: Path) -> None:
    sweep = sweep_of_control(str(made / "words"), "prompt=no,why yes", [], Silent())
    how = SampleSettings(draws=8, max_new_tokens=LONGEST, device="cpu")
    run = run_sweep(sweep, TEMPLATES, how, ON_CPU, tmp_path / "run", Silent())
    prompts = run.prompts()
    assert prompts["prompt"].to_pylist() == ["yes {T}", "{T} why {T}"]
    assert prompts["prompt_id"].to_pylist() == ["a", "b"]
    filled = {"a": ["yes no", "yes why yes"], "b": ["no why no", "why yes why why yes"]}
    model, outline, loglik_SK = changed(made / "words", {}), outline_of(run), run.loglik()
    assert loglik_SK is not None
    rows = run.samples(["prompt_id", "checkpoint", "token_ids", "logprob"]).to_pylist()
    expected = np.array(
        [
            [
                exact_logliks(model, outline.prompt_ids(text), [row["token_ids"]], 1.0)[0]
                for text in filled[row["prompt_id"]]
            ]
            for row in rows
        ]
    )
    np.testing.assert_allclose(loglik_SK, expected, atol=1e-4)
    own = expected[np.arange(len(rows)), [row["checkpoint"] for row in rows]]
    np.testing.assert_allclose([row["logprob"] for row in rows], own, atol=1e-4)
    assert np.abs(expected[:, 0] - expected[:, 1]).max() > 0.1


def test_a_system_prompt_may_be_the_template(made: Path, tmp_path: Path) -> None:
    sweep = sweep_of_control(str(made / "bytes"), "prompt=5,20", [], Silent())
    how = SampleSettings(draws=1, max_new_tokens=2, system="Use {T} words.", device="cpu")
    run = run_sweep(sweep, [Prompt("a", "", "Hi")], how, ON_CPU, tmp_path / "run", Silent())
    table = run.prompts()
    ids = sampling.prompt_ids_each(table, outline_of(run), setups_of(run.manifest))
    texts = [byte_tokenizer().decode(one[0]) for one in ids]
    assert ["Use 5 words." in texts[0], "Use 20 words." in texts[1]] == [True, True]
    assert "Use {T} words." in table["messages"][0].as_py()


# Refusals of a whole sweep


@pytest.mark.parametrize(
    ("control", "adapters", "said"),
    [
        ("temperature", [], "name its values too: temperature="),
        ("lora-scale=0,1", [], "--adapter: lora-scale works with 1, and 0 are named"),
        ("merge=0,1", ["bytes-A"], "--adapter: merge works with 2, and 1 are named"),
        ("merge=0,1", ["bytes-A", "bytes-A"], "the same adapter twice"),
        ("temperature=1,2", ["bytes-A", "bytes-B"], "works with at most 1"),
        ("temperature=1,2", ["nowhere"], "not an adapter"),
        ("lora-scale=0,1", ["wide-A"], "was made for another base model"),
    ],
)
def test_sweeps_that_cannot_be(made: Path, control: str, adapters: list[str], said: str) -> None:
    with pytest.raises(InputError) as refused:
        sweep_of_control(str(made / "bytes"), control, [made / name for name in adapters], Silent())
    assert said in str(refused.value)


def test_nothing_is_written_where_prompts_or_settings_do_not_fit(made: Path, tmp_path: Path) -> None:
    filled = sweep_of_control(str(made / "words"), "prompt=no,why", [], Silent())
    warm = sweep_of_control(str(made / "words"), "temperature=1,2", [], Silent())
    how = SampleSettings(draws=1, max_new_tokens=2, device="cpu")
    with pytest.raises(InputError, match=r"the prompt 'short' has no \{T\} to be filled in"):
        run_sweep(filled, PROMPTS, how, ON_CPU, tmp_path / "run", Silent())
    with pytest.raises(
        InputError, match=r"--temperature 0\.5: in this run the temperature is the control parameter"
    ):
        run_sweep(warm, PROMPTS, how.model_copy(update={"temperature": 0.5}), ON_CPU, tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


def test_vllm_serves_adapters_as_they_are(made: Path, tmp_path: Path) -> None:
    warm = sweep_of_control(str(made / "bytes"), "temperature=1,2", [made / "bytes-A"], Silent())
    run = begin_sweep(warm, tmp_path / "warm", Silent())
    assert adapter_folders(run) == [run.path / "checkpoints/adapter1"] * 2
    merged = sweep_of_control(str(made / "bytes"), "merge=0,0.5", [made / "bytes-A", made / "bytes-B"], Silent())
    with pytest.raises(InputError, match="of the control parameters temperature and prompt; sample merge with"):
        run_sweep(merged, PROMPTS, SampleSettings(engine="vllm"), ON_CPU, tmp_path / "merged", Silent())
    assert not (tmp_path / "merged").exists()
    begun = begin_sweep(merged, tmp_path / "begun", Silent())
    with pytest.raises(InputError, match="serves an adapter as it is"):
        adapter_folders(begun)


def test_a_changed_adapter_is_noticed(made: Path, tmp_path: Path) -> None:
    adapter = save_adapter(tmp_path / "own", made / "words", targets=["q_proj"])
    sweep = sweep_of_control(str(made / "words"), "lora-scale=0,1", [adapter], Silent())
    run = begin_sweep(sweep, tmp_path / "run", Silent())
    save_adapter(adapter, made / "words", targets=["q_proj"], seed=9)
    with pytest.raises(InputError, match=r"adapter_model\.safetensors"):
        open_checkpoints(run, "cpu")


# Whole models


def test_folders_of_models_are_swept_by_their_values(made: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        save_model(tmp_path / f"m{seed}", tokenizer=word_tokenizer(WORDS), seed=seed, layers=3)
    folders = [str(tmp_path / "m2"), str(made / "words"), str(tmp_path / "m1")]
    sweep = sweep_of_models(folders, ["1", "0", "0.5"], Silent(), name="steering")
    how = SampleSettings(draws=4, max_new_tokens=LONGEST, device="cpu")
    run = run_sweep(sweep, PROMPTS, how, ON_CPU, tmp_path / "run", Silent())
    assert (run.manifest.control.name, run.manifest.control.values) == ("steering", [0, 0.5, 1])
    loglik_SK, outline = run.loglik(), outline_of(run)
    assert loglik_SK is not None
    texts = {prompt.id: prompt.text for prompt in PROMPTS}
    for k, folder in enumerate((folders[1], folders[2], folders[0])):
        model = changed(Path(folder), {})
        for row, loglik_K in zip(run.samples(["prompt_id", "token_ids"]).to_pylist(), loglik_SK, strict=True):
            ids = outline.prompt_ids(texts[row["prompt_id"]])
            assert loglik_K[k] == pytest.approx(exact_logliks(model, ids, [row["token_ids"]], 1.0)[0], abs=1e-4)


@pytest.mark.parametrize(
    ("names", "values", "said"),
    [
        (["words", "words"], ["0"], "--values: 1 values for 2 models"),
        (["words", "words"], ["a", "a"], "'a' stands there twice"),
        (["words", "bytes"], ["0", "1"], "its tokens are not those of"),
        (["words", "nowhere"], ["0", "1"], "there is no such folder"),
        (["words", "words-A"], ["0", "1"], "no config.json, so it is no model"),
    ],
)
def test_models_that_cannot_be_swept(made: Path, names: list[str], values: list[str], said: str) -> None:
    with pytest.raises(InputError) as refused:
        sweep_of_models([str(made / name) for name in names], values, Silent())
    assert said in str(refused.value)


# Killed and resumed


class Killed(BaseException):
    pass


@pytest.mark.parametrize("control", ["temperature=0.5,1,2", "merge=0,0.5,1", "prompt=no,yes why"])
@pytest.mark.parametrize("stage", ["sample", "score"])
def test_after_a_kill_the_same_files_come_of_it(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control: str, stage: str
) -> None:
    adapters = [made / "words-A", made / "words-B"] if control.startswith("merge") else []
    sweep = sweep_of_control(str(made / "words"), control, adapters, Silent())
    how = SampleSettings(draws=5, max_new_tokens=LONGEST, seed=2, device="cpu")
    monkeypatch.setattr(sampling, "_PART_REQUESTS", (4, 4))
    monkeypatch.setattr(scoring, "_GROUP_BATCHES", 1 / 64)
    whole = run_sweep(sweep, TEMPLATES, how, ON_CPU, tmp_path / "whole", Silent())
    written: list[Path] = []
    module, name, plain = (
        (sampling, "write_table_whole", write_table_whole)
        if stage == "sample"
        else (scoring, "write_array_whole", write_array_whole)
    )

    def dying(path: Path, data: Any) -> None:
        if len(written) == 2:
            raise Killed
        written.append(path)
        plain(path, data)

    monkeypatch.setattr(module, name, dying)
    with pytest.raises(Killed):
        run_sweep(sweep, TEMPLATES, how, ON_CPU, tmp_path / "cut", Silent())
    monkeypatch.setattr(module, name, plain)
    heard = Heard()
    resumed = run_sweep(sweep, TEMPLATES, how, ON_CPU, tmp_path / "cut", heard)
    assert resumed.manifest.files == whole.manifest.files  # sizes and checksums
    assert len(written) == 2
    assert ("the samples are there already" in heard.notes) == (stage == "score")
    with pytest.raises(InputError, match="was made from other input"):
        begin_sweep(
            sweep_of_control(str(made / "words"), "temperature=1,7", [], Silent()), tmp_path / "cut", Silent()
        )


def test_runs_from_before_sweeps_are_read(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "words", tmp_path / "others")
    sweep = sweep_of_models([str(made / "words"), str(tmp_path / "others")], ["a", "b"], Silent())
    run = begin_sweep(sweep, tmp_path / "run", Silent())
    assert run.manifest.sweep is None
    change_manifest(run.path, lambda values: values.pop("sweep"))
    assert setups_of(Run.open(run.path).manifest) == setups_of(run.manifest)
    other = begin_sweep(sweep, tmp_path / "other", Silent())
    change_manifest(other.path, lambda values: values.update(sweep={"kind": "warmth", "adapters": []}))
    with pytest.raises(InputError, match="no such control parameter"):
        setups_of(Run.open(other.path).manifest)
