"""A session whose lines come from a file or a pipe: echoed, ended by an error, gone on with after a kill."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.repl.commands import Quit, do, is_act, plain
from agent.repl.desk import Desk
from probes.errors import InputError

COMMENT = "#"


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its number in the script, from 1."""

    number: int
    text: str


def lines_of(text: Iterable[str]) -> list[Line]:
    """The lines that say something; those that begin with # do not."""
    read = [Line(number, plain(line)) for number, line in enumerate(text, start=1)]
    return [line for line in read if line.text and not line.text.startswith(COMMENT)]


def done_before(lines: Sequence[Line], acts: Sequence[str]) -> int:
    """How many lines are behind a discovery with these acts: all up to its last one, if its acts are the beginning
    of the script's; none otherwise."""
    places = [place for place, line in enumerate(lines) if is_act(line.text)]
    if not acts or [lines[place].text for place in places[: len(acts)]] != list(acts):
        return 0
    return places[len(acts) - 1] + 1


def run_script(desk: Desk, name: str, lines: Sequence[Line]) -> None:
    """Runs the lines to the end, or to `quit`. InputError of a line gets the script's name and the line's number.

    A script that was cut off goes on where it was: what the discovery has behind it is not done again.
    """
    desk.session.resume()
    desk.greet()
    behind = done_before(lines, desk.state.get("acts", []))
    for place, line in enumerate(lines):
        desk.screen.typed(line.text, echoed=True)
        if place < behind:
            desk.say("(done before)")
            continue
        try:
            do(desk, line.text)
        except Quit:
            return
        except InputError as error:
            raise InputError(f"{name}: line {line.number}: {error}") from error
