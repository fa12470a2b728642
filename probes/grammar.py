"""A small random grammar that answers prompts: every answer, its text and its exact probability.

An answer has five slots, the first four of which may move along the control parameter:

| slot | levels | in the text |
|---|---|---|
| length | 4 | 1, 2, 3 or 5 sentences of advice |
| hedge | 2 | whether it hedges |
| closing | 3 | ends plainly, with a question back, with a warning |
| exclaims | 2 | whether the advice begins with an exclamation |
| day | 7 | the day on which to begin: never moves |

A hidden mode (chatty or curt) couples length, hedge and closing. Prompt types differ in how far they move.
`exclaims` moves on every prompt type but not in the population: types come in pairs that are alike in all else
and mirror each other in it, so that their movements cancel. How far slots move depends on the day (`gate_L`),
so that the day tells the size of the evidence but never its sign.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from probes.scale import FloatArray, IntArray

MOVING_SLOTS = ("length", "hedge", "closing", "exclaims")
SLOT_SIZES = (4, 2, 3, 2, 7)
OUTPUTS = int(np.prod(SLOT_SIZES))

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SENTENCES_OF_LENGTH = (1, 2, 3, 5)
_ADVICE = (
    "Set aside some time for {topic}",
    "Keep the steps small and check each one before you go on.",
    "Most people hurry the middle part and pay for it later.",
    "A cheap tool does the job about as well as a dear one.",
    "Write down what worked so that you can do it again.",
)
_HEDGES = ("", "Perhaps it depends on what you have at home.")
_CLOSINGS = ("", "Would you like more detail?", "Please be careful, though.")
_TOPICS = (
    "baking bread", "growing tomatoes", "fixing a bicycle", "learning chess", "painting a fence",
    "training a puppy", "brewing tea", "sewing a button", "planning a picnic", "sharpening knives",
    "keeping bees", "writing letters", "cleaning windows", "making soup", "tuning a guitar",
    "packing a suitcase", "reading maps", "drying herbs", "folding shirts", "storing apples",
    "watering plants", "building shelves", "taking photographs", "running a mile", "sleeping better",
    "frying eggs", "washing wool", "choosing a tent", "hanging pictures", "saving money",
    "juggling", "pruning roses", "mending socks", "driving in snow", "making cheese",
    "speaking in public", "knitting a scarf", "grinding coffee", "hosting guests", "swimming",
    "raising chickens", "learning Spanish", "roasting chestnuts", "polishing shoes", "memorising poems",
    "moving house", "buying a used car", "cutting hair", "lighting a fire", "wrapping gifts",
)  # fmt: skip
_QUESTIONS = (
    "How do I get started with {topic}?",
    "What matters most in {topic}?",
    "Any advice on {topic}?",
    "I keep failing at {topic}. What should I change?",
    "My sister asked me about {topic}. What do I tell her?",
    "Is there a simple way of {topic}?",
    "What would you do first when {topic}?",
    "Explain {topic} to a beginner.",
)


@dataclass(frozen=True, eq=False)
class Grammar:
    """The numbers of a grammar for Q prompt types, H = 2 modes, and slots of L levels.

    weight_Q: probability of each prompt type. mode_base_Q, mode_tilt_Q: log odds of the curt mode and how they
    move. base_HQL, tilt_QL: logits of each moving slot and how they move, one array a slot. day_logit_QL: logits
    of the day. gate_L: how much of the movement takes place on each day.
    """

    weight_Q: FloatArray
    mode_base_Q: FloatArray
    mode_tilt_Q: FloatArray
    base_HQL: tuple[FloatArray, ...]
    tilt_QL: tuple[FloatArray, ...]
    day_logit_QL: FloatArray
    gate_L: FloatArray

    @property
    def types(self) -> int:
        return len(self.weight_Q)

    @cached_property
    def slots_XJ(self) -> IntArray:
        """Level of each output X on each slot (length, hedge, closing, exclaims, day)."""
        day_X, *moving = np.unravel_index(np.arange(OUTPUTS), (SLOT_SIZES[-1], *SLOT_SIZES[:-1]))
        return np.stack([*moving, day_X], axis=1).astype(np.int64)

    def log_probabilities(self, move_K: FloatArray) -> FloatArray:
        """log P(x | q, T_k) of every output: [Q, K, X], for movements `move_K` of the K checkpoints."""
        day_QL = _softmax(self.day_logit_QL)
        parts = [
            day_QL[:, day, None, None] * self._moving_probabilities(move_K * self.gate_L[day])
            for day in range(len(DAYS))
        ]
        logs: FloatArray = np.log(np.concatenate(parts, axis=2))
        return logs

    def _moving_probabilities(self, move_K: FloatArray) -> FloatArray:
        """Probability of the four moving slots together: [Q, K, 48], summed over the hidden mode."""
        curt_QK = 1.0 / (1.0 + np.exp(-(self.mode_base_Q[:, None] + self.mode_tilt_Q[:, None] * move_K)))
        total: FloatArray = np.zeros(())
        for mode, weight_QK in enumerate((1.0 - curt_QK, curt_QK)):
            joint = weight_QK[:, :, None]
            for base_HQL, tilt_QL in zip(self.base_HQL, self.tilt_QL, strict=True):
                slot_QKL = _softmax(base_HQL[mode][:, None, :] + move_K[:, None] * tilt_QL[:, None, :])
                joint = (joint[..., None] * slot_QKL[:, :, None, :]).reshape(*curt_QK.shape, -1)
            total = total + joint
        return total

    def prompt(self, prompt_type: int) -> str:
        """The text of a prompt type; different for each of them."""
        round_number, question = divmod(prompt_type // len(_TOPICS), len(_QUESTIONS))
        again = f" ({round_number + 1})" if round_number else ""
        return _QUESTIONS[question].format(topic=self.topic(prompt_type)) + again

    def topic(self, prompt_type: int) -> str:
        return _TOPICS[prompt_type % len(_TOPICS)]

    def response(self, prompt_type: int, output: int) -> str:
        """The text of an output as an answer to a prompt type; one text an output."""
        length, hedge, closing, exclaims, day = self.slots_XJ[output]
        first = _ADVICE[0].format(topic=self.topic(prompt_type)) + ("!" if exclaims else ".")
        advice = [first, *_ADVICE[1 : _SENTENCES_OF_LENGTH[length]]]
        pieces = [*advice, f"I would begin on {DAYS[day]}.", _HEDGES[hedge], _CLOSINGS[closing]]
        return " ".join(piece for piece in pieces if piece)


def random_grammar(seed: int, types: int = 400, spread: float = 0.5, gated: bool = True) -> Grammar:
    """A grammar drawn from a seed.

    types: number of prompt types, even. spread: standard deviation, between prompt types, of how far they move,
    relative to the mean movement; 0 makes them alike in it. gated: whether the day changes the movement.
    """
    if types % 2:
        raise ValueError("prompt types come in mirrored pairs: their number must be even")
    rng = np.random.default_rng(seed)
    pairs = types // 2

    def twice(values_P: FloatArray) -> FloatArray:
        return np.repeat(values_P, 2, axis=0)

    def movement_Q() -> FloatArray:
        return twice(rng.uniform(0.6, 1.4) * (1.0 + spread * rng.normal(size=pairs)))

    weight_Q = twice(rng.gamma(4.0, size=pairs))
    coupled = [_coupled_slot(rng, size, movement_Q()) for size in SLOT_SIZES[:3]]
    mirrored = _mirrored_slot(rng, types, spread)
    day_Q7 = twice(rng.normal(0.0, 0.4, size=(pairs, 7)))
    day_Q7[:, -1] -= 2.0  # few answers begin on a Sunday: a level with few hits
    return Grammar(
        weight_Q=weight_Q / weight_Q.sum(),
        mode_base_Q=twice(rng.normal(0.0, 0.7, size=pairs)),
        mode_tilt_Q=2.0 * movement_Q(),
        base_HQL=(*(base for base, _ in coupled), mirrored[0]),
        tilt_QL=(*(tilt for _, tilt in coupled), mirrored[1]),
        day_logit_QL=day_Q7,
        gate_L=rng.uniform(0.4, 1.6, size=7) if gated else np.ones(7),
    )


def _coupled_slot(rng: np.random.Generator, size: int, movement_Q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Logits [H, Q, L] and tilts [Q, L] of a slot that the curt mode pulls towards its first level."""
    direction_L = np.linspace(1.0, -1.0, size)
    prompt_QL = np.repeat(rng.normal(0.0, 0.4, size=(len(movement_Q) // 2, size)), 2, axis=0)
    base_L = rng.normal(0.0, 0.4, size=size)
    pull = rng.uniform(0.5, 1.5)
    base_HQL = np.stack([prompt_QL + base_L, prompt_QL + base_L + pull * direction_L])
    sign = rng.choice([-1.0, 1.0], p=[0.25, 0.75])  # some slots move against the mode
    return base_HQL, sign * movement_Q[:, None] * direction_L


def _mirrored_slot(rng: np.random.Generator, types: int, spread: float) -> tuple[FloatArray, FloatArray]:
    """Logits [H, Q, 2] and tilts [Q, 2] that are opposite within each pair of types and the same in both modes."""
    opposite_Q = np.tile([0.5, -0.5], types // 2)
    base_Q = np.repeat(rng.normal(0.0, 0.5, size=types // 2), 2) * opposite_Q
    tilt_Q = np.repeat(rng.normal(0.0, 2.0 * spread, size=types // 2), 2) * opposite_Q
    base_Q2 = np.stack([-base_Q, base_Q], axis=1)
    return np.stack([base_Q2, base_Q2]), np.stack([-tilt_Q, tilt_Q], axis=1)


def _softmax(logits: FloatArray) -> FloatArray:
    """Softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    normalised: FloatArray = shifted / shifted.sum(axis=-1, keepdims=True)
    return normalised
