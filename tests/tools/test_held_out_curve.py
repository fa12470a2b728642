"""The curve without likelihoods: boundary by boundary the bound of a discriminator that reads the two sides."""

import numpy as np
import pytest

from probes.toy_world import Course, ToyWorld, demo_world
from tools.curve_sums import Windows
from tools.discriminator import lower_bound
from tools.held_out_curve import sums_of_texts
from tools.layout import layout_of
from tools.windowed_curve import WindowedCurve


@pytest.mark.parametrize("claim", ["fixed", "random"])
def test_every_boundary_has_the_bound_of_its_two_sides(claim: str) -> None:
    demo = demo_world()
    world = ToyWorld(demo.grammar, np.linspace(0, 1, 4), Course("sharp", 0.5, 0.1), demo.effect)
    rng = np.random.default_rng(0)
    draws = world.draw(rng, world.draw_prompts(rng, 8), 6, before=(0,), after=(1, 2, 3))
    texts = world.texts(draws)[1]
    lonely = (draws.prompt_N == 7) & (draws.checkpoint_N > 1)  # a prompt that the later checkpoints lack
    prompt_N, checkpoint_N = draws.prompt_N[~lonely], draws.checkpoint_N[~lonely]
    texts = [text for text, gone in zip(texts, lonely.tolist(), strict=True) if not gone]
    seen = []
    sums = sums_of_texts(texts, prompt_N, checkpoint_N, Windows(4, 1), 3, lambda: seen.append(1))
    curve = WindowedCurve(sums, "fixed" if claim == "fixed" else "random", lower_bound=True)
    assert len(seen) == 3
    for boundary in range(3):
        inside = np.flatnonzero(np.isin(checkpoint_N, (boundary, boundary + 1)))
        layout, kept_M = layout_of(prompt_N[inside], checkpoint_N[inside] - boundary)
        of_two = lower_bound(
            [texts[row] for row in inside[kept_M].tolist()],
            None,
            layout,
            np.ones(layout.samples, dtype=bool),
            seed=3,
        ).bounds
        total = curve.totals(boundary)
        assert total is not None
        for found, expected in zip(total.values(), (of_two.linear, of_two.js, of_two.tv), strict=True):
            assert (found.value, found.low) == pytest.approx((expected.value, expected.low))
    assert curve.prompts_B.tolist() == [8, 7, 7]
