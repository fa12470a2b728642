"""Servers that mean harm: endless bodies, packed bombs, drips, wrong certificates. A thousand calls at once."""

import asyncio
import gzip
import resource
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers.chat import ChatServer, scripted
from tests.servers.hurry import hurry
from tests.servers.loopback import HttpReply, HttpRequest, LoopbackServer
from tests.tools.chat.made import PROVIDERS, asker, request, run
from tools.chat import sdk
from tools.chat.connect import connect
from tools.chat.interface import CallFailed
from tools.chat.spec import parse_spec

MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


async def failure_of(spec: str, given: Mapping[str, str] | None = None) -> CallFailed:
    """The failure of one call to a model."""
    model = connect(parse_spec(spec), given or {})
    try:
        with pytest.raises(CallFailed) as failed:
            await model.answer(request("hello"))
    finally:
        await model.close()
    return failed.value


def peak() -> float:
    """Megabytes that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Torrent:
    """Sends pieces for as long as anybody reads. head: of the reply; gap: seconds between pieces."""

    def __init__(self, head: bytes, piece: bytes, gap: float = 0.0) -> None:
        self.head, self.piece, self.gap, self.sent = head, piece, gap, 0

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.head)
            while True:
                writer.write(self.piece)
                await writer.drain()
                self.sent += len(self.piece)
                await asyncio.sleep(self.gap)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def failure_at(torrent: Torrent, provider: str) -> CallFailed:
    async with torrent as port:
        return await failure_of(f"{provider}:m@http://127.0.0.1:{port}/v1")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [b"200 OK", b"500 Broken", b"400 Bad"])
def test_a_body_without_end_is_read_to_a_limit(
    provider: str, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk, "LARGEST_BODY", 2 * MEGABYTE)
    head = b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\nretry-after: 0\r\n\r\n"
    torrent = Torrent(head + b'{"a": "', b"x" * 65536)
    before = peak()
    failure = run(failure_at(torrent, provider))
    assert str(failure).isprintable()
    assert len(str(failure)) < 400
    assert torrent.sent < (1 + sdk.MAX_RETRIES) * 8 * MEGABYTE  # what was read, and what lies in buffers
    assert peak() - before < 60


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [200, 400])
def test_a_packed_bomb_is_not_unpacked(provider: str, status: int) -> None:
    bomb = gzip.compress(b'{"error": {"message": "' + b" " * (600 * MEGABYTE), compresslevel=1)

    async def handler(asked: HttpRequest) -> HttpReply:
        assert asked.headers["accept-encoding"] == "identity"
        return HttpReply(status, bomb, {"content-encoding": "gzip"})

    with LoopbackServer(handler) as server:
        before = peak()
        failure = run(failure_of(f"{provider}:m@{server.address}/v1"))
    assert peak() - before < 120
    assert str(failure).isprintable()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_drip_ends_with_the_time_of_a_call(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "_CALL_SECONDS", 1.0)
    torrent = Torrent(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", b" ", gap=0.05)
    assert run(failure_at(torrent, provider)).reason == "time-out"
    assert torrent.sent > 5


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_certificate_that_nobody_signed_is_refused(provider: str, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2"]
    try:
        subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    seen: list[bytes] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1))
        writer.close()

    async def asked() -> CallFailed:
        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        try:
            return await failure_of(
                f"{provider}:m@https://127.0.0.1:{port}/v1", {"ORDERPARAM_API_KEY": "sk-secret"}
            )
        finally:
            server.close()

    failure = run(asked())
    assert "certificate of 127.0.0.1" in str(failure)
    assert not any(seen)  # not a byte of a request


def test_a_thousand_calls_at_once_are_one_each_and_in_bounded_numbers(tmp_path: Path) -> None:
    with ChatServer(scripted("so"), delay=0.01) as server:

        async def talk() -> list[Any]:
            asks = asker(server, tmp_path)
            asked = await asyncio.gather(*(asks.ask(request(f"number {n}"), "judge") for n in range(1000)))
            await asks.close()
            return asked

        before = peak()
        assert {one.answer.text for one in run(talk())} == {"so"}
        assert server.distinct.total() == len(server.distinct) == 1000
        assert server.most_at_once <= 64
        assert peak() - before < 120
