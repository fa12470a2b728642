"""Both SDKs against loopback servers: what is sent, what is read, what is left out."""

import asyncio
import json
import math
from typing import Any

import pytest

from tests.servers.chat import Asked, ChatServer, Said, scripted
from tests.tools.chat.made import LOOK, PROVIDERS, VERDICT, client, request, run
from tools.chat.abilities import refused_feature
from tools.chat.interface import Answer, ChatModel, Lacking, Message, Request
from tools.chat.sdk import THINKING_ROOM

VERDICT_YES = {"quote": "hello", "level": "yes"}


def ask(model: ChatModel, *requests: Request) -> list[Answer]:
    async def asked() -> list[Answer]:
        try:
            return [await model.answer(one) for one in requests]
        finally:
            await model.close()

    return run(asked())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_text_with_its_tokens(provider: str) -> None:
    with ChatServer(scripted("It is so.")) as server:
        (answer,) = ask(client(server, provider), request("hello " * 40, temperature=0.5))
    assert (answer.kind, answer.text, answer.finish, answer.structured) == ("text", "It is so.", "stop", "none")
    assert answer.input_tokens == 60  # 240 bytes, 4 a token, as the server counts
    assert answer.output_tokens
    assert server.last["temperature"] == 0.5
    assert server.last["max_tokens"] == 50


@pytest.mark.parametrize("provider", PROVIDERS)
def test_json_by_the_servers_own_schema(provider: str) -> None:
    with ChatServer(scripted(VERDICT_YES)) as server:
        (answer,) = ask(client(server, provider), request(schema=VERDICT))
    assert (answer.kind, answer.value, answer.structured, answer.complete) == ("json", VERDICT_YES, "schema", True)


@pytest.mark.parametrize(
    ("provider", "lacking", "way"),
    [
        ("openai", {"schema"}, "object"),
        ("openai", {"schema", "object"}, "parsed"),
        ("anthropic", {"schema"}, "tool"),
        ("anthropic", {"schema", "tools"}, "parsed"),
    ],
)
def test_json_in_the_next_best_way(provider: str, lacking: set[str], way: str) -> None:
    prose = f"Here: ```{json.dumps(VERDICT_YES)}``` as asked." if way == "parsed" else json.dumps(VERDICT_YES)
    with ChatServer(scripted(prose), lacking=lacking) as server:
        first, second = ask(client(server, provider), request(schema=VERDICT), request("else", schema=VERDICT))
    assert [first.value, second.value] == [VERDICT_YES] * 2
    assert [first.structured, second.structured] == [way, way]
    assert len(server.refusals) == len(lacking)  # found out once


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_schema_that_a_server_takes_and_ignores_is_not_said_to_have_been_used(provider: str) -> None:
    with ChatServer(scripted(f"Sure!\n{json.dumps(VERDICT_YES)}")) as server:
        (answer,) = ask(client(server, provider), request(schema=VERDICT))
    assert (answer.kind, answer.value, answer.structured) == ("json", VERDICT_YES, "parsed")


def test_parameters_that_a_reasoning_model_refuses_are_found_out_once() -> None:
    lacking = {"temperature", "seed", "logprobs", "max_tokens"}
    with ChatServer(scripted(VERDICT_YES), lacking=lacking) as server:
        model = client(server)
        wanted: dict[str, Any] = {"schema": VERDICT, "temperature": 0.0, "seed": 3, "level_names": ("no", "yes")}
        answers = ask(model, *(request(f"number {n}", **wanted) for n in range(4)))
    assert all(answer.structured == "schema" for answer in answers)
    assert len(server.refusals) == 4
    assert model.abilities.lacking == lacking
    assert server.last["max_completion_tokens"] == 50
    assert not lacking & set(server.last)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_many_calls_at_once_find_it_out_once_too(provider: str) -> None:
    async def all_at_once(model: ChatModel) -> None:
        await asyncio.gather(*(model.answer(request(f"{n}", temperature=0.0)) for n in range(12)))
        await model.close()

    with ChatServer(scripted("so"), lacking={"temperature"}) as server:
        run(all_at_once(client(server, provider)))
    assert len(server.refusals) == 1
    assert sum(server.served.values()) == 12


def test_a_refusal_that_names_no_feature_is_not_worked_around() -> None:
    def model(asked: Asked) -> Said:
        from tests.servers.chat import Refused

        raise Refused(400, "This model's maximum context length is 10 tokens, temperature or not")

    with ChatServer(model) as server, pytest.raises(Exception, match="too long") as failed:
        ask(client(server), request(temperature=0.0))
    assert type(failed.value).__name__ == "CallFailed"
    assert len(server.distinct) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_tools_are_called_answered_and_put_away(provider: str) -> None:
    with ChatServer(scripted(Said("Let me look.", calls=(("look", {"n": 2}),)), VERDICT_YES)) as server:
        model = client(server, provider)
        asked = request("Is it so?", tools=(LOOK,))

        async def talk() -> tuple[Answer, Answer]:
            first = await model.answer(asked)
            turns = (
                *asked.messages,
                Message("assistant", first.text, first.tool_calls),
                *(Message("tool", "seen", call_id=call.id) for call in first.tool_calls),
                Message("user", "Now answer."),
            )
            last = await model.answer(Request(turns, 50, schema=VERDICT, tools=(LOOK,), may_call=False))
            await model.close()
            return first, last

        first, last = run(talk())
    assert (first.kind, first.finish, first.text) == ("tool_calls", "tool_calls", "Let me look.")
    assert [(call.name, call.arguments) for call in first.tool_calls] == [("look", {"n": 2})]
    assert (last.kind, last.value) == ("json", VERDICT_YES)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_model_without_tools_says_so(provider: str) -> None:
    async def twice(model: ChatModel) -> None:
        for n in range(2):
            with pytest.raises(Lacking):
                await model.answer(request(f"{n}", tools=(LOOK,)))
        await model.close()

    with ChatServer(scripted("so"), lacking={"tools"}) as server:
        run(twice(client(server, provider)))
    assert len(server.refusals) == 1


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', True),
        ("registry.ollama.ai/library/m does not support tools", True),
        ("tools param requires --jinja flag", True),
        ("deepseek-reasoner does not support Function Calling", True),
        ("messages with role 'tool' must be a response to a preceding message with 'tool_calls'", False),
    ],
)
def test_what_servers_say_of_tools(message: str, refused: bool) -> None:
    assert refused_feature(message, ["tools", "temperature"]) == ("tools" if refused else None)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("said", [Said(refusal="I won't."), Said("")])
def test_refusals(provider: str, said: Said) -> None:
    with ChatServer(scripted(said)) as server:
        (answer,) = ask(client(server, provider), request(schema=VERDICT))
    assert (answer.kind, answer.finish, answer.value) == ("refusal", "refusal", None)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_was_cut_off_keeps_what_stood_there(provider: str) -> None:
    with ChatServer(scripted(Said('{"quote": "hello", "lev', finish="length"))) as server:
        (answer,) = ask(client(server, provider), request(schema=VERDICT))
    assert (answer.kind, answer.finish, answer.value, answer.complete) == (
        "json",
        "length",
        {"quote": "hello"},
        False,
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_model_that_thinks_gets_room_for_it(provider: str) -> None:
    def thinks(asked: Asked) -> Said:
        return (
            Said("so") if asked.max_tokens > 1000 else Said("", finish="length", thinking_tokens=asked.max_tokens)
        )

    with ChatServer(thinks) as server:
        first, second = ask(client(server, provider), request(), request())
    assert first.ran_dry
    assert second.text == "so"
    assert server.last["max_tokens"] == 50 + THINKING_ROOM


def test_probabilities_of_a_level() -> None:
    text = '{"quote": "né yes", "level": "yes"}'
    likely = (("yes", math.log(0.7)), ("no", math.log(0.2)), (" Yes", math.log(0.06)), ("maybe", math.log(0.04)))
    spelled = ['{"quote": "', "né", " ", "yesterday"[:3], '", "level": "', "yes", '"}']
    logprobs = tuple((token, likely if token == "yes" else ((token, 0.0),)) for token in spelled)
    with ChatServer(scripted(Said(text, logprobs=logprobs))) as server:
        (answer,) = ask(client(server), request(schema=VERDICT, level_names=("no", "yes")))
    assert [text[one.offset :].split('"')[0] for one in answer.levels] == ["yes", "yes"]
    last = answer.levels[-1]
    assert last.offset == text.rindex("yes")
    assert {name: round(math.exp(one), 6) for name, one in last.logprobs.items()} == {"yes": 0.76, "no": 0.2}
    assert Answer.from_json(answer.to_json()) == answer


def test_half_a_character_is_sent_as_something_that_can_be_sent() -> None:
    with ChatServer(scripted("so")) as server:
        (answer,) = ask(client(server), request("a \ud800 b"))
    assert answer.text == "so"
    assert server.last["messages"] == [{"role": "user", "content": "a ? b"}]
