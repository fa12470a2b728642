"""`transition`: the curve of a run on all of its samples, with and without likelihoods, and what it refuses."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from agent.cli.app import app
from agent.cli.ending import USAGE, ending_of
from agent.settings import TransitionSettings, from_keywords
from agent.transition import transition_report
from probes.errors import InputError
from probes.toy_world import Course, ToyWorld
from runs.directory import Run
from runs.files import write_array_whole
from runs.importing import import_sweep
from runs.manifest import Scoring
from runs.schema import LOGLIK_FILE
from runs.storing import ImportOptions
from tests.agent.worlds import SWEEP_STEPS, sweep_run
from tools.report.sweep_document import SweepReport

SETTINGS = from_keywords(TransitionSettings, {})


def without_likelihoods(run: Run) -> Run:
    files = {name: record for name, record in run.manifest.files.items() if name != LOGLIK_FILE}
    with run.locked():
        run._save(files=files)
    return Run.open(run.path)


def banded(run: Run, band: int) -> Run:
    """The run as if samples had been scored up to `band` checkpoints from their own."""
    loglik_SK = run.loglik()
    assert loglik_SK is not None
    checkpoint_S = run.samples(["checkpoint"])["checkpoint"].to_numpy()
    far_SK = np.abs(checkpoint_S[:, None] - np.arange(loglik_SK.shape[1])) > band
    with run.locked():
        write_array_whole(run.path / LOGLIK_FILE, np.where(far_SK, np.float32(np.nan), loglik_SK))
        scored = Scoring(engine="transformers", precision="float32", device="cpu", temperature=1.0, band=band)
        run.record_stage("score", [LOGLIK_FILE], scoring=scored)
    return Run.open(run.path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, ToyWorld]:
    run, world, _ = sweep_run(tmp_path_factory.mktemp("sweep") / "run", draws=12)
    log = [
        {"step": step, "loss": 5.0 - step / 10, "grad_norm": 9.0 if step == 13 else 2.0, "learning_rate": 0.1}
        for step in range(1, 41)
    ]
    (run.path / "training.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    return run, world


def test_the_transition_with_its_interval_width_and_lag(made: tuple[Run, ToyWorld]) -> None:
    transition = transition_report(made[0], SETTINGS).transition
    assert (transition.at, transition.low, transition.high) == (18.0, 16.0, 20.0)
    assert (transition.split, transition.bound, transition.claim) == ("all", "exact", "fixed")
    assert (transition.samples, transition.prompts) == (8 * 12 * 11, 8)
    (peak,) = transition.peaks
    assert peak.width.value is not None
    assert 4 < peak.width.value < 12  # two windows of 2 checkpoints, 4 steps apart, are 8 wide at half height
    assert transition.gradient_norm_peak == 13
    assert peak.lag is not None
    assert (peak.lag.value, peak.lag.low, peak.lag.high) == (5.0, 3.0, 7.0)
    losses = [np.mean([5.0 - step / 10 for step in range(at - 1, at + 3)]) for at in range(2, 40, 4)]
    assert [point.loss for point in transition.curve] == pytest.approx(losses)
    assert transition.curve[3].gradient_norm == pytest.approx((9.0 + 3 * 2.0) / 4)


def test_one_seed_gives_one_report(made: tuple[Run, ToyWorld]) -> None:
    assert transition_report(made[0], SETTINGS) == transition_report(made[0], SETTINGS)


def test_no_transition_is_said_where_there_is_none(tmp_path: Path) -> None:
    run, _, _ = sweep_run(tmp_path / "run", course=Course("drift"), draws=12)
    transition = transition_report(run, SETTINGS).transition
    assert (transition.at, transition.peaks, transition.lag) == (None, (), None)
    assert transition.largest is not None


def test_without_likelihoods_the_curve_is_a_lower_bound_with_the_same_peak(
    made: tuple[Run, ToyWorld], tmp_path: Path
) -> None:
    run = without_likelihoods(sweep_run(tmp_path / "run", draws=12)[0])
    exact, bound = (transition_report(one, SETTINGS).transition for one in (made[0], run))
    assert (bound.at, bound.bound) == (exact.at, "lower")
    for point, below in zip(exact.curve, bound.curve, strict=True):
        assert below.high is None
        assert below.low is not None
        assert point.high is not None
        assert below.low <= point.high


def test_what_few_prompts_and_values_near_one_forbid_to_say_stands_beside_the_curve(tmp_path: Path) -> None:
    rows = [
        {"step": step, "prompt": f"What about {q}?", "response": f"{'Yes' if step < 20 else 'Never'}, {n}."}
        for step in (0, 10, 20, 30)
        for q in range(4)
        for n in range(12)
    ]
    (tmp_path / "sweep.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = transition_report(
        import_sweep(tmp_path / "sweep.jsonl", tmp_path / "run", ImportOptions(axis="step")).run, SETTINGS
    )
    few, near = report.warnings
    assert few.startswith("Under 8 prompts the intervals and tests of this method were never tried out; with 4 pr")
    assert near.startswith("Intervals were tried out up to 0.9")
    assert transition_report(sweep_run(tmp_path / "eight")[0], SETTINGS).warnings == ()


def test_a_file_with_a_column_of_checkpoints_has_a_curve(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {
            "step": step,
            "prompt": f"What about {q}?",
            "response": f"{'Yes' if step < 20 else 'Never'}, {rng.integers(99)}.",
        }
        for step in (30, 0, 10, 40, 20)
        for q in range(6)
        for _ in range(6)
    ]
    (tmp_path / "sweep.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = import_sweep(tmp_path / "sweep.jsonl", tmp_path / "run", ImportOptions(axis="step")).run
    transition = transition_report(run, SETTINGS).transition
    assert (transition.at, transition.low, transition.high) == (15.0, 10.0, 20.0)
    assert transition.bound == "lower"


def test_a_band_leaves_gaps_and_says_what_would_close_them(tmp_path: Path) -> None:
    run = banded(sweep_run(tmp_path / "run")[0], 1)
    report = transition_report(run, SETTINGS)
    measured = [point.at for point in report.transition.curve if point.linear is not None]
    assert measured == [2, 38]  # at the ends the window is narrower
    (warning,) = report.warnings
    assert re.search(r"8 of 10 places are gaps: .*up to 1 checkpoint .*--window 1\): 6, 10, 14", warning)
    assert transition_report(run, SETTINGS.model_copy(update={"window": 1})).transition.at == 18.0
    with pytest.raises(InputError, match="no place of the sweep has prompts"):
        transition_report(banded(run, 0), SETTINGS)


def test_what_is_no_sweep_is_refused_in_one_line(tmp_path: Path) -> None:
    unsorted, _, _ = sweep_run(tmp_path / "unsorted", values=[*SWEEP_STEPS[:4], 10, *SWEEP_STEPS[5:]])
    with pytest.raises(InputError, match=r"'step' do not rise \(10 comes after 12\)"):
        transition_report(unsorted, SETTINGS)
    labels, _, _ = sweep_run(tmp_path / "labels", values=[f"model {k}" for k in range(11)])
    with pytest.raises(InputError, match="'step' has the label 'model 0'"):
        transition_report(labels, SETTINGS)
    (tmp_path / "two.jsonl").write_text(
        "".join(json.dumps({"step": k, "prompt": "a?", "response": str(k)}) + "\n" for k in (1, 2, 1, 2))
    )
    two = import_sweep(tmp_path / "two.jsonl", tmp_path / "two", ImportOptions(axis="step")).run
    with pytest.raises(InputError, match="2 values: a transition is looked for along 3 or more"):
        transition_report(two, SETTINGS)
    with pytest.raises(InputError, match="--window: 4 is too wide for 11 values"):
        transition_report(sweep_run(tmp_path / "run")[0], SETTINGS.model_copy(update={"window": 4}))


def test_the_command_prints_a_page_json_and_a_figure(
    made: tuple[Run, ToyWorld], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = made[0]
    figure = tmp_path / "curve.svg"
    assert ending_of(app, ["transition", str(run.path), "--figure", str(figure)], "orderparam") == 0
    page = " ".join(capfd.readouterr().out.split())
    assert "Behavior changes most at step 18: the dissimilarity of its two sides is 0." in page
    assert "It lies between 16 and 20 (95%)" in page
    assert "The gradient norm was largest at step 13; behavior changed 5 later (lag 3 to 7)." in page
    assert "the claim is about these prompts" in page
    assert {"dissimilarity", "step"} <= set(ElementTree.parse(figure).getroot().itertext())
    assert ending_of(app, ["transition", str(run.path), "--json", "--seed", "3"], "orderparam") == 0
    report = SweepReport.model_validate_json(capfd.readouterr().out)
    assert (report.seed, report.name, report.values) == (3, "step", SWEEP_STEPS)
    assert report.transition.at == 18.0
    assert ending_of(app, ["transition", str(run.path), "--window", "0"], "orderparam") == USAGE
    assert "--window: '0': input should be greater than or equal to 1" in capfd.readouterr().err
    for wrong, named in (
        ("", "name a file that ends in .svg"),
        ("curve.png", "name a file that ends in .svg"),
        (str(tmp_path / "none" / "curve.svg"), "there is no folder"),
    ):
        assert ending_of(app, ["transition", str(run.path), "--figure", wrong], "orderparam") == USAGE
        assert named in capfd.readouterr().err
