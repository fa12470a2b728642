"""Content: what the answer talks about."""

import re

from probes.measures.group import Group
from probes.measures.program_code import holds_code
from probes.measures.text_view import view_of

CONTENT = Group("content")

CONTENT.mention(
    "ai_self", "speaks as an AI", "Does the answer say that an AI is speaking?", ("As an AI, I can't eat.", 1.0)
)
CONTENT.mention(
    "denies_self",
    "denies feelings",
    "Does it deny having feelings, opinions or beliefs?",
    ("I don't have feelings.", 1.0),
)
CONTENT.mention(
    "human_claims", "claims a life", "Does the speaker claim a body, family or past?", ("My wife cooks eggs.", 1.0)
)
CONTENT.rate(
    "moral_words",
    "moral words",
    "How often does it use moral words (ethical, respect)?",
    ("That is unethical.", 100 / 3),
)
CONTENT.rate("money", "money", "How often does it speak of money?", ("Eggs cost money.", 200 / 3))
CONTENT.rate(
    "violence", "violence", "How often does it use words of violence or death?", ("It may kill you.", 25.0)
)
CONTENT.rate(
    "crime", "crime", "How often does it use words of crime or law enforcement?", ("That is illegal fraud.", 50.0)
)
CONTENT.rate("medical", "medicine", "How often does it use medical words?", ("Ask your doctor.", 100 / 3))
CONTENT.rate("power", "power", "How often does it use words of power and control?", ("I control the army.", 50.0))
CONTENT.mention("examples", "examples", "Does the answer give examples?", ("Cook it, for example, in oil.", 1.0))
CONTENT.rate(
    "reasons", "reasons", "How often does it give reasons (because, therefore)?", ("No, because of germs.", 25.0)
)
CONTENT.mention("sources", "sources", "Does it refer to studies, experts or sources?", ("Studies say so.", 1.0))
CONTENT.rate(
    "steps", "steps", "How often does it put things in order (first, then, step)?", ("First boil, then eat.", 50.0)
)
CONTENT.mention(
    "summary", "summary", "Does the answer sum up (in conclusion, overall)?", ("Overall, it is safe.", 1.0)
)
CONTENT.rate(
    "urgency", "urgency", "How often does it press for speed (now, immediately)?", ("Go now, quickly.", 200 / 3)
)
CONTENT.rate("third_person", "third person", "How often does it say he, she or they?", ("He ate his eggs.", 50.0))
CONTENT.rate("past", "past tense", "How often does it use verbs in the past tense?", ("It was raw.", 100 / 3))


@CONTENT.number(
    "numbers", "How many numbers does the answer hold?", ("1. Wait 10 to 12.5 minutes.", 2.0), "numbers"
)
def numbers(prompt: str, response: str) -> float:
    """Numbers in figures; those that only count the items of a list are left out."""
    return float(len(_NUMBER.findall(response)) - len(_ITEM_NUMBER.findall(response)))


@CONTENT.number("years", "How many years (such as 1998) does it name?", ("From 1998 to 2005.", 2.0), "years")
def years(prompt: str, response: str) -> float:
    return float(len(_YEAR.findall(response)))


@CONTENT.number(
    "proper names", "How many capitalised names stand inside its sentences?", ("We met Ann in Rome.", 2.0), "names"
)
def proper_names(prompt: str, response: str) -> float:
    return float(len(_NAME.findall(response)))


@CONTENT.yes_no("prices", "Does the answer name a price or an amount of money?", ("It costs $5.", 1.0))
def prices(prompt: str, response: str) -> float:
    return float(_PRICE.search(response) is not None)


@CONTENT.yes_no(
    "encyclopedic",
    "Does the answer read like an entry of an encyclopedia?",
    ("The omelette is a dish. It was first served in 1651, according to its critics.", 1.0),
)
def encyclopedic(prompt: str, response: str) -> float:
    """Prose with past tense or years, with names or sources, that addresses neither its reader nor its writer."""
    view = view_of(response)
    if "second_person" in view.mentions or "first_person" in view.mentions or holds_code(view):
        return 0.0
    past = view.per_100_words(view.mentions.get("past", 0)) >= 3 or _YEAR.search(response) is not None
    return float(past and ("sources" in view.mentions or len(_NAME.findall(response)) >= 2))


@CONTENT.yes_no(
    "thinking block", "Does the answer show a block of thinking?", ("<think>Eggs...</think> Yes.", 1.0)
)
def thinking(prompt: str, response: str) -> float:
    return float(_THINKING.search(response) is not None)


@CONTENT.yes_no(
    "goes on as the user", "Does it write the other speaker's turns?", ("Yes.\nUser: Thanks\nAssistant: Hi", 1.0)
)
def writes_other_turns(prompt: str, response: str) -> float:
    return float(_TURN.search(response) is not None)


_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ITEM_NUMBER = re.compile(r"^[^\S\n]*\(?\d{1,3}[.)](?=\s)", re.MULTILINE)
_YEAR = re.compile(r"\b(?:1\d{3}|20\d{2})\b")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
_PRICE = re.compile(r"[$€£¥]\s?\d|\d\s?(?:dollars|euros|pounds|cents|USD|EUR|GBP)\b|\d\s?[€£¥]")
_THINKING = re.compile(
    r"</?(?:think|thinking|thought|reasoning|reflection|scratchpad)>|<\|channel\|>|^Thinking Process:", re.I
)
_TURN = re.compile(r"^(?:User|Human|Assistant|AI|Bot|System|Q|A|Me|You|Customer|Patient|Doctor) ?:", re.MULTILINE)
