"""What a reader must know of a comparison: alerts, which stand before any number, and warnings.

What can be seen in the responses alone is seen by `runs.observations`, at import and for any two sides of a sweep.
"""

from collections.abc import Iterable, Sequence

from agent.settings import shown
from probes.scale import IntArray
from probes.words import count
from runs import observations
from runs.directory import Run
from runs.texts import TextFacts
from tools.layout import AFTER, BEFORE, FEWEST_PROMPTS, Claim

SIDES = {BEFORE: "before", AFTER: "after"}

TESTED_PROMPTS = 8
"""Under this many prompts the intervals were never tested (Method, section 5)."""

P_VALUE_PROMPTS = 6
NAMED = 5


def alerts_of(prompt_N: IntArray, side_N: IntArray, facts: TextFacts) -> tuple[str, ...]:
    """Alerts about the samples of the two sides, those of prompts on one side only included."""
    return observations.alerts(tuple(SIDES.values()), prompt_N, side_N, facts)


def sampling_warnings(
    run: Run, prompt_N: IntArray, side_N: IntArray, facts: TextFacts, finish_N: Iterable[str | None]
) -> tuple[str, ...]:
    """Warnings about how the two sides were sampled; where the run is these two sides, its import said them."""
    if run.manifest.control.name == "side":
        return tuple(run.manifest.warnings)
    labels = tuple(SIDES.values())
    return tuple(observations.sampled_differently(labels, prompt_N, side_N, facts, finish_N, {}))


def left_out_warning(left_out: Sequence[str], samples: int, used: int) -> str:
    """Prompts with one side only say nothing about the change."""
    names = ", ".join(shown(name) for name in left_out[:NAMED])
    more = f" and {len(left_out) - NAMED:,} more" if len(left_out) > NAMED else ""
    prompts = count(len(left_out), "prompt")
    return (
        f"{prompts} with samples on one side only left out, with {samples:,} samples ({names}{more}); "
        f"{used:,} are on both sides"
    )


def few_prompts_warnings(prompts: int, claim: Claim) -> tuple[str, ...]:
    """What a report on so few prompts cannot promise."""
    if claim == "random" and FEWEST_PROMPTS["random"] <= prompts < P_VALUE_PROMPTS:
        return (
            f"{count(prompts, 'prompt')}: a claim about prompts like these needs at least {P_VALUE_PROMPTS} for "
            "any p-value under 0.05, and the intervals were not tested with so few",
        )
    if prompts < TESTED_PROMPTS:
        return (f"{count(prompts, 'prompt')}: the intervals were not tested under {TESTED_PROMPTS} prompts",)
    return ()
