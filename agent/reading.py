"""What a proposer reads: contrasts of one prompt's two sides first, later the samples the set leaves unexplained.

Only the read split. Source: Method, section 3 (residual).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from agent.comparison import Comparison, Part
from agent.estimates import residual
from agent.state import DiscoveryState, by_id
from agent.workbench import Workbench
from probes.scale import FloatArray, IntArray
from runs.columns import places_of

MOST_SHOWN = 4000
"""Samples of one round at most: enough for any word that matters, whatever the size of the run."""


def read(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """The node: opens the next round by choosing the samples it is proposed from."""
    part = bench.comparison.read
    current = state["round"] + 1
    if bench.judgments is not None:
        from agent.racing import judge_rows

        chosen = by_id(state.get("candidates", []), state.get("chosen", []))
        judge_rows(bench, chosen, part.row_N, f"round {current}: judging the set on the read split")
    if state.get("chosen"):
        rows = largest_residuals(unexplained_on(part, state, bench), MOST_SHOWN)
    else:
        rows = contrasts(part, np.random.default_rng([bench.settings.seed, current]), MOST_SHOWN)
    return {"round": current, "shown": bench.comparison.sample_ids.take(part.row_N[rows])}


def rows_named(comparison: Comparison, sample_ids: Sequence[str]) -> IntArray:
    """The rows of the comparison with these ids, in their order."""
    wanted = pa.chunked_array([pa.array(sample_ids, pa.string())])
    return places_of(wanted, comparison.sample_ids.column)


def unexplained_on(part: Part, state: DiscoveryState, bench: Workbench) -> FloatArray:
    """What the chosen set leaves of each sample's value [N of the part]; the value itself without a set."""
    chosen = by_id(state["candidates"], state.get("chosen", []))
    return residual(part, bench.levels(chosen, part.row_N))


def largest_residuals(residual_N: FloatArray, most: int) -> IntArray:
    """Rows of the half with the largest |residual|, these first, at most `most`."""
    order = np.argsort(-np.abs(residual_N), kind="stable")
    return order[: min(most, (len(order) + 1) // 2)]


def contrasts(part: Part, generator: np.random.Generator, most: int) -> IntArray:
    """Rows in turns: one answer a side of every prompt, prompts in random order, then the next; at most `most`."""
    layout = part.layout
    shuffled = generator.permutation(layout.samples)
    group_N = layout.prompt_N * 2 + layout.side_N
    by_group = shuffled[np.argsort(group_N[shuffled], kind="stable")]
    size_G = np.bincount(group_N, minlength=2 * layout.prompts)
    turn = np.arange(layout.samples) - np.repeat(np.cumsum(size_G) - size_G, size_G)
    place_Q = generator.permutation(layout.prompts)
    order = np.lexsort((layout.side_N[by_group], place_Q[layout.prompt_N[by_group]], turn))
    return by_group[order][:most]
