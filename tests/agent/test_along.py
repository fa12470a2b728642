"""A chosen set along the whole sweep: its curves against the exact ones, and the split of every total."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from agent.along import Along
from agent.discovery import discover_run
from agent.measure_set import measure_set
from agent.settings import DiscoverSettings, from_keywords
from probes.measures.catalogue import measure_of_judge
from probes.scale import FloatArray, IntArray
from probes.toy_world import ToyWorld
from runs.directory import Run
from tests.agent.test_locating import holds
from tests.agent.test_transition import banded
from tests.agent.worlds import SWEEP_STEPS, likelihood_run, sweep_run
from tools.curve_sums import Windows
from tools.measuring import measure_texts
from tools.report.document import Parameter, Report
from tools.report.record import Interval
from tools.reweight import Pool

SETTINGS = from_keywords(DiscoverSettings, {"processes": 1, "resamples": 199, "rounds": 1})
Made = tuple[Run, ToyWorld, IntArray, Report]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    run, world, types_Q = sweep_run(tmp_path_factory.mktemp("sweep") / "run", draws=20)
    return run, world, types_Q, discover_run(run, SETTINGS)


def levels_QX(world: ToyWorld, types_Q: IntArray, parameter: Parameter) -> IntArray:
    """Level of every answer to every given prompt."""
    outputs = world.log_probability_QKX.shape[2]
    responses = [world.grammar.response(int(t), x) for t in types_Q for x in range(outputs)]
    prompts = [world.grammar.prompt(int(t)) for t in types_Q for _ in range(outputs)]
    score_Y = measure_texts([measure_of_judge(parameter.judge)], prompts, responses, processes=1)[:, 0]
    level_Y = np.digitize(score_Y, parameter.scale.cuts) if parameter.scale.cuts else score_Y.astype(np.int64)
    return level_Y.reshape(len(types_Q), outputs)


def exact_levels(world: ToyWorld, types_Q: IntArray, parameter: Parameter) -> FloatArray:
    """Mean level, from 0 to 1, at every checkpoint."""
    worth_QX = levels_QX(world, types_Q, parameter) / (len(parameter.scale.levels) - 1)
    probability_QKX = np.exp(world.log_probability_QKX[types_Q])
    return np.asarray(np.einsum("qkx,qx->k", probability_QKX, worth_QX) / len(types_Q))


def test_levels_are_the_exact_means_at_every_checkpoint(made: Made) -> None:
    _, world, types_Q, report = made
    assert report.parameters
    for parameter in report.parameters:
        assert [point.at for point in parameter.levels] == list(SWEEP_STEPS)
        exact_K = exact_levels(world, types_Q, parameter)
        for point, exact in zip(parameter.levels, exact_K.tolist(), strict=True):
            assert holds(Interval(value=point.value, low=point.low, high=point.high), exact, within=1.6)
            assert point.effective is not None
            assert point.effective > 8 * 8 - 1e-6  # 8 prompts with 8 answers of their own, and what others add


def test_shares_at_every_place_are_the_exact_ones(made: Made) -> None:
    _, world, types_Q, report = made
    assert report.transition is not None
    for parameter in report.parameters:
        level_QX = levels_QX(world, types_Q, parameter)
        for number, point in enumerate(parameter.curve):
            width = min(2, number + 1, len(SWEEP_STEPS) - 1 - number)
            before, after = range(number + 1 - width, number + 1), range(number + 1, number + 1 + width)
            contrast = world.given(types_Q, tuple(before), tuple(after))
            p_L, r_L = (
                np.bincount(level_QX.ravel(), side_QX.ravel() / len(types_Q), minlength=8)
                for side_QX in (contrast.p_QX, contrast.r_QX)
            )
            met_L = p_L + r_L > 0
            exact = float(((p_L - r_L)[met_L] ** 2 / (p_L + r_L)[met_L]).sum() / 2)
            assert holds(Interval(value=point.value, low=point.low, high=point.high), exact, within=1.6)
            if contrast.total() > 0.05:
                assert point.share is not None
                assert holds(point.share, exact / contrast.total(), within=1.6)


def test_the_split_adds_up_to_the_total_at_every_place(made: Made) -> None:
    report = made[3]
    assert report.transition is not None
    ids = {parameter.id for parameter in report.parameters}
    assert [point.at for point in report.decomposition] == [point.at for point in report.transition.curve]
    for point in report.decomposition:
        assert point.parts is not None
        assert point.captured.value is not None
        assert point.total.value is not None
        assert point.unexplained is not None
        assert set(point.parts) == ids
        assert sum(point.parts.values()) == pytest.approx(point.captured.value)
        assert point.captured.value + point.unexplained == pytest.approx(
            max(point.total.value, point.captured.value)
        )
    at_peak = report.decomposition[4]
    assert at_peak.captured.value == pytest.approx(report.set.dissimilarity.value, abs=0.1)


def test_a_known_set_has_its_curves_too_and_the_folder_holds_the_figure(made: Made) -> None:
    run = made[0]
    report = measure_set(["words"], run, SETTINGS.model_copy(update={"name": "known"}))
    (parameter,) = report.parameters
    assert len(parameter.levels) == len(SWEEP_STEPS)
    folder = run.path / "discoveries" / "known"
    page = (folder / "report.html").read_text()
    assert "What changed where" in page
    assert len(re.findall(r"<title>\d+: 1  length in words", page)) >= 5
    assert (folder / "figures" / "decomposition.pdf").read_bytes().startswith(b"%PDF-")
    assert "What changed where" in (folder / "report.md").read_text()
    assert json.loads((folder / "report.json").read_text())["decomposition"][0]["at"] == 2.0


def test_what_a_model_judged_on_two_sides_reaches_as_far_as_it_can(made: Made) -> None:
    """As if a judge had seen the answers of four checkpoints only: near ones hold, far ones are gaps."""
    run, world, types_Q, report = made
    samples = run.samples(["prompt_id", "checkpoint"])
    checkpoint_N = samples["checkpoint"].to_numpy().astype(np.int64)
    prompt_N = np.array([int(one[1:]) for one in samples["prompt_id"].to_pylist()])
    loglik_NK = run.loglik()
    assert loglik_NK is not None
    parameter = report.parameters[0]
    texts = run.samples(["response"])["response"].to_pylist()
    prompts = [world.grammar.prompt(int(types_Q[q])) for q in prompt_N]
    score_N = measure_texts([measure_of_judge(parameter.judge)], prompts, texts, processes=1)[:, 0]
    asked_N = np.isin(checkpoint_N, (3, 4, 5, 6))
    level_N = np.where(asked_N, np.digitize(score_N, parameter.scale.cuts), -1)
    windows = Windows(len(SWEEP_STEPS), 2)
    along = Along(
        np.array(SWEEP_STEPS, dtype=np.float64),
        [windows.sides(boundary) for boundary in range(windows.boundaries)],
        Pool(np.asarray(loglik_NK, dtype=np.float64), prompt_N, checkpoint_N),
        level_N[:, None],
        asked_N[:, None],
        "fixed",
    )
    points = along.levels(0, np.linspace(0, 1, len(parameter.scale.levels)))
    exact_K = exact_levels(world, types_Q, parameter)
    known = [k for k, point in enumerate(points) if point.value is not None]
    assert set(known) >= {2, 3, 4, 5, 6, 7}
    for k in known:
        assert holds(
            Interval(value=points[k].value, low=points[k].low, high=points[k].high), exact_K[k], within=1.6
        )
    whole = dataclasses.replace(
        along, asked_NJ=np.ones_like(along.asked_NJ), levels_NJ=np.zeros_like(along.levels_NJ)
    )
    assert all(point.value == 0 for point in whole.levels(0, np.zeros(1)))


def test_a_band_of_likelihoods_is_enough(tmp_path: Path) -> None:
    run = banded(sweep_run(tmp_path / "run", draws=12)[0], 3)
    report = measure_set(["words"], run, SETTINGS)
    (parameter,) = report.parameters
    assert all(point.value is not None for point in parameter.levels)
    assert all(point.parts is not None for point in report.decomposition)


def test_a_checkpoint_that_not_all_prompts_reach_is_a_gap() -> None:
    """Six prompts, scored at the next checkpoint at most; the first was not sampled at the last two of four."""
    prompt_N, checkpoint_N = (np.repeat(one, 8) for one in np.divmod(np.arange(24), 4))
    there_N = (prompt_N > 0) | (checkpoint_N < 2)
    prompt_N, checkpoint_N = prompt_N[there_N], checkpoint_N[there_N]
    far_NK = np.abs(checkpoint_N[:, None] - np.arange(4)) > 1
    level_N1 = np.arange(len(prompt_N))[:, None] % 2
    along = Along(
        np.arange(4.0),
        [Windows(4, 1).sides(boundary) for boundary in range(3)],
        Pool(np.where(far_NK, np.nan, -1.0), prompt_N, checkpoint_N),
        level_N1,
        np.ones_like(level_N1, dtype=bool),
        "fixed",
    )
    assert [point.value for point in along.levels(0, np.array([0.0, 1.0]))] == [0.5, 0.5, 0.5, None]


def test_two_sides_without_a_sweep_have_no_curves(tmp_path: Path) -> None:
    run, _ = likelihood_run(tmp_path / "run")
    report = measure_set(["words"], run, SETTINGS)
    assert report.decomposition == ()
    assert report.parameters[0].levels == ()
