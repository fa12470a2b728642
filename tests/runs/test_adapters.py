"""Adapters beside one base: each gives what it gives alone, and what does not belong to the base is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the backend is not installed")

from probes.errors import InputError  # noqa: E402
from runs.adapters import alone, attach, read_adapter  # noqa: E402
from runs.models import load_model  # noqa: E402
from tests.runs import tiny_models as tiny  # noqa: E402

IDS = [[5, 80, 77, 9, 130, 44, 21, 3]]


def logits_of(model: Any, dtype: Any = None) -> Any:
    with torch.no_grad():
        return model(torch.tensor(IDS)).logits


def by_hand(base: Path, folder: Path, dtype: Any) -> Any:
    """Logits of the base after each matrix has got scale * B A added to it."""
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    settings = json.loads((folder / "adapter_config.json").read_text())
    rank = settings["r"]
    scale = settings["lora_alpha"] / (rank**0.5 if settings["use_rslora"] else rank)
    weights = load_file(folder / "adapter_model.safetensors")
    for name, factor in weights.items():
        if name.endswith("lora_A.weight"):
            module = model.get_submodule(name.removeprefix("base_model.model.").removesuffix(".lora_A.weight"))
            change = scale * weights[name.replace("lora_A", "lora_B")].to(dtype) @ factor.to(dtype)
            with torch.no_grad():
                module.weight += change.T if isinstance(module, Conv1D) else change
    return logits_of(model)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_each_checkpoint_has_the_logits_of_its_own_merged_weights(
    tmp_path: Path, architecture: tiny.Architecture, dtype: Any
) -> None:
    base = tiny.save_model(tmp_path / "m", architecture)
    one = tiny.save_adapter(tmp_path / "1", base, seed=1, rank=1, use_rslora=True)
    two = tiny.save_adapter(tmp_path / "2", base, seed=2, rank=3, layers=[1])
    adapted = attach(load_model(str(base), device="cpu", dtype=dtype), map(alone, [None, one, two]))
    bare = logits_of(load_model(str(base), device="cpu", dtype=dtype).model)
    expected = [bare, by_hand(base, one, dtype), by_hand(base, two, dtype)]
    tolerance = {"rtol": 0.0, "atol": 1e-4 if dtype == torch.float32 else 1e-11}
    for checkpoint in (2, 0, 1, 2, 0):
        with adapted.use(checkpoint) as language_model:
            torch.testing.assert_close(logits_of(language_model.model), expected[checkpoint], **tolerance)
    assert float((expected[1] - expected[0]).abs().max()) > 0.1  # the adapters do something
    assert len(adapted) == 3


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_the_layers_below_the_lowest_one_touched_are_shared(
    tmp_path: Path, architecture: tiny.Architecture
) -> None:
    base = tiny.save_model(tmp_path / "m", architecture)
    late = tiny.save_adapter(tmp_path / "late", base, layers=[2])
    middle = tiny.save_adapter(tmp_path / "middle", base, layers=[1, 2])

    def first_layer(*folders: Path | None) -> int:
        return attach(load_model(str(base), device="cpu"), map(alone, folders)).first_layer

    assert first_layer(None, late) == 2
    assert first_layer(late, middle) == 1
    assert first_layer(None) == 3
    embedding = {"llama": "embed_tokens", "qwen2": "embed_tokens", "gpt2": "wte"}[architecture]
    assert first_layer(late, tiny.save_adapter(tmp_path / "all", base, targets=[embedding])) == 0


@pytest.mark.parametrize(
    ("architecture", "targets", "touched"),
    [
        ("llama", "all-linear", False),
        ("llama", ["lm_head"], True),
        ("llama", ["embed_tokens"], False),
        ("qwen2", ["embed_tokens"], True),  # whose head shares the weights of the embeddings
        ("gpt2", "all-linear", False),
    ],
)
def test_an_adapter_on_the_head_is_told(
    tmp_path: Path, architecture: tiny.Architecture, targets: Any, touched: bool
) -> None:
    base = tiny.save_model(tmp_path / "m", architecture)
    adapted = attach(
        load_model(str(base)), map(alone, [None, tiny.save_adapter(tmp_path / "a", base, targets=targets)])
    )
    assert adapted.touches_head is touched


def test_a_head_that_was_trained_whole_is_told_and_used(tmp_path: Path) -> None:
    base = tiny.save_model(tmp_path / "m")
    plain = tiny.save_adapter(tmp_path / "plain", base)
    whole = tiny.save_adapter(tmp_path / "whole", base, modules_to_save=["lm_head"])
    adapted = attach(load_model(str(base), device="cpu"), map(alone, [None, plain, whole]))
    assert adapted.touches_head
    assert adapted.first_layer == 0
    outputs = []
    for checkpoint in (0, 1, 2, 0):
        with adapted.use(checkpoint) as language_model:
            outputs.append(logits_of(language_model.model))
    torch.testing.assert_close(outputs[0], outputs[3], rtol=0, atol=0)
    lonely = attach(load_model(str(base), device="cpu"), [alone(plain)])
    with lonely.use(0) as language_model:
        torch.testing.assert_close(outputs[1], logits_of(language_model.model))
    assert not torch.allclose(outputs[1], outputs[2], atol=0.1)


def test_a_changed_copy_of_the_base_beside_the_adapter_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    base = tiny.save_model(tmp_path / "m")
    folder = tiny.save_adapter(tmp_path / "a", base, targets=["embed_tokens"])
    attach(load_model(str(base), device="cpu"), map(alone, [folder]))
    weights = load_file(folder / "adapter_model.safetensors")
    weights["base_model.model.model.embed_tokens.base_layer.weight"][3, 3] += 1
    save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(InputError, match="is not the weight of the base model"):
        attach(load_model(str(base), device="cpu"), map(alone, [folder]))


def test_half_precision_keeps_its_adapters_in_float32(tmp_path: Path) -> None:
    base = tiny.save_model(tmp_path / "m")
    adapter = tiny.save_adapter(tmp_path / "a", base)
    adapted = attach(load_model(str(base), device="cpu", dtype=torch.bfloat16), map(alone, [adapter]))
    kinds = {p.dtype for name, p in adapted.language_model.model.named_parameters() if "lora_" in name}
    assert kinds == {torch.float32}
    assert adapted.language_model.dtype == torch.bfloat16


def _pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def _empty(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def _cut(folder: Path) -> None:
    data = (folder / "adapter_model.safetensors").read_bytes()
    (folder / "adapter_model.safetensors").write_bytes(data[:-100])


def _nan(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "adapter_model.safetensors")
    weights[max(weights)][0, 0] = float("nan")
    save_file(weights, folder / "adapter_model.safetensors")


def _one_factor_lacks(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "adapter_model.safetensors")
    del weights[max(weights)]
    save_file(weights, folder / "adapter_model.safetensors")


def _changed(**values: object) -> Any:
    def change(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_pickled, "its weights are pickled"),
        (_empty, "an adapter without weights"),
        (_cut, "damaged"),
        (_nan, "holds NaN or infinite values"),
        (_one_factor_lacks, "weights and settings do not agree"),
        (_changed(r=3), "cannot be attached"),
        (_changed(r="2"), "only LoRA adapters with a rank"),
        (_changed(peft_type="IA3"), "only LoRA adapters with a rank"),
        (_changed(init_lora_weights="pissa_niter_4"), "changes the base model as well"),
        (lambda folder: (folder / "adapter_config.json").write_text("[]"), "not the settings of a LoRA adapter"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "not an adapter"),
    ],
)
def test_a_damaged_adapter_is_refused_in_one_line(tmp_path: Path, damage: Any, said: str) -> None:
    base = tiny.save_model(tmp_path / "m")
    folder = tiny.save_adapter(tmp_path / "a", base)
    damage(folder)
    with pytest.raises(InputError, match=said) as refusal:
        attach(load_model(str(base), device="cpu"), map(alone, [None, folder]))
    assert "\n" not in str(refusal.value)
    assert str(folder) in str(refusal.value)


def test_an_adapter_of_another_base_is_refused_by_what_differs(tmp_path: Path) -> None:
    base = tiny.save_model(tmp_path / "m")
    for other, said in (
        (tiny.save_model(tmp_path / "wide", width=48), "model.layers.0.* in the adapter"),
        (tiny.save_model(tmp_path / "deep", layers=4), "changes model.layers.3.* which the model does not have"),
        (tiny.save_model(tmp_path / "gpt2", "gpt2"), "changes transformer.h.0.attn.c_attn, which the model does"),
    ):
        folder = tiny.save_adapter(tmp_path / f"a-{other.name}", other)
        with pytest.raises(InputError, match=f"made for another base model.*{other.name}.*{said}"):
            attach(load_model(str(base), device="cpu"), map(alone, [folder]))


def test_reading_tells_base_rank_and_modules(tmp_path: Path) -> None:
    base = tiny.save_model(tmp_path / "m")
    adapter = read_adapter(tiny.save_adapter(tmp_path / "a", base, rank=3, targets=["down_proj"], layers=[0, 2]))
    assert (adapter.base, adapter.rank) == (str(base), 3)
    assert adapter.modules == {"model.layers.0.mlp.down_proj", "model.layers.2.mlp.down_proj"}
    assert set(adapter.shapes.values()) == {(64, 32)}
    shutil.rmtree(adapter.folder)
    with pytest.raises(InputError, match="not an adapter"):
        read_adapter(adapter.folder)


def test_adapters_of_experts_that_are_one_tensor_are_read_and_attached(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

    tokenizer = tiny.byte_tokenizer()
    sizes = {"hidden_size": 32, "moe_intermediate_size": 16, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_experts": 4, "num_experts_per_tok": 2}
    tokens = {"vocab_size": len(tokenizer), "eos_token_id": 0, "bos_token_id": None, "pad_token_id": None}
    model = Qwen3MoeForCausalLM(Qwen3MoeConfig(**tokens, **sizes, **heads))
    model.save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    experts = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
    config = LoraConfig(r=2, target_modules=[], target_parameters=experts, layers_to_transform=None)
    trained = get_peft_model(model, config)
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.3)
    trained.save_pretrained(tmp_path / "a")
    assert read_adapter(tmp_path / "a").modules == {f"model.layers.{layer}.mlp.experts" for layer in (0, 1)}
    adapted = attach(load_model(str(tmp_path / "m"), device="cpu"), map(alone, [None, tmp_path / "a"]))
    with adapted.use(1) as language_model:
        torch.testing.assert_close(logits_of(language_model.model), logits_of(trained.eval()))
    with adapted.use(0) as language_model:
        assert not torch.allclose(logits_of(language_model.model), logits_of(trained), atol=0.01)
