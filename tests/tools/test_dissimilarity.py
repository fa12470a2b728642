"""Evidence, dissimilarities and Shapley values against sums over all outputs (Method, sections 2 and 3)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from tools.dissimilarity import KINDS, of_cells, of_evidence, totals
from tools.evidence import side_mixtures, signed_evidence
from tools.layout import layout_of
from tools.shapley import shapley


def test_evidence_of_checkpoint_mixtures() -> None:
    """Two checkpoints before, one after: s = (p - r) / (p + r) with p their mean."""
    probability_NK = np.array([[0.5, 0.1, 0.2], [0.02, 0.3, 0.6], [0.3, 0.3, 0.3]])
    s_N = signed_evidence(*side_mixtures(np.log(probability_NK), [0, 1], [2]))
    assert s_N == pytest.approx([0.1 / 0.5, (0.16 - 0.6) / 0.76, 0.0])


def test_evidence_of_texts_of_tiny_probability() -> None:
    """exp(-2000) is 0 in floating point; the evidence is not."""
    s_N = signed_evidence(np.array([-2000.0, -2000.0, -np.inf]), np.array([-2000.0 - np.log(3), -3000.0, -5.0]))
    assert s_N == pytest.approx([0.5, 1.0, -1.0])


def test_evidence_needs_a_finite_log_likelihood() -> None:
    for log_p, log_r in ((-np.inf, -np.inf), (np.nan, -1.0)):
        with pytest.raises(ValueError, match="1 samples have no finite"):
            signed_evidence(np.array([-1.0, log_p]), np.array([-1.0, log_r]))


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6), st.lists(st.floats(0.01, 1), min_size=6, max_size=6))
def test_mixture_forms_equal_the_textbook_forms(left: list[float], right: list[float]) -> None:
    p_X = np.array(left) / sum(left)
    r_X = np.array(right[: len(left)]) / sum(right[: len(left)])
    s_X, m_X = (p_X - r_X) / (p_X + r_X), (p_X + r_X) / 2
    eta_X = p_X / (p_X + r_X)
    value = {kind: float(m_X @ of_evidence(s_X, kind)) for kind in KINDS}
    # Side by side, as defined: 1/2 E_p[g(eta)] + 1/2 E_r[g(1 - eta)].
    by_definition = {
        "linear": 0.5 * p_X @ (2 * eta_X - 1) + 0.5 * r_X @ (1 - 2 * eta_X),
        "js": 0.5 * p_X @ (1 + np.log2(eta_X)) + 0.5 * r_X @ (1 + np.log2(1 - eta_X)),
        "tv": 0.5 * p_X @ (1 - 2 * np.minimum(eta_X, 1 - eta_X))
        + 0.5 * r_X @ (1 - 2 * np.minimum(eta_X, 1 - eta_X)),
    }
    for kind in KINDS:
        assert value[kind] == pytest.approx(by_definition[kind], abs=1e-12)
    assert value["tv"] == pytest.approx(np.abs(p_X - r_X).sum() / 2, abs=1e-12)
    assert value["linear"] == pytest.approx(((p_X - r_X) ** 2 / (p_X + r_X)).sum() / 2, abs=1e-12)


def test_certain_evidence_is_one_in_all_three() -> None:
    for kind in KINDS:
        assert of_evidence(np.array([-1.0, 0.0, 1.0]), kind) == pytest.approx([1, 0, 1])


def test_totals_by_hand() -> None:
    """One prompt, two samples a side: D is the weighted mean of s^2; V = sum of var / (4 n) over sides."""
    layout, _ = layout_of(np.zeros(4, dtype=np.int64), np.array([0, 0, 1, 1]))
    s_N = np.array([0.8, 0.6, -0.2, -0.4])
    total = totals(s_N, layout, "fixed")
    assert total["linear"].value == pytest.approx((0.64 + 0.36 + 0.04 + 0.16) / 4)
    assert total["linear"].standard_error == pytest.approx(np.sqrt((0.28**2 / 2 + 0.12**2 / 2) / 8))
    assert total["tv"].value == pytest.approx(0.5)
    for estimate in total.values():
        assert estimate.high is not None
        assert 0 <= estimate.low < estimate.value < estimate.high <= 1


def test_of_cells_by_counting() -> None:
    """Black box, one prompt: before 3 of 4 yes, after 1 of 4 yes."""
    layout, _ = layout_of(np.zeros(9, dtype=np.int64), np.array([0] * 4 + [1] * 5))
    levels_NJ = np.array([1, 1, 1, 0, 1, 0, 0, 0, -1])[:, None]
    p, r = np.array([0.25, 0.75]), np.array([0.75, 0.25])
    assert of_cells(layout.label_N, layout, levels_NJ, "tv") == pytest.approx(0.5)
    assert of_cells(layout.label_N, layout, levels_NJ, "js") == pytest.approx(jensenshannon(p, r, base=2) ** 2)
    assert of_cells(layout.label_N, layout, levels_NJ, "linear") == pytest.approx(
        ((p - r) ** 2 / (p + r)).sum() / 2
    )
    assert of_cells(layout.label_N, layout, np.full((9, 1), -1), "tv") == 0.0


def test_shapley_by_hand() -> None:
    """Two members worth 0.3 and 0.2 alone and 0.4 together: (0.3 + 0.2) / 2 and (0.2 + 0.1) / 2."""
    value = {(): 0.0, (0,): 0.3, (1,): 0.2, (0, 1): 0.4}
    assert shapley(value.__getitem__, 2) == pytest.approx([0.25, 0.15])


@given(st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_shapley_values_add_up_and_treat_twins_alike(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.random(size)
    if size >= 2:
        weight[1] = weight[0]

    def value(members: tuple[int, ...]) -> float:
        return float(np.sqrt(weight[list(members)].sum()))

    values = shapley(value, size)
    assert values.sum() == pytest.approx(value(tuple(range(size))))
    if size >= 2:
        assert values[0] == pytest.approx(values[1])


def test_shapley_refuses_what_it_cannot_enumerate() -> None:
    with pytest.raises(ValueError, match="at most 12"):
        shapley(lambda members: 0.0, 13)
