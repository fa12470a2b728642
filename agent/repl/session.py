"""The graph of one discovery, guided by a person: it rests between nodes, and acts are put into its state.

It is the graph that `discover` runs, with the same state, ledger and budget: run by the command it does not rest.
An act that is no node is one update of the state as of the node before, so that the graph stands where it stood;
an act that moves the graph is in the state before its first node runs. So a killed process loses no act that was
done, and one that was cut off is gone on with. Undoing puts the values of an earlier checkpoint back.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from agent.discovery import Discovery, go_on, graph_config, graph_of, is_free, next_node, state_file, state_of
from agent.repl.acts import REDO, UNDO, added, ended, restored, standing, with_act
from agent.repl.trying import brought_in, judged
from agent.settings import shown
from agent.state import CandidateState, DiscoveryState, ScriptState, by_id
from agent.workbench import Workbench
from probes.errors import InputError
from tools.report.document import Report

END = ""
"""Where the graph stands once its report is written."""

AS_OF = {
    "read": "select",
    "propose": "read",
    "screen": "propose",
    "race": "screen",
    "judge": "race",
    "select": "judge",
    "report": "select",
    END: "select",
}
"""By the node that comes next: as of which node an update leaves the graph where it stands. After the report it
stands before it again."""

PATHS = {
    "propose": ("read", "propose", "screen", "race"),
    "greedy": ("propose", "screen", "race", "judge", "select"),
    "report": ("report",),
}
"""Nodes that an act may run; it is cut off where one of them comes next."""

RESTS = {"propose": ("judge", "report"), "greedy": ("read", "report"), "report": ()}
"""Before which nodes the graph rests once the act is done."""


class Session:
    """A discovery in a person's hands; open as long as the discovery is. script: the one whose acts are done."""

    def __init__(self, discovery: Discovery) -> None:
        self.discovery = discovery
        self.script: ScriptState | None = None

    @property
    def bench(self) -> Workbench:
        return self.discovery.bench

    @property
    def state(self) -> DiscoveryState:
        return self.discovery.state()

    @property
    def standing_before(self) -> str:
        """The node that comes next."""
        return next_node(self.discovery.graph) or END

    @property
    def cut_off(self) -> str | None:
        """The act, or the work of the command, that a killed process left in the middle."""
        state, node = self.state, self.standing_before
        if not state:
            return None
        line = next(reversed(standing(state.get("acts", []))[0]), "")
        if node in PATHS.get(_word(line), ()):
            return line
        return "discover" if node in ("screen", "race") or (node == "read" and not state["round"]) else None

    def resume(self) -> None:
        """Begins, or goes on to where the graph rests."""
        if not self.state:
            go_on(self.discovery, until=("propose", "report"))
        elif (line := self.cut_off) is not None:
            fresh = not self.state["round"]
            go_on(self.discovery, until=("propose",) if fresh else RESTS.get(_word(line), RESTS["propose"]))

    # Acts that move the graph

    def propose(self, line: str, update: DiscoveryState) -> None:
        """Another round of proposals, screened and raced; the first where none was made yet."""
        opened = self.standing_before == "propose"
        self._move(line, {**update, "stopped_because": ""}, "read" if opened else "select")

    def greedy(self, line: str) -> None:
        """The rest of the round: proposals where none were made, judging of what is in the race, selection."""
        opened = self.standing_before == "propose"
        self._move(line, {"stopped_because": ""}, "read" if opened else "race")

    def report(self, line: str) -> Report:
        """The report, which counts."""
        self._move(line, ended(self.state), "select")
        return Report.load(self.discovery.folder)

    def _move(self, line: str, update: DiscoveryState, as_of: str) -> None:
        self._put(self._done(line, update), as_of)
        go_on(self.discovery, until=RESTS[_word(line)])

    # Acts that leave it where it stands

    def act(self, line: str, change: Callable[[DiscoveryState], DiscoveryState]) -> None:
        """An act that is a function on the state. Raises as it does, and then nothing is changed."""
        began = time.monotonic()
        update = change(self.state)
        update["seconds"] = self.state.get("seconds", 0.0) + time.monotonic() - began
        self._put(self._done(line, update), AS_OF[self.standing_before])

    def bring_in(self, line: str, candidate: CandidateState, instead_of: str | None = None) -> None:
        """A candidate of a person's own is tried on read, and is in the race unless it is screened out."""
        self.act(line, lambda state: brought_in(state, self.bench, candidate, instead_of))

    def judge(self, line: str, candidates: Sequence[CandidateState]) -> None:
        """Has candidates judged on select, where they get their p."""
        self.act(line, lambda state: judged(state, self.bench, candidates))

    def add(self, line: str, candidate: CandidateState) -> None:
        """A candidate joins the set; it is judged on select first, where it was not."""

        def change(state: DiscoveryState) -> DiscoveryState:
            most = self.bench.settings.max_parameters
            added(state, candidate, most)  # refused before anything is paid for
            update: DiscoveryState = {}
            if candidate["p_value"] is None:
                update = judged(state, self.bench, [candidate])
            now: DiscoveryState = {**state, **update}
            return {**update, **added(now, by_id(now["candidates"], [candidate["id"]])[0], most)}

        self.act(line, change)

    # Undoing

    def undo(self) -> str:
        """Puts the state before the last act back; returns that act. InputError where there is none."""
        done, _ = standing(self.state.get("acts", []))
        if not done:
            raise InputError("nothing was done that could be undone")
        self._put_back(UNDO, done[:-1])
        return done[-1]

    def redo(self) -> str:
        """Puts the state after the act that was undone last back; returns that act."""
        done, undone = standing(self.state.get("acts", []))
        if not undone:
            raise InputError("nothing was undone, or something else was done since")
        self._put_back(REDO, [*done, undone[-1]])
        self.resume()  # where the act was stopped before its end
        return undone[-1]

    def give_up(self) -> bool:
        """Undoes an act that was stopped in the middle; whether there was one. What was paid for is kept."""
        if self.cut_off in (None, "discover"):
            return False
        self.undo()
        return True

    def _put_back(self, line: str, wanted: Sequence[str]) -> None:
        for then in self.discovery.graph.get_state_history(graph_config()):
            values: DiscoveryState = then.values  # type: ignore[assignment]
            if values.get("round") and standing(values.get("acts", []))[0] == list(wanted):
                as_of = AS_OF[then.tasks[0].name if then.tasks else END]
                self._put(self._done(line, restored(self.state, values)), as_of)
                return
        raise InputError("the state of that moment is not on record: another version of the program wrote it")

    # State on disk

    def _done(self, line: str, update: DiscoveryState) -> DiscoveryState:
        """The update of an act with the act itself, and where that leaves the script that it is of."""
        update = with_act(self.state, line, update)
        if self.script is not None:
            did, standing_now = [*self.script["did"], line], len(standing(update["acts"])[0])
            self.script = ScriptState(did=did, of=self.script["of"], standing=standing_now)
            update["script"] = self.script
        return update

    def _put(self, update: DiscoveryState, as_of: str) -> None:
        from langsmith.run_helpers import tracing_context

        with tracing_context(enabled=False):  # no text may leave the machine
            self.discovery.graph.update_state(graph_config(), dict(update), as_node=as_of)

    def save(self, line: str, name: str) -> None:
        """Keeps a copy of the discovery under another name. InputError where that name is taken."""
        run = self.bench.run
        folder = run.discovery_folder(name)
        target = state_file(folder)
        if folder == self.discovery.folder:
            raise InputError(f"save: {shown(name)} is this discovery itself; choose another name")
        if not is_free(folder):
            if not target.is_file() or self._acts_of(folder) != self.state.get("acts", []):
                raise InputError(f"save: {shown(name)} is another discovery of this run; choose another name")
        else:
            part = target.with_suffix(".part")
            with (
                closing(sqlite3.connect(state_file(self.discovery.folder))) as source,
                closing(sqlite3.connect(part)) as copy,
            ):
                source.backup(copy)
            part.replace(target)
        self.act(line, lambda state: {})

    def _acts_of(self, folder: Path) -> list[str]:
        with graph_of(folder) as graph:
            return state_of(graph).get("acts", [])


def _word(line: str) -> str:
    return line.split(" ", 1)[0].casefold()
