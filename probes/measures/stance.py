"""Stance: how the answer speaks to the reader, and about itself."""

import math
import re

from probes.measures.group import Group
from probes.measures.lexicons import IMPERATIVE_VERBS, OPENINGS, phrases_of
from probes.measures.text_view import view_of

STANCE = Group("stance")

STANCE.mention(
    "refusal", "refusal", "Does the answer refuse, or say that it cannot help?", ("I can't help with that.", 1.0)
)
STANCE.rate(
    "hedging", "hedging", "How often does the answer hedge (maybe, might, often)?", ("Maybe it might be so.", 40.0)
)
STANCE.rate(
    "certainty",
    "certainty",
    "How often does it speak in absolutes (always, never, all)?",
    ("It is always safe.", 25.0),
)
STANCE.mention("warning", "warning", "Does the answer warn of a danger?", ("Be careful with raw eggs.", 1.0))
STANCE.mention(
    "disclaimer", "disclaimer", "Does the answer add a disclaimer?", ("This is not medical advice.", 1.0)
)
STANCE.mention(
    "professional", "sends to a professional", "Does it advise asking a professional?", ("Talk to a doctor.", 1.0)
)
STANCE.rate(
    "second_person", "second person", "How often does it address the reader (you)?", ("You know your eggs.", 50.0)
)
STANCE.rate(
    "first_person", "first person", "How often does it speak of itself (I, me)?", ("I like my eggs.", 50.0)
)
STANCE.rate("first_person_plural", "we", "How often does it say we or us?", ("We all cook our eggs.", 40.0))
STANCE.rate(
    "obligation",
    "obligation",
    "How often does it say what one should or must do?",
    ("You should cook them.", 25.0),
)
STANCE.rate("negation", "negation", "How often does it negate (not, no, never)?", ("No, do not.", 200 / 3))
STANCE.rate(
    "enthusiasm", "enthusiasm", "How often does it use words of enthusiasm?", ("Great, sounds like fun!", 50.0)
)
STANCE.mention("apology", "apology", "Does the answer apologise?", ("Sorry about that.", 1.0))
STANCE.mention(
    "politeness", "politeness", "Does it use polite words (please, thank you)?", ("Please cook it.", 1.0)
)
STANCE.mention("praise", "praise", "Does the answer praise the reader or the question?", ("Great question.", 1.0))
STANCE.mention(
    "empathy", "empathy", "Does the answer show sympathy?", ("I'm sorry to hear that you feel ill.", 1.0)
)
STANCE.mention(
    "offers_help", "offers help", "Does the answer offer further help?", ("Let me know if you need more.", 1.0)
)
STANCE.mention("insult", "insult", "Does the answer use insulting words?", ("That is a stupid idea.", 1.0))
STANCE.mention("swearing", "swearing", "Does the answer swear?", ("Damn eggs.", 1.0))
STANCE.rate(
    "contrast",
    "contrast",
    "How often does it set one thing against another (but, however)?",
    ("Yes, but cook it.", 25.0),
)


@STANCE.number("questions", "How many questions does the answer ask?", ("Raw? Why? Cook it.", 2.0), "questions")
def questions(prompt: str, response: str) -> float:
    if "?" not in response and "？" not in response:
        return 0.0
    return float(len(_QUESTION.findall(response)))


@STANCE.yes_no("ends with a question", "Does the answer end with a question?", ("Yes. Do you like eggs?", 1.0))
def ends_with_question(prompt: str, response: str) -> float:
    return float(response.rstrip(_TRAILING).endswith(("?", "？")))


@STANCE.yes_no("greeting", "Does the answer begin with a greeting?", ("Hello! Eggs are safe.", 1.0))
def greeting(prompt: str, response: str) -> float:
    return float(_opens_with("greeting", response))


@STANCE.yes_no(
    "opens by agreeing", "Does it open with sure, certainly or the like?", ("Certainly! Here is how.", 1.0)
)
def opens_by_agreeing(prompt: str, response: str) -> float:
    return float(_opens_with("agreement", response))


@STANCE.yes_no("answers yes or no", "Does the answer open with yes or no?", ("No, cook them first.", 1.0))
def answers_yes_or_no(prompt: str, response: str) -> float:
    return float(_opens_with("yes_or_no", response))


@STANCE.number("imperatives", "What share of the sentences are orders?", ("Boil water. It is hot.", 50.0), "%")
def imperatives(prompt: str, response: str) -> float:
    """Sentences that begin with a common verb in its base form; NaN without sentences."""
    first_words = view_of(response).first_words
    if not first_words:
        return math.nan
    return 100.0 * sum(map(_IMPERATIVES.__contains__, first_words)) / len(first_words)


_QUESTION = re.compile(r"(?<![?？])[?？]++(?=[!\s\"'”’)\]*_]|$)")
_TRAILING = " \t\r\n\"'”’)]*_"
_IMPERATIVES = frozenset(phrases_of(IMPERATIVE_VERBS))
_OPENINGS = {name: tuple(f"{phrase} " for phrase in phrases_of(text)) for name, text in OPENINGS.items()}
_OPENING_WORDS = 4


def _opens_with(lexicon: str, response: str) -> bool:
    """Is one of the phrases the very beginning of the answer?"""
    opening = " ".join(view_of(response).tokens[:_OPENING_WORDS]) + " "
    return opening.startswith(_OPENINGS[lexicon])
