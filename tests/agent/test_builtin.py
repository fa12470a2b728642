"""What the offline proposer reads and proposes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.builtin import candidate_of, pattern_candidates, propose, usable_scores
from agent.comparison import READ
from agent.discovery import open_bench
from agent.progress import Silent
from agent.reading import MOST_SHOWN, contrasts, largest_residuals, read
from agent.settings import DiscoverSettings
from agent.state import CandidateState, DiscoveryState, scale_of
from agent.workbench import Workbench
from probes.measures.catalogue import CATALOGUE
from probes.scale_learning import learn_numeric_scale
from tests.agent.worlds import rows_of, run_of, words


def polite(prompt: int, side: int, rng: np.random.Generator) -> str:
    """Before says please in most answers, after in some; where after does, it also says bye."""
    please = rng.random() < (0.8 if side == 0 else 0.4)
    bye = side == 1 and please
    return words(20, rng) + (" Please do." if please else "") + (" Bye now." if bye else "")


def bench_of(folder: Path, *, scores: Any = None, **changes: Any) -> Workbench:
    run = run_of(folder, rows_of(polite, scores=scores))
    settings = DiscoverSettings(**{"processes": 1, **changes})
    return open_bench(run, settings, Silent())


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    bench = bench_of(tmp_path / "run")
    with bench.run.locked():
        yield bench


def first_state() -> DiscoveryState:
    return {"round": 0, "candidates": []}


def test_the_first_round_proposes_every_measure_once_and_the_words_that_differ(bench: Workbench) -> None:
    state = first_state()
    state.update(read(state, bench))
    state.update(propose(state, bench))
    ids = [candidate["id"] for candidate in state["candidates"]]
    assert ids[: len(CATALOGUE)] == [measure.id for measure in CATALOGUE]
    assert len(set(ids)) == len(ids)
    patterns = {candidate["judge"] for candidate in state["candidates"][len(CATALOGUE) :]}
    assert any("please" in judge for judge in patterns)
    assert any("bye" in judge for judge in patterns)
    assert {candidate["status"] for candidate in state["candidates"]} == {"proposed"}
    assert state["chosen"] == []


def test_scales_are_learned_on_the_read_split_alone(bench: Workbench) -> None:
    candidate = candidate_of(bench, "code:words")
    lengths = np.array([len(text.split()) for text in bench.comparison.responses], dtype=float)
    expected = learn_numeric_scale(lengths[bench.comparison.split_N == READ], "words")
    assert scale_of(candidate) == expected


def test_later_rounds_contrast_what_the_set_leaves(bench: Workbench) -> None:
    known = candidate_of(bench, "pattern:word:please")
    state: DiscoveryState = {"round": 1, "candidates": [known], "chosen": [known["id"]]}
    state.update(read(state, bench))
    found = [candidate["judge"] for candidate in pattern_candidates(bench, state)]
    assert state["round"] == 2
    assert any("bye" in judge for judge in found)
    assert all(candidate["round"] == 2 for candidate in pattern_candidates(bench, state))


def test_the_samples_shown_come_from_read_and_are_the_worst_explained(bench: Workbench) -> None:
    known = candidate_of(bench, "pattern:word:bye")
    state: DiscoveryState = {"round": 1, "candidates": [known], "chosen": [known["id"]]}
    shown = set(read(state, bench)["shown"])
    comparison = bench.comparison
    level_N = bench.levels([known])[:, 0]
    rows = [comparison.sample_ids.index(one) for one in shown]
    assert {int(comparison.split_N[row]) for row in rows} == {READ}
    # bye is said after only: those samples are explained wholly, so none of them is shown
    assert not level_N[rows].any()


def test_contrasts_take_both_sides_of_each_prompt_in_turn(bench: Workbench) -> None:
    part = bench.comparison.read
    rows = contrasts(part, np.random.default_rng(0), 2 * part.layout.prompts)
    prompt_N, side_N = part.layout.prompt_N[rows], part.layout.side_N[rows]
    assert side_N.tolist() == [0, 1] * part.layout.prompts
    assert (prompt_N[::2] == prompt_N[1::2]).all()
    assert len(set(prompt_N.tolist())) == part.layout.prompts
    everything = contrasts(part, np.random.default_rng(0), MOST_SHOWN)
    assert sorted(everything.tolist()) == list(range(part.layout.samples))


def test_the_largest_residuals_come_first_and_are_half_at_most() -> None:
    rows = largest_residuals(np.array([0.1, -0.9, 0.5, 0.0, 0.2]), 10)
    assert rows.tolist() == [1, 2, 4]
    assert largest_residuals(np.array([0.1, -0.9, 0.5]), 1).tolist() == [1]


def verdict(prompt: int, side: int, rng: np.random.Generator) -> dict[str, object]:
    scores: dict[str, object] = {"late": 1, "later": 2} if side == 1 else {}
    return {**scores, "harm": 1 if rng.random() < 0.5 else 0, "tone": "warm" if prompt % 2 else "cold"}


def test_scores_of_one_side_are_named_with_the_side_that_lacks_them(tmp_path: Path) -> None:
    bench = bench_of(tmp_path / "run", scores=verdict, use_scores=True)
    judges, warnings = usable_scores(bench)
    assert sorted(judges) == ["data:harm", "data:tone"]
    assert warnings == ["2 scores left out because no sample before has them: 'late', 'later'"]


def test_labels_become_levels_with_their_raw_values(tmp_path: Path) -> None:
    bench = bench_of(tmp_path / "run", scores=verdict, use_scores=True)
    tone: CandidateState = candidate_of(bench, "data:tone")
    assert sorted(label for group in tone["scale"]["labels"] for label in group) == ["cold", "warm"]
    names = [name for name, _ in tone["scale"]["levels"]]
    told = [names[level] for level in bench.levels([tone])[:, 0]]
    prompts = [bench.comparison.prompt_ids_Q[q] for q in bench.comparison.layout.prompt_N]
    assert told == ["warm" if int(prompt[1:]) % 2 else "cold" for prompt in prompts]
