"""Likelihoods against plain passes of single sequences in float64, made with nothing of the code under test."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from probes.errors import InputError
from runs.adapters import AdaptedModel, alone, attach
from runs.head import Head, token_logliks
from runs.likelihood import PLAIN, Likelihoods, Response, Way, checked_likelihoods
from runs.models import LanguageModel, as_language_model, load_model
from tests.runs.reference import CLOSE, LATE, in_float64, largest_error, reference, sequences
from tests.runs.tiny_models import ARCHITECTURES, Architecture, byte_tokenizer, save_adapter, save_model

torch = pytest.importorskip("torch", reason="the backend is not installed")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three bases, each with two adapters on late layers and one on all of it, the head included."""
    folder = tmp_path_factory.mktemp("models")
    for architecture in ARCHITECTURES:
        base = save_model(folder / architecture, architecture, layers=4)
        for number in (1, 2):
            save_adapter(folder / f"{architecture}-late{number}", base, seed=number, layers=LATE)
        if architecture == "llama":
            save_adapter(folder / f"{architecture}-all", base, seed=3, targets=["q_proj", "down_proj", "lm_head"])
    return folder


def adapters(folders: Path, architecture: Architecture, *names: str) -> list[Path | None]:
    return [None, *(folders / f"{architecture}-{name}" for name in names)]


# Against the definition


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("lengths", [(5, 5, 5), (1, 9, 4, 23)], ids=["even prompts", "left padding"])
def test_every_way_agrees_with_single_sequences_in_float64(
    folders: Path, architecture: Architecture, lengths: tuple[int, ...]
) -> None:
    names = adapters(folders, architecture, "late1", "late2")
    checkpoints = attach(load_model(str(folders / architecture), device="cpu"), map(alone, names))
    models = [in_float64(folders / architecture, name) for name in names]
    prompts, responses = sequences(259, lengths, [(0, 1, 2), (1,), (1, 2)])
    likelihoods, notes = checked_likelihoods(
        checkpoints, 0.7, prompts, [[one] * 5 for one in range(3, 3 + len(prompts))], batch_tokens=24
    )
    assert likelihoods.way == Way(trunk=LATE[0], prompts=True, head=True)
    assert notes == []
    for way in (likelihoods.way, Way(0, True, True), Way(0, True, False), PLAIN):
        likelihoods = Likelihoods(checkpoints, 0.7, way, batch_tokens=24)
        assert largest_error(likelihoods, models, 0.7, prompts, responses) < CLOSE, way


def test_chat_prompts_at_temperature_one(folders: Path) -> None:
    names = adapters(folders, "llama", "late1")
    language_model = load_model(str(folders / "llama"), device="cpu")
    checkpoints = attach(language_model, map(alone, names))
    prompts = [language_model.prompt_ids(text) for text in ("Why?", "What is a phase transition?")]
    assert prompts[0] != prompts[1]
    ids = (*language_model.response_ids("No."), language_model.end_id)
    responses = [Response(prompt, ids, (0, 1)) for prompt in (0, 1)]
    likelihoods, _ = checked_likelihoods(checkpoints, 1.0, prompts, [ids, ids])
    models = [in_float64(folders / "llama", name) for name in names]
    assert largest_error(likelihoods, models, 1.0, prompts, responses) < CLOSE


def test_an_adapter_on_the_output_head_counts(folders: Path) -> None:
    names = adapters(folders, "llama", "all", "late1")
    checkpoints = attach(load_model(str(folders / "llama"), device="cpu"), map(alone, names))
    prompts, responses = sequences(259, (3, 8), [(0, 1, 2)])
    likelihoods, notes = checked_likelihoods(checkpoints, 0.7, prompts, [[9, 8], [7, 6]])
    assert (likelihoods.way, notes) == (Way(0, True, True), [])
    models = [in_float64(folders / "llama", name) for name in names]
    assert largest_error(likelihoods, models, 0.7, prompts, responses) < CLOSE


SHAPE: dict[str, Any] = {
    "vocab_size": 259,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": None,
}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (
            "Gemma2",
            {"head_dim": 8, "final_logit_softcapping": 2.0, "sliding_window": 4, "query_pre_attn_scalar": 8},
        ),
        ("Granite", {"logits_scaling": 0.25}),
        ("Cohere", {"logit_scale": 3.0}),
        ("Lfm2", {"layer_types": ["conv", "full_attention", "conv", "full_attention"]}),
    ],
    ids=["soft cap and sliding windows", "divided logits", "scaled logits", "short convolutions"],
)
def test_architectures_with_their_own_logits_and_caches(name: str, settings: dict[str, Any]) -> None:
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = getattr(transformers, f"{name}Config")(**SHAPE, **settings)
        model = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    checkpoints = attach(as_language_model(model, byte_tokenizer(), name, name), [{}])
    prompts, responses = sequences(259, (2, 11, 7), [(0,)], each=12)
    likelihoods, notes = checked_likelihoods(checkpoints, 0.7, prompts, [[5] * 6, [6] * 6, [7] * 6])
    assert (likelihoods.way, notes) == (Way(0, True, True), [])
    model.double()  # the cap and the scale are the architecture's own there
    exact = [reference(model, prompts[one.prompt], one.ids, 0.7) for one in responses]
    model.float()
    found = {index: loglik_T for index, _, loglik_T in likelihoods.score(prompts, responses)}
    assert max(np.abs(found[i] - exact[i]).max(initial=0) for i in range(len(responses))) < CLOSE


# What is shared


@pytest.fixture
def late(folders: Path) -> AdaptedModel:
    names = adapters(folders, "llama", "late1", "late2")
    return attach(load_model(str(folders / "llama"), device="cpu"), map(alone, names))


def layers_of(checkpoints: AdaptedModel) -> Any:
    return checkpoints.language_model.model.get_decoder().layers


def tokens_through(checkpoints: AdaptedModel, layer: int) -> list[int]:
    """A list that grows by the tokens that go through a layer's own arithmetic."""
    counts: list[int] = []
    block = layers_of(checkpoints)[layer].mlp
    block.register_forward_hook(lambda module, inputs, output: counts.append(output.shape[0] * output.shape[1]))
    return counts


def test_layers_below_the_adapters_are_computed_once_for_all_checkpoints(late: AdaptedModel) -> None:
    below, above = tokens_through(late, LATE[0] - 1), tokens_through(late, LATE[0])
    prompts, responses = sequences(259, (5, 5), [(0, 1, 2)])
    list(Likelihoods(late, 1.0, Way(LATE[0], True, True), 512).score(prompts, responses))
    assert sum(above) == 3 * sum(below) > 0


def test_a_prompt_and_a_repeated_response_are_computed_once_per_checkpoint(late: AdaptedModel) -> None:
    counts = tokens_through(late, 0)
    prompts = [[5] * 40]
    responses = [Response(0, (7, 8, 9), (1,))] * 10 + [Response(0, (9, 8, 7), (1,))] * 10
    assert len(list(Likelihoods(late, 1.0, Way(0, True, True), 512).score(prompts, responses))) == 20
    assert sum(counts) == 39 + 2 * 3


# Ways that do not hold are not used


def test_a_model_that_changes_its_logits_by_itself_is_scored_by_its_own_logits(late: AdaptedModel) -> None:
    model: Any = late.language_model.model
    plain = model.forward

    @functools.wraps(plain)
    def forward(*arguments: Any, **named: Any) -> Any:
        output = plain(*arguments, **named)
        output.logits = output.logits.clamp(max=1.0)
        return output

    model.forward = forward
    prompts, responses = sequences(259, (4, 6), [(0, 2)])
    likelihoods, notes = checked_likelihoods(late, 1.0, prompts, [[5, 6], [7, 8]])
    assert likelihoods.way == Way(0, True, False)
    assert len(notes) == 2
    assert all("is off by" in note for note in notes)
    found = {(i, k): loglik_T for i, k, loglik_T in likelihoods.score(prompts, responses)}
    for (index, k), loglik_T in found.items():
        with late.use(k):
            expected = reference(model, prompts[responses[index].prompt], responses[index].ids, 1.0)
        np.testing.assert_allclose(loglik_T, expected, atol=CLOSE)


def test_layers_that_are_needed_further_up_are_not_skipped(late: AdaptedModel) -> None:
    """As in architectures where a late layer uses the output of an early one."""
    layers = layers_of(late)
    kept: list[Any] = []
    layers[0].register_forward_hook(lambda module, inputs, output: kept.append(output))
    layers[3].register_forward_pre_hook(lambda module, inputs: (inputs[0] + kept.pop(), *inputs[1:]))
    likelihoods, notes = checked_likelihoods(late, 1.0, [[4, 5, 6]], [[7, 8]])
    assert likelihoods.way == Way(0, True, True)
    assert len(notes) == 1
    assert "first 2 layers once" in notes[0]


def test_a_model_that_mixes_the_rows_of_a_batch_is_refused(late: AdaptedModel) -> None:
    norm = late.language_model.model.get_decoder().norm
    norm.register_forward_hook(lambda module, inputs, output: output * len(output))
    with pytest.raises(InputError, match="depend on what else is in a batch"):
        checked_likelihoods(late, 1.0, [[4, 5], [6, 7]], [[7, 8], [8, 7]])


def test_a_model_that_gives_no_numbers_is_refused_by_its_checkpoint(late: AdaptedModel) -> None:
    norm = late.language_model.model.get_decoder().norm
    norm.register_forward_hook(lambda module, inputs, output: output * float("nan"))
    with pytest.raises(InputError, match=r"^checkpoint 1 of \d: the model gives no number there \(NaN\)"):
        checked_likelihoods(late, 1.0, [[4, 5], [6, 7]], [[7, 8], [8, 7]])


# The head


def linear_head(weight_VD: Any, slice_: int) -> Head:
    return Head(lambda states, a, b: states @ weight_VD[a:b].T, len(weight_VD), slice_, tokens=5)


@pytest.mark.parametrize("slice_", [1, 7, 8, 50, 64])
@pytest.mark.parametrize("scale", [0.1, 300.0])
def test_slices_of_the_vocabulary_add_up_to_log_softmax(slice_: int, scale: float) -> None:
    rng = np.random.default_rng(0)
    states_ND, weight_VD = rng.normal(size=(13, 6)), scale * rng.normal(size=(50, 6))
    targets_N = rng.integers(50, size=13)
    found = token_logliks(
        linear_head(torch.tensor(weight_VD), slice_), torch.tensor(states_ND), torch.tensor(targets_N), [0.7]
    )[0]
    expected_NV = special.log_softmax(states_ND @ weight_VD.T / 0.7, axis=1)
    np.testing.assert_allclose(found.numpy(), expected_NV[np.arange(13), targets_N], rtol=1e-12, atol=1e-12)


def test_no_tensor_of_tokens_times_vocabulary_is_made() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    largest = [0]

    class Sizes(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
            result = function(*arguments, **(named or {}))
            if isinstance(result, torch.Tensor):
                largest[0] = max(largest[0], result.untyped_storage().nbytes())
            return result

    weight_VD, states_ND = torch.randn(20_000, 4), torch.randn(300, 4)
    head = Head(lambda states, a, b: states @ weight_VD[a:b].T, 20_000, 1_000, 1 << 20)
    with Sizes():
        token_logliks(head, states_ND, torch.zeros(300, dtype=torch.long), [1.0, 0.5])
    assert largest[0] <= 300 * 1_000 * 4


def test_weights_of_half_precision_give_float32_likelihoods(folders: Path) -> None:
    half: LanguageModel = load_model(str(folders / "llama"), device="cpu", dtype=torch.bfloat16)
    checkpoints = attach(half, [{}])
    likelihoods, _ = checked_likelihoods(checkpoints, 1.0, [[4, 5, 6]], [[7, 8]])
    model = half.model.double()  # the rounded weights, computed exactly
    exact = reference(model, [4, 5, 6], [7, 8], 1.0)
    half.model.bfloat16()
    ((_, _, loglik_T),) = likelihoods.score([[4, 5, 6]], [Response(0, (7, 8), (0,))])
    assert np.abs(loglik_T - exact).max() < 0.3
    assert (loglik_T.astype(np.float32) == loglik_T).all()
    assert not (torch.tensor(loglik_T).bfloat16().double().numpy() == loglik_T).all()
