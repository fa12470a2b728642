"""Shapley values: an order-free division of what a set captures among its parameters.

Source: Method, section 3. Every set is valued once; the values add up to that of the whole set.
"""

from collections.abc import Callable
from itertools import combinations
from math import factorial

import numpy as np

from probes.scale import FloatArray

LARGEST_SET = 12
"""Sets are enumerated: 2^12 values."""


def shapley(value_of_set: Callable[[tuple[int, ...]], float], size: int) -> FloatArray:
    """Shapley values [size] of members 0..size-1; they sum to the value of all less that of none.

    value_of_set is called once for each subset, members rising. Raises ValueError above `LARGEST_SET` members.
    """
    if size > LARGEST_SET:
        raise ValueError(
            f"Shapley values of {size} members would need 2^{size} sets; at most {LARGEST_SET} members"
        )
    subsets = [subset for r in range(size + 1) for subset in combinations(range(size), r)]
    value = {subset: value_of_set(subset) for subset in subsets}
    values = np.zeros(size)
    for subset in subsets:
        for member in set(range(size)) - set(subset):
            weight = factorial(len(subset)) * factorial(size - len(subset) - 1) / factorial(size)
            joined = tuple(sorted((*subset, member)))
            values[member] += weight * (value[joined] - value[subset])
    return values
