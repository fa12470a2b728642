"""The commands of a session: what each is called, what it does, and what a line means.

A line that is no command is guidance in plain language. Lines that change something are acts, which stand
in the state of the discovery as they were typed.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.repl import parameter_views as parameters
from agent.repl import reading_views as reading
from agent.repl.acts import dropped, guided, in_the_race, noted, set_of
from agent.repl.asking import asked_for, measures_near, question_of
from agent.repl.budget_view import budget
from agent.repl.desk import Desk
from agent.repl.screen import page
from agent.settings import BUILTIN, shown
from agent.state import CandidateState, DiscoveryState, by_id
from probes.errors import InputError
from probes.words import count

MOST_TO_PROPOSE = 20
GUIDANCE = ">"
"""What begins a line of guidance whose first word is a command's."""

_NUMBER = r"[1-9][0-9]{0,2}"
_NOTHING = r"(?!)"
_NEAR = 0.8  # likeness of a first word to a command's name, from which on it is taken for a slip


@dataclass(frozen=True, slots=True)
class Command:
    """run: takes the desk, the line, and what follows the name in it. acts: whether it stands in the state.

    takes: pattern of what may follow the name; a longer text after it is guidance that happens to begin so.
    """

    usage: str
    about: str
    run: Callable[[Desk, str, str], None]
    acts: bool = False
    takes: str = r".+"


class Quit(Exception):
    """The person is done."""


# Looking


def _look(desk: Desk, line: str, rest: str) -> None:
    desk.show(reading.look(desk.state, desk.bench, int(rest or 1)))


def _compare(desk: Desk, line: str, rest: str) -> None:
    desk.show(reading.compare(desk.bench, _wanted(rest, "compare PROMPT")))


def _search(desk: Desk, line: str, rest: str) -> None:
    desk.show(reading.search(desk.bench, _wanted(rest, "search TEXT")))


def _residual(desk: Desk, line: str, rest: str) -> None:
    desk.show(reading.residual(desk.state, desk.bench, int(rest or 3)))


def _set(desk: Desk, line: str, rest: str) -> None:
    desk.show(parameters.the_set(desk.state, desk.bench, every=rest == "all"))


def _curve(desk: Desk, line: str, rest: str) -> None:
    one = parameters.require_judged(desk.named(rest, COMMANDS["curve"].usage))
    desk.show(parameters.curve(desk.bench, one))


def _split(desk: Desk, line: str, rest: str) -> None:
    desk.show(reading.splits(desk.bench))


def _budget(desk: Desk, line: str, rest: str) -> None:
    desk.show(budget(desk.state, desk.bench))


def _help(desk: Desk, line: str, rest: str) -> None:
    if rest and rest not in COMMANDS:
        raise InputError(f"help {shown(rest)}: no such command; `help` lists them")
    listed = [COMMANDS[rest]] if rest else list(COMMANDS.values())
    pairs = [(one.usage, one.about) for one in listed]
    guidance = (
        ()
        if rest
        else (("anything else", f"guidance for proposers; `{GUIDANCE} TEXT` where it begins like these"),)
    )
    desk.show(reading.listed(*pairs, *guidance))


# Candidates


def _propose(desk: Desk, line: str, rest: str) -> None:
    told = re.fullmatch(r"(?:([-+]?\d+(?:\.\d+)?)\b)?\s*(.*)", rest, re.DOTALL)
    assert told is not None  # every text matches
    if told[1] and told[1] not in map(str, range(1, MOST_TO_PROPOSE + 1)):
        raise InputError(f"propose {shown(told[1])}: a number from 1 to {MOST_TO_PROPOSE} is wanted")
    most = int(told[1]) if told[1] else 0
    state = desk.state
    update: DiscoveryState = {"most_proposed": most}
    if told[2]:
        update = {**update, **guided(state, told[2])}
    if desk.bench.judgments is not None:
        from agent.repl.prices import of_proposing

        desk.require_word(of_proposing({**state, **update}, desk.bench, selected=False))
    before = {one["id"] for one in in_the_race(state)}
    known, said = len(state["candidates"]), len(state.get("warnings", []))
    desk.session.propose(line, update)
    now = desk.state
    fresh = [one["id"] for one in in_the_race(now) if one["id"] not in before]
    desk.show(parameters.race(now, desk.bench, fresh))
    proposed = len(now["candidates"]) - known
    desk.say(
        f"{count(proposed, 'proposal')}; {len(fresh)} new in the race; `set all` says what became of the others"
    )
    desk.say(*now.get("warnings", [])[said:])
    _say_spent(desk)


def _try(desk: Desk, line: str, rest: str) -> None:
    candidate = asked_for(desk.state, desk.bench, _wanted(rest, COMMANDS["try"].usage))
    _bring_in(desk, line, candidate)


def _edit(desk: Desk, line: str, rest: str) -> None:
    told = re.fullmatch(r'(.+?)\s+"([^"]+)"\s*(.*)', rest, re.DOTALL)
    if told is None:
        raise InputError(f"edit: {COMMANDS['edit'].usage}")
    old = desk.named(told[1], COMMANDS["edit"].usage)
    candidate = question_of(desk.state, desk.bench, told[2], told[3], of=old)
    if candidate["id"] == old["id"]:
        raise InputError(f"edit: that is what {shown(old['id'])} asks already")
    _bring_in(desk, line, candidate, old["id"])
    desk.say(f"{old['id']} stays as it was, with its judgments; `drop` it if this one takes its place")


def _bring_in(desk: Desk, line: str, candidate: CandidateState, instead_of: str | None = None) -> None:
    state, bench = desk.state, desk.bench
    if bench.judgments is not None and not any(one["id"] == candidate["id"] for one in state["candidates"]):
        from agent.proposer_tools import PILOT, pilot_rows
        from agent.repl.prices import of_judging

        desk.require_word(of_judging(bench, [candidate], pilot_rows(bench)[:PILOT]))
    desk.session.bring_in(line, candidate, instead_of)
    desk.show(parameters.pilot(bench, by_id(desk.state["candidates"], [candidate["id"]])[0], desk.paid()))


def _judge(desk: Desk, line: str, rest: str) -> None:
    asked = [desk.named(rest, COMMANDS["judge"].usage)] if rest else in_the_race(desk.state)
    if not asked:
        raise InputError("judge: nothing is in the race; `propose`, or `try` something")
    _confirm_judging(desk, asked)
    desk.session.judge(line, asked)
    now = by_id(desk.state["candidates"], [one["id"] for one in asked])
    desk.show(parameters.on_select(desk.bench, now))


def _add(desk: Desk, line: str, rest: str) -> None:
    one = desk.named(rest, COMMANDS["add"].usage)
    if one["p_value"] is None:
        _confirm_judging(desk, [one])
    desk.session.add(line, one)
    desk.show(parameters.the_set(desk.state, desk.bench, every=False))


def _drop(desk: Desk, line: str, rest: str) -> None:
    one = desk.named(rest, COMMANDS["drop"].usage)
    desk.session.act(line, lambda state: dropped(state, one))
    desk.show(parameters.the_set(desk.state, desk.bench, every=False))


def _greedy(desk: Desk, line: str, rest: str) -> None:
    state, bench = desk.state, desk.bench
    if bench.judgments is not None:
        from agent.repl.prices import of_judging, of_proposing

        if desk.session.standing_before == "propose":
            desk.require_word(of_proposing(state, bench, selected=True))
        else:
            desk.require_word(of_judging(bench, in_the_race(state), bench.comparison.select.row_N))
    before = state.get("chosen", [])
    desk.session.greedy(line)
    now = desk.state
    grown = [one["id"] for one in set_of(now) if one["id"] not in before]
    desk.show(parameters.the_set(now, bench, every=False))
    desk.say(f"greedy added {', '.join(grown) if grown else 'nothing'}", now.get("stopped_because", ""))


def _confirm_judging(desk: Desk, asked: list[CandidateState]) -> None:
    if desk.bench.judgments is not None:
        from agent.repl.prices import of_judging

        desk.require_word(of_judging(desk.bench, asked, desk.bench.comparison.select.row_N))


def _say_spent(desk: Desk) -> None:
    if spent := desk.state.get("spent"):
        desk.say(f"language models are asked no more: {spent}")


# The session


def _guide(desk: Desk, line: str, text: str) -> None:
    desk.session.act(line, lambda state: guided(state, text))
    if any(spec != BUILTIN for spec in desk.bench.settings.model):
        desk.say("proposers are told so from the next `propose` on")
        return
    near = measures_near(text)
    offered = f"; measures that come close: {', '.join(one.id for one in near)}" if near else ""
    desk.say(f"kept, but the builtin proposer reads no guidance (--model names one that does){offered}")


def _note(desk: Desk, line: str, rest: str) -> None:
    text = _wanted(rest, "note TEXT")
    desk.session.act(line, lambda state: noted(state, text))


def _undo(desk: Desk, line: str, rest: str) -> None:
    desk.say(f"undone: {desk.session.undo()}", "what was paid for is kept, and what was tried still counts")


def _redo(desk: Desk, line: str, rest: str) -> None:
    desk.say(f"done again: {desk.session.redo()}")


def _save(desk: Desk, line: str, rest: str) -> None:
    name = _wanted(rest, "save NAME")
    desk.session.save(line, name)
    desk.say(f"kept as {name}: `discover RUN --name {name}` and `repl RUN --name {name}` go on with it")


def _report(desk: Desk, line: str, rest: str) -> None:
    bench = desk.bench
    if bench.judgments is not None:
        from agent.repl.prices import of_judging

        black_box = bench.comparison.mode == "black-box"
        part = bench.comparison.part() if black_box else bench.comparison.report
        desk.require_word(of_judging(bench, set_of(desk.state), part.row_N))
    report = desk.session.report(line)
    from tools.report import terminal

    desk.show(page(terminal.render(report)))
    seen = count(report.reports_seen, "time")
    desk.say(f"report split seen {seen}; the report: {desk.session.discovery.folder / 'report.html'}")


def _quit(desk: Desk, line: str, rest: str) -> None:
    raise Quit


COMMANDS: dict[str, Command] = {
    "look": Command("look [PAGE]", "answers of both sides to a few prompts", _look, takes=_NUMBER),
    "compare": Command("compare PROMPT", "all answers to one prompt, by its number or id", _compare),
    "search": Command("search TEXT", "how many answers of either side hold a text", _search),
    "propose": Command("propose [N] [HINT]", "another round of proposals, tried and raced", _propose, acts=True),
    "try": Command(
        'try MEASURE | "QUESTION" [LEVEL | LEVEL ...]', "one of your own, on a few answers", _try, acts=True
    ),
    "judge": Command("judge [ID]", "judge one, or all in the race, on select", _judge, acts=True),
    "add": Command("add ID", "put one into the set, judged first if need be", _add, acts=True),
    "drop": Command("drop ID", "take one out of the set, or out of the search", _drop, acts=True),
    "edit": Command('edit ID "QUESTION" [LEVEL | ...]', "ask it otherwise: a new one, tried", _edit, acts=True),
    "residual": Command("residual [N]", "the answers that the set explains worst", _residual, takes=_NUMBER),
    "set": Command("set [all]", "the set, what was judged beside it, what is in the race", _set, takes="all"),
    "greedy": Command(
        "greedy", "finish the round: propose if nothing was, judge, select", _greedy, acts=True, takes=_NOTHING
    ),
    "curve": Command("curve ID", "one along the sweep", _curve),
    "split": Command(
        "split", "how many samples are for what, and how often report was seen", _split, takes=_NOTHING
    ),
    "budget": Command("budget", "what language models took, and what is left", _budget, takes=_NOTHING),
    "undo": Command("undo", "put back what was before the last act", _undo, acts=True, takes=_NOTHING),
    "redo": Command("redo", "do again what was undone", _redo, acts=True, takes=_NOTHING),
    "note": Command("note TEXT", "a note for the report", _note, acts=True),
    "save": Command("save NAME", "keep a copy of this discovery under a name", _save, acts=True),
    "report": Command(
        "report", "the numbers of the report split: each look counts", _report, acts=True, takes=_NOTHING
    ),
    "help": Command("help [COMMAND]", "this", _help),
    "quit": Command("quit", "end; everything is kept", _quit, takes=_NOTHING),
}


def is_act(line: str) -> bool:
    """Whether a line changes something, and so stands in the state."""
    command, _ = _command_in(plain(line))
    return command is None or command.acts


def plain(line: str) -> str:
    """A line as it stands in the state: white space in single spaces, a command in small letters."""
    line = " ".join(line.split())
    command, rest = _command_in(line)
    return line if command is None else f"{line.split(' ', 1)[0].casefold()} {rest}".strip()


def do(desk: Desk, line: str) -> None:
    """Does what a line says. Raises InputError for what makes no sense, Quit at the end."""
    line = plain(line)
    command, rest = _command_in(line)
    if command is not None:
        if rest and not re.fullmatch(command.takes, rest, re.DOTALL):
            raise InputError(f"{shown(line)}: {command.usage}; guidance may begin with {GUIDANCE}")
        command.run(desk, line, rest)
    elif line.startswith(GUIDANCE):
        _guide(desk, line, _wanted(line.removeprefix(GUIDANCE).strip(), f"{GUIDANCE} TEXT"))
    else:
        _require_no_slip(line)
        _guide(desk, line, line)


def _command_in(line: str) -> tuple[Command | None, str]:
    """The command that a line gives, None where it is guidance, and what follows its first word.

    "report on their tone" is no wish for a report.
    """
    word, _, rest = line.partition(" ")
    command = COMMANDS.get(word.casefold())
    if command is not None and " " in rest and not re.fullmatch(command.takes, rest, re.DOTALL):
        return None, rest
    return command, rest


def _require_no_slip(line: str) -> None:
    """Raises InputError for what looks like a command with a typing error, or one that does not exist."""
    word = line.split(" ", 1)[0].casefold()
    if word in COMMANDS:
        return
    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=_NEAR)
    if near:
        raise InputError(f"{shown(word)}: did you mean {near[0]}? guidance may begin with {GUIDANCE}")
    if " " not in line:
        raise InputError(f"{shown(line)}: no such command; `help` lists them; guidance may begin with {GUIDANCE}")


def _wanted(text: str, usage: str) -> str:
    if not text:
        raise InputError(f"something is missing: {usage}")
    return text
