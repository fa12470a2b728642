"""A discovery from beginning to end: its name, its state on disk, the graph run over it, its report.

`state.sqlite` in the discovery's folder holds the state after every node, so that a process that was killed at
any moment is followed by one that goes on. Measured scores stay in the run, so nothing is measured twice.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agent.builtin import known_judge
from agent.comparison import Comparison, comparison_of
from agent.locating import said_aloud
from agent.progress import Progress, Silent
from agent.scoring import Scores
from agent.settings import DiscoverSettings, shown
from agent.state import DiscoveryState
from agent.workbench import Workbench
from probes.errors import InputError, OutsideError
from runs.directory import Run
from runs.files import explain_full, explained
from runs.manifest import program_version
from runs.schema import LOGLIK_FILE, PROMPTS_FILE, REPORT_FILE, SAMPLES_FILE, STATE_FILE, TOKEN_LOGLIK_FILE
from tools.report.document import Report

if TYPE_CHECKING:
    from agent.graph import Graph
    from tools.chat.limiter import Limiters
    from tools.judging.template import JudgePrompt

COMPARED = (PROMPTS_FILE, SAMPLES_FILE, LOGLIK_FILE)
"""Files of a run that a report depends on; what models propose depends on log-likelihoods token by token too."""

NO_PART_OF_THE_ANSWER = frozenset(
    {"name", "dry_run", "processes", "before", "after", "measure_files", "prices", "judge_template"}
)
"""Settings that do not change a report, or that the fingerprint holds in resolved form."""


def discover_run(
    run: Run,
    settings: DiscoverSettings,
    *,
    progress: Progress | None = None,
    limiters: "Limiters | None" = None,
) -> Report:
    """Discover what changed between two groups of a run's checkpoints; takes the run's lock.

    limiters: how many calls to a model may be in flight, shared with discoveries of other runs in this process.
    The same settings go on with, or return the report of, the discovery begun before. Raises InputError: values
    or measures that do not exist, too few samples, or a name that other settings have; OutsideError: the disk is
    full, or another process has the run.
    """
    with begun(run, settings, progress or Silent(), limiters) as discovery:
        return _run_graph(discovery)


@dataclass(frozen=True, eq=False)
class Discovery:
    """A discovery whose graph, workbench and language models are open. fingerprint: what it answers."""

    graph: "Graph"
    bench: Workbench
    folder: Path
    fingerprint: dict[str, Any]

    def state(self) -> DiscoveryState:
        """Its state by now, empty where it has not begun. InputError where it was begun with other settings."""
        state = state_of(self.graph)
        if state and state["fingerprint"] != self.fingerprint:
            raise InputError(difference(self.folder.name, state["fingerprint"], self.fingerprint))
        return state


@contextmanager
def begun(
    run: Run, settings: DiscoverSettings, progress: Progress, limiters: "Limiters | None" = None
) -> Iterator[Discovery]:
    """A discovery, new or gone on with, for the length of the block, in which it has the run's lock.

    Raises as `discover_run`.
    """
    with threadpool_limits(1), run.locked():  # small matrices: more threads only wait for each other
        bench = open_bench(run, settings, progress)
        for name in settings.given:
            known_judge(bench.scores, name)  # refused before anything is written
        if settings.judge_spec is not None:
            from agent.models import require_models

            require_models(settings)
        fingerprint = fingerprint_of(run, bench.comparison, settings)
        folder = _folder_for(run, settings.name, fingerprint)
        with graph_of(folder) as graph, with_models(bench.named(folder.name), limiters=limiters) as ready:
            yield Discovery(graph, ready, folder, fingerprint)


@contextmanager
def with_models(
    bench: Workbench, template: "JudgePrompt | None" = None, limiters: "Limiters | None" = None
) -> Iterator[Workbench]:
    """The workbench with the language models that its settings name, open for the length of the block.

    template: what judges are sent, where the settings do not say it.
    """
    if bench.settings.judge_spec is None:
        yield bench
        return
    from agent.judgments import Judgments  # with the clients' libraries behind it
    from agent.models import Models

    with closing(Models(bench.run, bench.name, bench.settings, bench.progress, template, limiters)) as models:
        yield bench.judged_by(Judgments(bench.comparison, models))


def open_bench(run: Run, settings: DiscoverSettings, progress: Progress) -> Workbench:
    """The comparison that the settings name, ready to be worked on."""
    progress.stage("reading the run")
    comparison = comparison_of(run, settings.before, settings.after, settings.claim, settings.domain)
    if comparison.located is not None and settings.before is None and settings.after is None:
        progress.note(said_aloud(run, comparison.located))
    files = {f"file:{path.resolve()}" for path in settings.measure_files}
    scores = Scores(run, comparison, frozenset(files), settings.processes, progress)
    return Workbench(run, comparison, scores, settings, progress)


def fingerprint_of(run: Run, comparison: Comparison, settings: DiscoverSettings) -> dict[str, Any]:
    """All that a report depends on: the program, the samples compared, the settings, the user's own measures."""
    control = run.manifest.control
    plain = settings.model_dump(mode="json", exclude=set(NO_PART_OF_THE_ANSWER))
    compared = (*COMPARED, TOKEN_LOGLIK_FILE) if settings.proposers else COMPARED
    return {
        "version": program_version(),
        "samples": {name: run.manifest.files[name].sha256 for name in compared if name in run.manifest.files},
        "before": [control.values[k] for k in comparison.before],
        "after": [control.values[k] for k in comparison.after],
        "measure_files": {str(path.resolve()): _digest(path) for path in settings.measure_files},
        "judge_template": settings.judge_template and _digest(settings.judge_template),
        **plain,
    }


def _digest(path: Path) -> str:
    with explained(path, "read"):
        return hashlib.sha256(path.read_bytes()).hexdigest()


def _folder_for(run: Run, name: str | None, fingerprint: dict[str, Any]) -> Path:
    """The folder named, else that of the numbered discovery with this fingerprint, else the next number's."""
    if name is not None:
        folder = run.discovery_folder(name)
        if (folder / REPORT_FILE).is_file() and not state_file(folder).is_file():
            raise InputError(f"--name: {shown(name)} is a known set that was measured; choose another name")
        return folder
    for folder in numbered(run):
        if is_free(folder) or (state_file(folder).is_file() and _fingerprint_in(folder) in (None, fingerprint)):
            return folder
    return run.discovery_folder()


def _fingerprint_in(folder: Path) -> dict[str, Any] | None:
    with graph_of(folder) as graph:
        return state_of(graph).get("fingerprint")


def numbered(run: Run) -> Iterator[Path]:
    """The folders of the discoveries d1, d2, ..."""
    for name in run.discoveries():
        if name[:1] == "d" and name[1:].isdigit():
            yield run.discovery_folder(name)


def is_free(folder: Path) -> bool:
    """Whether a process was killed before it put anything into the folder."""
    return next(folder.iterdir(), None) is None


def state_file(folder: Path) -> Path:
    """Where a discovery keeps the state of its graph."""
    return folder / STATE_FILE


@contextmanager
def graph_of(folder: Path) -> Iterator["Graph"]:
    """The graph over the state in this folder. InputError where the state cannot be read."""
    from agent.graph import build  # slow to import

    path = state_file(folder)
    try:
        with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
            yield build(connection)
    except sqlite3.OperationalError as error:
        raise explain_full(error, path) or OutsideError(
            f"{shown(str(path))}: {error}; once that is mended, run the same command again"
        ) from error
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{shown(str(path))} is damaged ({error}); remove the folder {shown(folder.name)}, or name another "
            "discovery by --name"
        ) from error


def graph_config(limit: int = 25) -> Any:
    """Which thread of a graph's state a discovery is, and how many nodes it may run at once."""
    return {"configurable": {"thread_id": "discovery"}, "recursion_limit": limit}


def state_of(graph: "Graph") -> DiscoveryState:
    values: DiscoveryState = graph.get_state(graph_config()).values  # type: ignore[assignment]
    return values


def next_node(graph: "Graph") -> str | None:
    """The node that the graph stands before, None at its end.

    One that came to its end, the state after it not written yet, is still the one, other than in LangGraph's
    `next`: a process killed there has to go on.
    """
    tasks = graph.get_state(graph_config()).tasks
    return tasks[0].name if tasks else None


def go_on(discovery: Discovery, *, until: Sequence[str] = ()) -> None:
    """Runs the graph from where it stands, to its end or to before one of the named nodes."""
    from langsmith.run_helpers import tracing_context

    from agent.graph import ROUND

    begin: DiscoveryState = {"fingerprint": discovery.fingerprint, "round": 0, "candidates": []}
    limit = len(ROUND) * discovery.bench.settings.rounds + 10
    # LangGraph reports to LangSmith where the environment asks for it; no text may leave the machine.
    with tracing_context(enabled=False):
        discovery.graph.invoke(
            None if discovery.state() else begin,
            graph_config(limit),
            context=discovery.bench,
            interrupt_before=list(until),
            durability="sync",
        )


def _run_graph(discovery: Discovery) -> Report:
    from agent.reporting import write_report

    state = discovery.state()
    if not state or next_node(discovery.graph) is not None:
        go_on(discovery)
    elif not (discovery.folder / REPORT_FILE).is_file():
        write_report(state, discovery.bench)
    return Report.load(discovery.folder)


def difference(name: str, known: dict[str, Any], asked: dict[str, Any]) -> str:
    """The line that says which setting is not the one that a discovery of this name has."""
    for key, value in asked.items():
        if known.get(key) != value:
            if key == "samples":
                said = "the run's samples or log-likelihoods are no longer the same"
            else:
                said = f"{key} was {_spelled(known.get(key))} and is now {_spelled(value)}"
            return f"--name: {shown(name)} is a discovery with other settings: {said}; choose another name"
    return f"--name: {shown(name)} is a discovery with other settings; choose another name"


def _spelled(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
