"""The total of a report: exact with likelihoods, a lower bound from held-out discriminators without.

Source: Method, section 5, "Lower bound of D without likelihoods".
"""

import numpy as np

from agent.comparison import Comparison
from agent.estimates import SetNumbers
from agent.progress import Progress
from probes.scale import IntArray
from tools.dissimilarity import totals
from tools.report.document import Interval, Total
from tools.report.record import interval


def total_of(
    comparison: Comparison, numbers: SetNumbers, levels_NJ: IntArray, seed: int, progress: Progress
) -> Total:
    """The total on the rows of `numbers`.

    levels_NJ: of the set on all rows of the comparison, which the discriminators "scores" and "both" read.
    """
    if comparison.mode == "likelihood":
        part = numbers.part
        exact = {kind: interval(one) for kind, one in totals(part.value_N, part.layout, comparison.claim).items()}
        return Total(linear=exact["linear"], js=exact["js"], tv=exact["tv"], bound="exact")
    return _lower_bound(comparison, numbers, levels_NJ, seed, progress)


def _lower_bound(
    comparison: Comparison, numbers: SetNumbers, levels_NJ: IntArray, seed: int, progress: Progress
) -> Total:
    """The larger of the discriminators' bound and D_S, its low the larger of the two lows: no set exceeds it."""
    from tools.discriminator import lower_bound  # scikit-learn is slow to import

    reported_N = np.zeros(len(comparison.split_N), dtype=bool)
    reported_N[numbers.part.row_N] = True

    def on_progress(done: int, fits: int) -> None:
        if done == 1:
            progress.stage("bounding the total", fits)
        progress.advance()

    found = lower_bound(
        comparison.responses,
        np.where(levels_NJ < 0, np.nan, levels_NJ),
        comparison.layout,
        reported_N,
        seed=seed,
        on_progress=on_progress,
    )
    linear, captured = interval(found.bounds.linear), interval(numbers.whole)
    of_set = (captured.value or 0.0) > (linear.value or 0.0)
    larger = captured if of_set else linear
    low = max(linear.low or 0.0, captured.low or 0.0)
    return Total(
        linear=Interval(value=larger.value, low=low, high=None, one_sided=low == 0.0),
        js=interval(found.bounds.js),
        tv=interval(found.bounds.tv),
        bound="lower",
        discriminator="set" if of_set else found.chosen,
        unseen_prompts=None if found.unseen_prompts is None else interval(found.unseen_prompts.linear),
    )
