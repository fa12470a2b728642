"""Sessions by script that are killed at any moment, and go on when the same command is run again."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from agent.settings import DiscoverSettings, from_keywords
from tests.agent.read_by_models import coding_run, spec_of
from tests.agent.repl.sessions import state_on_disk
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

LINES = """\
look
try "How much of the answer is a list?" none | some | most
judge how-much
undo
redo
propose 3 look at how it is set out
add program
set
drop program
undo
residual 1
greedy
note enough
report
propose 2
greedy
drop program
report
"""


def asked_of(run: Path, spec: str) -> list[str]:
    script = run.parent / "session.txt"
    script.write_text(LINES, encoding="utf-8")
    return command("repl", run, "--model", spec, "--name", "d1", "--quiet", "--script", script)


def same_ends(run: Path, spared: Path, settings: DiscoverSettings) -> None:
    """Both come to the same state and the same report."""
    state, expected = state_on_disk(run, settings), state_on_disk(spared, settings)
    assert set(differing(state, expected)) <= {"seconds"}
    assert set(differing(report_of(run), report_of(spared))) <= MAY_DIFFER


def settings_of(server: ChatServer) -> DiscoverSettings:
    return from_keywords(
        DiscoverSettings,
        {"model": [spec_of(server, "openai")], "name": "d1", "processes": 1, "resamples": 199},
    )


def test_killed_at_random_calls_it_pays_for_nothing_twice(tmp_path: Path) -> None:
    kills = 3
    run = coding_run(tmp_path / "killed" / "run", prompts=8, draws=5).path
    (tmp_path / "spared").mkdir()
    spared = shutil.copytree(run, tmp_path / "spared" / "run")
    with ChatServer(ReaderWithControl(), delay=0.02) as server:
        done_in(asked_of(spared, spec_of(server, "openai")))
        asked = set(server.distinct)
        assert set(server.distinct.values()) == {1}
        server.distinct.clear()
        places = np.random.default_rng(1).choice(np.arange(1, len(asked) - 5), size=kills, replace=False)
        arguments = asked_of(run, spec_of(server, "openai"))
        for count in sorted(places.tolist()):
            assert killed_at(count, arguments, server)
        done_in(arguments)
        assert set(server.distinct) == asked
        assert sum(server.distinct.values()) - len(asked) <= kills * server.most_at_once
        same_ends(run, spared, settings_of(server))
    assert report_of(run)["guided"]["acts"][0].startswith("try ")
    assert report_of(run)["reports_seen"] == 2


KILLS = 30


@pytest.mark.slow
def test_thirty_kills_at_any_time_change_nothing(tmp_path: Path) -> None:
    """Kills after a random part of an undisturbed session's time, over as many sessions as that takes."""
    made = coding_run(tmp_path / "made" / "run", prompts=8, draws=5).path
    rng = np.random.default_rng(0)
    with ChatServer(ReaderWithControl(), delay=0.1) as server:
        settings = settings_of(server)
        (tmp_path / "spared").mkdir()
        spared = shutil.copytree(made, tmp_path / "spared" / "run")
        whole = done_in(asked_of(spared, spec_of(server, "openai")))
        asked = server.distinct.copy()
        assert set(asked.values()) == {1}
        killed = sessions = repeated = 0
        while killed < KILLS:
            (tmp_path / str(sessions)).mkdir()
            run = shutil.copytree(made, tmp_path / str(sessions) / "run")
            sessions += 1
            server.distinct.clear()
            arguments = asked_of(run, spec_of(server, "openai"))
            of_this = 0
            while killed_after(float(rng.uniform(0, whole)) if killed + of_this < KILLS else 600.0, arguments):
                of_this += 1
                while server.at_once:  # the server ends what it began, whether anybody listens or not
                    time.sleep(0.01)
            killed += of_this
            assert set(server.distinct) == set(asked)
            again = server.distinct.total() - len(asked)
            assert 0 <= again <= of_this * server.most_at_once
            repeated += again
            same_ends(run, spared, settings)
    print(
        f"{sessions} sessions of {len(asked)} requests and {whole:.1f} s undisturbed; {killed} kills; {repeated} "
        "requests that were in flight asked again"
    )
