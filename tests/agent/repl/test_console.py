"""The session at a terminal, through a real pseudo-terminal."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.agent.read_by_models import coding_run, spec_of
from tests.agent.repl.sessions import state_on_disk
from tests.agent.repl.test_with_models import named
from tests.agent.worlds import rows_of, run_of, shorter
from tests.servers.chat import ChatServer
from tests.servers.reader import ReaderWithControl
from tests.torture.processes import environment

CTRL_C, CTRL_D, TAB, ENTER, UP = "\x03", "\x04", "\t", "\r", "\x1b[A"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("made") / "run", rows_of(shorter, prompts=10, draws=6)).path


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "run")


class Terminal:
    """A terminal of 100 columns with a session in it."""

    def __init__(self, run: Path, *arguments: str, **environ: str) -> None:
        self.child: Any = pexpect.spawn(
            sys.executable,
            ["-m", "orderparam", "repl", str(run), "--name", "d1", *arguments],
            env={**environment(), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **environ},
            encoding="utf-8",
            dimensions=(50, 100),
            timeout=60,
        )

    def types(self, keys: str) -> None:
        self.child.send(keys)

    def shows(self, text: str) -> str:
        """Waits until the text appears; what came before it."""
        self.child.expect(re.escape(text))
        return str(self.child.before)

    def ends(self) -> int:
        """Waits for the end; the exit code."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus is not None
        return int(self.child.exitstatus)


def test_a_person_at_the_keyboard(run: Path) -> None:
    terminal = Terminal(run)
    terminal.shows("`help` lists the commands")
    terminal.types("try words_p" + TAB)
    terminal.shows("er_sentence")
    terminal.types(ENTER)
    terminal.shows("How long are the answer's sentences?")
    terminal.shows("in the race")
    terminal.types("tell them nothing" + CTRL_C)  # clears the line
    terminal.shows("Ctrl-D ends the session")
    terminal.types("ad" + TAB)
    terminal.shows("d")
    terminal.types(" wo" + TAB)
    terminal.shows("rds_per_sentence")
    terminal.types(ENTER)
    terminal.shows("The set, on select")
    terminal.shows("person")
    terminal.types("jugde words" + ENTER)
    terminal.shows("did you mean judge?")  # and the session goes on
    terminal.types("note all is well" + ENTER)
    terminal.types(CTRL_D)
    terminal.shows("kept: `repl` and `discover` go on with d1")
    assert terminal.ends() == 0
    state = state_on_disk(run)
    assert state["acts"] == ["try words_per_sentence", "add words_per_sentence", "note all is well"]
    assert state["chosen"] == ["words_per_sentence"]
    again = Terminal(run)
    again.shows("1 in the set, round 1")
    again.types(UP)
    again.shows("note all is well")
    again.types(CTRL_C)
    again.shows("Ctrl-D ends")
    again.types("undo" + ENTER)
    again.shows("undone: note all is well")
    again.types("quit" + ENTER)
    assert again.ends() == 0


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_without_color(run: Path, environ: dict[str, str]) -> None:
    terminal = Terminal(run, **environ)
    terminal.shows("`help` lists the commands")
    terminal.types("try words" + ENTER)
    terminal.shows("length in words")
    shown = terminal.shows("in the race")
    assert not re.search("\x1b\\[[0-9;]*(?:3|9)[0-7]m" if "NO_COLOR" in environ else "\x1b", shown)
    terminal.types("quit" + ENTER)
    assert terminal.ends() == 0


def test_ctrl_c_stops_what_is_at_work_and_the_same_line_goes_on(tmp_path: Path) -> None:
    run = coding_run(tmp_path / "run", prompts=8, draws=5).path
    with ChatServer(ReaderWithControl(), delay=0.3) as server:
        terminal = Terminal(run, "--model", spec_of(server, "openai"), "--rounds", "2")
        terminal.shows("`help` lists the commands")
        terminal.types("propose" + ENTER)
        terminal.shows("proposes")
        while sum(server.served.values()) < 3:
            pass
        terminal.types(CTRL_C)
        terminal.shows("stopping once the calls in flight are answered")
        terminal.shows("stopped")
        terminal.shows("all is as it was before that line")
        assert sum(server.distinct.values()) < 20
        terminal.types("propose" + ENTER)
        terminal.shows("new in the race")
        terminal.types(CTRL_D)
        assert terminal.ends() == 0
        assert set(server.distinct.values()) == {1}
        assert state_on_disk(run, named(server))["acts"] == ["propose", "undo", "propose"]


def test_what_costs_is_confirmed(tmp_path: Path) -> None:
    run = coding_run(tmp_path / "run", prompts=8, draws=5).path
    with ChatServer(ReaderWithControl()) as server:
        spec = spec_of(server, "openai")
        prices = tmp_path / "prices.yaml"
        prices.write_text(f'prices:\n  "{spec}": {{input: 1000, output: 1000}}\n', encoding="utf-8")
        terminal = Terminal(run, "--judge", spec, "--prices", str(prices))
        terminal.shows("`help` lists the commands")
        asked = 'try "Does the answer contain program code?"' + ENTER
        terminal.types(asked)
        terminal.shows("for $")
        terminal.shows("Go on?")
        terminal.types("n")
        terminal.shows("not done")
        terminal.types(asked)
        terminal.shows("Go on?")
        terminal.types(CTRL_D)
        terminal.shows("not done")
        assert not server.distinct
        terminal.types(asked)
        terminal.shows("Go on?")
        terminal.types("y")
        terminal.shows("cost so far: ")
        terminal.types(CTRL_D)
        assert terminal.ends() == 0
        assert server.distinct
