"""Tiny language models with random weights, made from settings, and tiny tokenizers: nothing is downloaded.

Needs the backend; a test file asks for it first, with `pytest.importorskip("torch")`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

Architecture = Literal["llama", "qwen2", "gpt2"]
ARCHITECTURES: tuple[Architecture, ...] = ("llama", "qwen2", "gpt2")

TEXT_END, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (TEXT_END, TURN_START, TURN_END)

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHAT_WITHOUT_SYSTEM = (
    "{% for message in messages %}{% if message.role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer(template: str | None = CHAT) -> Any:
    """Every byte is a token, so that any text can be spelled; the three special tokens come first."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate((*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())))}
    tokenizer = Tokenizer(BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TEXT_END,
        extra_special_tokens=[TURN_START, TURN_END],
        chat_template=template,
    )


def word_tokenizer(words: Sequence[str], template: str | None = None) -> Any:
    """One token a word, separated by white space: for vocabularies so small that outputs can be enumerated."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate((TEXT_END, *words))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=TEXT_END))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=TEXT_END, chat_template=template)


def tiny_model(
    architecture: Architecture,
    vocabulary: int,
    *,
    seed: int = 0,
    layers: int = 3,
    width: int = 32,
    context: int = 512,
) -> Any:
    """A causal model with random weights, float32, large enough that its distributions are not flat."""
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        Qwen2Config,
        Qwen2ForCausalLM,
    )

    shared: dict[str, Any] = {
        "vocab_size": vocabulary,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": None,
    }
    gated: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
        "initializer_range": 0.2,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture == "llama":
            return LlamaForCausalLM(LlamaConfig(**shared, **gated)).eval()
        if architecture == "qwen2":
            return Qwen2ForCausalLM(Qwen2Config(**shared, **gated, tie_word_embeddings=True)).eval()
        sizes: dict[str, Any] = {"n_embd": width, "n_layer": layers, "n_head": 4, "n_positions": context}
        return GPT2LMHeadModel(GPT2Config(**shared, **sizes, initializer_range=0.2)).eval()


def save_model(folder: Path, architecture: Architecture = "llama", tokenizer: Any = None, **sizes: Any) -> Path:
    """A model folder as people have them; bytes are its tokens, with a chat template, unless told otherwise."""
    tokenizer = tokenizer or byte_tokenizer()
    tiny_model(architecture, len(tokenizer), **sizes).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_adapter(
    folder: Path,
    base: Path,
    *,
    seed: int = 0,
    rank: int = 2,
    targets: Sequence[str] | str = "all-linear",
    layers: Sequence[int] | None = None,
    scale: float = 0.3,
    **settings: Any,
) -> Path:
    """A PEFT adapter for the base with random weights of both factors, so that it changes the distribution."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    chosen = targets if isinstance(targets, str) else list(targets)
    if layers is not None and isinstance(targets, str):  # PEFT wants names where it is told the layers
        matrices = (torch.nn.Linear, Conv1D)
        found = {name.split(".")[-1] for name, part in model.named_modules() if isinstance(part, matrices)}
        chosen = sorted(found - {"lm_head"})
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=chosen,
        layers_to_transform=None if layers is None else list(layers),
        task_type="CAUSAL_LM",
        **settings,
    )
    adapted = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    adapted.save_pretrained(folder)
    return folder


def save_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
