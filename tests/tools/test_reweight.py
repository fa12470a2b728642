"""Reweighted means and dissimilarities: against pymbar, direct estimates and the exact values of toy worlds."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymbar.mbar_solvers import mbar_W_nk

from probes.grammar import random_grammar
from probes.scale import FloatArray, IntArray
from probes.toy_world import Course, Draws, ToyWorld, joint_cells, with_effect
from tools.dissimilarity import totals
from tools.evidence import side_mixtures, signed_evidence
from tools.layout import Claim, layout_of
from tools.reweight import FEWEST_REACHED, Pool, Weighted
from tools.share import set_dissimilarity, share

CHECKPOINTS = 7
CLAIMS: tuple[Claim, ...] = ("fixed", "random")


def world_of(seed: int, total: float = 0.7, width: float = 0.15) -> ToyWorld:
    world = ToyWorld(random_grammar(seed, 60), np.linspace(0, 1, CHECKPOINTS), Course("sharp", 0.5, width))
    return with_effect(world, lambda one: one.population().total(), total)


def drawn(
    world: ToyWorld, *, prompts: int, draws: int | IntArray, sources: Sequence[int], seed: int = 0
) -> tuple[Draws, Pool]:
    rng = np.random.default_rng(seed)
    types_Q = world.draw_prompts(rng, prompts)
    found = world.draw(rng, types_Q, draws, before=sources[:1], after=sources[1:])
    return found, Pool(world.loglik(found), found.prompt_N, found.checkpoint_N)


def toward(pool: Pool, *targets: int) -> Weighted:
    found = pool.toward(targets)
    assert found is not None
    return found


def test_weights_are_those_of_mbar_with_all_free_energies_at_zero() -> None:
    """pymbar's W_nk at f_k = 0, prompt by prompt, brought to the same sum within each prompt."""
    world = world_of(0)
    prompts, sources = 5, (0, 2, 3, 6)
    count_QC = np.random.default_rng(1).integers(1, 9, size=(prompts, len(sources)))
    draws, pool = drawn(world, prompts=prompts, draws=count_QC, sources=sources)
    for target in range(CHECKPOINTS):
        expected_N = np.zeros(len(draws.prompt_N))
        for q in range(prompts):
            mine = draws.prompt_N == q
            count_K = np.bincount(draws.checkpoint_N[mine], minlength=CHECKPOINTS)
            w_nK = mbar_W_nk(-pool.loglik_NK[mine].T, count_K, np.zeros(CHECKPOINTS))
            expected_N[mine] = w_nK[:, target] / w_nK[:, target].sum() / prompts
        assert toward(pool, target).weight_N == pytest.approx(expected_N, abs=1e-6)


def test_samples_of_the_target_alone_are_the_direct_estimate() -> None:
    world = world_of(1)
    draws, pool = drawn(world, prompts=9, draws=6, sources=(3, 4))
    value_N = world.levels("length")[draws.output_N] / 3
    mine = draws.checkpoint_N == 4
    alone = Pool(pool.loglik_NK[mine], draws.prompt_N[mine], draws.checkpoint_N[mine])
    for claim in CLAIMS:
        found = toward(alone, 4)
        by_prompt_Qn = value_N[mine].reshape(9, 6)
        assert found.proportion(value_N[mine], claim).value == pytest.approx(by_prompt_Qn.mean())
        fixed = np.sqrt((by_prompt_Qn.var(axis=1, ddof=1) / 6).sum()) / 9
        random = by_prompt_Qn.mean(axis=1).std(ddof=1) / 3
        expected = fixed if claim == "fixed" else random
        assert np.sqrt(found.variance(value_N[mine], claim)) == pytest.approx(expected)
    assert toward(alone, 4).effective == pytest.approx(54)


@pytest.mark.parametrize("claim", CLAIMS)
def test_samples_of_both_sides_alone_are_the_table_of_two_sides(claim: Claim) -> None:
    """Values, biases and intervals agree with the estimators that know nothing of weights."""
    world = world_of(2)
    draws, pool = drawn(world, prompts=10, draws=5, sources=(3, 4))
    layout, _ = layout_of(draws.prompt_N, draws.side_N)
    s_N = signed_evidence(*side_mixtures(pool.loglik_NK, [3], [4]))
    found = toward(pool, 3, 4)
    assert pool.evidence(found, [3], [4]) == pytest.approx(s_N)
    for features in (("length",), ("length", "hedge"), ("sentences", "day")):
        levels_NJ = np.stack([world.levels(name)[draws.output_N] for name in features], axis=1)
        for mine, theirs in (
            (found.dissimilarity(s_N, levels_NJ, claim), set_dissimilarity(s_N, layout, levels_NJ, claim)),
            (found.share(s_N, levels_NJ, claim), share(s_N, layout, levels_NJ, claim)),
            (found.total(s_N, claim), totals(s_N, layout, claim)["linear"]),
        ):
            assert (mine.value, mine.low, mine.high, mine.bias) == pytest.approx(
                (theirs.value, theirs.low, theirs.high, theirs.bias), abs=1e-9
            )


def exact_mean(world: ToyWorld, types_Q: IntArray, value_X: FloatArray, checkpoint: int) -> float:
    return float((np.exp(world.log_probability_QKX[types_Q, checkpoint]) @ value_X).mean())


def test_curves_from_all_checkpoints_hold_the_exact_values() -> None:
    """Means at every checkpoint, dissimilarity and share at every boundary; 95% intervals, fixed prompts."""
    held: dict[str, list[bool]] = {"mean": [], "direct": [], "dissimilarity": [], "share": []}
    narrower = []
    for seed in range(12):
        world = world_of(seed)
        draws, pool = drawn(world, prompts=8, draws=6, sources=range(CHECKPOINTS), seed=seed)
        value_X, levels_X1 = world.levels("length") / 3, world.levels("length")[:, None]
        for k in range(CHECKPOINTS):
            found = toward(pool, k)
            mean = found.proportion(value_X[draws.output_N[found.row_N]], "fixed")
            exact = exact_mean(world, draws.types_Q, value_X, k)
            assert mean.high is not None
            held["mean"].append(mean.low <= exact <= mean.high)
            mine = draws.checkpoint_N == k
            direct = Pool(pool.loglik_NK[mine], draws.prompt_N[mine], draws.checkpoint_N[mine])
            alone = toward(direct, k).proportion(value_X[draws.output_N[mine]], "fixed")
            narrower.append(alone.standard_error / mean.standard_error)
            apart = abs(mean.value - alone.value) / np.hypot(mean.standard_error, alone.standard_error)
            held["direct"].append(bool(apart <= 2))
        for k in range(1, CHECKPOINTS):
            found = toward(pool, k - 1, k)
            s_N, levels_N1 = pool.evidence(found, [k - 1], [k]), levels_X1[draws.output_N[found.row_N]]
            contrast = world.given(draws.types_Q, (k - 1,), (k,))
            for name, estimate, exact in (
                (
                    "dissimilarity",
                    found.dissimilarity(s_N, levels_N1, "fixed"),
                    contrast.dissimilarity(levels_X1[:, 0]),
                ),
                ("share", found.share(s_N, levels_N1, "fixed"), contrast.share(levels_X1[:, 0])),
            ):
                assert estimate.high is not None
                held[name].append(estimate.low - 1e-9 <= exact <= estimate.high + 1e-9)
    assert {name: np.mean(one) >= 0.88 for name, one in held.items()} == dict.fromkeys(held, True), {
        name: np.mean(one) for name, one in held.items()
    }
    assert np.median(narrower) > 1.2  # what the neighbours' samples add


def test_from_two_checkpoints_it_says_how_far_that_reaches() -> None:
    world = world_of(3, total=0.95, width=0.08)
    draws, pool = drawn(world, prompts=10, draws=12, sources=(1, 2))
    reached = [toward(pool, k) for k in range(CHECKPOINTS)]
    supported = [one.supports("fixed") for one in reached]
    assert supported == [True, True, True, False, False, False, False]
    assert reached[0].effective > FEWEST_REACHED * 10
    assert reached[6].effective < FEWEST_REACHED * 10
    value_X = world.levels("length") / 3
    for k in (0, 1, 2):
        mean = reached[k].proportion(value_X[draws.output_N], "fixed")
        assert mean.high is not None
        assert mean.low <= exact_mean(world, draws.types_Q, value_X, k) <= mean.high


def test_a_target_that_the_samples_can_not_reach_is_found_out() -> None:
    """Disjoint outputs: whatever weights come out, they stand for none of the target's probability."""
    rng = np.random.default_rng(0)
    loglik_NK = np.column_stack([rng.normal(-20, 0.1, 60), rng.normal(-60, 0.1, 60)])
    pool = Pool(loglik_NK, np.arange(60) // 12, np.zeros(60, dtype=np.int64))
    found = toward(pool, 1)
    assert found.effective > FEWEST_REACHED * 5  # the weights look well
    assert found.found_Q == pytest.approx(0, abs=1e-9)
    assert not found.supports("fixed")


def patchy(rng: np.random.Generator, overlap: float) -> tuple[Pool, FloatArray, float]:
    """Ten prompts with 60 answers each of checkpoint 0, and one of them with 60 of checkpoint 1 besides.

    Values of the answers, which are 0 or 1, and their mean at checkpoint 1. Answers are drawn from 40 that say 0,
    likely at checkpoint 0, and 40 that say 1, of which checkpoint 0 draws `overlap`.
    """
    p_X = np.repeat([(1 - overlap) / 40, overlap / 40], 40)
    r_X = np.repeat([0.002 / 40, 0.998 / 40], 40)
    prompt_N = np.concatenate([np.repeat(np.arange(10), 60), np.zeros(60, dtype=np.int64)])
    checkpoint_N = np.repeat([0, 1], [600, 60])
    output_N = np.concatenate([rng.choice(80, 600, p=p_X), rng.choice(80, 60, p=r_X)])
    loglik_NK = np.log(np.stack([p_X, r_X], axis=1))[output_N]
    return Pool(loglik_NK, prompt_N, checkpoint_N), (output_N >= 40).astype(np.float64), 0.998


def test_prompts_where_the_target_was_sampled_cannot_stand_in_for_the_others() -> None:
    """What the others say is far from the truth, and each alone looks as if many samples stood behind it."""
    pool, value_N, truth = patchy(np.random.default_rng(0), overlap=1e-6)
    found = toward(pool, 1)
    assert found.sampled_Q.tolist() == [True] + [False] * 9
    assert found.effective > FEWEST_REACHED * 10
    mean = found.proportion(value_N, "fixed")
    assert mean.value < 0.3 < truth
    assert found.found_Q[0] == 1
    assert (found.found_Q[1:] < 0.1).all()
    assert not found.supports("fixed")
    assert mean.standard_error > 0.01  # where nine prompts say 0 and one says 1, nothing spreads within them
    at_boundary = toward(pool, 0, 1)
    assert at_boundary.sampled_Q.tolist() == [True] + [False] * 9
    assert not at_boundary.supports("fixed")


def test_prompts_that_reach_the_target_stand_beside_one_where_it_was_sampled() -> None:
    held = []
    for seed in range(20):
        pool, value_N, truth = patchy(np.random.default_rng(seed), overlap=0.5)
        found = toward(pool, 1)
        assert found.supports("fixed")
        mean = found.proportion(value_N, "fixed")
        assert mean.high is not None
        held.append(mean.low <= truth <= mean.high)
    assert np.mean(held) >= 0.9


def test_a_target_whose_answers_all_lack_a_value_was_not_sampled() -> None:
    pool, _, _ = patchy(np.random.default_rng(0), overlap=1e-6)
    found = pool.toward((1,), pool.checkpoint_N == 0)
    assert found is not None
    assert not found.sampled_Q.any()
    assert not found.supports("fixed")


def test_an_impossible_sample_has_no_weight_and_certain_evidence() -> None:
    """Log-likelihoods of -inf, against sums over all outputs: three checkpoints, each without some of four."""
    probability_KX = np.array([[0.5, 0.25, 0.25, 0.0], [0.25, 0.25, 0.0, 0.5], [0.0, 0.0, 0.5, 0.5]])
    rng = np.random.default_rng(0)
    prompt_N, checkpoint_N = np.divmod(np.arange(3000) // 250, 3)
    output_N = np.array([rng.choice(4, p=probability_KX[k]) for k in checkpoint_N])
    with np.errstate(divide="ignore"):
        pool = Pool(np.log(probability_KX.T)[output_N], prompt_N, checkpoint_N)
    for k in range(3):
        found = toward(pool, k)
        assert (found.weight_N[probability_KX[k, output_N] == 0] == 0).all()
        for x in range(4):
            mean = found.proportion((output_N == x).astype(np.float64), "fixed")
            assert abs(mean.value - probability_KX[k, x]) < 4 * mean.standard_error
        expected_N = probability_KX[k, output_N] / probability_KX[:, output_N].sum(axis=0)
        expected_N /= 4 * np.bincount(prompt_N, expected_N)[prompt_N]
        assert found.weight_N == pytest.approx(expected_N)
    for before, after in (((0,), (1,)), ((1,), (2,)), ((0,), (1, 2))):
        p_X, r_X = probability_KX[list(before)].mean(axis=0), probability_KX[list(after)].mean(axis=0)
        found = toward(pool, *before, *after) if len(after) == 1 else toward(pool, 0, 0, 1, 2)
        s_N = pool.evidence(found, before, after)
        possible_X = p_X + r_X > 0
        s_X = np.divide(p_X - r_X, p_X + r_X, out=np.zeros(4), where=possible_X)
        assert s_N == pytest.approx(s_X[output_N])
        total = found.total(s_N, "fixed")
        exact = ((p_X + r_X) * s_X**2).sum() / 2
        assert abs(total.value - exact) < 4 * total.standard_error


def test_a_sample_that_its_own_checkpoints_rule_out_leaves_a_gap() -> None:
    pool = Pool(np.array([[-1.0, -2.0], [-np.inf, -np.inf], [-2.0, -1.0]]), np.zeros(3, int), np.array([0, 0, 1]))
    assert pool.toward((0,)) is None
    assert pool.toward((0, 1)) is None


def test_values_all_alike_are_as_sure_as_the_effective_samples() -> None:
    world = world_of(6)
    draws, pool = drawn(world, prompts=6, draws=2, sources=range(CHECKPOINTS))
    found = toward(pool, 3)
    for value in (0.0, 1.0):
        mean = found.proportion(np.full(len(draws.prompt_N), value), "fixed")
        assert mean.high is not None
        # Wilson's interval for n of n, or none of n
        assert mean.high - mean.low == pytest.approx(1.96**2 / (found.effective + 1.96**2), rel=1e-3)
        assert mean.standard_error > 0


def test_a_band_lets_in_the_checkpoints_that_are_scored_under_each_other() -> None:
    world = world_of(4)
    draws, pool = drawn(world, prompts=3, draws=4, sources=range(CHECKPOINTS))
    far_NK = np.abs(draws.checkpoint_N[:, None] - np.arange(CHECKPOINTS)) > 2
    banded = Pool(np.where(far_NK, np.nan, pool.loglik_NK), draws.prompt_N, draws.checkpoint_N)
    assert banded.sources([3]) == (2, 3, 4)
    assert banded.sources([0]) == (0, 1, 2)
    assert banded.sources([2, 3, 4]) == (2, 3, 4)
    assert banded.sources([1, 2, 3, 4]) == ()
    assert banded.toward([1, 2, 3, 4]) is None
    assert pool.sources([3]) == tuple(range(CHECKPOINTS))
    inside = np.isin(draws.checkpoint_N, (2, 3, 4))
    only = Pool(pool.loglik_NK[inside], draws.prompt_N[inside], draws.checkpoint_N[inside])
    assert toward(banded, 3).weight_N == pytest.approx(toward(only, 3).weight_N)


def test_rows_without_a_value_give_their_weight_to_those_of_their_prompt() -> None:
    world = world_of(5)
    draws, pool = drawn(world, prompts=4, draws=5, sources=range(CHECKPOINTS))
    keep_N = np.random.default_rng(0).random(len(draws.prompt_N)) < 0.6
    whole, kept = toward(pool, 3), pool.toward((3,), keep_N)
    assert kept is not None
    assert kept.row_N.tolist() == np.flatnonzero(keep_N).tolist()
    for q in range(4):
        mine_N = whole.weight_N[keep_N & (draws.prompt_N == q)]
        assert kept.weight_N[kept.prompt_N == q] == pytest.approx(mine_N / mine_N.sum() / 4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), prompts=st.integers(2, 5), most=st.integers(1, 4))
def test_weights_are_positive_sum_to_one_and_no_share_exceeds_the_whole(
    seed: int, prompts: int, most: int
) -> None:
    rng = np.random.default_rng(seed)
    checkpoint_N = np.tile(np.arange(4), prompts * most)
    prompt_N = np.repeat(np.arange(prompts), 4 * most)
    pool = Pool(rng.normal(-30, 2, size=(len(prompt_N), 4)), prompt_N, checkpoint_N)
    found = toward(pool, 1, 2)
    assert found.weight_N.sum() == pytest.approx(1)
    assert (found.weight_N > 0).all()
    assert np.bincount(prompt_N, found.weight_N) == pytest.approx(1 / prompts)
    assert found.effective <= len(prompt_N) + 1e-9
    levels_NJ = rng.integers(0, 3, size=(len(prompt_N), 2))
    s_N = pool.evidence(found, [1], [2])
    cells_N = joint_cells(levels_NJ)
    mean_C = np.bincount(cells_N, found.weight_N * s_N) / np.bincount(cells_N, found.weight_N)
    plug_in = found.weight_N @ mean_C[cells_N] ** 2
    for claim in CLAIMS:
        assert found.dissimilarity(s_N, levels_NJ, claim).plug_in == pytest.approx(plug_in)
        assert 0 <= found.share(s_N, levels_NJ, claim).plug_in <= 1 + 1e-9
        proportion = found.proportion(rng.integers(0, 2, len(prompt_N)).astype(float), claim)
        assert proportion.high is not None
        assert 0 <= proportion.low <= proportion.value <= proportion.high <= 1
