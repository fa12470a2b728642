"""The toy world: a grammar whose weights move along a control parameter, with every truth in closed form.

Statistics are proved here. The probabilities of all outputs under all prompt types and checkpoints are known, so
the total dissimilarity, that of any order parameter or set, gains, shares and Shapley values are finite sums
(Method, sections 2-4), both for given prompts and for the population that prompts are drawn from.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import optimize

from probes.grammar import DAYS, Grammar, random_grammar
from probes.scale import FloatArray, IntArray

Dissimilarity = Literal["linear", "js", "tv"]
CourseKind = Literal["none", "sharp", "drift", "two"]

FEATURES = (
    "length",  # 4 levels
    "brief",  # 2 levels, of length
    "hedge",  # 2 levels
    "closing",  # 3 levels
    "sentences",  # 7 levels: how many sentences beyond the shortest, each slot counted as one step
    "exclaims",  # 2 levels; without effect in the population, with effects on single prompts
    "day",  # 7 levels; without effect anywhere, as are the three below
    "quarter",  # 4 levels, of day
    "weekend",  # 2 levels, of day
    "sunday",  # 2 levels, of day; the upper one is rare
)
_QUARTER_OF_DAY = np.array([0, 0, 1, 1, 2, 3, 3])


@dataclass(frozen=True)
class Course:
    """How far behavior has moved along the control parameter, from -1/2 to 1/2.

    sharp: a sigmoid at `position` with `width`. two: half the way at `position`, half at `second`. drift: in
    proportion to the control parameter over its range. none: not at all.
    """

    kind: CourseKind = "sharp"
    position: float = 0.5
    width: float = 0.02
    second: float = 0.8

    def progress(self, control_K: FloatArray) -> FloatArray:
        """Progress [K] at control values [K]."""
        if self.kind == "none":
            return np.zeros_like(control_K)
        if self.kind == "drift":
            drift_K: FloatArray = (control_K - control_K.min()) / np.ptp(control_K) - 0.5
            return drift_K
        first_K = _sigmoid((control_K - self.position) / self.width)
        if self.kind == "sharp":
            return first_K - 0.5
        return 0.5 * (first_K + _sigmoid((control_K - self.second) / self.width)) - 0.5


@dataclass(frozen=True, eq=False)
class Contrast:
    """Before and after on Q prompts, as exact probabilities of all outputs X.

    p_QX, r_QX: P(x | q) of either side. weight_Q: weight of each prompt, sum 1 (equal for given prompts, the
    types' probabilities for the population). Cells and levels are given per output, `cells_X`, integers from 0.
    """

    p_QX: FloatArray
    r_QX: FloatArray
    weight_Q: FloatArray

    @cached_property
    def evidence_QX(self) -> FloatArray:
        """Signed evidence s(x | q) = (p - r) / (p + r), each prompt with its own p and r."""
        return (self.p_QX - self.r_QX) / (self.p_QX + self.r_QX)

    @cached_property
    def mass_X(self) -> FloatArray:
        """Probability of each output under the mixture of sides and prompts."""
        mass_X: FloatArray = self.weight_Q @ (self.p_QX + self.r_QX) / 2.0
        return mass_X

    @cached_property
    def change_X(self) -> FloatArray:
        """E_m[s 1_x]: half the difference between the sides, averaged over prompts."""
        change_X: FloatArray = self.weight_Q @ (self.p_QX - self.r_QX) / 2.0
        return change_X

    def total(self, kind: Dissimilarity = "linear") -> float:
        """The total: mean over prompts of the dissimilarity between all outputs."""
        mixture_QX = (self.p_QX + self.r_QX) / 2.0
        return float(self.weight_Q @ (mixture_QX * _of_evidence(self.evidence_QX, kind)).sum(axis=1))

    def dissimilarity(self, cells_X: IntArray, kind: Dissimilarity = "linear") -> float:
        """D_z = sum_c W_c m_c^2 (or its JS, TV form) of a parameter or of joint cells, pooled over prompts."""
        mass_C = np.bincount(cells_X, weights=self.mass_X)
        change_C = np.bincount(cells_X, weights=self.change_X)
        filled_C = mass_C > 0
        mean_C = change_C[filled_C] / mass_C[filled_C]
        return float(mass_C[filled_C] @ _of_evidence(mean_C, kind))

    def share(self, cells_X: IntArray, kind: Dissimilarity = "linear") -> float:
        return self.dissimilarity(cells_X, kind) / self.total(kind)

    def gain(self, set_cells_X: IntArray, levels_X: IntArray) -> float:
        """What a parameter adds to a set: D of both together minus D of the set."""
        both_X = joint_cells(np.stack([set_cells_X, levels_X], axis=1))
        return self.dissimilarity(both_X) - self.dissimilarity(set_cells_X)

    def shapley(self, levels_XJ: IntArray) -> FloatArray:
        """Shapley values [J] of the dissimilarity over a set: the mean gain over all orders, one by one."""
        size = levels_XJ.shape[1]
        values_J = np.zeros(size)
        orders = list(permutations(range(size)))
        for order in orders:
            before = 0.0
            for position, j in enumerate(order):
                now = self.dissimilarity(joint_cells(levels_XJ[:, order[: position + 1]]))
                values_J[j] += now - before
                before = now
        return values_J / len(orders)

    def of_prompt(self, q: int) -> "Contrast":
        """The contrast on one prompt alone (for numbers per prompt, Method, section 4)."""
        return Contrast(self.p_QX[q : q + 1], self.r_QX[q : q + 1], np.ones(1))


@dataclass(frozen=True, eq=False)
class Draws:
    """Samples of both sides, ordered by prompt, then checkpoint.

    prompt_N: which of the given prompts. side_N: 0 before, 1 after. checkpoint_N: index into the control values.
    output_N: which output. types_Q: the prompt type of each given prompt.
    """

    prompt_N: IntArray
    side_N: IntArray
    checkpoint_N: IntArray
    output_N: IntArray
    types_Q: IntArray


@dataclass(frozen=True, eq=False)
class ToyWorld:
    """A grammar on a course along K control values; `effect` is the dial of how much it moves."""

    grammar: Grammar
    control_K: FloatArray
    course: Course = Course()
    effect: float = 1.0

    @cached_property
    def log_probability_QKX(self) -> FloatArray:
        """log P(x | q, T_k) for all prompt types Q."""
        return self.grammar.log_probabilities(self.effect * self.course.progress(self.control_K))

    @cached_property
    def _cumulative_QKX(self) -> FloatArray:
        cumulative_QKX = np.cumsum(np.exp(self.log_probability_QKX), axis=2)
        cumulative_QKX[:, :, -1] = 1.0
        return cumulative_QKX

    @cached_property
    def levels_XJ(self) -> IntArray:
        """Level of every output on every one of `FEATURES`."""
        length_X, hedge_X, closing_X, exclaims_X, day_X = self.grammar.slots_XJ.T
        columns = {
            "length": length_X,
            "brief": (length_X == 0),
            "hedge": hedge_X,
            "closing": closing_X,
            "sentences": length_X + hedge_X + closing_X,
            "exclaims": exclaims_X,
            "day": day_X,
            "quarter": _QUARTER_OF_DAY[day_X],
            "weekend": day_X >= 5,
            "sunday": day_X == len(DAYS) - 1,
        }
        return np.stack([columns[name] for name in FEATURES], axis=1).astype(np.int64)

    def levels(self, name: str) -> IntArray:
        """Level [X] of every output on one of `FEATURES`."""
        return self.levels_XJ[:, FEATURES.index(name)]

    def population(self, before: Sequence[int] = (0,), after: Sequence[int] = (-1,)) -> Contrast:
        """The contrast of two groups of checkpoints over all prompts: what a random claim is about."""
        return self._contrast(np.arange(self.grammar.types), self.grammar.weight_Q, before, after)

    def given(self, types_Q: IntArray, before: Sequence[int] = (0,), after: Sequence[int] = (-1,)) -> Contrast:
        """The contrast on given prompts (by type, repeats allowed): what a fixed claim is about."""
        return self._contrast(types_Q, np.full(len(types_Q), 1.0 / len(types_Q)), before, after)

    def _contrast(
        self, types_Q: IntArray, weight_Q: FloatArray, before: Sequence[int], after: Sequence[int]
    ) -> Contrast:
        sides = [
            np.mean([np.exp(self.log_probability_QKX[types_Q, k]) for k in checkpoints], axis=0)
            for checkpoints in (before, after)
        ]
        return Contrast(sides[0], sides[1], weight_Q)

    def draw_prompts(self, rng: np.random.Generator, prompts: int) -> IntArray:
        """Types [Q] of prompts drawn from the population, independently (a type may come twice)."""
        return rng.choice(self.grammar.types, size=prompts, p=self.grammar.weight_Q).astype(np.int64)

    def draw(
        self,
        rng: np.random.Generator,
        types_Q: IntArray,
        counts: int | IntArray,
        before: Sequence[int] = (0,),
        after: Sequence[int] = (-1,),
    ) -> Draws:
        """Draw answers to given prompts from the checkpoints of both sides.

        counts: how many a prompt and checkpoint, one number or [Q, len(before) + len(after)].
        """
        checkpoint_C = np.arange(len(self.control_K))[[*before, *after]]
        side_C = np.repeat([0, 1], [len(before), len(after)])
        count_QC = np.broadcast_to(np.asarray(counts), (len(types_Q), len(checkpoint_C)))
        cell_N = np.repeat(np.arange(count_QC.size), count_QC.reshape(-1))
        prompt_N, column_N = np.divmod(cell_N, len(checkpoint_C))
        # One search for all: the cumulative distribution of cell i is moved to the interval [i, i + 1].
        cumulative_RX = self._cumulative_QKX[types_Q[:, None], checkpoint_C].reshape(count_QC.size, -1)
        outputs = cumulative_RX.shape[1]
        stacked = (cumulative_RX + np.arange(count_QC.size)[:, None]).reshape(-1)
        found_N = np.searchsorted(stacked, cell_N + rng.random(len(cell_N)), side="right")
        output_N = np.minimum(found_N - cell_N * outputs, outputs - 1).astype(np.int64)
        return Draws(prompt_N, side_C[column_N], checkpoint_C[column_N], output_N, types_Q)

    def loglik(self, draws: Draws) -> FloatArray:
        """Exact log-likelihoods [N, K] of drawn answers under every checkpoint."""
        return self.log_probability_QKX[draws.types_Q[draws.prompt_N], :, draws.output_N]

    def texts(self, draws: Draws) -> tuple[list[str], list[str]]:
        """Prompts and responses [N] of drawn answers."""
        types_N = draws.types_Q[draws.prompt_N]
        prompts = [self.grammar.prompt(int(t)) for t in types_N]
        responses = [self.grammar.response(int(t), int(x)) for t, x in zip(types_N, draws.output_N, strict=True)]
        return prompts, responses


def before_and_after(
    seed: int, *, total: float, types: int = 400, spread: float = 0.5, gated: bool = True
) -> ToyWorld:
    """A world of two checkpoints whose total (linear) in the population is `total`, from 0 to about 0.95."""
    world = ToyWorld(random_grammar(seed, types, spread, gated), np.array([0.0, 1.0]))
    return with_effect(world, lambda w: w.population().total(), total)


def with_effect(world: ToyWorld, quantity: Callable[[ToyWorld], float], target: float) -> ToyWorld:
    """The world with its dial where `quantity` (rising with the effect, 0 without) hits `target`.

    Raises ValueError where it stays below the target on the whole dial.
    """
    if target == 0.0:
        return replace(world, effect=0.0)

    def excess(effect: float) -> float:
        return quantity(replace(world, effect=effect)) - target

    high = 1.0
    while excess(high) < 0.0:
        high *= 2.0
        if high > 64.0:
            raise ValueError(f"no effect makes this quantity {target}")
    return replace(world, effect=float(optimize.brentq(excess, 0.0, high, xtol=1e-9)))


def joint_cells(levels_XJ: IntArray) -> IntArray:
    """Cells 0..C-1 [X] of the joint levels of J parameters, only those that occur."""
    _, cells_X = np.unique(levels_XJ, axis=0, return_inverse=True)
    return np.asarray(cells_X, dtype=np.int64).reshape(-1)


def counts_between(rng: np.random.Generator, prompts: int, low: int, high: int) -> IntArray:
    """Unequal counts [Q, 2], uniform from low to high, for two checkpoints."""
    return rng.integers(low, high + 1, size=(prompts, 2))


def demo_world() -> ToyWorld:
    """The world of the demo, of total 0.5: after the change, answers are shorter, hedge less and end plainly."""
    return before_and_after(seed=0, total=0.5)


def write_pair(
    folder: Path, world: ToyWorld | None = None, *, seed: int = 0, prompts: int = 30, draws: int = 10
) -> tuple[Path, Path]:
    """Write `before.jsonl` and `after.jsonl`: `draws` answers a prompt from the first and the last checkpoint.

    Prompts are different types of the population; world defaults to `demo_world()`. Rows hold prompt_id, prompt
    and response. The folder is made where it is missing. Returns both paths.
    """
    world = demo_world() if world is None else world
    rng = np.random.default_rng(seed)
    types_Q = rng.choice(world.grammar.types, size=prompts, replace=False, p=world.grammar.weight_Q)
    drawn = world.draw(rng, types_Q.astype(np.int64), draws)
    texts = zip(*world.texts(drawn), strict=True)
    lines: tuple[list[str], list[str]] = ([], [])
    for prompt, side, (prompt_text, response) in zip(drawn.prompt_N, drawn.side_N, texts, strict=True):
        row = {"prompt_id": f"p{prompt:03d}", "prompt": prompt_text, "response": response}
        lines[side].append(json.dumps(row) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    paths = (folder / "before.jsonl", folder / "after.jsonl")
    for path, side_lines in zip(paths, lines, strict=True):
        path.write_text("".join(side_lines), encoding="utf-8")
    return paths


def _sigmoid(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), without overflow."""
    value: FloatArray = 0.5 * (1.0 + np.tanh(x / 2.0))
    return value


def _of_evidence(s: FloatArray, kind: Dissimilarity) -> FloatArray:
    """What an outcome with signed evidence s adds to each dissimilarity (mixture forms, Method, section 3)."""
    if kind == "linear":
        return s * s
    if kind == "tv":
        return np.abs(s)
    eta = np.stack([(1.0 + s) / 2.0, (1.0 - s) / 2.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(eta > 0, eta * np.log2(eta), 0.0)
    js: FloatArray = 1.0 + terms.sum(axis=0)
    return js
