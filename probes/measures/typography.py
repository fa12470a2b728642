"""Typography: which signs the answer is written with, and how they are set."""

import math
import re

from probes.measures.group import Group
from probes.measures.program_code import holds_code
from probes.measures.text_view import view_of

TYPOGRAPHY = Group("typography")


@TYPOGRAPHY.yes_no(
    "space before punctuation",
    "Does the answer put a space before its commas and full stops?",
    ("Raw eggs , as a rule , are safe .", 1.0),
)
def space_before_punctuation(prompt: str, response: str) -> float:
    """At least a quarter of the commas and full stops that follow a word are set apart from it."""
    apart = len(_MARK_APART.findall(response))
    return float(apart > 0 and 3 * apart >= len(_MARK_CLOSE.findall(response)))


@TYPOGRAPHY.number("exclamation marks", "How many exclamation marks does it use?", ("No! Stop!", 2.0), "marks")
def exclamation_marks(prompt: str, response: str) -> float:
    return float(response.count("!") + response.count("！"))


@TYPOGRAPHY.number(
    "commas", "How many commas does it use for its length?", ("Yes, no, both.", 200 / 3), "per 100 words"
)
def commas(prompt: str, response: str) -> float:
    return view_of(response).per_100_words(response.count(",") + response.count("，") + response.count("、"))


@TYPOGRAPHY.number("colons", "How many colons does it use?", ("Eggs: safe. Note: cook.", 2.0), "colons")
def colons(prompt: str, response: str) -> float:
    return float(response.count(":") + response.count("："))


@TYPOGRAPHY.yes_no("semicolon", "Does the answer use a semicolon?", ("Not raw; cook them.", 1.0))
def semicolon(prompt: str, response: str) -> float:
    return float(";" in response or "；" in response)


@TYPOGRAPHY.number("dashes", "How many dashes does it set between words?", ("Yes — but - and – no.", 3.0), "marks")
def dashes(prompt: str, response: str) -> float:
    return float(len(_DASH.findall(response)))


@TYPOGRAPHY.number(
    "parentheses", "How many parentheses does it open?", ("Eggs (raw) are (mostly) safe.", 2.0), "brackets"
)
def parentheses(prompt: str, response: str) -> float:
    return float(response.count("(") + response.count("（"))


@TYPOGRAPHY.number(
    "quotations", "How many quotations does it hold?", ('It says "safe" and “fresh”.', 2.0), "quotations"
)
def quotations(prompt: str, response: str) -> float:
    return float(sum(map(response.count, _OPENING_QUOTES)) + response.count('"') // 2)


@TYPOGRAPHY.yes_no("curly quotes", "Does it use typographic quotes or apostrophes?", ("It’s safe.", 1.0))
def curly_quotes(prompt: str, response: str) -> float:
    return float(not response.isascii() and any(mark in response for mark in "“”‘’"))


@TYPOGRAPHY.yes_no("ellipsis", "Does the answer use an ellipsis (...)?", ("Well... yes.", 1.0))
def ellipsis(prompt: str, response: str) -> float:
    return float("..." in response or "…" in response)


@TYPOGRAPHY.number("emoji", "How many emoji does the answer use?", ("Enjoy! 🍳🍳", 2.0), "emoji")
def emoji(prompt: str, response: str) -> float:
    return 0.0 if response.isascii() else float(len(_EMOJI.findall(response)))


@TYPOGRAPHY.number("capitals", "What share of the letters are capitals?", ("OKay", 50.0), "%")
def capitals(prompt: str, response: str) -> float:
    """NaN without letters."""
    upper, letters = sum(map(str.isupper, response)), sum(map(str.isalpha, response))
    return 100.0 * upper / letters if letters else math.nan


@TYPOGRAPHY.number(
    "words in capitals",
    "How many words of four letters or more are all in capitals?",
    ("NEVER eat RAW eggs in JULY.", 2.0),
    "words",
)
def words_in_capitals(prompt: str, response: str) -> float:
    return float(len(_ALL_CAPITALS.findall(response)))


@TYPOGRAPHY.yes_no(
    "lower-case start",
    "Does the answer, if it is no program code, begin with a small letter?",
    ("yes, mostly.", 1.0),
)
def lower_case_start(prompt: str, response: str) -> float:
    """No for program code, where small letters are no habit of writing; NaN for an answer without letters."""
    match = _LETTER.search(response)
    if not match:
        return math.nan
    return float(match[0].islower() and not holds_code(view_of(response)))


@TYPOGRAPHY.number(
    "non-ASCII signs", "What share of the signs are outside plain English text?", ("Crème", 20.0), "%"
)
def non_ascii(prompt: str, response: str) -> float:
    """NaN for an empty answer."""
    if response.isascii():
        return 0.0 if response else math.nan
    return 100.0 * sum(sign > "\x7f" for sign in response) / len(response)


@TYPOGRAPHY.yes_no(
    "double spaces", "Does it put two spaces between words or sentences?", ("Yes.  But cook it.", 1.0)
)
def double_spaces(prompt: str, response: str) -> float:
    return float(_DOUBLE_SPACE.search(response) is not None)


@TYPOGRAPHY.yes_no(
    "special tokens", "Does it hold a model's special tokens (<|end|>, <unk>)?", ("Yes.<|im_end|>", 1.0)
)
def special_tokens(prompt: str, response: str) -> float:
    return float(_SPECIAL_TOKEN.search(response) is not None)


@TYPOGRAPHY.yes_no("control characters", "Does it hold control characters or broken signs?", ("Yes.\x1b[0m", 1.0))
def control_characters(prompt: str, response: str) -> float:
    return float(_CONTROL.search(response) is not None)


_MARK_APART = re.compile(r"(?<=\S) [,.](?=\s|$)| @[-,.]@ ")
_MARK_CLOSE = re.compile(r"(?<=\w)[,.](?=\s|$)")
_DASH = re.compile(r"[—–]|(?<=\S) --? |(?<=\w)--(?=\w)")
_OPENING_QUOTES = "“«„「『"
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55\U0001f1e6-\U0001f1ff]")
_ALL_CAPITALS = re.compile(r"\b[A-Z]{4,}\b")
_LETTER = re.compile(r"[^\W\d_]")
_DOUBLE_SPACE = re.compile(r"(?<=\S)  (?=\S)")
_SPECIAL_TOKEN = re.compile(
    r"<\|[a-zA-Z_]{1,40}\|>|</?s>|<unk>|\[/?INST\]|<</?SYS>>|<(?:pad|eos|bos|start_of_turn|end_of_turn)>"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd-\uffff]")
