"""Language models in this process (`hf:PATH`): no server, no key, one call at a time."""

import asyncio
import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from runs.models import load_model
from tools.chat.guided import CannotGuide, guided_json
from tools.chat.interface import (
    Answer,
    CallFailed,
    Finish,
    Lacking,
    Message,
    Request,
    json_instruction,
    make_answer,
)
from tools.chat.spec import ModelSpec
from tools.chat.writer import Writer

if TYPE_CHECKING:
    from runs.models import LanguageModel


class LocalModel:
    """A causal model that transformers loads. It writes JSON under guidance, and cannot call tools."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._model = load_model(spec.model)
        self._endpoint = f"in process, weights {_fingerprint(Path(self._model.folder))}"
        self._one_at_a_time = asyncio.Lock()

    @property
    def name(self) -> str:
        return str(self._spec)

    @property
    def endpoint(self) -> str:
        """Tells these weights from others that lie, or lay, at the same path."""
        return self._endpoint

    def most_tokens(self, request: Request) -> tuple[int, int]:
        return len(request.canonical), request.max_tokens

    async def answer(self, request: Request) -> Answer:
        """See `ChatModel.answer`. Raises Lacking for a request that offers tools."""
        if request.tools and request.may_call:
            raise Lacking(f"{self.name} cannot call tools")
        stop = threading.Event()
        async with self._one_at_a_time:
            try:
                return await asyncio.to_thread(_answer, self._model, request, stop)
            finally:
                stop.set()  # a cancelled call lets its thread go

    async def close(self) -> None:
        del self._model


def _answer(model: "LanguageModel", request: Request, stop: threading.Event) -> Answer:
    turns = list(request.messages)
    if request.schema is not None:
        turns.append(Message("user", json_instruction(request.schema)))
    prompt = model.prompt_ids("", _alternating(turns))
    most, context = request.max_tokens, model.context_length
    if context is not None and len(prompt) + most > context:
        raise CallFailed("too long", f"{len(prompt)} tokens and {most} more do not fit into {context}")

    def writer() -> Writer:
        return Writer(model, prompt, most, request.temperature or 0.0, request.seed or 0, stop)

    if request.schema is not None:
        guided = writer()
        try:
            text, levels = guided_json(guided, request.schema.schema, request.level_names)
        except CannotGuide:
            pass
        else:
            return make_answer(
                request,
                text,
                "stop",
                way="guided",
                levels=levels,
                input_tokens=len(prompt),
                output_tokens=guided.written,
            )
    free = writer()
    text, ended = free.write_freely()
    finish: Finish = "stop" if ended else "length"
    return make_answer(request, text, finish, way="parsed", input_tokens=len(prompt), output_tokens=free.written)


def _alternating(turns: list[Message]) -> list[dict[str, str]]:
    """The turns as chat templates want them: those of one role joined, tools' results said by the user."""
    joined: list[dict[str, str]] = []
    for turn in turns:
        role = "user" if turn.role == "tool" else turn.role
        if joined and joined[-1]["role"] == role:
            joined[-1]["content"] += "\n\n" + turn.text
        else:
            joined.append({"role": role, "content": turn.text})
    return joined


def _fingerprint(folder: Path) -> str:
    """Tells a folder of weights from others without reading them: names, sizes and times of its files."""
    files = sorted(path for path in folder.glob("*") if path.is_file())
    told = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(told or str(folder)).encode()).hexdigest()[:16]
