"""Causal language models as the runs use them: prompts, end tokens, padding and precision handled in one place.

A model is named by a folder or a hub name that transformers loads, or by the alias `smollm2` (`runs.smollm2`).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.errors import InputError
from runs.backend import default_device, default_dtype, require_backend
from runs.files import shown
from runs.loading import loading, quiet, require_hub
from runs.smollm2 import SMOLLM2, smollm2_folder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Message = dict[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}."""


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A causal model with its tokenizer.

    folder: what transformers and vLLM load it by. end_ids: tokens that may end a response (end of sequence, end of
    turn), rising; a response that was sampled to its end includes the one that ended it. end_id: the one of them
    with which the chat template, or else the tokenizer, ends a response. pad_id: fills a batch; it may be one of
    end_ids, so that a mask cannot be told from it.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    name: str
    folder: str
    end_ids: tuple[int, ...]
    end_id: int
    pad_id: int

    @property
    def device(self) -> "torch.device":
        return self.model.device

    @property
    def dtype(self) -> "torch.dtype":
        return self.model.dtype

    @property
    def vocabulary_size(self) -> int:
        """Rows of the output head: logits per position, padding of the vocabulary included."""
        return int(self.model.get_output_embeddings().weight.shape[0])

    @property
    def context_length(self) -> int | None:
        """Most tokens of a prompt with its response, None where the model does not say."""
        length = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return length if isinstance(length, int) and length > 0 else None

    def prompt_ids(self, prompt: str, messages: Sequence[Message] | None = None) -> list[int]:
        """Token ids up to where the response begins.

        With a chat template: the messages (or the prompt as one user turn) and the opening of the assistant's
        turn. Without one: the messages' texts, or the prompt, as plain text. Raises InputError where the template
        refuses the messages, or where there is not one token to begin from.
        """
        if self.tokenizer.chat_template:
            turns = list(messages) if messages else [{"role": "user", "content": prompt}]
            ids = _templated(self.tokenizer, turns, self.name)
        else:
            text = "\n\n".join(message["content"] for message in messages) if messages else prompt
            ids = _plain(self.tokenizer, text)
        if not ids:
            raise InputError(f"a prompt without text, and {shown(self.name)} has no token that begins a text")
        return ids

    def response_ids(self, response: str) -> list[int]:
        """Token ids of a response that was written, not sampled, without the token that ends it."""
        return list(self.tokenizer(response, add_special_tokens=False)["input_ids"])

    def text(self, ids: Sequence[int]) -> str:
        """The text of a response's ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))


def load_model(
    spec: str,
    *,
    device: "torch.device | str | None" = None,
    dtype: "torch.dtype | None" = None,
    trust_remote_code: bool = False,
) -> LanguageModel:
    """The model, in evaluation mode, with gradients off.

    spec: a folder, a hub name (taken from the local cache where it is there), or `smollm2`. dtype: float32 on a
    CPU and bfloat16 on a GPU by default. Only safetensors are read, never pickles. Raises InputError, in one line,
    for a name that is nothing, for what transformers cannot load, and for weights that are not all there.
    """
    require_backend()
    import torch

    folder = model_folder(spec)
    place = torch.device(device) if device is not None else default_device()
    options = {"trust_remote_code": trust_remote_code}
    with loading(spec), quiet():
        try:
            tokenizer, model = _loaded(folder, dtype or default_dtype(place), local_files_only=True, **options)
        except OSError:
            if Path(folder).is_dir():
                raise
            require_hub(spec)
            tokenizer, model = _loaded(folder, dtype or default_dtype(place), **options)
        model.to(place).eval().requires_grad_(False)
    return as_language_model(model, tokenizer, spec, folder)


def as_language_model(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", name: str, folder: str
) -> LanguageModel:
    """A loaded model with what is told from its settings. Raises InputError where nothing ends a response."""
    turn_end = _end_of_turn(tokenizer)
    end_ids = _end_ids(model, tokenizer, turn_end)
    if not end_ids:
        raise InputError(f"the model {shown(name)}: neither its settings nor its tokenizer name an end token")
    own = tokenizer.eos_token_id
    end_id = next(one for one in (turn_end, own, end_ids[0]) if one is not None)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else end_id
    return LanguageModel(model, tokenizer, name, folder, end_ids, int(end_id), int(pad_id))


def named_for_good(spec: str) -> str:
    """A model's name as a run keeps it: a folder by its absolute path, a hub name or alias as it is."""
    return str(Path(spec).resolve()) if Path(spec).is_dir() else spec


def model_folder(spec: str) -> str:
    """What transformers loads a model by: of `smollm2` its folder, unpacked first where it has to be, else itself.

    Raises InputError for a path where no folder is, and for what is neither a path nor a hub name.
    """
    if spec == SMOLLM2:
        return str(smollm2_folder())
    path = Path(spec).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError(f"the model {shown(spec)}: the folder holds no config.json, so it is no model")
        return str(path)
    if path.exists():
        raise InputError(f"the model {shown(spec)} is a file; name the folder of a model, a hub name or {SMOLLM2}")
    if not spec.strip() or path.is_absolute() or spec.startswith((".", "~")) or spec.count(os.sep) > 1:
        raise InputError(f"the model {shown(spec)}: there is no such folder; name one, a hub name or {SMOLLM2}")
    return spec


def _loaded(folder: str, dtype: "torch.dtype", **options: Any) -> tuple[Any, Any]:
    """Tokenizer and model. Raises ValueError where weights lack: transformers would make them up."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    model, found = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
    )
    lacking = [*found["missing_keys"], *(str(one) for one in found["mismatched_keys"])]
    if lacking:
        raise ValueError(f"{len(lacking)} of its weights lack or have another shape, the first {lacking[0]}")
    return tokenizer, model


# End tokens


def _end_ids(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", turn_end: int | None
) -> tuple[int, ...]:
    """Token ids that end a response, rising: of the generation settings, the tokenizer and the chat template."""
    generation = model.generation_config.eos_token_id if model.generation_config is not None else None
    configured = getattr(model.config.get_text_config(), "eos_token_id", None)
    found: set[int] = set()
    for ids in (generation, configured, tokenizer.eos_token_id, turn_end):
        found.update([ids] if isinstance(ids, int) else ids or [])
    return tuple(sorted(found))


def _end_of_turn(tokenizer: "PreTrainedTokenizerBase") -> int | None:
    """The special token with which the chat template ends the assistant's turn, where it has one."""
    if not tokenizer.chat_template:
        return None
    answer = "an answer that ends here"
    turns = [{"role": "user", "content": "a question"}, {"role": "assistant", "content": answer}]
    try:
        text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    except Exception:  # a template is a program of its author's: whatever it raises, it names no end of turn
        return None
    after = text.rpartition(answer)[2]
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    ids = tokenizer(after, add_special_tokens=False)["input_ids"]
    return next((int(i) for i in ids if i in special), None)


# Prompts


def _plain(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """The text's ids with what the tokenizer puts before any text, but without an end that it may put behind."""
    bare = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    whole = list(tokenizer("a")["input_ids"])
    before = next((n for n in range(len(whole)) if whole[n : n + len(bare)] == bare), 0)
    return [*whole[:before], *tokenizer(text, add_special_tokens=False)["input_ids"]]


def _templated(tokenizer: "PreTrainedTokenizerBase", turns: list[Message], name: str) -> list[int]:
    """The turns through the chat template; a system's text goes into the first turn where it has no such role.

    Some templates without that role refuse the system's turn, others leave it out without a word.
    """
    system = [turn["content"].strip() for turn in turns if turn["role"] == "system"]
    refusal: Exception | None = None
    for candidate in (turns, _without_system(turns)) if system else (turns,):
        try:
            text = str(tokenizer.apply_chat_template(candidate, add_generation_prompt=True, tokenize=False))
        except Exception as error:  # a template is a program of its author's and may raise anything
            refusal = error
            continue
        if all(one in text for one in system):
            return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    reason = "it leaves out the system's text" if refusal is None else str(refusal) or type(refusal).__name__
    raise InputError(f"the chat template of {shown(name)} refuses these messages: {shown(reason)}")


def _without_system(turns: list[Message]) -> list[Message]:
    """The system's text before the first turn that is not the system's."""
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    others = [dict(turn) for turn in turns if turn["role"] != "system"]
    if others and system:
        others[0]["content"] = "\n\n".join([*system, others[0]["content"]])
    return others
