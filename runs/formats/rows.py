"""From records to responses: each with its prompt and what else stands beside it, checked by file and line.

A response is text. `null` is a missing response, left out and counted; an empty one is a response. A number or an
object where text belongs is refused.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runs.formats.beside import Beside
from runs.formats.chat import Prompt, Turn, chat_in_text, chat_prompt, is_chat, plain_prompt, tidy, turns_of
from runs.formats.fields import SYSTEM, FieldPath, Plan, is_missing, plain_name, text_paths
from runs.formats.record import Record, Source, kind_of, listed, refuse, shown
from runs.texts import SpilledTexts

Thinking = Literal["keep", "strip"]

LENGTH = "length"
_CUT_REASONS = {"length", "max_tokens", "max_length", "model_length", "max_output_tokens", "token_limit"}

_OPEN = re.compile(r"\s*<(think|thinking)>", re.IGNORECASE)
_CLOSE = re.compile(r"</(think|thinking)>\s*", re.IGNORECASE)


@dataclass
class Responses:
    """All responses read, one entry of each list a response, whatever source it came from.

    text_N: index into `prompts`. condition_N: index of the side or of the axis's value. missing: responses that
    were null, by condition. thinking: responses that held a thinking block, by condition.
    """

    prompts: list[Prompt] = field(default_factory=list)
    text_N: list[int] = field(default_factory=list)
    id_N: list[str | None] = field(default_factory=list)
    domain_N: list[str | None] = field(default_factory=list)
    condition_N: list[int] = field(default_factory=list)
    draw_N: list[int | None] = field(default_factory=list)
    response_N: list[str] | SpilledTexts = field(default_factory=list)
    finish_N: list[str | None] = field(default_factory=list)
    logprob_N: list[float | None] = field(default_factory=list)
    beside: Beside = field(default_factory=Beside)
    missing: Counter[int] = field(default_factory=Counter)
    thinking: Counter[int] = field(default_factory=Counter)
    _index: dict[Prompt, int] = field(default_factory=dict)

    def prompt_index(self, prompt: Prompt) -> int:
        """The index of an equal prompt, added where there is none."""
        index = self._index.setdefault(prompt, len(self.prompts))
        if index == len(self.prompts):
            self.prompts.append(prompt)
        return index


ConditionOf = Callable[[Record], int | None]
"""The condition of a record, None for a record that is left out."""


def read_responses(
    source: Source, plan: Plan, into: Responses, condition_of: ConditionOf, thinking: Thinking
) -> None:
    """Adds all responses of a source. InputError: the first row that is not as it should be, by line and field."""
    reader = _Reader(source, plan, into, thinking)
    for record in source.records():
        condition = condition_of(record)
        if condition is not None:
            reader.add(record, condition)


def strip_thinking(text: str) -> tuple[str, bool]:
    """The answer without the thinking before it, and whether there was any.

    A block that is never closed was cut: the answer is empty. One that is never opened was opened by the prompt.
    """
    opened, closed = _OPEN.match(text), _CLOSE.search(text)
    if not opened and not (closed and not re.search("<think", text[: closed.start()], re.IGNORECASE)):
        return text, False
    return (text[closed.end() :] if closed else ""), True


class _Reader:
    """One source read into the responses."""

    def __init__(self, source: Source, plan: Plan, into: Responses, thinking: Thinking) -> None:
        self.source = source
        self.plan = plan
        self.into = into
        self.strips = thinking == "strip"
        self.known = set(plan.found)
        self.taken = plan.taken

    def add(self, record: Record, condition: int) -> None:
        fields = record.fields
        turns = self._turns(record)
        texts = self._responses(record, turns)
        prompt = self.into.prompt_index(self._prompt(record, turns))
        prompt_id = self._label(self.plan.prompt_id, fields)
        domain = self._label(self.plan.domain, fields)
        draw = self._draw(fields)
        finish = self._finish(fields)
        logprob = self._logprob(record)
        if not self.known.issuperset(fields):
            self._new_fields(record)
        into = self.into
        first = len(into.response_N)
        if not texts:
            into.missing[condition] += 1
        kept: list[int] = []
        for position, text in enumerate(texts):
            if text is None:
                into.missing[condition] += 1
                continue
            kept.append(position)
            answer, thought = strip_thinking(text) if "think" in text or "THINK" in text else (text, False)
            into.thinking[condition] += thought
            into.response_N.append(whole_text(answer if self.strips else text))
            into.text_N.append(prompt)
            into.id_N.append(prompt_id)
            into.domain_N.append(domain)
            into.condition_N.append(condition)
            into.draw_N.append(draw if len(texts) == 1 else None)
            into.finish_N.append(finish)
            into.logprob_N.append(logprob)
        into.beside.add(fields, self.taken, first, kept, len(texts))

    def _turns(self, record: Record) -> list[Turn]:
        chat = self.plan.chat
        if chat is None:
            return []
        value = chat_in_text(chat.of(record.fields))
        if not is_chat(value):
            raise self._wrong(
                record, chat, f"{kind_of(value)} where a list of turns belongs", "give role and content"
            )
        return turns_of(value, self.source.place(record.number), chat.name)  # type: ignore[arg-type]

    def _prompt(self, record: Record, turns: list[Turn]) -> Prompt:
        fields = record.fields
        system = self._text(self.plan.system, fields)
        path = self.plan.prompt
        if path is None:
            before = turns[: _answer_index(turns)]
            if self.plan.response is not None:
                before = _without_answer(turns, self.into_text(record))
            if not before:
                raise self._wrong(record, self.plan.chat, "no turn before the response", "the prompt comes first")
            return chat_prompt([Turn(turn.role, whole(turn.content)) for turn in before], whole(system))
        value = chat_in_text(path.of(fields))
        if is_chat(value):
            found = turns_of(value, self.source.place(record.number), path.name)  # type: ignore[arg-type]
            return chat_prompt([Turn(turn.role, whole(turn.content)) for turn in found], whole(system))
        if isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        if not isinstance(value, str):
            what = "no prompt" if is_missing(value) else f"{kind_of(value)} where the text of the prompt belongs"
            raise self._wrong(record, path, what, "each row has its prompt as text")
        more = self._text(self.plan.prompt_input, fields)
        if more and more.strip():
            value = f"{value}\n\n{more}"
        return plain_prompt(whole_text(value), whole(system))

    def into_text(self, record: Record) -> object:
        """The response of a field, as it stands."""
        return self.plan.response.of(record.fields) if self.plan.response else None

    def _responses(self, record: Record, turns: list[Turn]) -> list[str | None]:
        path = self.plan.response
        if path is None:
            index = _answer_index(turns)
            return [turns[index].content if index < len(turns) else None]
        if path.parts[0] not in record.fields:
            found = listed(record.fields)
            raise self._wrong(
                record, path, "the field is missing", f"fields found: {found}; null is a missing response"
            )
        return self._texts(path.of(record.fields), record, path)

    def _texts(self, value: object, record: Record, path: FieldPath) -> list[str | None]:
        """The responses of one value: text, or a list of them; a chat gives its last answer."""
        if isinstance(value, str):
            return [value]
        if is_missing(value):
            return [None]
        if is_chat(value):
            turns = turns_of(value, self.source.place(record.number), path.name)  # type: ignore[arg-type]
            index = _answer_index(turns)
            return [turns[index].content if index < len(turns) else None]
        if isinstance(value, list | tuple):
            return [text for item in value for text in self._texts(item, record, path)]
        paths = [inner for inner in text_paths(value, path.name) if inner != path.name]
        right = "a response is text"
        if paths:
            right += f"; name the text inside with --response-field, such as {listed(paths, 3)}"
        raise self._wrong(record, path, f"{kind_of(value)} where the text of a response belongs", right)

    def _text(self, path: FieldPath | None, fields: Mapping[str, Any]) -> str | None:
        value = None if path is None else path.of(fields)
        return None if is_missing(value) else str(value)

    def _label(self, path: FieldPath | None, fields: Mapping[str, Any]) -> str | None:
        """An id or a category: text, or a number as text; anything else is none."""
        if path is None:
            return None
        value = path.of(fields)
        if is_missing(value) or isinstance(value, Mapping | list | tuple) or value == "":
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # a data frame makes floats of whole numbers where some are missing
        return sys.intern(whole_text(str(value)))  # one object for the same id in many rows

    def _draw(self, fields: Mapping[str, Any]) -> int | None:
        text = self._label(self.plan.draw, fields)
        return int(text) if text is not None and text.isdecimal() and len(text) < 10 else None

    def _finish(self, fields: Mapping[str, Any]) -> str | None:
        text = self._label(self.plan.finish, fields)
        return LENGTH if text is not None and text.lower() in _CUT_REASONS else text

    def _logprob(self, record: Record) -> float | None:
        path = self.plan.logprob
        if path is None:
            return None
        value = path.of(record.fields)
        if is_missing(value) or value == "":
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if isinstance(value, bool) or not -float("inf") < number <= 0:
            right = "a log-probability of the whole response is a number of at most 0"
            raise self._wrong(record, path, f"{shown(value)} for a log-probability", right)
        return number

    def _new_fields(self, record: Record) -> None:
        """Fields that the first rows did not have. A system prompt among them would have been missed."""
        for name in record.fields.keys() - self.known:
            if self.plan.system is None and plain_name(name) in SYSTEM and self.plan.chat is None:
                what = "a system prompt, which the first rows of the file do not have"
                raise self._wrong(record, FieldPath((name,)), what, "give the field in every row, null where none")
        self.known.update(record.fields)

    def _wrong(self, record: Record, path: FieldPath | None, wrong: str, right: str) -> Exception:
        name = f", field {shown(path.name)}" if path else ""
        return refuse(f"{self.source.place(record.number)}{name}", wrong, right)


def whole_text(text: str) -> str:
    """The text with halves of characters that no file can hold joined, or replaced where the other half lacks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def whole(text: str | None) -> str | None:
    return None if text is None else whole_text(text)


def _answer_index(turns: list[Turn]) -> int:
    """Index of the answer: the last turn when it is the assistant's, else past the end."""
    return len(turns) - 1 if turns and turns[-1].role == "assistant" else len(turns)


def _without_answer(turns: list[Turn], response: object) -> list[Turn]:
    """The turns of the prompt where the response stands in a field of its own and perhaps in the last turn too."""
    last = turns[-1]
    repeats = isinstance(response, str) and last.role == "assistant" and tidy(last.content or "") == tidy(response)
    return turns[:-1] if repeats else turns
