"""A model in this process: guided JSON, probabilities of levels, plain text."""

import asyncio
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.runs.tiny_models import save_model
from tests.tools.chat.made import LOOK, request, run
from tools.chat.connect import connect
from tools.chat.interface import CallFailed, Lacking, Schema, json_instruction
from tools.chat.local_client import LocalModel
from tools.chat.spec import parse_spec

LEVELS = ["none", "some", "much"]
WANTED = Schema(
    "verdicts",
    {
        "type": "object",
        "properties": {
            "c1": {"$ref": "#/$defs/verdict"},
            "c2": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 10}, {"type": "null"}]},
            "sure": {"type": "boolean"},
            "notes": {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 1, "maxItems": 3},
        },
        "$defs": {
            "verdict": {
                "type": "object",
                "properties": {"quote": {"type": "string"}, "level": {"enum": LEVELS}},
            }
        },
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"), context=4096)


@pytest.fixture
def model(folder: Path) -> LocalModel:
    made = connect(parse_spec(f"hf:{folder}"), {})
    assert isinstance(made, LocalModel)
    return made


@pytest.mark.parametrize("temperature", [None, 1.0])
def test_whatever_the_model_is_the_json_satisfies_the_schema(model: LocalModel, temperature: float | None) -> None:
    asked = request(schema=WANTED, max_tokens=400, temperature=temperature, level_names=tuple(LEVELS))
    answer = run(model.answer(asked))
    assert (answer.kind, answer.structured, answer.complete) == ("json", "guided", True)
    value: Any = json.loads(answer.text)
    assert answer.value == value
    assert list(value) == ["c1", "c2", "sure", "notes"]
    assert isinstance(value["c1"]["quote"], str)
    assert value["c1"]["level"] in LEVELS
    assert value["c2"] is None or 1 <= value["c2"] <= 10
    assert isinstance(value["sure"], bool)
    assert 1 <= len(value["notes"]) <= 3
    (level,) = answer.levels
    assert level.name == value["c1"]["level"]
    assert answer.text[level.offset :].startswith(f'{level.name}"')
    assert sum(math.exp(one) for one in level.logprobs.values()) == pytest.approx(1)
    assert run(model.answer(asked)) == answer


def test_levels_are_scored_as_a_plain_pass_scores_them(model: LocalModel) -> None:
    """The probability of a level is that of its text and the quote after it, in one pass without a cache."""
    import torch

    schema = Schema("verdict", {"type": "object", "properties": {"level": {"enum": LEVELS}}})
    answer = run(model.answer(request(schema=schema, max_tokens=100, level_names=tuple(LEVELS))))
    language_model = model._model
    prompt = language_model.prompt_ids(
        "", [{"role": "user", "content": "hello\n\n" + json_instruction(schema)}]
    ) + language_model.response_ids('{"level": ')
    scores = []
    for level in LEVELS:
        ids = language_model.response_ids(f'"{level}"}}')
        with torch.no_grad():
            logits = language_model.model(torch.tensor([prompt + ids])).logits[0].double().log_softmax(-1)
        scores.append(sum(float(logits[len(prompt) - 1 + t, token]) for t, token in enumerate(ids)))
    expected = np.array(scores) - np.logaddexp.reduce(scores)
    (told,) = answer.levels
    assert [told.logprobs[level] for level in LEVELS] == pytest.approx(list(expected), abs=1e-4)
    assert told.name == LEVELS[int(np.argmax(expected))]


def test_plain_text_and_a_schema_without_guidance(model: LocalModel) -> None:
    answer = run(model.answer(request(max_tokens=5)))
    assert answer.finish == "length"
    assert answer.output_tokens == 5
    free = Schema("any", {"type": "object", "properties": {"n": {"type": "number"}}})
    assert run(model.answer(request(schema=free, max_tokens=5))).structured == "parsed"


def test_what_it_cannot(model: LocalModel) -> None:
    with pytest.raises(Lacking):
        run(model.answer(request(tools=(LOOK,))))
    with pytest.raises(CallFailed, match="too long"):
        run(model.answer(request("long " * 2000)))


def test_other_weights_at_the_same_path_are_another_model(tmp_path: Path) -> None:
    save_model(tmp_path / "m", seed=1)
    one = connect(parse_spec(f"hf:{tmp_path / 'm'}"), {})
    save_model(tmp_path / "m", seed=2)
    two = connect(parse_spec(f"hf:{tmp_path / 'm'}"), {})
    assert one.name == two.name
    assert one.endpoint != two.endpoint


def test_a_cancelled_call_stops_writing(model: LocalModel) -> None:
    async def cancelled() -> float:
        task = asyncio.create_task(model.answer(request(max_tokens=3000, temperature=1.0)))
        await asyncio.sleep(0.2)
        task.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert run(cancelled()) < 2
