"""Servers that fail, keys that must not leak, and what a person is told."""

import asyncio
import logging
import socket
import traceback
from pathlib import Path
from typing import Any

import httpx2
import pytest

from probes.errors import InputError, OutsideError
from tests.servers.chat import Asked, ChatServer, Refused, Said, scripted
from tests.servers.faults import TRANSPORT, Faults
from tests.tools.chat.made import PROVIDERS, asker, client, request, run, spec_text
from tools.chat.connect import connect
from tools.chat.interface import CallFailed, ChatModel
from tools.chat.sdk import MAX_RETRIES
from tools.chat.spec import parse_spec

SECRET = "sk-very-secret-4711"
GIVEN = {"ORDERPARAM_API_KEY": SECRET}


def ask(model: ChatModel, text: str = "hello") -> Any:
    async def asked() -> Any:
        try:
            return await model.answer(request(text))
        finally:
            await model.close()

    return run(asked())


def refusing(status: int, message: str) -> Any:
    def model(asked: Asked) -> Said:
        raise Refused(status, message)

    return model


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", TRANSPORT)
def test_what_is_no_answer_is_asked_for_again(provider: str, fault: str) -> None:
    with ChatServer(scripted("so"), faults=Faults(first=[fault, fault])) as server:
        answer = ask(client(server, provider))
    assert answer.text == "so"
    assert list(server.distinct.values()) == [3]
    assert list(server.served.values()) == [1]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("rate limit", "rate limit"),
        ("server error", "server error"),
        ("closed connection", "connection"),
        ("half a body", "connection"),
        ("no JSON", "unreadable body"),
    ],
)
def test_a_call_that_comes_to_nothing_says_why(provider: str, fault: str, reason: str) -> None:
    with ChatServer(scripted("so"), faults=Faults(1.0, [fault])) as server, pytest.raises(CallFailed) as failed:
        ask(client(server, provider))
    assert failed.value.reason == reason
    assert not failed.value.unreachable
    assert sum(server.distinct.values()) == 1 + MAX_RETRIES


def test_a_time_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.chat.sdk._READ_SECONDS", 0.05)
    monkeypatch.setattr("tools.chat.sdk.MAX_RETRIES", 0)
    monkeypatch.setattr("tools.chat.openai_client.MAX_RETRIES", 0)
    with ChatServer(scripted("so"), delay=0.5) as server, pytest.raises(CallFailed, match="time-out"):
        ask(client(server))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_is_down(provider: str, tmp_path: Path) -> None:
    with ChatServer(scripted("so")) as server:
        asks = asker(server, tmp_path, provider)
    with pytest.raises(OutsideError, match="see that the server is up") as failed:
        run(asks.ask(request(), "judge"))
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "message", "kind", "told"),
    [
        (401, f"Incorrect API key provided: {SECRET}", InputError, "refuses the key in ORDERPARAM_API_KEY"),
        (404, "The model `m` does not exist", InputError, "knows no such model"),
        (429, "You exceeded your current quota", OutsideError, "quota or credit is used up"),
        (400, "Your credit balance is too low", OutsideError, "quota or credit is used up"),
        (402, "Payment required", OutsideError, "quota or credit is used up"),
    ],
)
def test_what_a_person_is_told(provider: str, status: int, message: str, kind: type[Exception], told: str) -> None:
    with ChatServer(refusing(status, message)) as server, pytest.raises(kind, match=told) as failed:
        ask(client(server, provider, GIVEN))
    assert "\n" not in str(failed.value)
    assert SECRET not in "".join(traceback.format_exception(failed.value))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_redirect_is_not_followed(provider: str) -> None:
    with ChatServer(scripted("so")) as other, ChatServer(scripted("so")) as server:
        server.redirect_to = other.anthropic
        with pytest.raises(InputError, match="redirects"):
            ask(client(server, provider, GIVEN))
    assert not other.headers


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_long_wait_ends_the_run_instead(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.servers import faults
    from tests.servers.loopback import HttpReply

    async def before(self: Any) -> HttpReply:
        return HttpReply(429, b'{"error": {"message": "slow down"}}', {"retry-after": "3600"})

    monkeypatch.setattr(faults.Fault, "before", before)
    with (
        ChatServer(scripted("so"), faults=Faults(1.0, ["rate limit"])) as server,
        pytest.raises(OutsideError, match="60 minutes"),
    ):
        ask(client(server, provider))
    assert sum(server.distinct.values()) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_key_goes_to_the_server_and_nowhere_else(
    provider: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_ORG_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "sk-of-the-provider")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: sk-of-the-provider\nAuthorization: sk-of-the-provider")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Secret: sk-of-the-provider")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with ChatServer(scripted("so"), key=SECRET) as server:
        asks = asker(server, tmp_path, provider)
        asks.model = model = client(server, provider, GIVEN)

        async def talk() -> None:
            await asks.ask(request(), "judge", keep_request=True)
            server.model = refusing(400, f"you sent {SECRET}")
            with pytest.raises(CallFailed):
                await asks.ask(request("another"), "judge")
            await asks.close()

        run(talk())
    assert server.headers["authorization"] == f"Bearer {SECRET}"
    assert "sk-of-the-provider" not in str(server.headers)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"you sent" in written
    assert SECRET.encode() not in written
    assert SECRET not in caplog.text
    assert SECRET not in repr(vars(model)) + repr(vars(model._client))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_echoes_the_key_is_none(provider: str) -> None:
    with ChatServer(scripted(f"You sent {SECRET}.")) as server, pytest.raises(CallFailed, match="unreadable body"):
        ask(client(server, provider, GIVEN))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_key_is_sent_where_none_is_given(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    environ = {"OPENAI_API_KEY": SECRET, "ANTHROPIC_API_KEY": SECRET}
    with ChatServer(scripted("so")) as server:
        ask(client(server, provider, environ))
    assert "authorization" not in server.headers
    assert SECRET not in str(server.headers)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_wants_a_key_says_so(provider: str) -> None:
    with (
        ChatServer(scripted("so"), key=SECRET) as server,
        pytest.raises(InputError, match="wants a key; set ORDERPARAM_API_KEY"),
    ):
        ask(client(server, provider))


@pytest.mark.parametrize(
    ("provider", "variable"), [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY")]
)
def test_an_absent_key_is_one_line(provider: str, variable: str) -> None:
    with pytest.raises(InputError, match=f"{variable} is not set") as failed:
        connect(parse_spec(f"{provider}:m"), {"ORDERPARAM_API_KEY": SECRET})
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_providers_own_key_is_for_its_own_host_even_where_the_environment_names_another(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    model: Any = connect(parse_spec(f"{provider}:m"), {"OPENAI_API_KEY": SECRET, "ANTHROPIC_API_KEY": SECRET})
    assert str(model._client.base_url).startswith(f"https://api.{provider}.com")
    seen: list[httpx2.Request] = []

    def provider_itself(sent: httpx2.Request) -> httpx2.Response:
        seen.append(sent)
        return httpx2.Response(400, json={"error": {"message": "no"}})

    model._client._client._transport = httpx2.MockTransport(provider_itself)
    with pytest.raises(CallFailed, match="rejected"):
        ask(model)
    assert [sent.url.host for sent in seen] == [f"api.{provider}.com"]
    assert seen[0].headers["authorization"] == f"Bearer {SECRET}"


def test_a_cancelled_call_is_given_up_at_once() -> None:
    async def cancelled(model: Any) -> None:
        task = asyncio.create_task(model.answer(request()))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert model.limiter.in_flight == 0
        assert (await model.answer(request("another"))).text == "so"
        await model.close()

    with ChatServer(scripted("so"), delay=0.3) as server:
        run(cancelled(client(server)))


def test_an_address_where_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        model = connect(parse_spec(f"openai:m@http://127.0.0.1:{port}/v1"), {})
        with pytest.raises(CallFailed, match="nobody answers") as failed:
            ask(model)
    assert failed.value.unreachable


def test_a_server_that_is_gone_ends_the_run_though_it_answered_before(tmp_path: Path) -> None:
    async def talk() -> None:
        with ChatServer(scripted("so")) as server:
            asks = asker(server, tmp_path)
            assert (await asks.ask(request("one"), "judge")).answer.text == "so"
        with pytest.raises(OutsideError, match=r"nobody answers at .* run the same command again"):
            await asks.ask(request("two"), "judge")
        await asks.close()

    run(talk())


def test_a_wrong_address_is_told() -> None:
    with ChatServer(scripted("so")) as server, pytest.raises(InputError, match="usually ends in /v1"):
        ask(connect(parse_spec(f"openai:m@{server.anthropic}"), {}))


def test_thirty_in_a_hundred_calls_may_fail_and_all_are_answered(tmp_path: Path) -> None:
    with ChatServer(scripted("so"), faults=Faults(0.3, ["rate limit", "server error", "no JSON"])) as server:
        asks = asker(server, tmp_path)

        async def talk() -> list[str]:
            asked = await asyncio.gather(
                *(asks.ask(request(f"number {n}"), "judge") for n in range(60)), return_exceptions=True
            )
            await asks.close()
            return [one.answer.text if not isinstance(one, BaseException) else str(one) for one in asked]

        told = run(talk())
    failed = [one for one in told if one != "so"]
    assert len(failed) <= 2  # five faults in a row: 0.3 ** 5 of 60
    assert asks.counts.failed == len(failed)
    assert len(server.served) == 60 - len(failed)
    assert set(server.served.values()) == {1}
    assert spec_text(server, "openai") == asks.model.name
