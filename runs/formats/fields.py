"""Which field of a row is what: told from names and from whether the values are text, or named by the person.

What can be told without guessing is told, and said; where two fields could be meant, both are named together with
the flag that decides.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from probes.errors import InputError
from runs.formats.chat import chat_in_text, content_text, is_chat, turns_of
from runs.formats.record import DOMAIN_FIELD, Record, Source, kind_of, listed, refuse, shown

HEAD_ROWS = 1000
"""Rows from which the fields are told."""

PROMPT = ("prompt", "question", "instruction", "query", "input", "probe", "user_prompt", "user_message", "problem")
RESPONSE = (
    *("response", "answer", "output", "completion", "model_response", "generation", "model_output"),
    *("generated_text", "reply", "responses", "answers", "outputs", "completions", "generations"),
)
CHAT = ("messages", "conversations", "conversation", "chat", "dialogue")
SYSTEM = ("system_prompt", "system", "system_message")
PROMPT_ID = ("prompt_id", "question_id", "query_id", "id", "qid", "uid", "task_id", "doc_id", "idx", "index")
DOMAIN = (DOMAIN_FIELD, "category", "topic")
DRAW = ("sample", "sample_index", "sample_idx", "draw", "epoch", "repetition")
FINISH = ("finish_reason", "stop_reason")
LOGPROB = ("logprob", "cumulative_logprob", "sum_logprob")

Kind = Literal["text", "chat", "number", "object", "missing"]


@dataclass(frozen=True)
class FieldPath:
    """A field by its name, or a value inside it by a path with dots, which goes on in each item of a list."""

    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        return ".".join(self.parts)

    def of(self, fields: Mapping[str, Any]) -> Any:
        """The value, None where the path leads nowhere."""
        value = fields.get(self.parts[0])
        for part in self.parts[1:]:
            value = _inside(value, part)
        return value


@dataclass(frozen=True)
class Named:
    """The fields that a person named; None where the names are to be told from the rows.

    response_flag: the flag that `response` was named by.
    """

    prompt: str | None = None
    response: str | None = None
    prompt_id: str | None = None
    response_flag: str = "--response-field"


@dataclass(frozen=True)
class Plan:
    """The fields taken from the rows of one source. prompt or response None: told from the turns of `chat`.

    prompt_input: a second text that belongs to the prompt. found: all field names of the head. said: sentences.
    """

    prompt: FieldPath | None = None
    prompt_input: FieldPath | None = None
    response: FieldPath | None = None
    chat: FieldPath | None = None
    system: FieldPath | None = None
    prompt_id: FieldPath | None = None
    domain: FieldPath | None = None
    draw: FieldPath | None = None
    finish: FieldPath | None = None
    logprob: FieldPath | None = None
    found: tuple[str, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def taken(self) -> frozenset[str]:
        """Top-level fields that can be no scores; ids and numbers of draws may be keys of scores and are not among
        them."""
        paths = (self.prompt, self.prompt_input, self.response, self.chat, self.system, self.domain)
        whole = {path.parts[0] for path in paths if path is not None and len(path.parts) == 1}
        return frozenset(whole | {path.parts[0] for path in (self.finish, self.logprob) if path is not None})

    @property
    def read(self) -> frozenset[str]:
        """Top-level fields that a run holds."""
        paths = (self.prompt_id, self.draw, self.prompt, self.response, self.chat)
        return self.taken | {path.parts[0] for path in paths if path is not None}


def plan_of(source: Source, named: Named) -> Plan:
    """The plan for the rows of `source`. InputError: no rows, no such field, fields that could mean two."""
    head = list(islice(source.records(), HEAD_ROWS))
    if not head:
        raise refuse(source.name, "it holds no rows", "a file of responses has one row a response")
    return _Resolver(source, head, named).plan()


class _Resolver:
    """The decisions, each from the names and the values of the head."""

    def __init__(self, source: Source, head: Sequence[Record], named: Named) -> None:
        self.name = source.name
        self.head = [record.fields for record in head]
        self.places = [source.place(record.number) for record in head]
        self.named = named
        self.found = tuple(dict.fromkeys(field for fields in self.head for field in fields))
        self._by_plain_name: dict[str, str] = {}
        for field in self.found:
            self._by_plain_name.setdefault(plain_name(field), field)
        self._by_plain_name.update({field: field for field in self.found})

    def plan(self) -> Plan:
        chat = self._first(CHAT, ("chat",))
        response = self._response(chat)
        prompt, prompt_input = self._prompt(chat)
        used = [path.name for path in (prompt, prompt_input, response, chat) if path is not None]
        plan = Plan(
            prompt=prompt,
            prompt_input=prompt_input,
            response=response,
            chat=chat if prompt is None or response is None else None,
            system=self._first(tuple(name for name in SYSTEM if name not in used), ("text", "missing")),
            prompt_id=self._prompt_id(),
            domain=self._first(DOMAIN, ("text", "number", "missing")),
            draw=self._first(DRAW, ("number",)),
            finish=self._first(FINISH, ("text", "missing")),
            logprob=self._first(LOGPROB, ("number", "text", "missing")),
            found=self.found,
        )
        return replace(plan, said=(self._sentence(plan),))

    # each choice

    def _response(self, chat: FieldPath | None) -> FieldPath | None:
        if self.named.response is not None:
            path = self.path(self.named.response, self.named.response_flag)
            return None if chat is not None and path == chat else path
        present = self._present(RESPONSE)
        canonical = self._by_plain_name.get("response")
        texts = [name for name in present if self._kind(name) in ("text", "chat")]
        if canonical in texts:
            return FieldPath((canonical,))
        candidates: list[FieldPath | None] = [FieldPath((name,)) for name in self._distinct(texts)]
        if chat is not None and self._ends_with_answer(chat):
            answers = self._answers(chat)
            candidates = [c for c in candidates if c is not None and self._values(c) != answers]
            candidates.insert(0, None)
        if len(candidates) > 1:
            names = [candidate.name if candidate else "the last turn" for candidate in candidates]
            raise self._ambiguous("response", names, "--response-field")
        if candidates:
            return candidates[0]
        if present:  # numbers or objects where text belongs: the reader of rows refuses them by line
            return FieldPath((canonical if canonical in present else present[0],))
        raise self._nothing("response", "--response-field")

    def _prompt(self, chat: FieldPath | None) -> tuple[FieldPath | None, FieldPath | None]:
        if self.named.prompt is not None:
            path = self.path(self.named.prompt, "--prompt-field")
            return (None if chat is not None and path == chat else path), None
        if chat is not None:
            return None, None
        present = self._present(PROMPT)
        texts = [name for name in present if self._kind(name) in ("text", "chat")]
        plain = {plain_name(name): name for name in texts}
        if "prompt" in plain:
            return FieldPath((plain["prompt"],)), None
        if "instruction" in plain and set(plain) <= {"instruction", "input"}:
            return FieldPath((plain["instruction"],)), self._first(("input",), ("text", "number", "missing"))
        candidates = self._distinct(texts)
        if len(candidates) > 1:
            raise self._ambiguous("prompt", candidates, "--prompt-field")
        if candidates or present:
            return FieldPath(((candidates or present)[0],)), None
        raise self._nothing("prompt", "--prompt-field")

    def _prompt_id(self) -> FieldPath | None:
        if self.named.prompt_id is not None:
            return self.path(self.named.prompt_id, "--prompt-id-field")
        return self._first(PROMPT_ID, ("text", "number", "missing"))

    def path(self, name: str, flag: str) -> FieldPath:
        """A field that a person named. InputError, with the fields found, where no row has it."""
        path = path_in(name, self.found)
        if path is None or all(path.of(fields) is None for fields in self.head):
            raise refuse(self.name, f"no field {shown(name)} ({flag})", f"fields found: {listed(self.found)}")
        return path

    # what the head holds

    def _present(self, names: Sequence[str]) -> list[str]:
        return [self._by_plain_name[name] for name in names if name in self._by_plain_name]

    def _first(self, names: Sequence[str], kinds: Sequence[Kind]) -> FieldPath | None:
        for field in self._present(names):
            if self._kind(field) in kinds:
                return FieldPath((field,))
        return None

    def _values(self, path: FieldPath) -> list[Any]:
        return [path.of(fields) for fields in self.head]

    def _kind(self, name: str) -> Kind:
        """What most values of a field are."""
        counts = Counter(_kind_of_value(value) for value in self._values(FieldPath((name,))))
        del counts["missing"]
        return counts.most_common(1)[0][0] if counts else "missing"

    def _distinct(self, names: Sequence[str]) -> list[str]:
        """The first of each group of fields with equal values."""
        kept: list[str] = []
        for name in names:
            values = self._values(FieldPath((name,)))
            if not any(values == self._values(FieldPath((other,))) for other in kept):
                kept.append(name)
        return kept

    def _answers(self, chat: FieldPath) -> list[str | None]:
        """The text of the last turn of each chat, None where that is not the assistant's."""
        values = zip(map(chat_in_text, self._values(chat)), self.places, strict=True)
        return [_last_answer(value, place, chat.name) for value, place in values]

    def _ends_with_answer(self, chat: FieldPath) -> bool:
        answers = self._answers(chat)
        return 2 * sum(answer is not None for answer in answers) >= len(answers)

    # what is said

    def _sentence(self, plan: Plan) -> str:
        turns = f"the turns of {shown(plan.chat.name)}" if plan.chat else ""
        prompt = shown(plan.prompt.name) if plan.prompt else turns
        if plan.prompt_input:
            prompt += f" with {shown(plan.prompt_input.name)}"
        if plan.system:
            prompt += f" under the system prompt {shown(plan.system.name)}"
        response = shown(plan.response.name) if plan.response else "the last turn of the assistant"
        others = {
            "prompt id": plan.prompt_id,
            "domain": plan.domain,
            "sample": plan.draw,
            "finish reason": plan.finish,
            "log-probability": plan.logprob,
        }
        rest = "".join(f", {what} from {shown(path.name)}" for what, path in others.items() if path is not None)
        return f"{self.name}: prompt from {prompt}, response from {response}{rest}"

    def _ambiguous(self, what: str, names: Sequence[str], flag: str) -> InputError:
        return refuse(
            self.name,
            f"the {what} could be any of {listed(names)}",
            f"name it with {flag}; fields found: {listed(self.found)}",
        )

    def _nothing(self, what: str, flag: str) -> InputError:
        if not any(self._kind(name) in ("text", "chat", "object") for name in self.found):
            wrong = "no field holds text: this is a table of numbers, not of responses"
        elif not self._present((*PROMPT, *CHAT)) and not self._present(RESPONSE):
            wrong = "no prompts and no responses (a summary of results, or other data)"
        else:
            wrong = f"no field with the {what}"
        return refuse(self.name, wrong, f"name it with {flag}; fields found: {listed(self.found)}")


def path_in(name: str, fields: Sequence[str]) -> FieldPath | None:
    """The field of that name, or else the longest field name that begins it at a dot, and the path inside."""
    if name in fields:
        return FieldPath((name,))
    starts = [field for field in fields if name.startswith(f"{field}.")]
    if not starts:
        return None
    start = max(starts, key=len)
    return FieldPath((start, *name[len(start) + 1 :].split(".")))


def text_paths(value: object, name: str) -> list[str]:
    """Paths of the texts inside an object, for a message that tells what could be named."""
    return [path for path, text in _leaves(value, name) if isinstance(text, str)]


def plain_name(field: str) -> str:
    """A field's name as it is compared: `Model Response` is `model_response`."""
    return re.sub(r"[\s\-]+", "_", field.strip()).lower()


def is_number_text(text: str) -> bool:
    """Whether a text is nothing but a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_missing(value: object) -> bool:
    """None, or what data frames put in its place: a float that is not a number, a missing value of pandas."""
    return value is None or value != value or type(value).__name__ in ("NAType", "NaTType")


def _inside(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list | tuple):
        if part.isdecimal():
            return value[int(part)] if int(part) < len(value) else None
        return [_inside(item, part) for item in value]
    return None


def _kind_of_value(value: object) -> Kind:
    value = chat_in_text(value)
    if is_missing(value) or value == "":
        return "missing"
    if isinstance(value, str):
        return "number" if is_number_text(value) else "text"
    if is_chat(value):
        return "chat"
    if isinstance(value, list | tuple):
        kinds = [kind for item in value if (kind := _kind_of_value(item)) != "missing"]
        return kinds[0] if kinds else "missing"
    return "number" if kind_of(value) in ("a number", "true/false") else "object"


def _last_answer(value: object, place: str, field: str) -> str | None:
    if not is_chat(value):
        return None
    last = value[-1]  # type: ignore[index]
    turn = turns_of([last], place, field)[0]
    return content_text(turn.content, place) if turn.role == "assistant" else None


def _leaves(value: object, name: str, depth: int = 8) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and depth:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}", depth - 1)
    elif isinstance(value, list | tuple) and depth and value:
        yield from _leaves(value[0], name, depth - 1)
    else:
        yield name, value
