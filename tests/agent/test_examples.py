"""The examples of a report: pairs that show a change, and what is left unexplained."""

from pathlib import Path

import numpy as np
import pytest

from agent.comparison import Comparison, comparison_of
from agent.examples import PAIRS, pairs_for, unexplained
from probes.scale import Level
from tests.agent.worlds import rows_of, run_of, shorter

LEVELS = (Level("short"), Level("long"))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return comparison_of(run_of(tmp_path_factory.mktemp("examples") / "run", rows_of(shorter)), None, None)


def test_pairs_show_the_levels_that_carry_the_change(comparison: Comparison) -> None:
    part = comparison.report
    lengths = np.array([len(comparison.responses[row].split()) for row in part.row_N])
    found = pairs_for(comparison, part, (lengths > 18).astype(np.int64), LEVELS)
    assert len({example.prompt_id for example in found}) == len(found) == PAIRS
    for example in found:
        assert example.before is not None
        assert example.after is not None
        assert (example.before.level, example.after.level) == ("long", "short")
        for side, one in enumerate((example.before, example.after)):
            row = comparison.sample_ids.index(one.sample_id)
            assert comparison.responses[row] == one.response
            assert comparison.layout.side_N[row] == side
            assert comparison.prompt_ids_Q[comparison.layout.prompt_N[row]] == example.prompt_id


def test_no_pair_is_shown_where_the_levels_tell_nothing(comparison: Comparison) -> None:
    part = comparison.report
    assert pairs_for(comparison, part, np.zeros(part.layout.samples, dtype=np.int64), LEVELS) == ()
    assert pairs_for(comparison, part, np.full(part.layout.samples, -1), LEVELS) == ()


def test_missing_levels_are_never_shown(comparison: Comparison) -> None:
    part = comparison.report
    lengths = np.array([len(comparison.responses[row].split()) for row in part.row_N])
    level_N = np.where(lengths > 30, -1, (lengths > 18).astype(np.int64))
    for example in pairs_for(comparison, part, level_N, LEVELS):
        assert example.before is not None
        assert len(example.before.response.split()) <= 30


def test_what_is_unexplained_stands_on_its_own_side(comparison: Comparison) -> None:
    part = comparison.report
    rows = np.array([int(np.flatnonzero(part.layout.side_N == side)[0]) for side in (0, 1)])
    before, after = unexplained(comparison, part, part.value_N / 2, rows)
    assert before.before is not None
    assert before.after is None
    assert before.before.residual == 0.5
    assert after.after is not None
    assert after.after.residual == -0.5


def test_long_texts_are_cut_visibly(tmp_path: Path) -> None:
    rows = rows_of(lambda prompt, side, rng: "word " * (3000 if side == 0 else 5), prompts=8)
    comparison = comparison_of(run_of(tmp_path / "run", rows), None, None)
    part = comparison.report
    level_N = 1 - part.layout.side_N
    example = pairs_for(comparison, part, level_N, LEVELS)[0]
    assert example.before is not None
    assert len(example.before.response) < 1300
    assert "more characters" in example.before.response
