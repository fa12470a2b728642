"""Example answers for a report: pairs that show a parameter at work, and answers that the set leaves unexplained.

Source: Method, section 3 (which levels carry the dissimilarity, residual).
"""

from collections.abc import Sequence

import numpy as np

from agent.comparison import Comparison, Part
from probes.scale import FloatArray, IntArray, Level
from tools.cells import sums_of
from tools.layout import AFTER, BEFORE
from tools.report.document import Example, Shown, cut_text

PAIRS = 4
UNEXPLAINED = 3


def pairs_for(
    comparison: Comparison, part: Part, level_N: IntArray, levels: Sequence[Level], count: int = PAIRS
) -> tuple[Example, ...]:
    """Up to `count` prompts with one answer a side, each on the level that carries most of its side's change.

    level_N: levels of the part's rows. A level's part of D_z is W_c m_c^2; the typical level before is the one
    with the largest part among m_c > 0, after among m_c < 0. Prompts with most answers on both levels come
    first, and of these answers the one of median length is shown.
    """
    typical = _typical_levels(part, level_N)
    if typical is None:
        return ()
    rows_of = [
        _rows_by_prompt(part, side, level_N == level) for side, level in zip((BEFORE, AFTER), typical, strict=True)
    ]
    common = sorted(
        rows_of[BEFORE].keys() & rows_of[AFTER].keys(),
        key=lambda prompt: (-min(len(rows_of[BEFORE][prompt]), len(rows_of[AFTER][prompt])), prompt),
    )
    examples = []
    for prompt in common[:count]:
        before, after = (
            shown(
                comparison,
                part,
                _median_length(comparison, part, rows_of[side][prompt]),
                levels[typical[side]].name,
            )
            for side in (BEFORE, AFTER)
        )
        examples.append(_example(comparison, part, rows_of[BEFORE][prompt][0], before=before, after=after))
    return tuple(examples)


def unexplained(comparison: Comparison, part: Part, residual_N: FloatArray, rows: IntArray) -> tuple[Example, ...]:
    """The given rows of the part, with what the set leaves of their value."""
    examples = []
    for row in rows.tolist():
        one = shown(comparison, part, row, None, float(residual_N[row]))
        side = {"before": one} if part.layout.side_N[row] == BEFORE else {"after": one}
        examples.append(_example(comparison, part, row, **side))
    return tuple(examples)


def shown(comparison: Comparison, part: Part, row: int, level: str | None, residual: float | None = None) -> Shown:
    """One row of the part as a report shows it."""
    whole = int(part.row_N[row])
    return Shown(
        sample_id=comparison.sample_ids[whole],
        response=cut_text(comparison.responses[whole]),
        level=level,
        evidence=float(part.value_N[row]) if comparison.mode == "likelihood" else None,
        residual=residual,
    )


def _example(
    comparison: Comparison, part: Part, row: int, *, before: Shown | None = None, after: Shown | None = None
) -> Example:
    prompt = int(comparison.layout.prompt_N[part.row_N[row]])
    return Example(
        prompt_id=comparison.prompt_ids_Q[prompt],
        prompt=cut_text(comparison.prompts_Q[prompt]),
        before=before,
        after=after,
    )


def _typical_levels(part: Part, level_N: IntArray) -> tuple[int, int] | None:
    """The level that speaks most for before and the one that speaks most for after; None where one is missing."""
    layout, mask_N = part.layout.rows(level_N >= 0)
    present, cell_N = np.unique(level_N[mask_N], return_inverse=True)
    if len(present) < 2:
        return None
    sums = sums_of(part.value_N[mask_N], layout, np.asarray(cell_N, dtype=np.int64).reshape(-1))
    mean_C, mass_C = sums.mean_CR[:, 0], sums.mass_CR[:, 0]
    part_C = mass_C * mean_C * np.abs(mean_C)
    before, after = int(np.argmax(part_C)), int(np.argmin(part_C))
    return (int(present[before]), int(present[after])) if part_C[before] > 0 > part_C[after] else None


def _rows_by_prompt(part: Part, side: int, on_level_N: np.ndarray) -> dict[int, list[int]]:
    rows = np.flatnonzero((part.layout.side_N == side) & on_level_N)
    by_prompt: dict[int, list[int]] = {}
    for row in rows.tolist():
        by_prompt.setdefault(int(part.layout.prompt_N[row]), []).append(row)
    return by_prompt


def _median_length(comparison: Comparison, part: Part, rows: list[int]) -> int:
    ordered = sorted(rows, key=lambda row: (int(comparison.length_N[part.row_N[row]]), row))
    return ordered[(len(ordered) - 1) // 2]
