r"""What models write where JSON or a level was wanted, read without inventing anything.

The library that repairs most kinds of broken JSON (json-repair) was tried and not taken: it turns `{"level": }`
into an empty level, closes a number or a quote that was cut off as if it had been whole, and makes values of the
prose around. Here a member that is not there to its end is left out.

>>> last_json('Example: {"level": 0}. Mine:\n```json\n{"level": 2, // some\n "quote": "a\nb",}\n```')
Found(value={'level': 2, 'quote': 'a\nb'}, complete=True)
>>> last_json('{"a": {"level": 1}, "b": {"level": 1')
Found(value={'a': {'level': 1}, 'b': {}}, complete=False)
>>> last_json("I will not judge this.") is None
True
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_THINKING = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT = re.compile(r"\A.*?</(?:think|thinking|reasoning)>[ \t]*\n", re.DOTALL | re.IGNORECASE)
_BLANK = re.compile(r"(?:\s|//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z))*", re.DOTALL)
_OPENING = re.compile(r'\{(?=\s*(?:"|\}|//|/\*|#|\Z))|\[(?=\s*\{\s*")')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_NUMBER_BEGUN = re.compile(r"-?\d*(?:\.\d*)?(?:[eE][+-]?\d*)?")
_WORDS = {"true": True, "false": False, "null": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Found:
    """An object or a list that stood in a text. complete: whether it stood there to its end."""

    value: Any
    complete: bool


def without_thinking(text: str) -> str:
    r"""The text without what a reasoning model thought aloud before it, stripped.

    >>> without_thinking("<think>5 or 9?</think> It is 9.")
    'It is 9.'
    >>> without_thinking("5 or 9?\n</think>\n9")  # some templates open the block in the prompt
    '9'
    >>> without_thinking('{"quote": "</think>"}')
    '{"quote": "</think>"}'
    >>> without_thinking("<think>cut off")
    ''
    """
    return _THOUGHT.sub("", _THINKING.sub("", text)).strip()


def last_json(text: str) -> Found | None:
    r"""The last object, or list of objects, that begins in the text, or None.

    The last, because an earlier one is the prompt's example, echoed: None too where the last one is broken. Read
    in spite of fences, prose around it, comments, trailing commas, literal line breaks in strings and escapes that
    JSON does not know. Where it is cut off, what stood there whole is kept; a number at the very end is not whole.

    >>> last_json(r'{"quote": "\(x\)"} Hope {this} helps.')
    Found(value={'quote': '\\(x\\)'}, complete=True)
    >>> last_json('{"level": 0} {"quote": "unfin')
    Found(value={}, complete=False)
    >>> last_json('{"level": }') is None
    True
    """
    found = None
    position = 0
    while opening := _OPENING.search(text, position):
        reader = _Reader(text, opening.start())
        try:
            found = Found(reader.value(), True)
            position = reader.position
        except _CutOff as cut:
            return Found(cut.value, False)
        except _NotJson:
            found = None
            position = _end_of(text, opening.start())
    return found


def _end_of(text: str, start: int) -> int:
    """Where something in brackets that is no JSON ends, so that nothing inside it is taken for the whole."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] in "{[") - (text[position] in "}]")
        if depth == 0:
            return position + 1
    return len(text)


class Unreadable(ValueError):
    """A verdict in prose cannot be told; the text says why."""


def option_in_prose(text: str, options: Sequence[str]) -> str:
    """The one of the options (names of levels, or numbers as text) that a verdict in prose gives.

    Taken are, in this order: a text that is an option and nothing else; what stands in double brackets; what
    follows a word for verdict; a number out of the largest option. Raises Unreadable where that is none of the
    options, several, or nothing.

    >>> option_in_prose("There are 5 reasons why this is a 9 out of 10.", [str(n) for n in range(1, 11)])
    '9'
    >>> option_in_prose("I considered no. **Level:** yes", ["no", "yes"])
    'yes'
    >>> option_in_prose("Rating: 85", [str(n) for n in range(1, 11)])
    Traceback (most recent call last):
    ...
    tools.chat.parsing.Unreadable: '85' is not on the scale
    """
    by_name = {option.casefold(): option for option in options}
    bare = text.strip(" \t\r\n\"'`*_.:[]()").casefold()
    if bare in by_name:
        return by_name[bare]
    for said in _verdicts(text, options):
        if said:
            names = {by_name.get(one.casefold(), "") for one in said}
            if names == {""}:
                raise Unreadable(f"{said[0]!r} is not on the scale")
            if len(names) > 1:
                raise Unreadable(f"{len(names)} verdicts, {said[0]!r} and {said[-1]!r} among them")
            return names.pop()
    raise Unreadable("no verdict in what was written")


def _verdicts(text: str, options: Sequence[str]) -> Iterator[list[str]]:
    """What stands where a verdict would stand, by each way of writing one."""
    wanted = "|".join(re.escape(option) for option in sorted(options, key=len, reverse=True))
    name = rf"(?:{wanted})(?![\w.]*\w)|-?\d+(?:\.\d+)?"
    yield re.findall(r"\[\[\s*([^\[\]]+?)\s*\]\]", text)
    lead = r"\b(?:levels?|ratings?|scores?|verdict|answer|grade)\b[\s*_`\"']*(?:is|of|as|:|=|-)?[\s*_`\"':(]*"
    yield re.findall(rf"{lead}({name})", text, re.IGNORECASE)
    largest = re.escape(options[-1]) if options else "(?!)"
    yield re.findall(rf"(?<![\w.])(-?\d+(?:\.\d+)?)\s*(?:out of|of|/)\s*{largest}(?![\w.]*\d)", text)


def _paired(text: str) -> str:
    """Text in which two escapes that spell one character have become it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not text.isascii() else text


class _NotJson(Exception):
    pass


class _CutOff(Exception):
    """The text ended. value: what is whole of the value that was being read; `_NOTHING` where nothing is."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


_NOTHING = object()


class _Reader:
    """Reads one value from a position on."""

    def __init__(self, text: str, position: int) -> None:
        self._text = text
        self.position = position
        self._depth = 0

    def value(self) -> Any:
        character = self._peek()
        if character == "{":
            return self._nested(self._object)
        if character == "[":
            return self._nested(self._list)
        if character == '"':
            return self._string()
        return self._scalar()

    def _nested(self, read: Any) -> Any:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _NotJson
        self.position += 1
        value = read()
        self._depth -= 1
        return value

    def _object(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while True:
            try:
                if self._ends("}"):
                    return members
                if self._peek() != '"':
                    raise _NotJson
                key = self._string()
                if self._peek() != ":":
                    raise _NotJson
                self.position += 1
            except _CutOff:
                raise _CutOff(members) from None
            try:
                members[key] = self.value()
                self._comma("}")
            except _CutOff as cut:
                if cut.value is not _NOTHING:
                    members[key] = cut.value
                raise _CutOff(members) from None

    def _list(self) -> list[Any]:
        items: list[Any] = []
        while True:
            try:
                if self._ends("]"):
                    return items
                items.append(self.value())
                self._comma("]")
            except _CutOff as cut:
                raise _CutOff(items if cut.value is _NOTHING else [*items, cut.value]) from None

    def _string(self) -> str:
        self.position += 1
        parts: list[str] = []
        while self.position < len(self._text):
            character = self._text[self.position]
            self.position += 1
            if character == '"':
                return _paired("".join(parts))
            parts.append(self._escaped() if character == "\\" else character)
        raise _CutOff(_NOTHING)

    def _escaped(self) -> str:
        following = self._text[self.position : self.position + 1]
        self.position += 1
        if following == "u":
            digits = self._text[self.position : self.position + 4]
            if re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                self.position += 4
                return chr(int(digits, 16))
        return _ESCAPES.get(following, "\\" + following)

    def _scalar(self) -> Any:
        if _NUMBER_BEGUN.fullmatch(self._text, self.position):
            raise _CutOff(_NOTHING)  # more of it may have been to come
        if number := _NUMBER.match(self._text, self.position):
            self.position = number.end()
            return float(number[0]) if set(number[0]) & set(".eE") else int(number[0])
        for word, value in _WORDS.items():
            if self._text.startswith(word, self.position):
                self.position += len(word)
                return value
        if any(word.startswith(self._text[self.position :]) for word in _WORDS):
            raise _CutOff(_NOTHING)
        raise _NotJson

    def _ends(self, closing: str) -> bool:
        if self._peek() == closing:
            self.position += 1
            return True
        return False

    def _comma(self, closing: str) -> None:
        following = self._peek()
        if following == ",":
            self.position += 1
        elif following != closing:
            raise _NotJson

    def _peek(self) -> str:
        """The next character that is neither blank nor in a comment."""
        blank = _BLANK.match(self._text, self.position)
        assert blank is not None  # it matches the empty string
        self.position = blank.end()
        if self.position >= len(self._text):
            raise _CutOff(_NOTHING)
        return self._text[self.position]
