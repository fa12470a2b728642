"""Measuring on new samples what a language model judged: by the same questions, and by whom."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from agent.comparison import comparison_of
from agent.discovery import discover_run
from agent.measure_set import measure_set
from probes.errors import InputError
from runs.directory import Run
from tests.agent.read_by_models import CODE, coding_run, settings, spec_of
from tests.agent.test_with_models import Remembering
from tests.servers.chat import ChatServer
from tests.servers.faults import Faults
from tests.servers.hurry import hurry
from tests.servers.reader import ReaderWithControl, SimulatedReader
from tools.report.document import Report
from tools.share import set_dissimilarity

ROOT = Path(__file__).parents[2]
MEASURE = {"resamples": 199, "processes": 1}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def measured(questions: Any, run: Run, **given: Any) -> Report:
    from agent.settings import DiscoverSettings, from_keywords

    return measure_set(questions, run, from_keywords(DiscoverSettings, {**MEASURE, **given}))


@pytest.fixture(scope="module")
def served() -> Iterator[ChatServer]:
    with ChatServer(ReaderWithControl()) as server:
        yield server


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, served: ChatServer) -> tuple[Run, Report]:
    """A run and what a model proposed and judged there."""
    run = coding_run(tmp_path_factory.mktemp("found") / "run", prompts=10)
    report = discover_run(run, settings(served, rounds=1))
    assert report.parameters[0].name == "program code"
    return run, report


def judged_by(report: Report, judge: str) -> Report:
    changed = tuple(one.model_copy(update={"judge": judge}) for one in report.parameters)
    return report.model_copy(update={"parameters": changed})


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_judged_set_is_judged_on_all_new_samples_by_its_own_judge(tmp_path: Path, provider: str) -> None:
    model = Remembering(ReaderWithControl())
    with ChatServer(model) as server:
        report = discover_run(coding_run(tmp_path / "old", prompts=10), settings(server, provider, rounds=1))
        asked = {one.text.split("\nThe prompt:")[0] for one in model.judgings}
        model.asked.clear()
        run = coding_run(tmp_path / "new", prompts=10, seed=1)
        before = sum(server.distinct.values())
        new = measured(report, run)
        sent = sum(server.distinct.values()) - before
        assert measured(report, run) == new
        assert sum(server.distinct.values()) - before == sent == new.usage.calls
    comparison = comparison_of(run, None, None)
    assert sent == len(set(zip(comparison.prompt_of_row, comparison.responses, strict=True)))
    assert new.measured_on == "all"
    assert new.models["judge"] == spec_of(server, provider)
    assert new.judge_template == report.judge_template
    assert {one.text.split("\nThe prompt:")[0].split("Criteria:")[0] for one in model.judgings} == {
        text.split("Criteria:")[0] for text in asked
    }
    first, old = new.parameters[0], report.parameters[0]
    assert (first.question, first.scale, first.judge) == (old.question, old.scale, old.judge)
    has_code = np.array([CODE in text for text in comparison.responses]).astype(int)
    expected = set_dissimilarity(comparison.value_N, comparison.layout, has_code[:, None], comparison.claim)
    assert first.dissimilarity.value == pytest.approx(expected.value)
    assert first.dissimilarity.low == pytest.approx(expected.low)
    assert first.quotes is not None
    assert first.quotes.given == comparison.layout.samples
    table = pq.read_table(run.path / "discoveries" / new.name / "scores.parquet").to_pydict()
    assert table[f"{first.id} level"] == [("no", "yes")[one] for one in has_code]
    assert all(quote in text for quote, text in zip(table[f"{first.id} quote"], comparison.responses, strict=True))


def test_where_it_was_found_nothing_is_paid_again(found: tuple[Run, Report], served: ChatServer) -> None:
    run, report = found
    before = sum(served.distinct.values())
    again = measured(report, run)
    assert sum(served.distinct.values()) == before
    assert again.usage.calls == 0
    assert again.usage.cached > 0
    assert again.set.dissimilarity == report.set.dissimilarity
    assert [one.judged for one in again.parameters] == [one.judged for one in report.parameters]


def test_another_judge_can_be_named_and_is_told_apart(found: tuple[Run, Report], tmp_path: Path) -> None:
    report = found[1]
    with ChatServer(SimulatedReader()) as server:
        new = measured(
            report, coding_run(tmp_path / "run", prompts=10, seed=1), judge=spec_of(server, "anthropic")
        )
    assert {one.judge for one in new.parameters} == {spec_of(server, "anthropic")}
    assert any("so may the judges" in warning for warning in new.warnings)
    assert new.models["proposer"] == "builtin"


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        ("openai:m@http://198.51.100.7:8000/v1", "a report cannot send your answers to a server"),
        ("anthropic:m@https://judge.example", "name that judge, or another, by --judge"),
        ("openai:", "no model spec"),
        ("openai:gpt-5.5", "OPENAI_API_KEY is not set"),
    ],
)
def test_a_report_sends_no_answer_where_its_user_did_not_say(
    found: tuple[Run, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: str, said: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    run = coding_run(tmp_path / "run", prompts=10, seed=1)
    with pytest.raises(InputError, match=said) as caught:
        measured(judged_by(found[1], judge), run)
    assert str(caught.value).isprintable()
    assert run.discoveries() == []


def test_two_judges_want_one_to_be_named(found: tuple[Run, Report], tmp_path: Path) -> None:
    report = found[1]
    first = report.parameters[0]
    other = first.model_copy(update={"id": "other", "judge": "hf:elsewhere"})
    both = report.set.model_copy(update={"parameters": (first.id, other.id)})
    mixed = report.model_copy(update={"set": both, "parameters": (first, other)})
    with pytest.raises(InputError, match="judged by 2 models; name one by --judge"):
        measured(mixed, coding_run(tmp_path / "run", prompts=10, seed=1))


TEMPLATE = """{% for one in criteria %}{{ one.key }}: {{ one.question }}
{% for level in one.levels %}"{{ level.name }}"{% endfor %}
{% endfor %}MY OWN WORDS
{{ prompt }}
{{ answer }}"""


def test_the_template_of_the_report_is_used_and_may_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(TEMPLATE)
    other = tmp_path / "other.jinja"
    other.write_text(TEMPLATE.replace("MY OWN", "OTHER"))
    model = Remembering(ReaderWithControl())
    with ChatServer(model) as server:
        old = discover_run(
            coding_run(tmp_path / "old", prompts=10), settings(server, rounds=1, judge_template=str(file))
        )
        file.unlink()
        run = coding_run(tmp_path / "new", prompts=10, seed=1)
        for path, own, told in ((None, "MY OWN WORDS", False), (other, "OTHER WORDS", True)):
            model.asked.clear()
            new = measured(old, run, **({} if path is None else {"judge_template": str(path)}))
            assert model.asked
            assert all(own in one.text for one in model.asked)
            assert any("another template" in warning for warning in new.warnings) == told
    hostile = old.model_copy(update={"judge_template": "{{ ''.__class__.__mro__ }} {{ 1 / 0 }}"})
    with pytest.raises(InputError, match="the report's template"):
        measured(hostile, run)


def test_a_budget_ends_in_a_report_that_says_so(found: tuple[Run, Report], tmp_path: Path) -> None:
    report = found[1]
    run = coding_run(tmp_path / "run", prompts=10, seed=1)
    with ChatServer(ReaderWithControl()) as server:
        new = measured(report, run, judge=spec_of(server, "openai"), max_calls=80)
        assert sum(server.distinct.values()) == 80
        more = measured(report, run, judge=spec_of(server, "openai"), max_calls=100)
        assert more.usage.calls == 40  # what was judged before was not paid again
        assert more.parameters[0].judged.missing.before == more.parameters[0].judged.missing.after == 0
        other = coding_run(tmp_path / "other", prompts=10, seed=2)
        with pytest.raises(InputError, match=r"too few prompts .*--max-calls"):
            measured(report, other, judge=spec_of(server, "openai"), max_calls=1)
    judged = new.parameters[0].judged
    assert judged.before + judged.after == 80
    assert judged.missing.before + judged.missing.after == 40
    assert "40 answers that are reported on could not be judged: the budget of calls" in new.stopped_because


def test_faults_are_counted_by_side(found: tuple[Run, Report], tmp_path: Path) -> None:
    run = coding_run(tmp_path / "run", prompts=10, seed=1)
    with ChatServer(ReaderWithControl(), faults=Faults(0.5, seed=1)) as server:
        new = measured(found[1], run, judge=spec_of(server, "openai"))
    judged = new.parameters[0].judged
    lost = (judged.refused, judged.failed)
    assert sum(one.before + one.after for one in lost) > 0
    assert judged.before + judged.after + sum(one.before + one.after for one in lost) == 120
    assert new.usage.unusable > 0
    assert any("left out where it is used" in warning for warning in new.warnings)


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_report(found: tuple[Run, Report], tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(found[1].to_json())
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ORDERPARAM_")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "ORDERPARAM_RESAMPLES": "199", "ORDERPARAM_PROCESSES": "1"}

    def command(run: Run, server: ChatServer) -> list[str]:
        asked = ["measure", str(file), str(run.path), "--judge", spec_of(server, "openai"), "--quiet", "--json"]
        return [sys.executable, "-m", "orderparam", *asked]

    killed, spared = (coding_run(tmp_path / name, prompts=10, seed=1) for name in ("killed", "spared"))
    with ChatServer(ReaderWithControl(), delay=0.02) as server:
        subprocess.run(command(spared, server), env=environment, check=True, stdout=subprocess.DEVNULL)
        whole = len(server.distinct)
        assert whole == sum(server.distinct.values())
    with ChatServer(ReaderWithControl(), delay=0.02) as server:
        for count in (1, whole // 2):
            with subprocess.Popen(command(killed, server), env=environment, stdout=subprocess.DEVNULL) as process:
                while process.poll() is None and sum(server.distinct.values()) < count:
                    time.sleep(0.002)
                assert process.poll() is None
                process.send_signal(signal.SIGKILL)
        subprocess.run(command(killed, server), env=environment, check=True, stdout=subprocess.DEVNULL)
        assert len(server.distinct) == whole
        assert sum(server.distinct.values()) - whole <= 2 * server.most_at_once
    assert killed.discoveries() == spared.discoveries() == ["d1"]
    one, other = (Report.load(run.path / "discoveries" / "d1") for run in (killed, spared))
    assert one.set == other.set
    assert [(x.dissimilarity, x.judged, x.quotes, x.p_value) for x in one.parameters] == [
        (x.dissimilarity, x.judged, x.quotes, x.p_value) for x in other.parameters
    ]


def test_a_dry_run_tells_how_many_calls_and_sends_none(
    found: tuple[Run, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from agent.cli.app import app
    from agent.cli.ending import ending_of

    run = coding_run(tmp_path / "run", prompts=10, seed=1)
    file = tmp_path / "report.json"
    file.write_text(found[1].to_json())
    with ChatServer(ReaderWithControl()) as server:
        asked = ["measure", str(file), str(run.path), "--judge", spec_of(server, "openai"), "--dry-run"]
        assert ending_of(app, [*asked, "--max-calls", "500"], "orderparam") == 0
        assert not server.distinct
        out = capsys.readouterr().out
        sent = measured(found[1], run, judge=spec_of(server, "openai")).usage.calls
    assert f"judging by {spec_of(server, 'openai')}: {sent} calls" in out
    assert "budget: --max-calls 500; nothing was sent" in out
    assert found[1].parameters[0].question in out
    assert "so may the judges" in out
