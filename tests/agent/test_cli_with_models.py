"""`discover` with language models as a person meets it when the server or the key is at fault."""

import logging
import re
import shutil
import traceback
from collections import Counter
from pathlib import Path

import pytest

from agent.cli.app import app
from agent.cli.ending import OUTSIDE, USAGE, ending_of
from agent.discovery import discover_run
from probes.errors import InputError, OrderparamError, OutsideError
from runs.directory import Run
from runs.schema import LEDGER_FILE
from tests.agent import in_process
from tests.agent.read_by_models import coding_run, settings, spec_of
from tests.servers.chat import Asked, ChatServer, Refused, Said
from tests.servers.faults import Faults
from tests.servers.hurry import hurry
from tests.servers.reader import ReaderWithControl
from tools.chat.ledger import Ledger
from tools.report.document import Report

PROVIDERS = ("openai", "anthropic")
KEY = "sk-secret-1234567890"
QUOTA = {
    "openai": (
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
    ),
    "anthropic": (
        400,
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade.",
        "invalid_request_error",
    ),
}
"""What providers say of an account that is used up: status, message and code."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients wait less than they would for real servers."""
    in_process.small(monkeypatch)
    hurry(monkeypatch, read_seconds=0.5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing has read yet; each test copies it."""
    return coding_run(tmp_path_factory.mktemp("made") / "run", prompts=8, draws=5).path


@pytest.fixture(scope="module")
def spared(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Counter[str], Report]]:
    """By provider: the requests of a discovery that nothing disturbs, and its report."""
    found = {}
    for provider in PROVIDERS:
        run = shutil.copytree(made, tmp_path_factory.mktemp(provider) / "run")
        with ChatServer(ReaderWithControl()) as server:
            report = discover_run(Run.open(run), settings(server, provider, rounds=1, name="d1"))
            found[provider] = (Counter(server.served), report)
    return found


def command(run: Path, spec: str) -> list[str]:
    return ["discover", str(run), "--model", spec, "--rounds", "1", "--name", "d1", "--quiet"]


class Limited(ReaderWithControl):
    """The simulated reader, whose account is used up after so many answers."""

    def __init__(self, provider: str, answers: int) -> None:
        super().__init__()
        self.left = answers
        self.said = QUOTA[provider]

    def __call__(self, asked: Asked) -> Said:
        if not self.left:
            raise Refused(*self.said)
        self.left -= 1
        return super().__call__(asked)


def test_a_dry_run_says_as_many_calls_as_there_may_be_but_for_second_tries(
    made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(made, tmp_path / "run")
    with ChatServer(ReaderWithControl()) as server:
        asked = command(run, spec_of(server, "openai"))
        code, out, _ = in_process.command(capfd, *asked, "--dry-run")
        assert (code, server.served.total()) == (0, 0)
        assert in_process.command(capfd, *asked)[0] == 0
    assert "calls to language models, at most, second tries not counted; tokens and prices by a rule" in out
    said = re.findall(r"^  (\w+) by \S+: ([\d,]+) calls, ([\d,]+) tokens in, ([\d,]+) out", out, re.MULTILINE)
    assert [kind for kind, *_ in said] == ["proposing", "judging"]
    ledger = Ledger.open_to_read(run / LEDGER_FILE)
    taken = {one.purpose: one for one in ledger.usage()}
    ledger.close()
    for kind, *told in said:
        calls, tokens_in, tokens_out = (int(number.replace(",", "")) for number in told)
        assert 0 < taken[kind].answered <= calls
        assert 0 < taken[kind].input_tokens <= tokens_in
        assert 0 < taken[kind].output_tokens <= tokens_out


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("outage", "answers"), [("down", 30), ("out of quota", 3)])
def test_after_an_outage_the_same_command_pays_for_the_rest(
    made: Path,
    spared: dict[str, tuple[Counter[str], Report]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    provider: str,
    outage: str,
    answers: int,
) -> None:
    """In the midst of judging, or of the proposer's conversation."""
    run = shutil.copytree(made, tmp_path / "run")
    closing = Faults(first=["none"] * answers + ["closed connection"] * 1000)
    failing = {
        "down": ChatServer(ReaderWithControl(), faults=closing),
        "out of quota": ChatServer(Limited(provider, answers)),
    }[outage]
    with failing as server:
        asked = command(run, spec_of(server, provider))
        code, out, err = in_process.command(capfd, *asked)
    paid = Counter(server.served)
    assert (code, out, paid.total()) == (OUTSIDE, "", answers)
    _says_what_to_do(err)
    assert (outage == "out of quota") == ("the quota or credit is used up" in err)
    code, out, err = in_process.command(capfd, *asked)  # by now nobody is there at all
    assert (code, out) == (OUTSIDE, "")
    _says_what_to_do(err)
    assert f"nobody answers at 127.0.0.1:{server.port}" in err
    with ChatServer(ReaderWithControl(), port=server.port) as mended:
        code, out, err = in_process.command(capfd, *asked)
    assert (code, err) == (0, "")
    assert "program code" in out
    requests, expected = spared[provider]
    assert paid + mended.served == requests
    assert set(requests.values()) == {1}
    assert mended.distinct == mended.served
    report = Report.load(run / "discoveries" / "d1")
    assert (report.total, report.set.share) == (expected.total, expected.set.share)
    assert report.warnings == expected.warnings  # what a server did not answer is no fault of the judge
    assert report.usage.failed > 0
    assert report.usage.calls == expected.usage.calls == requests.total()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_proposer_that_gets_no_answer_leaves_no_empty_report(
    made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], provider: str
) -> None:
    """As behind a gateway whose server is down: somebody answers, but never with an answer."""
    run = shutil.copytree(made, tmp_path / "run")
    port = 0
    for fault in ("server error", "closed connection", "rate limit", "no JSON"):
        with ChatServer(ReaderWithControl(), faults=Faults(1.0, [fault]), port=port) as server:
            port = server.port
            asked = command(run, spec_of(server, provider))
            code, out, err = in_process.command(capfd, *asked)
        assert (code, out) == (OUTSIDE, ""), fault
        _says_what_to_do(err)
        assert not list(run.rglob("report.*"))
    with ChatServer(ReaderWithControl(), port=port):
        code, out, err = in_process.command(capfd, *asked)
    assert (code, err) == (0, "")
    assert "program code" in out


def _says_what_to_do(err: str) -> None:
    assert len(err.splitlines()) == 1
    assert err.startswith("orderparam: error: ")
    assert "run the same command again" in err
    assert "what was answered is kept" in err


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_absent_key_is_one_line(made: Path, capfd: pytest.CaptureFixture[str], provider: str) -> None:
    code, out, err = in_process.command(capfd, *command(made, f"{provider}:some-model"))
    assert (code, out) == (USAGE, "")
    assert len(err.splitlines()) == 1
    assert err.startswith(f"orderparam: error: {provider.upper()}_API_KEY is not set: ")
    assert "set the variable" in err
    assert not (made / "discoveries").exists()


def holding(folder: Path, secret: str) -> list[Path]:
    """Files whose bytes hold the secret."""
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_stands_nowhere_after_a_run_with_failures(
    made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    monkeypatch.setenv("ORDERPARAM_API_KEY", KEY)
    run = shutil.copytree(made, tmp_path / "run")

    def telling(asked: Asked) -> Said:
        raise Refused(402, f"No credit is left for what was sent with Authorization: Bearer {KEY}")

    with ChatServer(telling, key=KEY) as server:
        asked = command(run, spec_of(server, provider))
        code, out, said = in_process.command(capfd, *asked)
        assert (code, out) == (OUTSIDE, "")
        assert "Bearer [ORDERPARAM_API_KEY]" in said
        said += _traceback(capfd, *asked)
    said += _traceback(capfd, *asked, variables=True)  # nobody is there
    with ChatServer(ReaderWithControl(), key=KEY, faults=Faults(0.3, seed=1), port=server.port) as faulty:
        code, *heard = in_process.command(capfd, *asked[:-1])
    assert code == 0
    assert faulty.faults.done.total() > 20
    assert "program code" in heard[0]
    assert (run / "ledger.sqlite").is_file()
    assert KEY not in said + "".join(heard)
    assert not holding(tmp_path, KEY)


def _traceback(
    capfd: pytest.CaptureFixture[str],
    *arguments: str,
    error: type[OrderparamError] = OutsideError,
    variables: bool = False,
) -> str:
    """What `--debug` shows of a failure. variables: and what they hold, as tools that report errors show it."""
    capfd.readouterr()
    with pytest.raises(error) as caught:
        ending_of(app, [*arguments, "--debug"], "orderparam")
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=variables)
    captured = capfd.readouterr()
    return "".join([*told.format(), captured.out, captured.err])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_wrong_key_is_not_shown_where_all_that_libraries_log_is_kept(
    made: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
) -> None:
    monkeypatch.setenv("ORDERPARAM_API_KEY", KEY)
    run = shutil.copytree(made, tmp_path / "run")
    with ChatServer(ReaderWithControl(), key="another") as server, caplog.at_level(logging.DEBUG):
        asked = command(run, spec_of(server, provider))
        code, out, err = in_process.command(capfd, *asked)
        said = err + _traceback(capfd, *asked, error=InputError)
    assert (code, out) == (USAGE, "")
    assert len(err.splitlines()) == 1
    assert "refuses the key in ORDERPARAM_API_KEY (Incorrect API key provided: Bearer [ORDERPARAM_API_KEY])" in err
    assert set(server.refusals) == {f"Incorrect API key provided: Bearer {KEY}"}
    assert any(one.name.startswith(provider) for one in caplog.records)
    assert KEY not in said + caplog.text
    assert not holding(tmp_path, KEY)
