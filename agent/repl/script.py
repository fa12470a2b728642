"""A session whose lines come from a file or a pipe: echoed, ended by an error, gone on with after a kill.

The state says which acts the script did that acted last. So one that was cut off goes on behind them, whatever a
person did since; one that had come to its end is done, and begins anew where something was done since.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.repl.acts import standing
from agent.repl.commands import Quit, do, is_act, plain
from agent.repl.desk import Desk
from agent.state import NO_SCRIPT, DiscoveryState, ScriptState
from probes.errors import InputError
from probes.words import count

COMMENT = "#"
QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its number in the script, from 1."""

    number: int
    text: str


def lines_of(text: Iterable[str]) -> list[Line]:
    """The lines that say something; those that begin with # do not."""
    read = [Line(number, plain(line)) for number, line in enumerate(text, start=1)]
    return [line for line in read if line.text and not line.text.startswith(COMMENT)]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a script starts. behind: its lines that were done before; said: what a person must know of that."""

    behind: int
    script: ScriptState
    said: str = ""


def start_of(lines: Sequence[Line], state: DiscoveryState) -> Start:
    """Where the lines start in a discovery: at the first one, or behind the last act that they did before."""
    texts = [line.text for line in lines]
    end = texts.index(QUIT) if QUIT in texts else len(texts)
    places = [place for place, text in enumerate(texts[:end]) if is_act(text)]
    last = state.get("script", NO_SCRIPT)
    did, ended = last["did"], len(last["did"]) >= last["of"]
    since = standing(state.get("acts", []))[0][last["standing"] :]
    acts = f"{count(len(since), 'act')} by hand" if since else ""
    same = [texts[place] for place in places[: len(did)]] == did
    if did and same and not (ended and since):
        said = f"since this script was cut off: {acts}; it goes on behind its own last act" if since else ""
        return Start(places[len(did) - 1] + 1, ScriptState(**{**last, "of": len(places)}), said)
    anew = ScriptState(did=[], of=len(places), standing=0)
    if did and same:
        return Start(
            0, anew, f"this script had come to its end; since then: {acts}; it runs anew, from its first line"
        )
    if did and not ended:
        return Start(0, anew, "another script was cut off here; this one runs from its first line")
    return Start(0, anew)


def run_script(desk: Desk, name: str, lines: Sequence[Line]) -> None:
    """Runs the lines to the end, or to `quit`. InputError of a line gets the script's name and the line's number.

    What the script did in this discovery before is not done again, unless it begins anew.
    """
    desk.session.resume()
    desk.greet()
    start = start_of(lines, desk.state)
    desk.session.script = start.script
    if start.said:
        desk.say(start.said)
    for place, line in enumerate(lines):
        desk.screen.typed(line.text, echoed=True)
        if place < start.behind:
            desk.say("(done before)")
            continue
        try:
            do(desk, line.text)
        except Quit:
            return
        except InputError as error:
            raise InputError(f"{name}: line {line.number}: {error}") from error
