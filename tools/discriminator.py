"""How well the two sides can be told apart at all: held-out discriminators, an honest lower bound of the total.

Without likelihoods the total D is unknown, but for any g that did not see sample i, l_i = 2 y_i g_i - g_i^2 has
a mean of at most D (it is 1 - 4 Brier score of eta = (1 + g) / 2). The same predictions bound the Jensen-Shannon
divergence by their cross-entropy skill and the total variation by their error skill.
Source: Method, sections 2, 3 ("Black box") and 5 ("Lower bound of D without likelihoods").
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import joblib
import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from probes.scale import FloatArray, IntArray
from tools.dissimilarity import Dissimilarity
from tools.folds import FOLDS, LEFT_OUT, folds, places
from tools.inference import NORMAL_CRITICAL, Estimate, critical_value, variance_of_mean
from tools.layout import BEFORE, BoolArray, Layout
from tools.text_features import CHARACTERS_READ, features_of

Kind = Literal["text", "scores", "both"]

INVERSE_PENALTY = 5.0
"""C of the logistic regression; every block of features has rows of unit length."""

SCORE_LEVELS = 10
TRAINING_SAMPLES = 15_000
TRAINING_CHARACTERS = 7_500_000
"""What is learned from at most; all samples are scored. Whatever was learned from, the bound stays a bound."""

PIECE = 5_000
THREADS = 4

# Interface


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds by one discriminator. `high` of each is None: there is no upper limit."""

    linear: Estimate
    js: Estimate
    tv: Estimate


@dataclass(frozen=True, slots=True)
class LowerBound:
    """What the discriminators found on the rows of report.

    by_kind: all that were tried. chosen: the one with the largest mean l on the other rows. unseen_prompts: the
    chosen one with folds by prompt ("on prompts never seen"); None with a single prompt.
    """

    by_kind: dict[Kind, Bounds]
    chosen: Kind
    unseen_prompts: Bounds | None

    @property
    def bounds(self) -> Bounds:
        return self.by_kind[self.chosen]


def lower_bound(
    texts: Sequence[str],
    scores_NM: FloatArray | None,
    layout: Layout,
    report_N: BoolArray,
    *,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> LowerBound:
    """Lower bounds of the total, valid for fixed and for random prompts.

    texts: responses [N]. scores_NM: scores of any kind as numbers, NaN where missing; None or no columns: text
    alone. report_N: the rows that numbers are quoted on; the others choose the discriminator (without others it is
    "both", or "text" where there are no scores). on_progress: told fits done and fits in all. Raises ValueError
    if no prompt has both sides among the rows of report.
    """
    if not layout.rows(report_N)[0].samples:
        raise ValueError("no prompt has both sides among the rows of report")
    data = _Data.of(texts, scores_NM, layout, seed)
    schemes = len(data.kinds) + (layout.prompts > 1)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, schemes * len(LEFT_OUT))

    within_N = folds(layout, seed, by_prompt=False)
    fitted = {kind: _CrossValidated.fit(data.learning[kind], data, within_N, advance) for kind in data.kinds}
    chosen = _choice(fitted, data, report_N)
    unseen = None
    if layout.prompts > 1:
        by_prompt_N = folds(layout, seed, by_prompt=True)
        unseen = _CrossValidated.fit(data.learning[chosen], data, by_prompt_N, advance)
    asked = [(kind, fitted[kind]) for kind in data.kinds] + ([(chosen, unseen)] if unseen else [])
    quoted = [bounds_of(eta_N, layout, report_N) for eta_N in _posteriors(asked, data, report_N)]
    return LowerBound(dict(zip(data.kinds, quoted, strict=False)), chosen, quoted[-1] if unseen else None)


def bounds_of(eta_N: FloatArray, layout: Layout, rows_N: BoolArray) -> Bounds:
    """The three bounds over some rows, from held-out probabilities [N] of "before" strictly between 0 and 1."""
    sub, mask_N = layout.rows(rows_N)
    return Bounds(**{kind: _bound(score_N, sub) for kind, score_N in skills(eta_N[mask_N], sub.label_N).items()})


def held_out_by_text(texts: Sequence[str], layout: Layout, *, seed: int) -> FloatArray:
    """Held-out probability [N] of "before" by the discriminator that reads the responses, folds within prompt and
    side."""
    data = _Data.of(texts, None, layout, seed)
    fitted = _CrossValidated.fit(data.learning["text"], data, folds(layout, seed, by_prompt=False), lambda: None)
    return _posteriors([("text", fitted)], data, np.ones(layout.samples, dtype=bool))[0]


def skills(eta_N: FloatArray, label_N: FloatArray) -> dict[Dissimilarity, FloatArray]:
    """Per-sample scores l_i of held-out probabilities: 1 - 4 Brier, 1 - cross-entropy in bits, 1 - 2 error."""
    g_N = 2 * eta_N - 1
    return {
        "linear": 2 * label_N * g_N - g_N**2,
        "js": 1 + np.log2((1 + label_N * g_N) / 2),
        "tv": label_N * np.sign(g_N),
    }


def _bound(score_N: FloatArray, layout: Layout) -> Estimate:
    """mean(l) with low = mean(l) - max(t sd_q / sqrt(Q), 1.96 sqrt(V_fixed(l))), both cut at 0."""
    mean = float(layout.weight_N @ score_N)
    error = float(np.sqrt(variance_of_mean(score_N, layout, "fixed")))
    half = NORMAL_CRITICAL * error
    if layout.prompts > 1:
        between = float(np.sqrt(variance_of_mean(score_N, layout, "random")))
        half = max(half, critical_value(layout, "random") * between)
        error = max(error, between)
    low = max(mean - half, 0.0)
    return Estimate(max(mean, 0.0), low, None, low == 0.0, mean, 0.0, error)


# Features


@dataclass(frozen=True, eq=False)
class _Data:
    """Samples [N], of which `learned_L` are learned from, and the features of those.

    words_F: the columns of the text features that occur among them. scores: features of the scores [N].
    """

    texts: Sequence[str]
    layout: Layout
    scores: sparse.csr_matrix | None
    learned_L: IntArray
    words_F: IntArray
    learning: dict[Kind, sparse.csr_matrix]

    @classmethod
    def of(cls, texts: Sequence[str], scores_NM: FloatArray | None, layout: Layout, seed: int) -> "_Data":
        scores = None if scores_NM is None or not scores_NM.shape[1] else score_features(scores_NM)
        learned_L = _learned(texts, layout, seed)
        text = features_of([texts[i] for i in learned_L])
        words_F = np.unique(text.indices).astype(np.int64)
        features = _by_kind(text[:, words_F], None if scores is None else scores[learned_L])
        return cls(texts, layout, scores, learned_L, words_F, features)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(self.learning)

    def features(self, rows: IntArray) -> dict[Kind, sparse.csr_matrix]:
        text = features_of([self.texts[i] for i in rows])[:, self.words_F]
        return _by_kind(text, None if self.scores is None else self.scores[rows])


def _by_kind(text: sparse.csr_matrix, scores: sparse.csr_matrix | None) -> dict[Kind, sparse.csr_matrix]:
    if scores is None:
        return {"text": text}
    both = sparse.csr_matrix(sparse.hstack([text, scores], format="csr"))
    return {"text": text, "scores": scores, "both": both}


def _learned(texts: Sequence[str], layout: Layout, seed: int) -> IntArray:
    """The rows to learn from, within both limits: one a prompt and side in turn, prompts in random order."""
    place_N, rank_N = places(layout, seed)
    order = np.lexsort((layout.side_N, place_N, rank_N))[:TRAINING_SAMPLES]
    rows = np.sort(order)  # texts may lie in a file, where they are read in order
    size_R = np.array([min(len(texts[row]), CHARACTERS_READ) for row in rows.tolist()])
    read = np.cumsum(size_R[np.searchsorted(rows, order)])
    return np.sort(order[read <= TRAINING_CHARACTERS])


def score_features(scores_NM: FloatArray) -> sparse.csr_matrix:
    """Scores [N, M] as indicators of at most `SCORE_LEVELS` + 1 levels each, float32, rows about 1 / sqrt(M).

    Levels are cut at quantiles that are values themselves, so that a rare value keeps its own level. A missing
    score takes the mean of each indicator: that it is missing tells nothing.
    """
    blocks = [
        sparse.vstack([_indicators(*found, column_N[at : at + PIECE]) for at in range(0, len(column_N), PIECE)])
        for column_N in scores_NM.T
        for found in [_levels_of(column_N)]
    ]
    return sparse.csr_matrix(sparse.hstack(blocks, format="csr") / np.float32(np.sqrt(len(blocks))))


def _levels_of(column_N: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The cuts between the levels of a score, and how frequent each level is [V]; zero without scores."""
    present_N = column_N[~np.isnan(column_N)]
    if not len(present_N):
        return np.zeros(0), np.zeros(1)
    quantiles = np.linspace(0, 1, SCORE_LEVELS + 1)[:-1]
    cuts = np.unique(np.quantile(present_N, quantiles, method="inverted_cdf"))
    return cuts, np.bincount(np.searchsorted(cuts, present_N), minlength=len(cuts) + 1) / len(present_N)


def _indicators(cuts: FloatArray, frequency_V: FloatArray, column_N: FloatArray) -> sparse.csr_matrix:
    """Indicators [N, V] of the level of each row; the frequencies where it has none."""
    level_N = np.searchsorted(cuts, column_N)
    is_level_NV = level_N[:, None] == np.arange(len(frequency_V))
    dense_NV = np.where(np.isnan(column_N)[:, None], frequency_V, is_level_NV)
    return sparse.csr_matrix(dense_NV.astype(np.float32))


# Fits


@dataclass(frozen=True, eq=False)
class _CrossValidated:
    """A discriminator fitted without each fold. fold_N: fold of each sample, learned from or not.

    model_K: None where the other folds hold no prompt with both sides, or where margins point the wrong way:
    nothing is known, eta = 1/2.
    """

    fold_N: IntArray
    model_K: list["_Calibrated | None"]

    @classmethod
    def fit(
        cls, features: sparse.csr_matrix, data: _Data, fold_N: IntArray, advance: Callable[[], None]
    ) -> "_CrossValidated":
        side_L = data.layout.side_N[data.learned_L]
        prompt_L = data.layout.prompt_N[data.learned_L]
        learned = Layout(prompt_L, side_L, np.zeros_like(side_L))
        fold_L = fold_N[data.learned_L]
        tasks = [(j, k, (fold_L != j) & (fold_L != k)) for j, k in LEFT_OUT]
        parallel = joblib.Parallel(
            n_jobs=min(THREADS, joblib.cpu_count()), prefer="threads", return_as="generator"
        )
        linear: dict[tuple[int, int], LogisticRegression | None] = {}
        for (j, k, _), model in zip(
            tasks,
            parallel(joblib.delayed(_linear)(features, learned, train) for _, _, train in tasks),
            strict=True,
        ):
            linear[j, k] = linear[k, j] = model
            advance()
        models = [_calibrated(features, learned, fold_L, linear, k) for k in range(FOLDS)]
        return cls(fold_N, models)

    def posterior(self, features: sparse.csr_matrix, rows: IntArray) -> FloatArray:
        """Held-out probability of "before" of some samples with their features: each from its fold's model."""
        eta = np.full(len(rows), 0.5)
        for fold, model in enumerate(self.model_K):
            mine = np.flatnonzero(self.fold_N[rows] == fold)
            if model is not None and len(mine):
                eta[mine] = model.posterior(features[mine])
        return eta


@dataclass(frozen=True, eq=False)
class _Calibrated:
    """A linear margin brought to a probability by Platt scaling, kept off 0 and 1 by 1 / (samples seen + 2)."""

    margin: LogisticRegression
    platt: LogisticRegression
    samples: int

    def posterior(self, features: sparse.csr_matrix) -> FloatArray:
        margin = self.margin.decision_function(features)
        eta = self.platt.predict_proba(margin[:, None])[:, 1]
        floor = 1 / (self.samples + 2)
        return np.asarray(np.clip(eta, floor, 1 - floor))


def _linear(features: sparse.csr_matrix, layout: Layout, train_L: BoolArray) -> LogisticRegression | None:
    """A logistic regression on the training rows whose prompt has both sides among them; None without any."""
    sub, mask_L = layout.rows(train_L)
    if not sub.samples:
        return None
    # This solver's primal form draws no random numbers, so threads leave the result alone.
    model = LogisticRegression(C=INVERSE_PENALTY, solver="liblinear", random_state=0)
    model.fit(features[mask_L], sub.side_N == BEFORE, sample_weight=sub.weight_N * sub.samples)
    return model


def _calibrated(
    features: sparse.csr_matrix,
    layout: Layout,
    fold_L: IntArray,
    linear: dict[tuple[int, int], LogisticRegression | None],
    left_out: int,
) -> _Calibrated | None:
    """The model that never saw fold `left_out`, calibrated on margins held out within the other folds."""
    sub, mask_L = layout.rows(fold_L != left_out)
    margin = linear[left_out, left_out]
    if margin is None:
        return None
    held_out_L = np.zeros(layout.samples)
    for fold in range(FOLDS):
        inner, mine = linear[left_out, fold], np.flatnonzero(fold_L == fold)
        if fold != left_out and inner is not None and len(mine):
            held_out_L[mine] = inner.decision_function(features[mine])
    platt = LogisticRegression().fit(
        held_out_L[mask_L][:, None], sub.side_N == BEFORE, sample_weight=sub.weight_N * sub.samples
    )
    if platt.coef_[0, 0] <= 0:
        # Held-out margins point the wrong way where both sides gave the same answers: one that is held out is
        # known by its twin, which the model saw on the other side. Turning them round would tell identical files
        # apart.
        return None
    return _Calibrated(margin, platt, sub.samples)


def _choice(fitted: dict[Kind, _CrossValidated], data: _Data, report_N: BoolArray) -> Kind:
    """The discriminator with the largest mean l over the rows learned from that are not of report."""
    kinds = list(fitted)
    rows = data.learned_L[~report_N[data.learned_L]]
    chooser, mask = data.layout.rows(np.isin(np.arange(data.layout.samples), rows))
    if not chooser.samples:
        return kinds[-1]
    place = np.searchsorted(data.learned_L, np.flatnonzero(mask))
    means: dict[Kind, float] = {}
    for kind in kinds:
        eta = fitted[kind].posterior(data.learning[kind][place], data.learned_L[place])
        means[kind] = float(chooser.weight_N @ skills(eta, chooser.label_N)["linear"])
    return max(kinds, key=means.__getitem__)


def _posteriors(
    asked: Sequence[tuple[Kind, _CrossValidated]], data: _Data, report_N: BoolArray
) -> list[FloatArray]:
    """Held-out probabilities [N] of each, on the rows of report; 1/2 on the others, which are not asked for."""
    etas = [np.full(data.layout.samples, 0.5) for _ in asked]

    def fill(rows: IntArray, features: dict[Kind, sparse.csr_matrix]) -> None:
        for (kind, fitted), eta_N in zip(asked, etas, strict=True):
            eta_N[rows] = fitted.posterior(features[kind], rows)

    fill(data.learned_L, data.learning)
    learned_N = np.isin(np.arange(data.layout.samples), data.learned_L)
    rest = np.flatnonzero(report_N & ~learned_N)
    for start in range(0, len(rest), PIECE):
        rows = rest[start : start + PIECE]
        fill(rows, data.features(rows))
    return etas
