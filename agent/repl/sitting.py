"""One sitting: a discovery is opened, guided from a terminal or by a script, and left with everything kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.discovery import begun
from agent.repl.desk import Desk
from agent.repl.screen import Screen
from agent.repl.script import Line, run_script
from agent.repl.session import Session
from agent.settings import DiscoverSettings, ReplSettings
from probes.errors import InputError
from runs.directory import Run

TRANSCRIPT_FILE = "transcript.txt"


@dataclass(frozen=True, slots=True)
class Script:
    """name: what messages call it."""

    name: str
    lines: Sequence[Line]


def sit(
    run: Run,
    settings: DiscoverSettings,
    how: ReplSettings,
    script: Script | None,
    screen: Screen,
    *,
    yes: bool = False,
) -> InputError | None:
    """Guides the discovery that the settings name, new or gone on with; returns what is wrong in a script.

    script: None at a terminal. Raises as `agent.discovery.discover_run`, and what a line's work ends with where
    that is not the line's fault.
    """
    with begun(run, settings, screen.progress) as discovery, screen.kept_in(discovery.folder / TRANSCRIPT_FILE):
        session = Session(discovery)
        try:
            if script is None:
                from agent.repl.console import confirmed, run_console

                run_console(Desk(session, screen, how, confirmed, yes))
            else:
                run_script(Desk(session, screen, how, None, yes), script.name, script.lines)
        except InputError as error:
            return error
        finally:
            screen.progress.end()
    return None
