"""The graph of a discovery: read, propose, screen, race, judge, select, then another round or the report.

The command, the Python API and whatever else discovers run this graph. Its state is checkpointed after every
node, so a killed process goes on from the last one. Source: Method, sections 5 and 7.
"""

import sqlite3
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Protocol

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agent.proposing import propose
from agent.reading import read
from agent.reporting import report
from agent.screening import race, screen
from agent.selecting import judge, select
from agent.state import DiscoveryState
from agent.workbench import Workbench
from probes.errors import InputError
from runs.row_sums import sealed, unsealed

Node = Callable[[DiscoveryState, Workbench], DiscoveryState]
Graph = CompiledStateGraph[DiscoveryState, Workbench, DiscoveryState, DiscoveryState]

ROUND: tuple[tuple[str, Node], ...] = (
    ("read", read),
    ("propose", propose),
    ("screen", screen),
    ("race", race),
    ("judge", judge),
    ("select", select),
)
"""The nodes of one round, in order."""


def build(connection: sqlite3.Connection) -> Graph:
    """The graph, checkpointed in an open SQLite database. Values are stored as plain data, never pickled."""
    graph = StateGraph(DiscoveryState, context_schema=Workbench)
    for name, node in (*ROUND, ("report", report)):
        graph.add_node(name, _timed(name, node))
    graph.add_edge(START, "read")
    for (name, _), (following, _) in pairwise(ROUND):
        graph.add_conditional_edges(name, _unless_stopped(following), [following, "report"])
    graph.add_conditional_edges("select", _unless_stopped("read"), ["read", "report"])
    graph.add_edge("report", END)
    saver = SqliteSaver(connection, serde=_Sealed(pickle_fallback=False, allowed_msgpack_modules=None))
    return graph.compile(checkpointer=saver)


def _unless_stopped(following: str) -> Callable[[DiscoveryState], str]:
    def route(state: DiscoveryState) -> str:
        return "report" if state.get("stopped_because") else following

    return route


class _Sealed(JsonPlusSerializer):
    """Plain data, each with its checksum: a state that was changed on the disk is refused."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        kind, data = super().dumps_typed(obj)
        return kind, sealed(data)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        kind, content = data
        try:
            return super().loads_typed((kind, unsealed(content)))
        except ValueError as error:
            raise InputError(
                f"the state of this discovery is damaged ({error}); remove its folder, then discover again: what "
                "was answered is kept"
            ) from error


class _Step(Protocol):
    def __call__(self, state: DiscoveryState, *, runtime: Runtime[Workbench]) -> DiscoveryState: ...


def _timed(name: str, node: Node) -> _Step:
    """The node with its wall time added to what was spent, and the budget of minutes held against the sum."""

    def run(state: DiscoveryState, *, runtime: Runtime[Workbench]) -> DiscoveryState:
        bench = runtime.context
        started = time.monotonic()
        update = node(state, bench)
        update["seconds"] = state.get("seconds", 0.0) + time.monotonic() - started
        minutes = bench.settings.max_minutes
        stopped = update.get("stopped_because") or state.get("stopped_because")
        if name != "report" and not stopped and minutes is not None and update["seconds"] > 60 * minutes:
            current = update.get("round", state["round"])
            update["stopped_because"] = f"the budget of {minutes:g} minutes was spent in round {current}"
        return update

    return run
