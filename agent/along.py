"""The chosen set along the whole sweep, from samples that were judged once and are reweighted to every checkpoint.

Source: Method, sections 3, 5 and 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agent.estimates import SetNumbers
from agent.state import CandidateState, is_judged, scale_of
from agent.workbench import Workbench
from probes.scale import FloatArray, IntArray, Scale
from runs.schema import SPLITS
from tools.inference import ZERO, Estimate
from tools.layout import BoolArray, Claim
from tools.report.document import Parameter
from tools.report.record import Interval, interval
from tools.report.sweep_document import DecompositionPoint, LevelPoint, ParameterPoint
from tools.reweight import Pool, Weighted
from tools.shapley import shapley

FEWEST_A_CELL = 5.0
"""Effective samples a cell of the set's table, on average, without which the table is not read off (Method, 5)."""

Sides = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Along:
    """A set's samples of the split that is reported on, at all checkpoints of a sweep with log-likelihoods.

    levels_NJ: negative where a sample has none. asked_NJ: whether it was measured or judged at all; what a model
    did not judge is no part of a parameter's samples. sides_B: windows left and right of every boundary.
    """

    control_K: FloatArray
    sides_B: Sequence[Sides]
    pool: Pool
    levels_NJ: IntArray
    asked_NJ: BoolArray
    claim: Claim

    def curve(self, j: int) -> tuple[ParameterPoint, ...]:
        """Dissimilarity and share of one parameter at every boundary."""
        return tuple(self._place(j, sides) for sides in self.sides_B)

    def _place(self, j: int, sides: Sides) -> ParameterPoint:
        pool, rows = self._pool_of((j,))
        found = self._supported(pool, sides[0] + sides[1], rows, (j,))
        if found is None:
            return ParameterPoint(at=self.at(sides), value=None)
        levels_N1 = self.levels_NJ[rows[found.row_N]][:, [j]]
        s_N = pool.evidence(found, *sides)
        alone = found.dissimilarity(s_N, levels_N1, self.claim)
        return ParameterPoint(
            at=self.at(sides),
            value=alone.value,
            low=alone.low,
            high=alone.high,
            share=interval(found.share(s_N, levels_N1, self.claim)) if found.weight_N @ s_N**2 > 0 else None,
            effective=found.effective,
        )

    def levels(self, j: int, value_L: FloatArray) -> tuple[LevelPoint, ...]:
        """The mean over answers of what the levels of a parameter are worth [L], at every checkpoint.

        Of the same prompts at all of them: else a change of prompts would look like one of levels.
        """
        pool, rows = self._pool_of((j,))
        prompts = len(np.unique(pool.prompt_N[self.levels_NJ[rows, j] >= 0]))
        points = []
        for k, at in enumerate(self.control_K.tolist()):
            found = self._supported(pool, (k,), rows, (j,))
            if found is None or found.prompts < prompts:
                points.append(LevelPoint(at=at, value=None))
                continue
            mean = found.proportion(value_L[self.levels_NJ[rows[found.row_N], j]], self.claim)
            points.append(
                LevelPoint(at=at, value=mean.value, low=mean.low, high=mean.high, effective=found.effective)
            )
        return tuple(points)

    def decomposition(self, names: Sequence[str]) -> tuple[DecompositionPoint, ...]:
        """The total at every boundary, split among the set (names of its members) and what it leaves."""
        return tuple(self._split(names, sides) for sides in self.sides_B)

    def _split(self, names: Sequence[str], sides: Sides) -> DecompositionPoint:
        members = tuple(range(len(names)))
        pool, rows = self._pool_of(members)
        found = self._supported(pool, sides[0] + sides[1], rows, members)
        unknown = Interval(value=None)
        if found is None:
            return DecompositionPoint(at=self.at(sides), total=unknown, captured=unknown)
        s_N, levels_NJ = pool.evidence(found, *sides), self.levels_NJ[rows[found.row_N]]
        total = found.total(s_N, self.claim)
        cells = len(np.unique(levels_NJ, axis=0))
        if found.effective < FEWEST_A_CELL * cells:
            return DecompositionPoint(
                at=self.at(sides), total=interval(total), captured=unknown, effective=found.effective
            )

        def of_set(chosen: tuple[int, ...]) -> Estimate:
            return found.dissimilarity(s_N, levels_NJ[:, list(chosen)], self.claim) if chosen else ZERO

        parts_J = shapley(lambda chosen: of_set(chosen).value, len(names))
        captured = of_set(members)
        return DecompositionPoint(
            at=self.at(sides),
            total=interval(total),
            captured=interval(captured),
            parts=dict(zip(names, parts_J.tolist(), strict=True)),
            unexplained=max(total.value - captured.value, 0.0),
            effective=found.effective,
        )

    def at(self, sides: Sides) -> float:
        return float((self.control_K[sides[0][-1]] + self.control_K[sides[1][0]]) / 2)

    def _pool_of(self, members: tuple[int, ...]) -> tuple[Pool, IntArray]:
        """The samples on which all members were asked about, and their rows among all."""
        asked_N = self.asked_NJ[:, list(members)].all(axis=1)
        key = asked_N.tobytes()
        if key not in self._pools:
            rows, pool = np.flatnonzero(asked_N), self.pool
            part = Pool(pool.loglik_NK[rows], pool.prompt_N[rows], pool.checkpoint_N[rows])
            self._pools[key] = (part, rows)
        return self._pools[key]

    @cached_property
    def _pools(self) -> dict[bytes, tuple[Pool, IntArray]]:
        return {}

    def _supported(
        self, pool: Pool, targets: tuple[int, ...], rows: IntArray, members: tuple[int, ...]
    ) -> Weighted | None:
        """The samples with a level on all members, weighted toward the targets; None where they are too few."""
        found = pool.toward(targets, np.all(self.levels_NJ[rows][:, list(members)] >= 0, axis=1))
        return found if found is not None and found.supports(self.claim) else None


def along_of(bench: Workbench, numbers: SetNumbers, chosen: Sequence[CandidateState]) -> Along | None:
    """The set along the run's sweep, on the splits that its numbers come from; None where there is no curve."""
    comparison, run = bench.comparison, bench.run
    if comparison.located is None or comparison.mode != "likelihood" or not chosen:
        return None
    loglik_SK = run.loglik()
    assert loglik_SK is not None  # the mode is told by it
    samples = run.samples(["prompt_id", "checkpoint", "split"])
    reported = {SPLITS[split] for split in np.unique(comparison.split_N[numbers.part.row_N]).tolist()}
    index_of = {prompt_id: q for q, prompt_id in enumerate(comparison.prompt_ids_Q)}
    prompt_S = np.array([index_of.get(one, -1) for one in samples["prompt_id"].to_pylist()], dtype=np.int64)
    split_S = np.array(samples["split"].to_pylist(), dtype=np.str_)
    row_N = np.flatnonzero((prompt_S >= 0) & np.isin(split_S, sorted(reported)))
    levels_NJ = bench.scores.levels_at(chosen, row_N)
    asked_NJ = np.ones(levels_NJ.shape, dtype=bool)
    asked_NJ[:, [is_judged(one) for one in chosen]] = np.isin(row_N, comparison.run_row_N[numbers.part.row_N])[
        :, None
    ]
    return Along(
        control_K=comparison.located.control_K,
        sides_B=[(boundary.before, boundary.after) for boundary in comparison.located.curve],
        pool=Pool(
            np.asarray(loglik_SK[row_N], dtype=np.float64),
            prompt_S[row_N],
            samples["checkpoint"].to_numpy().astype(np.int64)[row_N],
        ),
        levels_NJ=levels_NJ,
        asked_NJ=asked_NJ,
        claim=comparison.claim,
    )


def with_curves(
    parameters: Sequence[Parameter], chosen: Sequence[CandidateState], along: Along
) -> tuple[Parameter, ...]:
    """The parameters with their curves along the sweep."""
    records = []
    for j, (parameter, candidate) in enumerate(zip(parameters, chosen, strict=True)):
        value_L, shown = shown_of(scale_of(candidate), parameter.before, parameter.after)
        records.append(
            parameter.model_copy(
                update={"curve": along.curve(j), "levels": along.levels(j, value_L), "shown": shown}
            )
        )
    return tuple(records)


def shown_of(scale: Scale, before: dict[str, float], after: dict[str, float]) -> tuple[FloatArray, str]:
    """What the levels of a scale are worth [L] in its curve, from 0 to 1, and what that curve is of.

    Levels in order: evenly from 0 to 1. Categories: 1 for the one whose probability changed most.
    """
    names = [level.name for level in scale.levels]
    if scale.size == 2:
        return np.array([0.0, 1.0]), f"share of {names[1]!r}"
    if scale.kind == "categories":
        changed = max(names, key=lambda name: abs(after.get(name, 0.0) - before.get(name, 0.0)))
        return np.array([float(name == changed) for name in names]), f"share of {changed!r}"
    return np.linspace(0, 1, scale.size), f"mean level, from {names[0]!r} (0) to {names[-1]!r} (1)"
