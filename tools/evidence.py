"""Signed evidence: what each sample says about its side, from log-likelihoods under both.

Source: Method, sections 1-3. Without likelihoods the labels +1 and -1 (`Layout.label_N`) take its place, and all
that is computed from it stays the same.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probes.scale import FloatArray


def side_mixtures(
    loglik_NK: FloatArray, before: Sequence[int], after: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """log p [N] and log r [N]: each sample under the equal mixture of its side's checkpoints.

    loglik_NK: log P(x_i | q_i, T_k) in nats. before, after: columns that make up the two sides.
    """
    return mixture(loglik_NK[:, list(before)]), mixture(loglik_NK[:, list(after)])


def signed_evidence(log_p_N: FloatArray, log_r_N: FloatArray) -> FloatArray:
    """s = (p - r) / (p + r) [N], in [-1, 1]: +1 could only come from before, -1 only from after.

    Computed as tanh of half the log ratio, which neither under- nor overflows. Raises ValueError where a sample
    has probability 0 under both sides or a log-likelihood is missing (NaN).
    """
    with np.errstate(invalid="ignore"):
        s_N: FloatArray = np.tanh((log_p_N - log_r_N) / 2)
    if np.isnan(s_N).any():
        raise ValueError(f"{int(np.isnan(s_N).sum())} samples have no finite log-likelihood under either side")
    return s_N


def has_evidence(loglik_NK: FloatArray) -> NDArray[np.bool_]:
    """Which samples [N] are scored under all checkpoints [N, K] of both sides, and possible under one at least.

    A log-likelihood that is not known is NaN. One of -inf is known: the sample has probability 0 there.
    """
    return np.asarray(~np.isnan(loglik_NK).any(axis=1) & ~np.isneginf(loglik_NK).all(axis=1))


def mixture(loglik_NK: FloatArray) -> FloatArray:
    """log [N] of the equal mixture of checkpoints [N, K], -inf where all of them are."""
    if loglik_NK.shape[1] == 1:
        return loglik_NK[:, 0]
    return np.asarray(np.logaddexp.reduce(loglik_NK, axis=1) - np.log(loglik_NK.shape[1]))
