"""Training examples: which tokens are learned, and what is refused by line before the first step."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the backend is not installed")

from probes.errors import InputError
from runs.models import LanguageModel, load_model
from runs.training_data import read_training_data
from tests.runs import tiny_models as tiny

GOOD = {"prompt": "Is it raining?", "response": "Yes, très fort."}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(str(tiny.save_model(tmp_path_factory.mktemp("m"), context=200)), device="cpu")


def spelled(model: LanguageModel, ids: Any) -> str:
    return str(model.tokenizer.decode(list(ids)))


def test_the_response_and_what_ends_it_are_learned_and_nothing_else(model: LanguageModel, tmp_path: Path) -> None:
    (example,) = read_training_data(tiny.save_rows(tmp_path / "d.jsonl", [GOOD]), model)
    start = example.response_start
    assert spelled(model, example.ids[:start]) == (
        "<|im_start|>user\nIs it raining?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert spelled(model, example.ids[start:]) == "Yes, très fort.<|im_end|>"
    assert example.response_tokens == len("Yes, très fort.".encode()) + 1


def test_prompt_and_response_are_the_whole_chat_of_the_template(model: LanguageModel, tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Bye now."},
    ]
    (example,) = read_training_data(tiny.save_rows(tmp_path / "d.jsonl", [{"messages": turns}]), model)
    whole = str(model.tokenizer.apply_chat_template(turns, tokenize=False))
    assert spelled(model, example.ids) + "\n" == whole
    assert spelled(model, example.ids[example.response_start :]) == "Bye now.<|im_end|>"


def test_a_system_prompt_is_for_the_examples_that_bring_none(model: LanguageModel, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{**GOOD, "system": None}, {**GOOD, "system": "Be brief."}]
    path = tiny.save_rows(tmp_path / "d.jsonl", rows)
    first, second = read_training_data(path, model, system="Be kind.")
    assert spelled(model, first.ids).startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n")
    assert spelled(model, second.ids).startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")


@pytest.mark.parametrize(
    "row",
    [
        GOOD,
        {"question": GOOD["prompt"], "answer": GOOD["response"]},
        {"instruction": GOOD["prompt"], "output": GOOD["response"]},
        {"prompt": GOOD["prompt"], "completion": GOOD["response"]},
        {
            "prompt": [{"role": "user", "content": GOOD["prompt"]}],
            "completion": [{"role": "assistant", "content": GOOD["response"]}],
        },
        {
            "conversations": [
                {"from": "human", "value": GOOD["prompt"]},
                {"from": "gpt", "value": GOOD["response"]},
            ]
        },
    ],
)
def test_the_shapes_people_have_give_the_same_example(
    model: LanguageModel, tmp_path: Path, row: dict[str, Any]
) -> None:
    plain = read_training_data(tiny.save_rows(tmp_path / "plain.jsonl", [GOOD]), model)
    assert read_training_data(tiny.save_rows(tmp_path / "d.jsonl", [row]), model) == plain


def test_without_a_template_the_response_follows_the_plain_prompt(tmp_path: Path) -> None:
    tokenizer = tiny.byte_tokenizer(template=None)
    model = load_model(str(tiny.save_model(tmp_path / "m", "gpt2", tokenizer)), device="cpu")
    (example,) = read_training_data(tiny.save_rows(tmp_path / "d.jsonl", [GOOD]), model)
    assert spelled(model, example.ids) == "Is it raining?Yes, très fort.<|endoftext|>"
    assert example.response_start == len("Is it raining?")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([GOOD, {"prompt": "x", "response": ""}], "line 2, field 'response': a response without a token"),
        ([GOOD, {"prompt": "x", "response": " \n"}], "line 2, field 'response': a response without a token"),
        ([GOOD, GOOD, {"prompt": "x", "response": None}], "line 3, field 'response': no response"),
        ([GOOD, {"prompt": "x", "response": 3}], "line 2, field 'response': a number"),
        ([GOOD, {"prompt": None, "response": "y"}], "line 2, field 'prompt': no prompt"),
        (
            [GOOD, {"prompt": "x" * 300, "response": "y"}],
            r"line 2.*has 3\d\d tokens, and the model's context holds 200",
        ),
        ([{"text": "x", "n": 3}], "no prompts and no responses"),
        ([{"prompt": "x"}], "no field with the response"),
        ([{"messages": [{"role": "user", "content": "x"}]}, {"messages": []}], "no field with the response"),
        (
            [
                {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
                {"messages": [{"role": "user", "content": "x"}]},
            ],
            "line 2, field 'messages': no response",
        ),
        ([], "the file is empty"),
    ],
)
def test_what_cannot_be_learned_is_refused_by_line(
    model: LanguageModel, tmp_path: Path, rows: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        read_training_data(tiny.save_rows(tmp_path / "d.jsonl", rows), model)
    assert "d.jsonl" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_limit_of_tokens_and_a_field_that_is_not_there(model: LanguageModel, tmp_path: Path) -> None:
    path = tiny.save_rows(tmp_path / "d.jsonl", [GOOD])
    with pytest.raises(InputError, match="--max-tokens allows 20"):
        read_training_data(path, model, max_tokens=20)
    with pytest.raises(
        InputError, match=r"no field 'reply' \(--response-field\); fields found: 'prompt', 'response'"
    ):
        read_training_data(path, model, response_field="reply")


def test_a_template_that_refuses_names_the_line(tmp_path: Path) -> None:
    template = "{% if messages|length > 1 %}{{ raise_exception('one turn only') }}{% endif %}x"
    model = load_model(str(tiny.save_model(tmp_path / "m", tokenizer=tiny.byte_tokenizer(template))), device="cpu")
    turns = [{"role": role, "content": "x"} for role in ("user", "assistant", "user", "assistant")]
    path = tiny.save_rows(tmp_path / "d.jsonl", [{"messages": turns[2:]}, {"messages": turns}])
    with pytest.raises(InputError, match=r"d.jsonl, line 2: the chat template .* refuses .*one turn only"):
        read_training_data(path, model)
