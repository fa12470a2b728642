"""A small version of the coverage study: the promises of Method, section 5, on worlds of known truth."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import coverage, coverage_results, intervals
from benchmarks.blocks import Block, OtherStudy, run_blocks
from benchmarks.bound import bound
from benchmarks.missing import AT_RANDOM, UNEVEN, complete_cases, length_present_2X
from benchmarks.stopping import false_candidates, stopping
from benchmarks.tally import Key, Tallies
from benchmarks.worlds import Cell, sample, world_of
from tools import inference, share
from tools.inference import Estimate
from tools.selection import greedy

SEED = 7


@pytest.fixture(scope="module")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[coverage_results.Study, Path]:
    """The quick cells of intervals and missing scores, 50 worlds each, and the journal of the run."""
    journal = tmp_path_factory.mktemp("coverage") / "journal.jsonl"
    study = coverage.study(
        ["intervals", "missing"], worlds=50, seed=SEED, quick=True, journal=journal, processes=2
    )
    return study, journal


def test_intervals_hold_the_truth_and_the_bias_is_gone(small_study: tuple[coverage_results.Study, Path]) -> None:
    # Means over the 50 worlds of every cell: their standard error is at most 1.5 points of coverage. The limits
    # leave room for it; the full study holds the promises themselves.
    judged = [
        promise
        for promise in coverage_results.promises(small_study[0])
        if not any(large in promise.what for large in coverage_results.LARGE)
    ]
    means = [promise.found for promise in judged if "mean coverage" in promise.what]
    errors = [promise.found for promise in judged if "mean error over cells" in promise.what]
    assert len(means) == len(errors) > 12
    assert min(means) > 0.87
    assert 0.93 < np.mean(means) < 0.99
    assert max(map(abs, errors)) < 0.012
    assert abs(np.mean(errors)) < 0.003


def test_a_killed_study_goes_on_to_the_same_numbers(
    small_study: tuple[coverage_results.Study, Path], tmp_path: Path
) -> None:
    study, journal = small_study
    lines = journal.read_text().splitlines(keepends=True)
    cut = tmp_path / "journal.jsonl"
    cut.write_text("".join(lines[:-1]) + lines[-1][:100])
    again = coverage.study(["intervals", "missing"], worlds=50, seed=SEED, quick=True, journal=cut, processes=2)
    assert cut.read_text().splitlines()[:-1] == [line.strip() for line in lines[:-1]]
    for one, folder in ((study, tmp_path / "whole"), (again, tmp_path / "resumed")):
        coverage_results.save(one, folder)
    whole, resumed = (json.loads((tmp_path / name / "coverage.json").read_text()) for name in ("whole", "resumed"))
    assert whole == resumed
    assert (tmp_path / "whole" / "coverage.png").stat().st_size > 10_000
    assert len(whole["rows"]) > 200


def test_a_journal_of_another_study_is_refused(small_study: tuple[coverage_results.Study, Path]) -> None:
    with pytest.raises(OtherStudy, match="other settings"):
        coverage.study(["missing"], worlds=50, seed=SEED + 1, quick=True, journal=small_study[1])


def ones(block: Block) -> dict[str, int]:
    return {"draw": int(block.generator(3).integers(10**9))}


def test_finished_blocks_are_not_computed_again(tmp_path: Path) -> None:
    journal = tmp_path / "deep" / "journal.jsonl"
    blocks = [Block("part", cell, index) for index in range(3) for cell in ("a", "b")]
    first = run_blocks(blocks[:4], ones, journal, {"of": 1}, expected_seconds={"part": 1.0}, processes=1)
    entries = journal.read_text().splitlines()
    changed = json.loads(entries[1]) | {"result": {"draw": -1}}
    journal.write_text("\n".join([entries[0], json.dumps(changed), *entries[2:]]) + "\n")
    every = run_blocks(blocks, ones, journal, {"of": 1}, expected_seconds={"part": 1.0}, processes=1)
    assert set(every) == {block.key for block in blocks}
    assert every[changed["block"]] == {"draw": -1}
    assert {key: every[key] for key in first if key != changed["block"]} == {
        key: result for key, result in first.items() if key != changed["block"]
    }
    assert len({result["draw"] for result in every.values()}) == 6


def test_the_study_sees_intervals_that_are_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(plug_in: float, bias: float, standard_error: float, degrees: int, critical: float) -> Estimate:
        return inference.interval(plug_in, bias, 0.6 * standard_error, degrees, critical)

    key = Key("D_z, 2 levels", "black-box", "fixed", intervals.REGULAR)
    cell, rng = Cell(0.25, 23, "5"), np.random.default_rng(1)
    right = intervals.intervals(cell, 1, rng, 40).by_key[key]
    monkeypatch.setattr(share, "interval", short)
    wrong = intervals.intervals(cell, 1, rng, 40).by_key[key]
    assert right.worlds == wrong.worlds == 40
    assert right.coverage > 0.88 > wrong.coverage


def test_stopping_rule_seldom_takes_what_adds_nothing_and_takes_what_does() -> None:
    cell, rng = Cell(0.25, 23, "1-5"), np.random.default_rng(4)
    found = stopping(cell, "random", "black-box", False, 1, rng, 40)
    assert found["worlds"] == 40
    assert found["taken_above_minimum"] <= found["taken"] <= 7  # 8 or more of 40 at 5% each: 1 in 1,500
    sampled = cell.sample(rng, world_of(1, 0.56))
    columns = [*sampled.levels_NJ(("hedge",)).T, *false_candidates(rng, sampled, "random", after_three=False)]
    selection = greedy(
        sampled.layout.label_N, sampled.layout, np.column_stack(columns), "random", black_box=True, seed=1
    )
    assert selection.chosen[0] == 0


def test_lower_limit_of_the_black_box_total_seldom_exceeds_the_truth() -> None:
    found = bound(Cell(0.25, 8, "2-18"), 1, np.random.default_rng(3), 4)
    assert found["exceeds, fixed"] + found["exceeds, random"] <= 1
    assert 0 < found["bound"] < found["truth"]


def test_tally_by_hand() -> None:
    tallies, key = Tallies(), Key("D", "likelihood", "fixed", "regular")
    tallies.add(key, Estimate(0.2, 0.1, 0.3, plug_in=0.25, bias=0.05), 0.15)
    tallies.add(key, Estimate(0.0, 0.0, 0.1, one_sided=True, plug_in=0.01, bias=0.03), 0.12)
    tallies.add(key, Estimate(0.5, 0.4, None, plug_in=0.5), 0.3)
    merged = Tallies()
    for _ in range(2):
        merged.merge_json(json.loads(json.dumps(tallies.to_json())))
    tally = merged.by_key[key]
    assert (tally.worlds, tally.covered, tally.too_low, tally.too_high, tally.one_sided) == (6, 2, 2, 2, 2)
    assert tally.mean_error == pytest.approx((0.05 - 0.14 + 0.2) / 3)
    assert tally.width == pytest.approx(2 * (0.2 + 0.1 + 0.6))


def test_regimes() -> None:
    level_N = np.repeat([0, 1], [9, 51])
    assert intervals.regime(level_N[:, None], [2], "black-box") == intervals.FEW_HITS
    assert intervals.regime(np.repeat([0, 1], 30)[:, None], [3], "black-box") == intervals.FEW_HITS
    assert intervals.regime(np.repeat([0, 1], 30)[:, None], [2], "black-box") == intervals.REGULAR
    pair_NJ = np.column_stack([np.repeat([0, 1], 30), np.tile([0, 1, 2], 20)])  # 10 samples in each of 6 cells
    assert intervals.regime(pair_NJ, [2, 3], "black-box") == intervals.THIN
    assert intervals.regime(pair_NJ, [2, 3], "likelihood") == intervals.REGULAR


@pytest.mark.parametrize("mode", ["likelihood", "black-box"])
@pytest.mark.parametrize("pattern", [AT_RANDOM, UNEVEN])
def test_target_of_complete_cases_agrees_with_a_large_sample(mode: str, pattern: str) -> None:
    rng, world = np.random.default_rng(2), world_of(3, 0.4)
    sampled = sample(rng, world, 4, (60_000, 60_000))
    length_X = world.levels("length")
    present_2X = length_present_2X(pattern, length_X)
    present_N = rng.random(sampled.layout.samples) < present_2X[sampled.layout.side_N, sampled.draws.output_N]
    levels_N = np.where(present_N, sampled.levels_NJ(("length",))[:, 0], -1)
    estimate = share.dissimilarity(sampled.values_N(mode), sampled.layout, levels_N, "fixed")
    target = complete_cases(sampled.truth("fixed"), present_2X, mode)
    # Errors of these means are about 1 / sqrt(400,000) = 0.0016.
    assert estimate.value == pytest.approx(target.dissimilarity(length_X), abs=0.006)
    whole = sampled.truth("fixed").dissimilarity(length_X)
    assert (abs(estimate.value - whole) < 0.006) == (pattern == AT_RANDOM)
