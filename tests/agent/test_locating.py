"""Where a sweep changes: the curve on the read split, its peak, and the sides a discovery takes by itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.comparison import comparison_of
from agent.discovery import discover_run
from agent.locating import locate
from agent.settings import DiscoverSettings, from_keywords
from probes.errors import InputError
from probes.measures.catalogue import measure_of_judge
from probes.scale import IntArray
from probes.toy_world import Course, ToyWorld
from runs.directory import Run
from tests.agent.worlds import SWEEP_STEPS, sweep_run
from tests.runs.sampled_run import Heard
from tools.measuring import measure_texts
from tools.report.document import Parameter, Report
from tools.report.record import Interval
from tools.report.sweep_document import Transition

PLANTED = 18.0
SETTINGS = from_keywords(DiscoverSettings, {"processes": 1, "resamples": 199, "rounds": 1})
Made = tuple[Run, ToyWorld, IntArray]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return sweep_run(tmp_path_factory.mktemp("sweep") / "run", draws=20)


@pytest.fixture(scope="module")
def found(made: Made) -> tuple[Report, Heard]:
    heard = Heard()
    return discover_run(made[0], SETTINGS, progress=heard), heard


def transition_of(report: Report) -> Transition:
    assert report.transition is not None
    return report.transition


def test_the_curve_is_the_exact_one_of_the_read_split(made: Made) -> None:
    run, world, types_Q = made
    located = locate(run, "fixed")
    assert located is not None
    for boundary in located.curve:
        assert boundary.total is not None
        estimate = boundary.total["linear"]
        truth = world.given(types_Q, boundary.before, boundary.after).total()
        assert abs(estimate.value - truth) <= 5 * estimate.standard_error + 0.002
    first = comparison_of(run, "0", "4").read
    assert located.curve[0].linear == pytest.approx(float(first.layout.weight_N @ first.value_N**2))


def test_before_and_after_are_the_two_sides_of_the_planted_transition(found: tuple[Report, Heard]) -> None:
    report, heard = found
    assert (report.control.before, report.control.after) == ((12, 16), (20, 24))
    assert not any("transition" in one for one in report.warnings)
    transition = transition_of(report)
    assert (transition.at, transition.largest, transition.compared) == (PLANTED, PLANTED, True)
    assert [point.at for point in transition.curve] == [2, 6, 10, 14, 18, 22, 26, 30, 34, 38]
    assert any("before 12, 16, after 20, 24" in note for note in heard.notes)
    assert report.scored is not None
    assert (report.scored.engine, report.scored.precision) == ("transformers", "float32")


def test_total_and_shares_are_the_exact_ones_within_their_intervals(
    made: Made, found: tuple[Report, Heard]
) -> None:
    _, world, types_Q = made
    report, _ = found
    truth = world.given(types_Q, (3, 4), (5, 6))
    total = report.total
    for interval, exact in (
        (total.linear, truth.total()),
        (total.js, truth.total("js")),
        (total.tv, truth.total("tv")),
    ):
        assert holds(interval, exact)
    assert report.total.bound == "exact"
    assert report.parameters
    for parameter in report.parameters:
        exact = exact_dissimilarity(world, types_Q, (3, 4), (5, 6), parameter)
        assert holds(parameter.dissimilarity, exact, within=1.5), parameter.id
        assert holds(parameter.share, exact / truth.total(), within=1.5), parameter.id


def holds(interval: Interval, exact: float, within: float = 1.0) -> bool:
    """Whether the interval, made wider by `within`, holds the exact value: 1.5 is about three standard errors, for
    where many intervals are looked at."""
    assert interval.value is not None
    assert interval.low is not None
    assert interval.high is not None
    low, high = (interval.value + within * (end - interval.value) for end in (interval.low, interval.high))
    return low <= exact <= high


def exact_dissimilarity(
    world: ToyWorld, types_Q: IntArray, before: tuple[int, ...], after: tuple[int, ...], parameter: Parameter
) -> float:
    """D_z by summing over every answer that the world can give to the given prompts."""
    contrast = world.given(types_Q, before, after)
    outputs = contrast.p_QX.shape[1]
    responses = [world.grammar.response(int(t), x) for t in types_Q for x in range(outputs)]
    prompts = [world.grammar.prompt(int(t)) for t in types_Q for _ in range(outputs)]
    score_Y = measure_texts([measure_of_judge(parameter.judge)], prompts, responses, processes=1)[:, 0]
    level_Y = np.digitize(score_Y, parameter.scale.cuts) if parameter.scale.cuts else score_Y.astype(np.int64)
    p_Y, r_Y = (side_QX.ravel() / len(types_Q) for side_QX in (contrast.p_QX, contrast.r_QX))
    p_L, r_L = (np.bincount(level_Y, weights=side_Y, minlength=8) for side_Y in (p_Y, r_Y))
    met_L = p_L + r_L > 0
    return float(((p_L - r_L)[met_L] ** 2 / (p_L + r_L)[met_L]).sum() / 2)


def test_sides_that_are_named_are_taken_and_the_curve_is_still_there(made: Made) -> None:
    heard = Heard()
    chosen = SETTINGS.model_copy(update={"before": "0:8", "after": "32:40"})
    report = discover_run(made[0], chosen, progress=heard)
    assert (report.control.before, report.control.after) == ((0, 4, 8), (32, 36, 40))
    assert (transition_of(report).at, transition_of(report).compared) == (PLANTED, False)
    assert not [note for note in heard.notes if note.startswith("step: before")]
    with pytest.raises(InputError, match="--after: name the values of this side"):
        comparison_of(made[0], "0", None)


def test_a_sweep_that_does_not_change_has_no_transition(tmp_path: Path) -> None:
    run, _, _ = sweep_run(tmp_path / "run", course=Course("none"))
    located = locate(run, "fixed")
    assert located is not None
    assert located.record((0,), (1,)).at is None
    chosen = comparison_of(run, None, None)
    (said,) = (one for one in chosen.warnings if "transition" in one)
    assert said.startswith("no transition was found: no place of the sweep stands out. step: before ")
    assert "the two sides of the largest dissimilarity along the sweep" in said
    assert not any("transition" in one for one in comparison_of(run, "0", "4").warnings)
    drifting, _, _ = sweep_run(tmp_path / "drift", course=Course("drift"), draws=30)
    located = locate(drifting, "fixed")
    assert located is not None
    assert np.ptp([boundary.linear for boundary in located.curve]) < 0.1


def test_labels_and_runs_without_likelihoods_have_no_curve(tmp_path: Path) -> None:
    labels = [f"model {k}" for k in range(len(SWEEP_STEPS))]
    run, _, _ = sweep_run(tmp_path / "labels", values=labels)
    assert locate(run, "fixed") is None
    with pytest.raises(InputError, match="--before: name the values of this side"):
        comparison_of(run, None, None)
    scored, _, _ = sweep_run(tmp_path / "scored")
    files = {name: record for name, record in scored.manifest.files.items() if name != "loglik.npy"}
    with scored.locked():
        scored._save(files=files)
    assert locate(scored, "fixed") is None


def test_the_largest_gradient_norm_stands_beside_the_peak(tmp_path: Path) -> None:
    run, _, _ = sweep_run(tmp_path / "run")
    lines = [f'{{"step": {step}, "grad_norm": {norm}}}\n' for step, norm in ((1, 2.0), (14, 9.0), (20, 4.0))]
    (run.path / "training.jsonl").write_text("".join(lines))
    located = locate(run, "fixed")
    assert located is not None
    assert located.gradient_norm_peak == 14
    assert replace(located, training=None).record((0,), (1,)).gradient_norm_peak is None
