"""Text features of responses: words, pairs of words and runs of three characters, hashed.

scikit-learn's `HashingVectorizer` on purpose, though counting on arrays is faster: 200,000 responses of 300
characters take about 35 s of one core, which is time enough. Nothing is fitted (no vocabulary,
no document frequencies), so a held-out row cannot leak into training and rows can be turned into features piece
by piece. Only the response goes in, never the prompt: both sides of a prompt have equal mass, so it tells nothing.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

CHARACTERS_READ = 4000
"""A longer response is cut here."""

COLUMNS = 2**17
"""Columns of each of the two blocks (words, characters)."""

_WORDS = HashingVectorizer(
    token_pattern=r"\w+|[^\w\s]",  # marks are words of their own
    ngram_range=(1, 2),
    n_features=COLUMNS,
    norm=None,
    alternate_sign=False,
    dtype=np.float32,
)
_CHARACTERS = HashingVectorizer(
    analyzer="char",
    # The vectorizer folds runs of white space into one space, unless it does not see them as white space.
    preprocessor=lambda text: text.replace(" ", "\u2423").replace("\n", "\u2424").replace("\t", "\u2409"),
    ngram_range=(3, 3),
    n_features=COLUMNS,
    norm=None,
    alternate_sign=False,
    dtype=np.float32,
)
# 1 + log(count), each row scaled to unit length; without document frequencies it learns nothing.
_DAMPED = TfidfTransformer(use_idf=False, sublinear_tf=True)


def features_of(texts: Sequence[str]) -> sparse.csr_matrix:
    """Features [N, 2 x COLUMNS] of one text or more, float32: blocks of unit length of words and characters.

    A text without words has a block of zeros. Lone surrogates, which cannot be hashed, become their escapes.
    """
    cut = [text[:CHARACTERS_READ].encode("utf-8", "backslashreplace").decode("utf-8") for text in texts]
    blocks = [_DAMPED.fit_transform(vectorizer.transform(cut)) for vectorizer in (_WORDS, _CHARACTERS)]
    return sparse.csr_matrix(sparse.hstack(blocks, format="csr"))
