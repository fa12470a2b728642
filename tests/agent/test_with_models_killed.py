"""Discoveries by language models that are killed at any moment, and go on."""

import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from runs.importing import import_sweep
from runs.storing import ImportOptions
from tests.agent.read_by_models import coding_run, spec_of
from tests.servers.chat import ChatServer
from tests.servers.reader import ReaderWithControl
from tests.torture.processes import (
    MAY_DIFFER,
    command,
    differing,
    done_in,
    killed_after,
    killed_at,
    report_of,
)
from tools.chat.ledger import Ledger


def asked_of(run: Path, spec: str, *flags: str) -> list[str]:
    return command("discover", run, "--model", spec, "--quiet", "--name", "d1", *flags)


def test_killed_at_random_calls_it_pays_for_nothing_twice(tmp_path: Path) -> None:
    kills = 5
    run = coding_run(tmp_path / "killed" / "run").path
    spared = shutil.copytree(run, tmp_path / "spared" / "run")
    with ChatServer(ReaderWithControl(), delay=0.02) as server:
        done_in(asked_of(spared, spec_of(server, "openai")))
        asked = set(server.distinct)
        assert len(asked) == sum(server.distinct.values())
        server.distinct.clear()
        places = np.random.default_rng(0).choice(np.arange(1, len(asked) - 5), size=kills, replace=False)
        for count in sorted(places.tolist()):
            assert killed_at(count, asked_of(run, spec_of(server, "openai")), server)
        done_in(asked_of(run, spec_of(server, "openai")))
        assert set(server.distinct) == asked
        assert sum(server.distinct.values()) - len(asked) <= kills * server.most_at_once
    assert report_of(run)["parameters"][0]["name"] == "program code"
    assert set(differing(report_of(run), report_of(spared))) <= MAY_DIFFER


KILLS = 50
DELAY = 0.3  # seconds of a served call
MOST_AT_ONCE = 64
"""Calls that a client has in flight at most."""


@dataclass(frozen=True)
class Attempt:
    """One process: after how many seconds it ended, whether by a kill, and what became of its requests."""

    seconds: float
    killed: bool
    received: int
    kept: int

    @property
    def lost(self) -> int:
        """Requests that the server saw, and whose answers are not in the ledger."""
        return self.received - self.kept


def kept_in(run: Path, scratch: Path) -> int:
    """Answers in a ledger, read from a copy: what a kill left is mended by the next attempt, not by this look."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    files = list(run.glob("ledger.sqlite*"))
    for file in files:
        shutil.copy(file, scratch)
    if not files or not (scratch / "ledger.sqlite").stat().st_size:
        return 0
    connection = sqlite3.connect(scratch / "ledger.sqlite")
    has_calls = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone()
    connection.close()
    if not has_calls:
        return 0
    ledger = Ledger.open_to_read(scratch / "ledger.sqlite")
    kept = sum(one.answered for one in ledger.usage("d1"))
    ledger.close()
    return kept


def attempt(arguments: list[str], run: Path, server: ChatServer, delay: float) -> Attempt:
    """Starts the discovery and kills it after so many seconds, unless it has come to its end by then."""
    seen, kept = sum(server.distinct.values()), kept_in(run, run.parent / "look")
    began = time.monotonic()
    killed = killed_after(delay, arguments)
    took = time.monotonic() - began
    while server.at_once:  # the server ends what it began, whether anybody listens or not
        time.sleep(0.01)
    received, now = sum(server.distinct.values()) - seen, kept_in(run, run.parent / "look")
    return Attempt(took, killed, received, now - kept)


@pytest.mark.slow
def test_fifty_kills_at_any_time_change_nothing_and_repeat_only_what_was_in_flight(
    data_folder: Path, tmp_path: Path
) -> None:
    """Kills after a random part of an undisturbed run's time, over as many discoveries as that takes."""
    sweep = data_folder / "em-ladder" / "sweep.jsonl"
    made = import_sweep(sweep, tmp_path / "made" / "run", ImportOptions(axis="checkpoint")).run.path
    rng = np.random.default_rng(0)
    attempts: list[Attempt] = []
    with ChatServer(ReaderWithControl(), delay=DELAY) as server:

        def arguments(run: Path) -> list[str]:
            return asked_of(run, spec_of(server, "openai"), "--before", "8", "--after", "19")

        spared = shutil.copytree(made, tmp_path / "spared" / "run")
        whole = done_in(arguments(spared))
        asked = server.distinct.copy()
        assert set(asked.values()) == {1}
        expected = report_of(spared)
        assert expected["parameters"][0]["name"] == "program code"
        runs = 0
        while sum(one.killed for one in attempts) < KILLS:
            run = shutil.copytree(made, tmp_path / f"killed-{runs}" / "run")
            runs += 1
            server.distinct.clear()
            of_this: list[Attempt] = []
            while not of_this or of_this[-1].killed:
                kills = sum(one.killed for one in attempts + of_this)
                delay = float(rng.uniform(0, whole)) if kills < KILLS else 600.0
                of_this.append(attempt(arguments(run), run, server, delay))
            attempts += of_this
            assert set(server.distinct) == set(asked)
            assert sum(one.kept for one in of_this) == len(asked)
            assert server.distinct.total() == len(asked) + sum(one.lost for one in of_this)
            assert set(differing(report_of(run), expected)) <= MAY_DIFFER
    killed = [one for one in attempts if one.killed]
    in_flight = [one.lost for one in killed]
    assert all(0 <= lost <= MOST_AT_ONCE for lost in in_flight)
    assert all(one.lost == 0 for one in attempts if not one.killed)
    assert sum(lost > 0 for lost in in_flight) >= KILLS // 5  # kills that hit calls in flight, not only start-up
    print(
        f"{runs} discoveries of {len(asked)} requests and {whole:.1f} s undisturbed; {len(killed)} kills, "
        f"{sum(lost > 0 for lost in in_flight)} of them with calls in flight, {max(in_flight)} at most; "
        f"{sum(one.received for one in attempts)} requests, {sum(in_flight)} of them repeated"
    )
