"""Which words of a response tell its side: evidence token by token, summed to words.

Source: Method, sections 1 and 3. A token's evidence is what it adds to log p(x) / r(x), p and r being the mixtures
of the two sides.
"""

import re
from collections.abc import Sequence

import numpy as np

from probes.scale import FloatArray
from tools.evidence import side_mixtures


def token_evidence(loglik_TK: FloatArray, before: Sequence[int], after: Sequence[int]) -> FloatArray:
    """Evidence of each token [T] in nats, above 0 for before; it sums to log p(x) / r(x) of the whole response.

    loglik_TK: log-likelihood of each token after those before it, under each checkpoint. before, after: columns of
    the two sides.
    """
    log_p_T, log_r_T = side_mixtures(np.cumsum(loglik_TK, axis=0), before, after)
    return np.diff(log_p_T - log_r_T, prepend=0.0)


def word_evidence(text: str, ends_T: Sequence[int], evidence_T: FloatArray) -> list[tuple[int, float]]:
    """Where each word of the text ends, and its evidence: of the tokens whose first visible character is in it.

    ends_T: characters of the text that stand after each token. A token that shows nothing but space, or no text at
    all at the end of the response, belongs to no word; one that ends inside a character to the word of that one.
    """
    words = [match.span() for match in re.finditer(r"\S+", text)]
    starts = [start for start, _ in words]
    sum_W = np.zeros(len(words))
    begin = 0
    for end, evidence in zip(ends_T, evidence_T.tolist(), strict=True):
        place = begin
        while place < end and text[place].isspace():
            place += 1
        word = int(np.searchsorted(starts, place, side="right")) - 1
        if (place < end or begin == end) and word >= 0 and place < words[word][1]:
            sum_W[word] += evidence
        begin = end
    return [(end, float(evidence)) for (_, end), evidence in zip(words, sum_W, strict=True)]
