"""Racing against judging everything: the same parameters, far fewer judgments, no more false ones.

Many more worlds are in benchmarks/racing.py.
"""

import numpy as np
import pytest

from benchmarks.racing import CANDIDATES, CLEAR, NULL, Kind, null, planted, world_of
from tools.race import survivors


def test_the_same_first_three_for_a_fifth_of_the_judgments() -> None:
    kind = Kind("random", CLEAR)
    found = [planted(world_of(np.random.default_rng(seed), kind), kind, seed) for seed in range(20)]
    print([one["same"] for one in found], [one["all_traits_chosen_without"] for one in found])
    assert sum(one["same"] for one in found) >= 19
    assert sum(one["all_traits_chosen_without"] for one in found) >= 19  # there is something to be lost
    everything, spent = (sum(one[key] for one in found) for key in ("judgments_without", "judgments_with_race"))
    assert everything > 5 * spent


@pytest.mark.parametrize("name", NULL)
def test_nothing_is_selected_falsely_more_often(name: str) -> None:
    found = [null(world_of(np.random.default_rng([1, seed]), NULL[name]), seed) for seed in range(15)]
    assert sum(one["false_with_race"] for one in found) <= max(3, sum(one["false_without"] for one in found))


def test_leaders_and_what_stands_beside_them_stay() -> None:
    world = world_of(np.random.default_rng(5), Kind("random", (0.8, 0.5, 0.3)))
    layout, levels_NJ = world.layout, world.levels_NJ
    stay_J = survivors(layout.label_N, layout, levels_NJ[:, :0], levels_NJ, "random", min_gain=0.01, fewest=1)
    assert stay_J[:3].all()
    assert stay_J.sum() <= CANDIDATES // 2
    known, others = levels_NJ[:, :1], levels_NJ[:, 1:]
    beside = survivors(layout.label_N, layout, known, others, "random", min_gain=0.01, fewest=1)
    assert beside[:2].all()
