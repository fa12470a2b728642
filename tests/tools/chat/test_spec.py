"""How models are named, where their keys go, and what they cost."""

from pathlib import Path

import pytest

from probes.errors import InputError
from tools.chat.interface import Answer
from tools.chat.prices import load_prices
from tools.chat.spec import Key, ModelSpec, key_of, parse_spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("builtin", ModelSpec("builtin")),
        ("openai:gpt-5-mini", ModelSpec("openai", "gpt-5-mini")),
        ("anthropic:claude-opus-5-5", ModelSpec("anthropic", "claude-opus-5-5")),
        ("openai:org/model:7b@http://h:8000/v1", ModelSpec("openai", "org/model:7b", "http://h:8000/v1")),
        ("openai:m@2026@HTTPS://Host/v1/", ModelSpec("openai", "m@2026", "https://host/v1")),
        ("anthropic:m@http://127.0.0.1:9", ModelSpec("anthropic", "m", "http://127.0.0.1:9")),
        ("anthropic:m@http://127.0.0.1:9/v1", ModelSpec("anthropic", "m", "http://127.0.0.1:9")),
        ("hf:/models/my model", ModelSpec("hf", "/models/my model")),
        ("hf:smollm2", ModelSpec("hf", "smollm2")),
    ],
)
def test_specs(text: str, spec: ModelSpec) -> None:
    assert parse_spec(text) == spec
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "one is builtin"),
        ("gpt-5", "one is builtin"),
        ("builtin:x", "one is builtin"),
        ("openai:", "one is builtin"),
        ("google:gemini", "one is builtin"),
        ("openai:a b", "one is builtin"),
        ("openai:a\x1bb", "one is builtin"),
        ("openai:http://localhost:8000/v1", "is named as openai:MODEL@http"),
        ("openai:@http://localhost:8000/v1", "no model is named"),
        ("openai:m@http://", "must be http"),
        ("openai:m@http://h:port/v1", "must be http"),
        ("openai:m@http://me:secret@h/v1", "ORDERPARAM_API_KEY"),
        ("openai:m@http://h/v1?key=secret", "nothing after"),
    ],
)
def test_what_is_no_spec(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        parse_spec(text)
    assert "secret" not in str(refused.value)


ENVIRON = {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a", "ORDERPARAM_API_KEY": "sk-own"}


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("openai:m", "OPENAI_API_KEY"),
        ("anthropic:m", "ANTHROPIC_API_KEY"),
        ("openai:m@https://api.openai.com/v1", "OPENAI_API_KEY"),
        ("openai:m@http://api.openai.com/v1", "ORDERPARAM_API_KEY"),  # not in the clear
        ("openai:m@https://api.openai.com.evil.example/v1", "ORDERPARAM_API_KEY"),
        ("openai:m@https://api.openai.com:8443/v1", "ORDERPARAM_API_KEY"),
        ("openai:m@https://api.anthropic.com/v1", "ORDERPARAM_API_KEY"),
        ("anthropic:m@http://localhost:8000", "ORDERPARAM_API_KEY"),
    ],
)
def test_a_key_goes_to_its_own_host_alone(text: str, variable: str) -> None:
    key = key_of(parse_spec(text), ENVIRON)
    assert key is not None
    assert key.variable == variable
    assert key.reveal() == ENVIRON[variable]
    assert key.reveal() not in repr(key) + str(key) + repr([key])


def test_no_key_where_none_is_needed_and_none_that_no_header_can_carry() -> None:
    assert key_of(parse_spec("hf:smollm2"), ENVIRON) is None
    assert key_of(parse_spec("builtin"), ENVIRON) is None
    assert key_of(parse_spec("openai:m@http://localhost:1/v1"), {}) is None
    with pytest.raises(InputError, match="no key has") as refused:
        key_of(parse_spec("openai:m"), {"OPENAI_API_KEY": "sk\nX-Evil: 1"})
    assert "Evil" not in str(refused.value)
    assert Key("V", "sk-1").hidden_in("you sent sk-1!") == "you sent [V]!"


def test_prices(tmp_path: Path) -> None:
    prices = load_prices()
    mini = prices.of(parse_spec("openai:gpt-5-mini"))
    assert mini is not None
    assert prices.of(parse_spec("openai:gpt-5-mini-2025-08-07")) == mini
    assert prices.of(parse_spec("openai:gpt-5-mini@https://api.openai.com/v1")) == mini
    assert prices.of(parse_spec("openai:gpt-5-mini@http://localhost:1/v1")) is None
    assert prices.of(parse_spec("openai:unheard-of")) is None
    answer = Answer("text", "so", "stop", input_tokens=1000, output_tokens=100, cached_tokens=400)
    assert mini.cost(answer) == pytest.approx((600 * 0.25 + 400 * 0.025 + 100 * 2.0) / 1e6)
    assert mini.cost(Answer("text", "so", "stop")) is None
    free = prices.of(parse_spec("hf:smollm2"))
    assert free is not None
    assert free.cost(answer) == 0.0
    file = tmp_path / "prices.yaml"
    file.write_text(
        "prices:\n  openai:gpt-5-mini: {input: 1, output: 2}\n"
        "  openai:m@http://localhost:1/v1: {input: 0, output: 0.5}\n"
    )
    mine = load_prices(file)
    own = mine.of(parse_spec("openai:gpt-5-mini"))
    assert own is not None
    assert own.cost(answer) == pytest.approx((1000 * 1 + 100 * 2) / 1e6)
    assert mine.of(parse_spec("openai:m@http://localhost:1/v1")) is not None
    assert mine.of(parse_spec("openai:gpt-5-nano")) == prices.of(parse_spec("openai:gpt-5-nano"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("prices: [", "line 1"),
        ("prices:\n  openai:m: {input: -1, output: 2}\n", "prices.openai:m.input"),
        ("prices:\n  openai:m: {input: .nan, output: 2}\n", "prices.openai:m.input"),
        ("prices:\n  openai:m: {input: 1}\n", "prices.openai:m.output"),
        ("- a\n", "price file"),
    ],
)
def test_a_price_file_that_is_none(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(InputError, match=r"mine\.yaml") as refused:
        load_prices(file)
    assert told in str(refused.value)
    with pytest.raises(InputError, match=r"none\.yaml"):
        load_prices(tmp_path / "none.yaml")
