"""A discovery end to end: what it finds, what its report says, and that a kill changes nothing."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from agent import graph
from agent.comparison import comparison_of
from agent.discovery import discover_run
from agent.reporting import report as report_node
from agent.settings import DiscoverSettings
from agent.state import DiscoveryState
from agent.workbench import Workbench
from probes.errors import InputError
from probes.toy_world import ToyWorld
from runs.directory import Run
from tests.agent.worlds import likelihood_run, rows_of, run_of, same, shorter, words
from tools.measuring import measure_texts
from tools.report.document import Report


def settings(**changes: Any) -> DiscoverSettings:
    return DiscoverSettings(**{"resamples": 199, "processes": 1, **changes})


QUICK = settings()


@pytest.fixture(scope="module")
def shortened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose answers became shorter, its measures not yet scored."""
    return run_of(tmp_path_factory.mktemp("shortened") / "run", rows_of(shorter, prompts=20, draws=7)).path


@pytest.fixture(scope="module")
def discovered(shortened: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Report]:
    """Another folder with the same run, discovered in."""
    folder = tmp_path_factory.mktemp("discovered") / "run"
    shutil.copytree(shortened, folder)
    run = Run.open(folder)
    return run, discover_run(run, QUICK)


@pytest.fixture
def copy(shortened: Path, tmp_path: Path) -> Run:
    shutil.copytree(shortened, tmp_path / "run")
    return Run.open(tmp_path / "run")


# What it finds


def test_the_length_is_found_and_the_report_is_whole(discovered: tuple[Run, Report]) -> None:
    run, report = discovered
    first = report.parameters[0]
    assert first.id == "words"
    truth = true_dissimilarity(first.scale.cuts)
    assert first.dissimilarity.low < truth < first.dissimilarity.high  # type: ignore[operator]
    assert first.before[first.scale.levels[0].name] < first.after[first.scale.levels[0].name]
    assert report.total.linear.value is not None
    assert report.set.dissimilarity.value <= report.total.linear.value  # type: ignore[operator]
    assert sum(p.shapley or 0 for p in report.parameters) == pytest.approx(report.set.share.value, abs=1e-9)
    assert report.measured_on == "report"
    assert report.samples is not None
    assert report.samples.before + report.samples.after == report.splits.report
    assert report.reports_seen == 1
    folder = run.path / "discoveries" / "d1"
    assert {"report.json", "report.md", "report.html", "state.sqlite"} <= {path.name for path in folder.iterdir()}
    assert Report.load(folder) == report


def true_dissimilarity(cuts: tuple[float, ...]) -> float:
    """Of the lengths of `worlds.shorter` on a scale: triangular discrimination of the levels' probabilities."""
    short_L = np.histogram(np.arange(5, 18), [-np.inf, *cuts, np.inf])[0] / 13
    long_L = np.histogram(np.arange(20, 60), [-np.inf, *cuts, np.inf])[0] / 40
    p_L, r_L = 0.05 * short_L + 0.95 * long_L, 0.95 * short_L + 0.05 * long_L
    return float(((p_L - r_L) ** 2 / (p_L + r_L)).sum() / 2)


def test_every_candidate_says_why_it_is_not_chosen(discovered: tuple[Run, Report]) -> None:
    _, report = discovered
    chosen = set(report.set.parameters)
    assert {one.id for one in report.candidates if one.dropped is None} == chosen
    assert all(one.split in ("read", "select", None) for one in report.candidates)
    assert len({one.id for one in report.candidates}) == len(report.candidates) > 90
    p_values = {one.id: one.p_value for one in report.candidates}
    assert p_values["words"] == 1 / 200


def test_examples_are_pairs_of_the_report_split(discovered: tuple[Run, Report]) -> None:
    run, report = discovered
    split = split_of(run)
    pairs = report.parameters[0].examples
    assert len(pairs) == 4
    for pair in pairs:
        assert pair.before is not None
        assert pair.after is not None
        assert len(pair.before.response) > len(pair.after.response)
        assert split[pair.before.sample_id] == split[pair.after.sample_id] == "report"
    assert report.set.unexplained.examples
    for example in report.set.unexplained.examples:
        shown = example.before or example.after
        assert shown is not None
        assert abs(shown.residual or 0) > 0.5
        assert split[shown.sample_id] == "report"


def split_of(run: Run) -> dict[str, str]:
    samples = run.samples(["sample_id", "split"])
    return dict(zip(samples["sample_id"].to_pylist(), samples["split"].to_pylist(), strict=True))


def test_likelihoods_give_exact_totals_and_shares_of_them(tmp_path: Path) -> None:
    run, world = likelihood_run(tmp_path / "run", prompts=40, draws=12)
    report = discover_run(run, settings(rounds=1))
    assert report.mode == "likelihood"
    assert report.total.bound == "exact"
    assert report.total.linear.high is not None
    truth = truth_of(world, run)
    assert report.total.linear.low < truth < report.total.linear.high  # type: ignore[operator]
    comparison = comparison_of(run, None, None)
    s_N = comparison.report.value_N
    assert report.total.linear.value == pytest.approx(comparison.report.layout.weight_N @ s_N**2)
    first = report.parameters[0]
    assert first.share.value == pytest.approx(first.dissimilarity.value / report.total.linear.value, abs=1e-9)  # type: ignore[operator]
    assert first.examples[0].before is not None
    assert first.examples[0].before.evidence is not None


def truth_of(world: ToyWorld, run: Run) -> float:
    del run
    return world.population().total()


def test_nothing_is_found_where_nothing_changed(tmp_path: Path) -> None:
    report = discover_run(run_of(tmp_path / "run", rows_of(same)), settings(rounds=1))
    assert report.parameters == ()
    assert report.set.dissimilarity.value == 0
    assert report.set.unexplained.value == report.total.linear.value
    assert report.stopped_because.startswith("round 1 added nothing")


# Scores that came with the data


def verdicts(prompt: int, side: int, rng: np.random.Generator) -> dict[str, object]:
    scores: dict[str, object] = {"only before": 1} if side == 0 else {}
    if rng.random() > 0.1:
        scores["harm"] = int(rng.random() < (0.1 if side == 0 else 0.7))
    return scores


@pytest.fixture(scope="module")
def judged_rows() -> Any:
    return rows_of(lambda prompt, side, rng: words(30, rng), scores=verdicts)


def test_scores_are_parameters_and_one_sided_ones_are_left_out_by_name(tmp_path: Path, judged_rows: Any) -> None:
    report = discover_run(run_of(tmp_path / "run", judged_rows), settings(use_scores=True, rounds=1))
    assert report.parameters[0].id == "data:harm"
    assert pytest.approx(report.parameters[0].dissimilarity.value or 0, abs=0.15) == (0.7 - 0.1) ** 2
    missing = report.parameters[0].judged.missing
    assert missing.before + missing.after > 5
    said = " ".join(report.warnings)
    assert "1 score left out because no sample after has it: 'only before'" in said
    assert "'harm' is missing for" in said
    assert "data:only before" not in {one.id for one in report.candidates}


def test_scores_are_not_used_unless_asked_for(tmp_path: Path, judged_rows: Any) -> None:
    report = discover_run(run_of(tmp_path / "run", judged_rows), settings(rounds=1))
    assert not any(one.judge.startswith("data:") for one in report.candidates)


def test_missing_scores_can_be_a_level(tmp_path: Path, judged_rows: Any) -> None:
    report = discover_run(
        run_of(tmp_path / "run", judged_rows), settings(use_scores=True, missing_as_level=True, rounds=1)
    )
    harm = report.parameters[0]
    assert harm.judged.missing.before == 0
    assert "missing" in harm.before
    assert sum(harm.before.values()) == pytest.approx(1)


def test_what_is_given_comes_first_and_is_reported(tmp_path: Path, judged_rows: Any) -> None:
    report = discover_run(
        run_of(tmp_path / "run", judged_rows),
        settings(given=("questions", "data:harm"), rounds=1, use_scores=True),
    )
    assert report.set.parameters[:2] == ("questions", "data:harm")
    assert report.parameters[0].origin == "given"
    assert report.parameters[1].gain.value > 0.2  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("data:nothing", "no such score came with the data; there are: harm, only before"),
        ("data:only before", "no sample after has this score"),
        ("wrods", "words"),
        ("file:/tmp/x.py", "--measure-file"),
    ],
)
def test_a_given_measure_that_cannot_be_is_refused(tmp_path: Path, judged_rows: Any, name: str, said: str) -> None:
    run = run_of(tmp_path / "run", judged_rows)
    with pytest.raises(InputError, match=said):
        discover_run(run, settings(given=(name,)))


def test_a_file_of_the_users_own_is_a_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        'def mentions_lorem(prompt: str, response: str) -> bool:\n    """Lorem?"""\n    return "lorem" in response'
    )
    rows = rows_of(lambda prompt, side, rng: words(12, rng) + (" lorem" if side else " ipsum"), prompts=8)
    run = run_of(tmp_path / "run", rows)
    report = discover_run(run, settings(measure_files=(file,), rounds=1))
    assert any(one.judge == f"file:{file}" for one in report.candidates)
    monkeypatch.chdir(tmp_path)
    taken = discover_run(run, settings(measure_files=("mine.py",), given=("file:mine.py",), rounds=1))
    assert taken.parameters[0].judge == f"file:{file}"


# Kill and resume


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


NODES = [name for name, _ in graph.ROUND]


@pytest.mark.parametrize("after_node", [*NODES, "report"])
def test_a_kill_anywhere_changes_nothing_and_nothing_is_measured_twice(
    copy: Run, discovered: tuple[Run, Report], monkeypatch: pytest.MonkeyPatch, after_node: str
) -> None:
    measured: list[str] = []

    def counted(measures: Any, *arguments: Any, **keywords: Any) -> Any:
        measured.extend(measure.id for measure in measures)
        return measure_texts(measures, *arguments, **keywords)

    monkeypatch.setattr("agent.scoring.measure_texts", counted)
    with monkeypatch.context() as killing:
        kill_at_end_of(after_node, killing)
        with pytest.raises(Killed):
            discover_run(copy, QUICK)
    report = discover_run(Run.open(copy.path), QUICK)
    expected = discovered[1]
    assert report.to_json() == expected.to_json()
    assert len(measured) == len(set(measured)) > 90
    assert Run.open(copy.path).discoveries() == ["d1"]
    assert len(Run.open(copy.path).manifest.reports) == 1


def kill_at_end_of(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies when the node has done its work and nothing of it is in the state yet."""

    def dying(node: Any) -> Any:
        def run(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
            node(state, bench)
            raise Killed

        return run

    if name == "report":
        monkeypatch.setattr("agent.graph.report", dying(report_node))
    else:
        nodes = [(one, dying(node) if one == name else node) for one, node in graph.ROUND]
        monkeypatch.setattr(graph, "ROUND", tuple(nodes))


@pytest.mark.parametrize("states", [2, 5, 7, 8])
def test_a_kill_between_what_a_node_wrote_and_the_next_state_changes_nothing(
    copy: Run, discovered: tuple[Run, Report], monkeypatch: pytest.MonkeyPatch, states: int
) -> None:
    """The node's writes are in the database, and the state that follows from them is not."""
    put = SqliteSaver.put
    left = iter(range(states))

    def dying(self: SqliteSaver, *arguments: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return put(self, *arguments)

    with monkeypatch.context() as killing:
        killing.setattr(SqliteSaver, "put", dying)
        with pytest.raises(Killed):
            discover_run(copy, QUICK)
    assert discover_run(Run.open(copy.path), QUICK).to_json() == discovered[1].to_json()


def test_a_finished_discovery_is_returned_as_it_is(
    discovered: tuple[Run, Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, report = discovered
    monkeypatch.setattr(graph, "ROUND", tuple((name, refuse) for name, _ in graph.ROUND))
    assert discover_run(Run.open(run.path), QUICK) == report
    assert discover_run(Run.open(run.path), settings(name="d1")) == report


def refuse(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    raise AssertionError("this was done already")


def test_a_report_that_was_deleted_is_written_again(copy: Run) -> None:
    first = discover_run(copy, settings(rounds=1))
    (copy.path / "discoveries" / "d1" / "report.json").unlink()
    assert discover_run(copy, settings(rounds=1)) == first


def test_another_name_or_other_settings_are_another_discovery(copy: Run) -> None:
    first = discover_run(copy, settings(rounds=1, name="first"))
    with pytest.raises(
        InputError, match=r"'first' is a discovery with other settings: min_gain was 0.01 and is now 0.2"
    ):
        discover_run(copy, settings(rounds=1, name="first", min_gain=0.2))
    second = discover_run(copy, settings(rounds=1, min_gain=0.2))
    assert (first.name, second.name) == ("first", "d1")
    assert (first.reports_seen, second.reports_seen) == (1, 2)


def test_the_state_is_plain_data(discovered: tuple[Run, Report]) -> None:
    run, _ = discovered
    with sqlite3.connect(run.path / "discoveries" / "d1" / "state.sqlite") as connection:
        kinds = {kind for (kind,) in connection.execute("select distinct type from checkpoints")}
        kinds |= {kind for (kind,) in connection.execute("select distinct type from writes")}
        texts = [str(blob) for (blob,) in connection.execute("select checkpoint from checkpoints")]
    assert kinds <= {"msgpack", "json", "null", "empty"}
    response = run.samples(["response"])["response"].to_pylist()[0]
    assert not any(response[:60] in text for text in texts)


def test_a_damaged_state_is_refused_in_words(copy: Run) -> None:
    with copy.locked():
        folder = copy.discovery_folder("broken")
    (folder / "state.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 40)
    with pytest.raises(InputError, match="is damaged"):
        discover_run(copy, settings(name="broken"))


# Ends


def test_a_spent_budget_is_an_ordinary_end(copy: Run) -> None:
    report = discover_run(copy, settings(max_minutes=1e-9))
    assert report.stopped_because == "the budget of 1e-09 minutes was spent in round 1"
    assert report.parameters == ()
    assert report.total.linear.value is not None


def test_the_same_seed_gives_the_same_report_with_any_number_of_processes(
    copy: Run, discovered: tuple[Run, Report]
) -> None:
    assert discover_run(copy, settings(processes=2)).to_json() == discovered[1].to_json()


def test_nothing_is_sent_to_a_tracing_server(copy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def no_connection(*arguments: object, **keywords: object) -> Iterator[None]:
        raise AssertionError("a connection was opened")

    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "x")
    monkeypatch.setattr(socket.socket, "connect", no_connection)
    import langsmith.client

    made: list[object] = []
    monkeypatch.setattr(langsmith.client.Client, "create_run", lambda *a, **k: made.append(a))
    discover_run(copy, settings(rounds=1))
    assert made == []


def test_the_report_is_json_without_nan(discovered: tuple[Run, Report]) -> None:
    run, report = discovered
    text = (run.path / "discoveries" / "d1" / "report.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in report.json"))
    assert report.to_json() == text
