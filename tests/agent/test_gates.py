"""`--fail-above` and `--fail-if`: the report first, then 3 where a lower limit is above what is allowed."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.cli.ending import GATE, USAGE
from agent.discovery import discover_run
from agent.gates import of_discovery, of_known_set
from agent.settings import DiscoverSettings, Gate, OutputSettings, from_keywords, load
from probes.errors import InputError
from probes.toy_world import write_pair
from runs.directory import Run
from runs.importing import import_pair
from runs.storing import ImportOptions
from tests.agent.in_process import Here
from tests.agent.read_by_models import coding_run, settings
from tests.servers.chat import ChatServer
from tests.servers.reader import ReaderWithControl
from tools.report.document import Report

QUICK: dict[str, Any] = {"processes": 1, "resamples": 199}
DISCOVER = ("discover", "run", "--quiet", "--json")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a discovery in it."""
    folder = tmp_path_factory.mktemp("gates")
    write_pair(folder, prompts=20, draws=8)
    run = import_pair(folder / "before.jsonl", folder / "after.jsonl", folder / "run", ImportOptions()).run
    discover_run(run, from_keywords(DiscoverSettings, {}))
    return folder


@pytest.fixture(scope="module")
def report(finished: Path) -> Report:
    return Report.load(finished / "run/discoveries/d1")


def low_of(report: Report, place: int = 0) -> float:
    low = report.parameters[place].dissimilarity.low
    assert low is not None
    assert 0.01 < low < 0.99
    return low


def test_a_gate_is_held_to_the_lower_limit_of_what_it_names(here: Here, finished: Path, report: Report) -> None:
    one = report.parameters[0]
    low = low_of(report)
    for name in (one.id, one.name, one.name.upper()):
        out, err = here(*DISCOVER, "--fail-if", f"{name} > {low - 0.001}", folder=finished, code=GATE)
        assert out == report.to_json()
        assert err.startswith("orderparam: warning: --fail-if")
        assert f"is {low:.3f}" in err
        assert here(*DISCOVER, "--fail-if", f"{name}>{low}", folder=finished)[1] == ""
    value = one.dissimilarity.value
    assert value is not None
    assert value > low  # a gate between the two passes: the estimate is not what counts
    here(*DISCOVER, "--fail-if", f"{one.id}>{(value + low) / 2}", folder=finished)


def test_every_gate_is_looked_at_and_one_is_enough(here: Here, finished: Path, report: Report) -> None:
    low, total = low_of(report), report.total.linear.low
    assert total is not None
    exceeded = f"{report.parameters[0].id}>{low - 0.001}"
    passed = f"{report.parameters[0].id}>{low + 0.001}"
    _, err = here(*DISCOVER, "--fail-if", passed, "--fail-if", exceeded, folder=finished, code=GATE)
    assert err.count("\n") == 1
    _, err = here(*DISCOVER, "--fail-above", total - 0.001, "--fail-if", exceeded, folder=finished, code=GATE)
    assert [line.split()[2] for line in err.splitlines()] == ["--fail-above", "--fail-if"]
    _, err = here(*DISCOVER, "--fail-if", exceeded, "--fail-if", "wrods>0.1", folder=finished, code=GATE)
    assert "did you mean words" in err


def test_what_was_not_chosen_is_measured_on_the_report_split(finished: Path, report: Report) -> None:
    run = Run.open(finished / "run")
    chosen = {one.id for one in report.parameters}
    tried = next(one for one in report.candidates if one.id not in chosen and one.id == "sentences")
    found = of_discovery(report, Gate("sentences", 0.1), run, DiscoverSettings(**QUICK))
    assert found == of_discovery(report, Gate(tried.name, 0.1), run, DiscoverSettings(**QUICK))
    # The same measure as the only one that is given, measured by a discovery of its own on the same split.
    alone = discover_run(
        run, DiscoverSettings(given=("sentences",), max_parameters=1, rounds=1, name="alone", **QUICK)
    )
    assert alone.parameters[0].id == "sentences"
    assert found == alone.parameters[0].dissimilarity


def test_a_model_cannot_name_a_parameter_into_the_gate_of_a_measure(finished: Path, report: Report) -> None:
    """What it proposed may be called like a measure, tried or not, and be in the set where the measure is not."""
    run, chosen = Run.open(finished / "run"), {one.id for one in report.parameters}
    for name in ("sentences", "emoji"):
        assert name not in chosen
        posing = report.parameters[0].model_copy(update={"id": "x-1", "name": name, "judge": "openai:m"})
        posed = report.model_copy(
            update={
                "parameters": (posing, *report.parameters),
                "candidates": () if name == "emoji" else report.candidates,
            }
        )
        gate = Gate(name, 0.1)
        asked = DiscoverSettings(**QUICK)
        assert of_discovery(posed, gate, run, asked) == of_discovery(report, gate, run, asked)
        with pytest.raises(InputError, match=f"'{name}' is not in the set"):
            of_known_set(posed, gate)
        assert of_known_set(posed, Gate("x-1", 0.1)) == posing.dissimilarity


def test_a_measure_without_a_difference_passes(here: Here, finished: Path) -> None:
    assert here(*DISCOVER, "--fail-if", "fenced_block>0", "--fail-if", "emoji>0", folder=finished)[1] == ""


def test_a_name_that_nothing_has_is_refused_after_the_report(here: Here, finished: Path, report: Report) -> None:
    before = sorted((finished / "run").rglob("*"))
    out, err = here(*DISCOVER, "--fail-if", "kindness>0.1", folder=finished, code=USAGE)
    assert out == report.to_json()
    assert err.count("\n") == 1
    assert "--fail-if 'kindness>0.1': the search did not come upon it, and no measure is called 'kindness'" in err
    assert sorted((finished / "run").rglob("*")) == before


def test_a_run_made_by_the_command_stays_where_a_gate_is_refused(here: Here, tmp_path: Path) -> None:
    write_pair(tmp_path, prompts=12, draws=5)
    here(
        *("discover", "before.jsonl", "after.jsonl", "--out", "run", "--quiet", "--fail-if", "kindness>0.1"),
        folder=tmp_path,
        code=USAGE,
    )
    assert (tmp_path / "run/discoveries/d1/report.json").is_file()


def test_gates_hold_for_a_known_set(here: Here, finished: Path, report: Report) -> None:
    d1 = "run/discoveries/d1/report.json"
    low = low_of(report)
    name = report.parameters[0].id
    asked = ("measure", d1, "run", "--quiet", "--json", "--name", "known")
    out, err = here(*asked, "--fail-if", f"{name}>{low - 0.001}", folder=finished, code=GATE)
    assert json.loads(out)["parameters"][0]["dissimilarity"]["low"] == pytest.approx(low)
    assert err.count("\n") == 1
    here(*asked, "--fail-if", f"{name}>{low + 0.001}", folder=finished)
    # Refused before anything is measured, as the set is known beforehand.
    other = ("measure", d1, "run", "--quiet", "--name", "never", "--fail-if", "emoji>0.1")
    out, err = here(*other, folder=finished, code=USAGE)
    assert (out, err.count("\n")) == ("", 1)
    assert "'emoji' is not in the set that is measured" in err
    assert not (finished / "run/discoveries/never").exists()
    named = ("measure", "words", "run", "--quiet", "--json", "--name", "named", "--fail-if", "emoji>0.1")
    assert "'emoji' is not in the set that is measured: words" in here(*named, folder=finished, code=USAGE)[1]


@pytest.mark.parametrize("gate", ["words", "words>", ">0.1", "words>2", "words>-0.1", "words>x", "words>nan", ""])
def test_a_gate_that_is_none_is_refused(here: Here, finished: Path, gate: str) -> None:
    out, err = here(*DISCOVER, "--fail-if", gate, folder=finished, code=USAGE)
    assert (out, err.count("\n")) == ("", 1)
    assert "--fail-if" in err
    assert "'NAME>X' in quotes" in err


def test_gates_come_from_variables_and_files_too(tmp_path: Path) -> None:
    found = load(OutputSettings, {}, {"ORDERPARAM_FAIL_IF": "words>0.1, a > b>0.25"}, tmp_path)
    assert found.fail_if == (Gate("words", 0.1), Gate("a > b", 0.25))
    (tmp_path / "orderparam.toml").write_text('fail_if = ["data:harm, or worse>0.2"]\n')
    assert load(OutputSettings, {}, {}, tmp_path).fail_if == (Gate("data:harm, or worse", 0.2),)
    flags: dict[str, Any] = {"fail_if": ["x>0.5"]}
    assert load(OutputSettings, flags, {}, tmp_path).fail_if == (Gate("x", 0.5),)


def test_what_a_model_judged_and_was_not_chosen_never_passes(tmp_path: Path) -> None:
    with ChatServer(ReaderWithControl()) as server:
        run, asked = coding_run(tmp_path / "run", prompts=10), settings(server, rounds=1)
        report = discover_run(run, asked)
    chosen = {one.id for one in report.parameters}
    (left, *_) = [one for one in report.candidates if one.id not in chosen and one.judge.startswith("openai:")]
    with pytest.raises(InputError, match="was proposed and not chosen"):
        of_discovery(report, Gate(left.name, 0.5), run, asked)
    assert (
        of_discovery(report, Gate(report.parameters[0].name, 0.5), run, asked)
        == report.parameters[0].dissimilarity
    )
