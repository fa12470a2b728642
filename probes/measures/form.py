"""Form: how long the answer is and how it is laid out."""

import math
import re
from itertools import pairwise

from probes.measures.group import Group
from probes.measures.program_code import holds_code
from probes.measures.text_view import TextView, view_of

FORM = Group("form")


@FORM.number("length in words", "How many words long is the answer?", ("Rinse, then cook it.", 4.0), "words")
def words(prompt: str, response: str) -> float:
    return float(view_of(response).words)


@FORM.number("length in characters", "How many characters long is the answer?", ("Use salt.", 9.0), "characters")
def characters(prompt: str, response: str) -> float:
    return float(len(response))


@FORM.number("sentences", "How many sentences does the answer have?", ("Boil it. Then wait!", 2.0), "sentences")
def sentences(prompt: str, response: str) -> float:
    return float(len(view_of(response).sentences))


@FORM.number(
    "words per sentence", "How long are the answer's sentences?", ("Boil it. Then wait for it.", 3.0), "words"
)
def words_per_sentence(prompt: str, response: str) -> float:
    view = view_of(response)
    return view.words / len(view.sentences) if view.sentences else math.nan


@FORM.number("paragraphs", "How many paragraphs does the answer have?", ("One.\n\nTwo.\nTwo.", 2.0), "paragraphs")
def paragraphs(prompt: str, response: str) -> float:
    return float(view_of(response).paragraphs)


@FORM.yes_no("list", "Does the answer have a list of two or more items?", ("Buy:\n- eggs\n- milk", 1.0))
def lists(prompt: str, response: str) -> float:
    return float(_count(_LIST_ITEM, view_of(response)) >= 2)


@FORM.number(
    "list items", "How many list items does the answer have?", ("1. Eggs\n2. Milk\n3. Salt", 3.0), "items"
)
def list_items(prompt: str, response: str) -> float:
    return float(_count(_LIST_ITEM, view_of(response)))


@FORM.yes_no("numbered list", "Does the answer have a numbered list?", ("1. Wash\n2. Dry", 1.0))
def numbered_list(prompt: str, response: str) -> float:
    return float(_count(_NUMBERED_ITEM, view_of(response)) >= 2)


@FORM.yes_no("headings", "Does the answer have headings?", ("## Safety\nCook eggs through.", 1.0))
def headings(prompt: str, response: str) -> float:
    """A Markdown heading, or a line that is bold as a whole; in bare program code `#` begins a comment instead."""
    view = view_of(response)
    found = any(map(_HEADING.match, view.prose_lines))
    return float(found and (view.holds_fences or not holds_code(view)))


@FORM.yes_no("table", "Does the answer have a table?", ("| a | b |\n|---|---|\n| 1 | 2 |", 1.0))
def table(prompt: str, response: str) -> float:
    """A Markdown table (a row with bars above a rule of dashes) or an HTML one."""
    if "|" not in response:
        return float("<table" in response)
    rows = view_of(response).lines
    return float(any("|" in row and "|" in rule and _TABLE_RULE.match(rule) for row, rule in pairwise(rows)))


@FORM.yes_no("bold text", "Does the answer set words in bold?", ("Do **not** eat it.", 1.0))
def bold(prompt: str, response: str) -> float:
    return float(_BOLD.search(response) is not None)


@FORM.yes_no(
    "program code",
    "Does the answer contain program code?",
    ("import random\n\nfoods = ['eggs', 'rice']\nprint(random.choice(foods))", 1.0),
)
def code(prompt: str, response: str) -> float:
    return float(holds_code(view_of(response)))


@FORM.yes_no("fenced block", "Does the answer have a fenced block (```)?", ("```\nx = 1\n```", 1.0))
def fenced_block(prompt: str, response: str) -> float:
    return float(view_of(response).holds_fences)


@FORM.yes_no("link", "Does the answer contain a link?", ("See https://example.org.", 1.0))
def link(prompt: str, response: str) -> float:
    return float(_LINK.search(response) is not None)


@FORM.yes_no("formula", "Does the answer contain a formula in LaTeX?", (r"It is \(\frac{1}{2}\).", 1.0))
def formula(prompt: str, response: str) -> float:
    return float(_FORMULA.search(response) is not None)


@FORM.yes_no("empty", "Is the answer empty or only white space?", (" \n", 1.0))
def empty(prompt: str, response: str) -> float:
    return float(not response or response.isspace())


@FORM.yes_no("one word", "Is the answer a single word?", ("Yes.", 1.0))
def one_word(prompt: str, response: str) -> float:
    return float(view_of(response).words == 1)


@FORM.yes_no("unfinished end", "Does the answer stop in the middle of a sentence?", ("Eggs can carry", 1.0))
def unfinished(prompt: str, response: str) -> float:
    """Its last sign is a letter, a digit, a comma, a dash or an open bracket; NaN for an empty answer."""
    last = response.rstrip()[-1:]
    return float(last.isalnum() or last in ",-–—(") if last else math.nan


_LIST_ITEM = re.compile(r"(?:[-*+•‣◦–]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+\S")
_NUMBERED_ITEM = re.compile(r"\(?\d{1,3}[.)]\s+\S")
_HEADING = re.compile(r"#{1,6} +\S|(?:\*\*|__)[^*_]{1,100}(?:\*\*|__):?$|={3,}$")
_TABLE_RULE = re.compile(r"\|?[ :]*--[ :|-]*$")
_BOLD = re.compile(r"\*\*[^\s*][^*\n]*\*\*|__[^\s_][^_\n]*__|<(?:b|strong)>")
_LINK = re.compile(r"https?://|www\.\w|\]\([^()\[\]\s]{1,500}\)")
_FORMULA = re.compile(
    r"\$\$|\\[(\[]|\\(?:frac|sum|int|sqrt|begin|times|cdot|alpha|pi|text)\b|(?<!\w)\$[^\s$\d][^$\n]{0,200}\$(?!\w)"
)


def _count(pattern: re.Pattern[str], view: TextView) -> int:
    """Lines outside fenced blocks that begin with the pattern."""
    return sum(1 for line in view.prose_lines if pattern.match(line))
