"""Words, phrases and runs of characters that two groups of responses use differently.

Ranked by the weighted log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi & Quinn 2008,
"Fightin' Words", equations 15, 16, 19 and 22), here of the responses that hold a pattern at all. Every prompt has
equal mass in both groups, and no prompt may give most of the hits: what a prompt is about is no change.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from probes.measures.patterns import PatternKind
from probes.measures.text_view import view_of
from probes.scale import FloatArray, IntArray
from tools.layout import AFTER, BEFORE, BoolArray, Layout, layout_of

MIN_HITS = 10
"""Responses that must hold a pattern, and as many that must not."""

MIN_PROMPTS = 3
LARGEST_PROMPT = 0.5
"""Prompts that must be among the hits (all, where there are fewer), and what part of them one prompt may give."""

PRIOR_RESPONSES = 10.0
"""Weight of the prior, in responses a group, whose rate is that of both groups together."""

LEAST_Z = 3.0
SAME = 0.9
"""Patterns whose hits overlap this much (common hits over all hits) count as one."""

CHARACTERS_READ = 4000
CHARACTERS_COUNTED = 4_000_000
"""What is read of one response and of all together; of more responses, some drawn at random are read."""

LONGEST_WORD = 40
LONGEST_PHRASE = 4
LONGEST_RUN = 4


@dataclass(frozen=True, slots=True)
class Pattern:
    """A word, a phrase of 2 to 4 words (both flat and lower case) or a run of characters, as they are.

    z: standardised log-odds, positive where the first group holds it more. rate_before, rate_after: weighted
    share of responses of either group that hold it.
    """

    kind: PatternKind
    text: str
    z: float
    rate_before: float
    rate_after: float


def patterns(
    before: Sequence[str],
    after: Sequence[str],
    *,
    prompts: tuple[Sequence[int], Sequence[int]] | None = None,
    most: int = 40,
) -> list[Pattern]:
    """At most `most` patterns that tell two groups of responses apart, those with the largest |z| first.

    prompts: the prompt of each response, as any integers; a prompt with responses in one group only is left out.
    Without it all count as answers to one prompt.
    """
    texts, layout = _counted(before, after, prompts)
    if not layout.samples:
        return []
    found = [_ranked(texts, layout, analyzer) for analyzer in (_words_and_phrases, _runs)]
    order = sorted((one for part in found for one in part), key=lambda one: _preference(one[0]))
    return _distinct(order, most)


def _counted(
    before: Sequence[str], after: Sequence[str], prompts: tuple[Sequence[int], Sequence[int]] | None
) -> tuple[list[str], Layout]:
    """The texts that are read, cut, and their layout."""
    texts = [text[:CHARACTERS_READ] for text in (*before, *after)]
    side_N = np.repeat([BEFORE, AFTER], [len(before), len(after)])
    prompt_N = np.zeros(len(texts), dtype=np.int64) if prompts is None else np.asarray([*prompts[0], *prompts[1]])
    size_N = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    keep_N = np.ones(len(texts), dtype=bool)
    if size_N.sum() > CHARACTERS_COUNTED:
        order = np.random.default_rng(0).permutation(len(texts))
        keep_N[order] = np.cumsum(size_N[order]) <= CHARACTERS_COUNTED
    kept = np.flatnonzero(keep_N)
    layout, used = layout_of(prompt_N[kept], side_N[kept])
    return [texts[i] for i in kept[used]], layout


def _ranked(
    texts: Sequence[str], layout: Layout, analyzer: Callable[[str], set[str]]
) -> list[tuple[Pattern, BoolArray]]:
    """One analyzer's patterns that differ and are no prompt's own, each with the responses [N] that hold it."""
    if not any(map(analyzer, texts)):
        return []
    vectorizer = CountVectorizer(analyzer=analyzer, binary=True)
    hits_NV = vectorizer.fit_transform(texts).tocsc()
    kept_V = _common(hits_NV, layout)
    hits_NV = hits_NV[:, kept_V]
    z_V, rate_2V = log_odds(hits_NV, layout)
    names = vectorizer.get_feature_names_out()[kept_V]
    return [
        (
            Pattern(
                _kind(names[v], analyzer), names[v], float(z_V[v]), float(rate_2V[0, v]), float(rate_2V[1, v])
            ),
            np.asarray(hits_NV[:, [v]].todense(), dtype=bool).reshape(-1),
        )
        for v in np.flatnonzero(np.abs(z_V) >= LEAST_Z)
    ]


def _common(hits_NV: sparse.csc_matrix, layout: Layout) -> IntArray:
    """Patterns with enough hits and misses, from enough prompts, none of which gives most of them."""
    count_V = np.asarray(hits_NV.sum(axis=0)).reshape(-1)
    enough_V = np.flatnonzero((count_V >= MIN_HITS) & (len(layout.prompt_N) - count_V >= MIN_HITS))
    if layout.prompts == 1:
        return enough_V
    of_prompt = sparse.csr_matrix(
        (np.ones(layout.samples), (layout.prompt_N, np.arange(layout.samples))),
        shape=(layout.prompts, layout.samples),
    )
    hits_QV = (of_prompt @ hits_NV[:, enough_V]).tocsc()
    prompts_V = np.diff(hits_QV.indptr)
    largest_V = np.asarray(hits_QV.max(axis=0).todense()).reshape(-1) / count_V[enough_V]
    several_V = (prompts_V >= min(MIN_PROMPTS, layout.prompts)) & (largest_V <= LARGEST_PROMPT)
    return np.asarray(enough_V[several_V])


def log_odds(hits_NV: sparse.csc_matrix, layout: Layout) -> tuple[FloatArray, FloatArray]:
    """z [V] of the log-odds ratio, and the weighted rates [2, V] before and after, of hits (0 or 1) [N, V].

    Weights make every prompt count the same in both groups; they count as 1 / sum(w^2) responses a group.
    """
    rates, counts = [], []
    for side in (BEFORE, AFTER):
        weight_N = np.where(layout.side_N == side, 2 * layout.weight_N, 0.0)
        rates.append(np.asarray(weight_N @ hits_NV).reshape(-1))
        counts.append(1 / (weight_N**2).sum())
    prior_V = PRIOR_RESPONSES * (rates[0] + rates[1]) / 2
    odds, variances = [], []
    for rate_V, count in zip(rates, counts, strict=True):
        holds_V = rate_V * count + prior_V
        lacks_V = count + PRIOR_RESPONSES - holds_V
        odds.append(np.log(holds_V / lacks_V))
        variances.append(1 / holds_V + 1 / lacks_V)
    return (odds[0] - odds[1]) / np.sqrt(variances[0] + variances[1]), np.stack(rates)


def _distinct(order: Sequence[tuple[Pattern, BoolArray]], most: int) -> list[Pattern]:
    """The first `most` patterns, without those whose hits are nearly those of an earlier one."""
    kept: list[Pattern] = []
    kept_hits: list[BoolArray] = []
    for pattern, hits_N in order:
        if len(kept) == most:
            break
        if not any((hits_N & other_N).sum() >= SAME * (hits_N | other_N).sum() for other_N in kept_hits):
            kept.append(pattern)
            kept_hits.append(hits_N)
    return kept


def _preference(pattern: Pattern) -> tuple[float, int, str]:
    """Large |z| first; of equal ones the longest phrase, which says most, but the shortest run of characters."""
    length = len(pattern.text)
    return -abs(pattern.z), length if pattern.kind == "characters" else -length, pattern.text


# What is counted

_WORD = r"(?<!\w)[^\W_]+(?:'[^\W_]+)*(?!\w)"
_WORDS_IN_A_ROW = re.compile(rf"{_WORD}(?: {_WORD})*")
# Chinese, Japanese and Thai are written without spaces: there runs of letters stand for words.
_MARKS_OR_UNSPACED = re.compile(
    r"[\W_]+|[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+"
)


def _words_and_phrases(text: str) -> set[str]:
    """Words and phrases with nothing but a space between their words, as the measures of patterns find them."""
    found: set[str] = set()
    for row in _WORDS_IN_A_ROW.findall(view_of(text).flat):
        words = row.split(" ")
        for start in range(len(words)):
            for end in range(start + 1, min(start + LONGEST_PHRASE, len(words)) + 1):
                if len(words[end - 1]) > LONGEST_WORD:
                    break
                found.add(" ".join(words[start:end]))
    return found


def _runs(text: str) -> set[str]:
    """Runs of up to four marks and white space, but for a single space, and of letters of unspaced scripts."""
    found: set[str] = set()
    for run in set(_MARKS_OR_UNSPACED.findall(text)):
        for start in range(len(run)):
            for end in range(start + 1, min(start + LONGEST_RUN, len(run)) + 1):
                found.add(run[start:end])
    # A lone surrogate, half of a torn character, can be written to no file.
    return {run for run in found if run != " " and not any("\ud800" <= sign <= "\udfff" for sign in run)}


def _kind(text: str, analyzer: Callable[[str], set[str]]) -> PatternKind:
    if analyzer is _runs:
        return "characters"
    return "phrase" if " " in text else "word"
