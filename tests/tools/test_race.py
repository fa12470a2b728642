"""Racing against judging everything: the same first parameters, far fewer judgments, no more false ones."""

import numpy as np

from probes.scale import IntArray
from tools.layout import Layout, layout_of
from tools.race import survivors
from tools.selection import greedy

CANDIDATES = 40
PILOT = 40
FEWEST = 4


def world(
    rng: np.random.Generator, effects: tuple[float, ...], prompts: int = 24, draws: int = 20
) -> tuple[Layout, IntArray]:
    """Yes-or-no levels [N, 40], the first ones with these differences between the sides, and their layout.

    Every prompt has a base rate of its own, so that answers to one prompt go together.
    """
    prompt_N, side_N = (grid.reshape(-1) for grid in np.mgrid[0:prompts, 0:2].repeat(draws, axis=2))
    base_QJ = rng.uniform(0.25, 0.75, size=(prompts, CANDIDATES))
    effect_J = np.array([*effects, *[0.0] * (CANDIDATES - len(effects))])
    chance_NJ = np.clip(base_QJ[prompt_N] + (side_N[:, None] - 0.5) * effect_J, 0.02, 0.98)
    levels_NJ = (rng.random(chance_NJ.shape) < chance_NJ).astype(np.int64)
    layout, kept_N = layout_of(prompt_N, side_N, side_N)
    assert kept_N.all()
    return layout, levels_NJ


def halves(rng: np.random.Generator, layout: Layout) -> tuple[IntArray, IntArray]:
    """Rows of a read and of a select split, half of each prompt and side."""
    order = rng.permutation(layout.samples)
    group_N = layout.prompt_N * 2 + layout.side_N
    rank_N = np.empty(layout.samples, dtype=np.int64)
    for group in np.unique(group_N):
        rows = order[group_N[order] == group]
        rank_N[rows] = np.arange(len(rows))
    by_rank = np.lexsort((group_N, rank_N))
    size = int(rank_N.max()) + 1
    return by_rank[rank_N[by_rank] < size // 2], by_rank[rank_N[by_rank] >= size // 2]


def raced(layout: Layout, levels_NJ: IntArray, read: IntArray) -> tuple[list[int], int]:
    """Who is left after the race on the read rows, and how many judgments it took."""
    left = list(range(levels_NJ.shape[1]))
    size, judgments = PILOT, PILOT * len(left)
    while True:
        mask_N = np.isin(np.arange(layout.samples), read[:size])
        part, kept_N = layout.rows(mask_N)
        stay_J = survivors(
            part.label_N,
            part,
            np.zeros((part.samples, 0), dtype=np.int64),
            levels_NJ[kept_N][:, left],
            "random",
            min_gain=0.01,
            fewest=FEWEST,
        )
        left = [j for j, stays in zip(left, stay_J.tolist(), strict=True) if stays]
        if size >= len(read) or len(left) <= FEWEST:
            return left, judgments
        judgments += (min(2 * size, len(read)) - size) * len(left)
        size *= 2


def chosen(layout: Layout, levels_NJ: IntArray, select: IntArray, columns: list[int], seed: int) -> list[int]:
    part, kept_N = layout.rows(np.isin(np.arange(layout.samples), select))
    selection = greedy(
        part.label_N,
        part,
        levels_NJ[kept_N][:, columns],
        "random",
        black_box=True,
        seed=seed,
        max_parameters=3,
        resamples=199,
    )
    return [columns[j] for j in selection.chosen]


def test_the_same_first_three_for_a_fifth_of_the_judgments() -> None:
    same, spent, everything = 0, 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        layout, levels_NJ = world(rng, (0.7, 0.5, 0.4))
        read, select = halves(rng, layout)
        left, judgments = raced(layout, levels_NJ, read)
        spent += judgments + len(select) * len(left)
        everything += (len(read) + len(select)) * CANDIDATES
        whole = chosen(layout, levels_NJ, select, list(range(CANDIDATES)), seed)
        with_race = chosen(layout, levels_NJ, select, left, seed)
        same += with_race[: len(whole)] == whole  # fewer candidates let through what more of them hide
    print(f"\nsame {same} of 20; {everything} judgments without a race, {spent} with it")
    assert same >= 19
    assert everything > 5 * spent


def test_nothing_is_selected_falsely_more_often() -> None:
    worlds, with_race, without = 15, 0, 0
    for seed in range(worlds):
        rng = np.random.default_rng(1000 + seed)
        layout, levels_NJ = world(rng, (), draws=8)
        read, select = halves(rng, layout)
        left, _ = raced(layout, levels_NJ, read)
        with_race += bool(chosen(layout, levels_NJ, select, left, seed))
        without += bool(chosen(layout, levels_NJ, select, list(range(CANDIDATES)), seed))
    print(f"\nfalse selection in {with_race} of {worlds} with racing, {without} without")
    assert with_race <= max(without, 3)  # of 15, where 5% are expected


def test_leaders_and_what_stands_beside_them_stay() -> None:
    rng = np.random.default_rng(5)
    layout, levels_NJ = world(rng, (0.8, 0.5, 0.3))
    empty = np.zeros((layout.samples, 0), dtype=np.int64)
    stay_J = survivors(layout.label_N, layout, empty, levels_NJ, "random", min_gain=0.01, fewest=1)
    assert stay_J[:3].all()
    assert stay_J.sum() <= CANDIDATES // 2
    known, others = levels_NJ[:, :1], levels_NJ[:, 1:]
    beside = survivors(layout.label_N, layout, known, others, "random", min_gain=0.01, fewest=1)
    assert beside[:2].all()
