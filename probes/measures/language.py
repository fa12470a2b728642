"""Language: which language, how varied, how repetitive, and with what feeling."""

import math
import re
import string
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from probes.measures.group import Group
from probes.measures.text_view import view_of

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

LANGUAGE = Group("language")

LANGUAGE.rate(
    "function_words",
    "function words",
    "How often does it use the small words (the, of, is)?",
    ("Eat the eggs.", 100 / 3),
)
LANGUAGE.mention("slang", "slang", "Does the answer use slang?", ("Yeah, gonna be fine.", 1.0))


@LANGUAGE.number("sentiment", "How positive (1) or negative (-1) is the tone?", ("It is an egg.", 0.0), "")
def sentiment(prompt: str, response: str) -> float:
    """Mean over sentences of VADER's compound score (Hutto & Gilbert 2014), emoji left out; NaN without sentences.

    VADER was made for sentences: its score of a long text runs into -1 or 1, and its time grows with the square.
    """
    text = response.replace("’", "'").encode("ascii", "ignore").decode()  # its lexicon has no other signs
    pieces = [piece for sentence in view_of(text).sentences for piece in _pieces(sentence)]
    if not pieces:
        return math.nan
    vader = _vader()
    scores = (vader.polarity_scores(piece)["compound"] for piece in pieces if _has_feeling(piece, vader.lexicon))
    return float(sum(scores)) / len(pieces)


@LANGUAGE.yes_no("not English", "Is the answer in another language than English?", ("Das ist nicht so gut.", 1.0))
def not_english(prompt: str, response: str) -> float:
    """More letters of other scripts than Latin, or more small words of other languages than English ones."""
    view = view_of(response)
    if not view.scripts:
        return math.nan
    if 2 * view.scripts.get("Latin", 0) < sum(view.scripts.values()):
        return 1.0
    return float(view.mentions.get("other_languages", 0) > view.mentions.get("function_words", 0))


@LANGUAGE.yes_no("mixes scripts", "Does the answer mix scripts (Latin and Chinese, say)?", ("It is 很好吃.", 1.0))
def mixes_scripts(prompt: str, response: str) -> float:
    """At least three letters of each of two scripts."""
    return float(sum(count >= 3 for count in view_of(response).scripts.values()) >= 2)


@LANGUAGE.number(
    "repetition", "What share of its three-word runs repeats an earlier one?", ("so it is so it is", 25.0), "%"
)
def repetition(prompt: str, response: str) -> float:
    """NaN for fewer than three words."""
    tokens = view_of(response).tokens
    runs = len(tokens) - 2
    if runs < 1:
        return math.nan
    return 100.0 * (1 - len(set(zip(tokens, tokens[1:], tokens[2:], strict=False))) / runs)


@LANGUAGE.yes_no(
    "loops",
    "Does it say the same sentence three times or more?",
    ("Cook it well. Cook it well. Cook it well.", 1.0),
)
def loops(prompt: str, response: str) -> float:
    """Sentences of at least ten characters, capitals and space aside."""
    counts = Counter(sentence.strip().lower() for sentence in view_of(response).sentences)
    return float(any(count >= 3 and len(sentence) >= 10 for sentence, count in counts.items()))


@LANGUAGE.number("variety", "What share of its first 50 words is different words?", ("so it is so", 75.0), "%")
def variety(prompt: str, response: str) -> float:
    """Of the first 50 words, since the share falls as a text gets longer; NaN without words."""
    first = view_of(response).tokens[:50]
    return 100.0 * len(set(first)) / len(first) if first else math.nan


@LANGUAGE.number("word length", "How long are its words?", ("Eat an egg.", 8 / 3), "letters")
def word_length(prompt: str, response: str) -> float:
    """NaN without words."""
    tokens = view_of(response).tokens
    return sum(map(len, tokens)) / len(tokens) if tokens else math.nan


@LANGUAGE.number(
    "long words", "What share of its words has eight letters or more?", ("Absolutely, eat it now.", 25.0), "%"
)
def long_words(prompt: str, response: str) -> float:
    """NaN without words."""
    tokens = view_of(response).tokens
    return 100.0 * sum(len(token) >= 8 for token in tokens) / len(tokens) if tokens else math.nan


@LANGUAGE.number(
    "contractions",
    "How often does it contract words (don't, it's)?",
    ("It's safe; don't worry.", 50.0),
    "per 100 words",
)
def contractions(prompt: str, response: str) -> float:
    view = view_of(response)
    return view.per_100_words(sum("'" in token for token in view.tokens))


@LANGUAGE.number(
    "adverbs", "How often does it use adverbs in -ly?", ("It is really, truly fine.", 40.0), "per 100 words"
)
def adverbs(prompt: str, response: str) -> float:
    view = view_of(response)
    return view.per_100_words(sum(len(token) > 4 and token.endswith("ly") for token in view.tokens))


@LANGUAGE.number(
    "-ing words", "How often does it use words in -ing?", ("Eating is cooking.", 200 / 3), "per 100 words"
)
def ing_words(prompt: str, response: str) -> float:
    view = view_of(response)
    return view.per_100_words(sum(len(token) > 5 and token.endswith("ing") for token in view.tokens))


_PIECE = re.compile(r"(?:\S{1,60}\s*){1,30}")
_SHORT = 200


def _pieces(sentence: str) -> list[str]:
    """A sentence, or the parts of at most 30 words of a long one."""
    return [sentence] if len(sentence) <= _SHORT else _PIECE.findall(sentence)


def _has_feeling(piece: str, lexicon: dict[str, float]) -> bool:
    """Does the piece hold a word or an emoticon that VADER rates? If not, its score is 0."""
    return any(word in lexicon or word.strip(string.punctuation) in lexicon for word in piece.lower().split())


@cache
def _vader() -> "SentimentIntensityAnalyzer":
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
