"""Held-out lower bounds on worlds of known dissimilarity (Method, section 5)."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.scale import FloatArray, IntArray
from probes.toy_world import before_and_after, counts_between
from tools import discriminator
from tools.discriminator import LowerBound, bounds_of, lower_bound, score_features, skills
from tools.layout import BoolArray, Layout, layout_of


def even_layout(prompts: int, samples: int) -> Layout:
    layout, _ = layout_of(np.repeat(np.arange(prompts), 2 * samples), np.tile([0, 1], prompts * samples))
    return layout


def everything(layout: Layout) -> BoolArray:
    return np.ones(layout.samples, dtype=bool)


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=20), st.data())
def test_skills_are_those_of_the_three_losses(etas: list[float], data: st.DataObject) -> None:
    eta = np.array(etas)
    before = np.array(data.draw(st.lists(st.booleans(), min_size=len(etas), max_size=len(etas))))
    found = skills(eta, np.where(before, 1.0, -1.0))
    np.testing.assert_allclose(found["linear"], 1 - 4 * (before - eta) ** 2, atol=1e-12)
    np.testing.assert_allclose(found["js"], 1 + np.log2(np.where(before, eta, 1 - eta)), atol=1e-12)
    wrong = np.where(eta == 0.5, 0.5, (eta > 0.5) != before)
    np.testing.assert_allclose(found["tv"], 1 - 2 * wrong, atol=1e-12)


def test_lower_limit_by_hand() -> None:
    # Two prompts, two samples a side, l = 0.64 where eta = 0.8 is right and -1.56 where it is wrong.
    layout = even_layout(2, 2)
    right = np.array([True, True, True, True, True, True, False, True])
    eta = np.where(right == (layout.side_N == 0), 0.8, 0.2)
    found = bounds_of(eta, layout, everything(layout)).linear
    mean = (7 * 0.84 + 1 * -1.56) / 8
    fixed = 1.96 * np.sqrt(((0.84 + 1.56) ** 2 / 2) / (4 * 4 * 2))
    means = np.array([0.84, (3 * 0.84 - 1.56) / 4])
    random = 12.706204736 * means.std(ddof=1) / np.sqrt(2)
    assert found.plug_in == pytest.approx(mean)
    assert found.high is None
    assert found.low == max(mean - max(fixed, random), 0.0) == 0.0
    alone, _ = layout_of(np.zeros(8, dtype=np.int64), layout.side_N)
    single = bounds_of(eta, alone, everything(alone)).linear
    side_variances = np.array([np.var([0.84, 0.84, 0.84, -1.56], ddof=1), 0.0])
    assert single.low == pytest.approx(max(mean - 1.96 * np.sqrt(side_variances.sum() / 16), 0.0))
    assert single.value == pytest.approx(mean)


def drawn_levels(p: FloatArray, r: FloatArray, layout: Layout, rng: np.random.Generator) -> IntArray:
    draws = rng.random(layout.samples)[:, None]
    cumulative = np.where(layout.side_N[:, None] == 0, np.cumsum(p), np.cumsum(r))
    return np.asarray(np.minimum((draws > cumulative).sum(axis=1), len(p) - 1), dtype=np.int64)


@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0])
def test_bounds_stay_below_the_truth_and_come_near_it(strength: float) -> None:
    p = np.array([0.7, 0.2, 0.1])
    r = (1 - strength) * p + strength * np.array([0.1, 0.2, 0.7])
    truth = float(((p - r) ** 2 / (p + r)).sum() / 2)
    layout = even_layout(12, 10)
    found: list[LowerBound] = []
    for seed in range(8):
        levels = drawn_levels(p, r, layout, np.random.default_rng(seed))
        texts = [("Yes indeed.", "It may be.", "No.")[level] for level in levels]
        found.append(lower_bound(texts, levels[:, None].astype(float), layout, np.arange(240) % 5 < 2, seed=seed))
    values = np.array(
        [[one.bounds.linear.plug_in, one.unseen_prompts.linear.plug_in] for one in found if one.unseen_prompts]
    )
    assert len(values) == 8
    error = values.std(axis=0, ddof=1) / np.sqrt(8)
    assert (values.mean(axis=0) < truth + 2 * error + 1e-3).all()
    assert (values.mean(axis=0) > truth - 0.06).all()
    assert sum(one.bounds.linear.low > truth for one in found) <= 1


def test_totals_of_the_toy_world_are_not_exceeded() -> None:
    exceeded, gaps = 0, []
    for seed, total in enumerate([0.0, 0.0, 0.0, 0.0, 0.1, 0.1, 0.4, 0.4]):
        rng = np.random.default_rng(seed)
        world = before_and_after(seed, total=total, types=40)
        types_Q = world.draw_prompts(rng, 10)
        draws = world.draw(rng, types_Q, counts_between(rng, 10, 2, 18))
        layout, _ = layout_of(draws.prompt_N, draws.side_N)
        report_N = rng.random(layout.samples) < 0.4
        found = lower_bound(world.texts(draws)[1], None, layout, report_N, seed=seed).bounds
        truth = world.given(types_Q)
        exceeded += found.linear.low > truth.total()
        exceeded += found.js.low > truth.total("js")
        exceeded += found.tv.low > truth.total("tv")
        gaps.append(truth.total() - found.linear.plug_in)
    assert exceeded <= 1
    assert np.mean(gaps) > 0


def test_what_only_memory_could_tell_is_not_told() -> None:
    # Every answer is one of a kind: perfect on rows that were learned from, worthless on others.
    layout = even_layout(10, 12)
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefghij "), 20)) for _ in range(layout.samples)]
    scores = rng.normal(size=(layout.samples, 3))
    found = lower_bound(texts, scores, layout, everything(layout), seed=1)
    for bounds in found.by_kind.values():
        assert bounds.linear.plug_in < 0.03
        assert bounds.linear.low == 0.0
        assert bounds.linear.one_sided


def test_a_topic_that_a_fold_lacks_on_one_side_does_not_mislead() -> None:
    # One answer a prompt and side, which repeats the prompt's own word: nothing to tell, and nothing is lost.
    layout = even_layout(60, 1)
    texts = [f"topic{prompt}" for prompt in layout.prompt_N]
    found = lower_bound(texts, None, layout, everything(layout), seed=0)
    assert found.bounds.linear.plug_in == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("draws", [1, 6])
def test_the_same_answers_on_both_sides_are_not_told_apart(draws: int) -> None:
    # An adapter that was not loaded: each answer stands on both sides, and its twin gives away a held-out one.
    layout = even_layout(12, draws)
    rng = np.random.default_rng(0)
    words = list("abcdefghijklmnop")
    texts = [" ".join(rng.choice(words, 12)) for _ in range(12 * draws)]
    twin_N = np.empty(layout.samples, dtype=np.int64)
    for side in (0, 1):
        twin_N[layout.side_N == side] = np.arange(12 * draws)
    found = lower_bound([texts[twin] for twin in twin_N], None, layout, everything(layout), seed=0)
    assert found.bounds.linear.plug_in <= 0.0
    assert found.bounds.linear.low == 0.0


def test_missing_scores_tell_nothing() -> None:
    layout = even_layout(10, 30)
    rng = np.random.default_rng(3)
    score = rng.normal(size=layout.samples)
    score[(layout.side_N == 1) & (rng.random(layout.samples) < 0.5)] = np.nan
    texts = ["same"] * layout.samples

    def of(column: FloatArray) -> float:
        found = lower_bound(texts, column[:, None], layout, everything(layout), seed=0)
        return found.by_kind["scores"].linear.plug_in

    assert of(score) < 0.01
    assert of(np.where(np.isnan(score), -9.0, score)) > 0.2


def test_score_features_keep_rare_values_apart_and_average_where_missing() -> None:
    column = np.array([0.0] * 96 + [1.0, 1.0, 1.0, np.nan])
    dense = np.asarray(score_features(np.stack([column, np.full(100, np.nan)], axis=1)).todense()) * np.sqrt(2)
    assert len(np.unique(dense[:99], axis=0)) == 2
    np.testing.assert_allclose(dense[99], dense[:99].mean(axis=0), rtol=1e-6)
    spread = np.asarray(score_features(np.arange(1000.0)[:, None]).todense())
    np.testing.assert_allclose(spread.sum(axis=0)[1:], 100, atol=1)


def test_the_discriminator_is_chosen_on_other_rows_than_it_is_quoted_on() -> None:
    layout = even_layout(10, 20)
    rng = np.random.default_rng(0)
    report_N = np.arange(layout.samples) % 5 < 2
    noise = [f"w{rng.integers(20)} w{rng.integers(20)}" for _ in range(layout.samples)]
    # On the rows of report the texts would win; on the others only the score knows anything.
    texts = [
        word + (" before" if side == 0 else " after") if quoted else word
        for word, side, quoted in zip(noise, layout.side_N, report_N, strict=True)
    ]
    score = np.where(
        report_N, rng.normal(size=layout.samples), layout.label_N + 0.5 * rng.normal(size=layout.samples)
    )
    found = lower_bound(texts, score[:, None], layout, report_N, seed=0)
    assert found.by_kind["text"].linear.value > found.by_kind["scores"].linear.value
    assert found.chosen != "text"
    assert lower_bound(texts, score[:, None], layout, ~report_N, seed=0).chosen != "scores"
    without = lower_bound(texts, score[:, None], layout, everything(layout), seed=0)
    assert without.chosen == "both"


def test_same_seed_same_numbers_and_another_seed_others() -> None:
    layout = even_layout(8, 10)
    levels = drawn_levels(np.array([0.6, 0.4]), np.array([0.3, 0.7]), layout, np.random.default_rng(0))
    texts = [("Certainly, here you are.", "No.")[level] for level in levels]
    first, again, other = (
        lower_bound(texts, levels[:, None].astype(float), layout, everything(layout), seed=seed)
        for seed in (4, 4, 5)
    )
    assert first == again
    assert first != other


def test_learning_from_some_rows_scores_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = even_layout(20, 50)
    p, r = np.array([0.8, 0.2]), np.array([0.3, 0.7])
    levels = drawn_levels(p, r, layout, np.random.default_rng(0))
    texts = [("Certainly, here you are.", "No.")[level] for level in levels]
    whole = lower_bound(texts, levels[:, None].astype(float), layout, everything(layout), seed=0)
    monkeypatch.setattr(discriminator, "TRAINING_SAMPLES", 400)
    monkeypatch.setattr(discriminator, "PIECE", 333)
    part = lower_bound(texts, levels[:, None].astype(float), layout, everything(layout), seed=0)
    for kind, bounds in part.by_kind.items():
        assert bounds.linear.value == pytest.approx(whole.by_kind[kind].linear.value, abs=0.01)
        assert bounds.linear.standard_error == pytest.approx(whole.by_kind[kind].linear.standard_error, rel=0.1)
    assert part != whole


def test_progress_counts_every_fit() -> None:
    layout = even_layout(6, 5)
    told: list[tuple[int, int]] = []
    scores = np.zeros((layout.samples, 1))
    texts = ["a"] * layout.samples
    lower_bound(texts, scores, layout, everything(layout), seed=0, on_progress=lambda d, n: told.append((d, n)))
    assert told == [(i, 60) for i in range(1, 61)]


@pytest.mark.parametrize(("prompts", "samples"), [(1, 1), (1, 2), (1, 3), (2, 1), (3, 2), (1, 6)])
def test_few_samples_give_no_claim_and_no_failure(prompts: int, samples: int) -> None:
    layout = even_layout(prompts, samples)
    texts = ["left" if side == 0 else "right" for side in layout.side_N]
    found = lower_bound(texts, layout.label_N[:, None], layout, everything(layout), seed=0)
    assert (found.unseen_prompts is None) == (prompts == 1)
    for bounds in found.by_kind.values():
        for one in (bounds.linear, bounds.js, bounds.tv):
            assert 0 <= one.low <= one.value <= 1
            assert one.high is None


def test_a_report_split_without_a_prompt_on_both_sides_is_refused() -> None:
    layout = even_layout(2, 2)
    with pytest.raises(ValueError, match="both sides"):
        lower_bound(["a"] * 8, None, layout, layout.side_N == 0, seed=0)


def test_real_responses(data_folder: Path) -> None:
    rows = [
        (json.loads(line), side)
        for side, name in enumerate(("before", "after"))
        for line in (data_folder / "em-qwen7b" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    prompts = {row["prompt_id"]: 0 for row, _ in rows}
    index = {prompt: i for i, prompt in enumerate(prompts)}
    layout, _ = layout_of(np.array([index[row["prompt_id"]] for row, _ in rows]), np.array([s for _, s in rows]))
    report_N = np.arange(layout.samples) % 5 < 2
    found = lower_bound([row["response"] for row, _ in rows], None, layout, report_N, seed=0)
    assert 0.93 < found.bounds.linear.low < found.bounds.linear.value <= 1
    assert found.unseen_prompts is not None
    assert 0.78 < found.unseen_prompts.linear.value < 0.95
