"""The toy worlds of the studies: their cells, and one sample of one world with everything known about it."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from probes.scale import FloatArray, IntArray
from probes.toy_world import Contrast, Draws, ToyWorld, before_and_after, counts_between
from tools.evidence import side_mixtures, signed_evidence
from tools.layout import Claim, Layout, layout_of

CLAIMS: tuple[Claim, ...] = ("fixed", "random")
MODES = ("likelihood", "black-box")

COUNTS = {"5": (5, 5), "10": (10, 10), "30": (30, 30), "1-5": (1, 5), "2-18": (2, 18)}
"""Samples a prompt and side: equal, or uniform between two numbers."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Worlds with the same total in the population, the same number of prompts and the same counts.

    alike: prompts move alike and the day does not gate it, so that a few parameters capture nearly everything.
    """

    total: float
    prompts: int
    counts: str
    alike: bool = False

    def sample(self, rng: np.random.Generator, world: ToyWorld) -> "Sampled":
        return sample(rng, world, self.prompts, COUNTS[self.counts])

    @property
    def name(self) -> str:
        return f"D={self.total:g} Q={self.prompts} n={self.counts}" + (" alike" if self.alike else "")


@dataclass(frozen=True, eq=False)
class Sampled:
    """One sample of both sides of a world, on prompts drawn from its population."""

    world: ToyWorld
    draws: Draws

    @cached_property
    def layout(self) -> Layout:
        layout, kept_N = layout_of(self.draws.prompt_N, self.draws.side_N)
        assert kept_N.all()
        return layout

    @cached_property
    def evidence_N(self) -> FloatArray:
        return signed_evidence(*side_mixtures(self.world.loglik(self.draws), [0], [1]))

    def values_N(self, mode: str) -> FloatArray:
        """What takes the place of v: signed evidence, or the labels in black-box mode."""
        return self.evidence_N if mode == "likelihood" else self.layout.label_N

    def levels_NJ(self, features: tuple[str, ...]) -> IntArray:
        levels_XJ = np.stack([self.world.levels(name) for name in features], axis=1)
        levels_NJ: IntArray = levels_XJ[self.draws.output_N]
        return levels_NJ

    def truth(self, claim: Claim) -> Contrast:
        """What the claim is about: these prompts, or the population they were drawn from."""
        return population(self.world) if claim == "random" else self._given

    @cached_property
    def _given(self) -> Contrast:
        return self.world.given(self.draws.types_Q)


@lru_cache(maxsize=16)
def world_of(seed: int, total: float, alike: bool = False) -> ToyWorld:
    return before_and_after(seed, total=total, spread=0.0 if alike else 0.5, gated=not alike)


@lru_cache(maxsize=16)
def population(world: ToyWorld) -> Contrast:
    return world.population()


def sample(rng: np.random.Generator, world: ToyWorld, prompts: int, counts: tuple[int, int]) -> Sampled:
    """A sample on prompts drawn from the population; counts a prompt and side uniform between two numbers."""
    low, high = counts
    types_Q = world.draw_prompts(rng, prompts)
    return Sampled(world, world.draw(rng, types_Q, counts_between(rng, prompts, low, high)))
