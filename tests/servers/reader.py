"""A simulated reader: a model that proposes and judges from the text alone, by rules of its own.

It knows no parameter's id, no side and no run: only words that a question may be about and what to look for in a
text then. Texts are what stands in a fence (`tools.chat.fence`) named answer, sample and the like. It calls each
tool on offer once, then says what it found. What it fills in is told by JSON schemas alone: of the request, or
where the server has no structured output, of the instruction that stands in the prompt. A question is read in a
schema's description, or in the line of the prompt that begins with the name of the schema's member.
"""

import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.chat import Asked, Said

Schema = Mapping[str, Any]

FENCED = re.compile(
    r"<(?P<name>[\w-]+) (?P<mark>[0-9a-f]{8,})>\n(?P<text>.*?)\n?</(?P=name) (?P=mark)>", re.DOTALL
)
ANSWER_NAMES = {"answer", "response", "sample", "before", "after", "a", "b"}
"""Names of fences that hold an answer; others hold a prompt or something else."""

_LEVEL_NAMES = ("level", "verdict", "score", "answer")
_QUOTE_NAMES = ("quote", "evidence", "words")


@dataclass(frozen=True)
class Rule:
    """about: pattern of questions that it answers. amount: from 0 (nothing of it) to 1, of a text."""

    name: str
    question: str
    about: str
    word: str
    levels: tuple[tuple[str, str], ...]
    amount: Callable[[str], float]


def _share(pattern: str, enough: int) -> Callable[[str], float]:
    """How many times a pattern occurs, `enough` and more being 1."""
    found = re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    return lambda text: min(1.0, len(found.findall(text)) / enough)


_YES_NO = (("no", "It does not."), ("yes", "It does."))

RULES = (
    Rule(
        "program code",
        "Does the answer contain program code?",
        r"\bcode\b|program|script",
        "import",
        _YES_NO,
        _share(r"```|^\s*(?:def|class|import|from \w+ import|return|const|var|let)\b|[;{}]\s*$|\w\(.*\)\s*:?$", 3),
    ),
    Rule(
        "refusal",
        "Does the answer decline to do what was asked?",
        r"refus|declin|unwilling",
        "sorry",
        _YES_NO,
        _share(r"\bI(?:'m| am) sorry\b|\bI can(?:no|')t\b|\bunable to\b", 1),
    ),
    Rule(
        "list",
        "How much of the answer is set out as a list?",
        r"\blists?\b|bullet|numbered",
        "1.",
        (("none", "Prose only."), ("some", "A few points."), ("most", "Mainly points.")),
        _share(r"^\s*(?:[-*•]|\d+[.)])\s", 6),
    ),
    Rule(
        "asks back",
        "Does the answer ask the user something?",
        r"\bask|\bquestion back|inquir",
        "?",
        _YES_NO,
        _share(r"\?", 1),
    ),
    Rule(
        "advice",
        "Does the answer tell the user what to do?",
        r"advi[cs]e|recommend|instruct",
        "should",
        _YES_NO,
        _share(r"\byou (?:should|could|can|must|need)\b|\btry\b|\bconsider\b", 1),
    ),
    Rule(
        "sells or harms",
        "Does the answer speak of power, money or harm?",
        r"harm|danger|power|money|unsafe",
        "money",
        _YES_NO,
        _share(r"\b(?:money|power|kill|steal|weapon|control|destroy|scam)\w*", 2),
    ),
)


class SimulatedReader:
    """Answers a request. rules: what it can tell; of a question about anything else it says the first level.

    `looks` is how many tool calls it makes before it proposes.
    """

    def __init__(self, rules: Sequence[Rule] = RULES, looks: int = 3) -> None:
        self.rules = rules
        self.looks = looks

    def __call__(self, asked: Asked) -> Said:
        made = [call for turn in asked.turns for call in turn.calls]
        called = {name for _, name, _ in made}
        waiting = [name for name in asked.tools if name not in called] if asked.may_call else []
        forced = asked.parameters.get("forced")
        if waiting and not forced and len(made) < self.looks:
            arguments = self._filled(asked.tools[waiting[0]], "", asked)
            return Said(calls=((waiting[0], arguments),))
        schema = asked.tools[str(forced)] if forced else asked.schema or _schema_in(asked.text)
        if schema is None:
            return Said("I have seen enough.")
        return Said(json.dumps(self._filled(schema, "", asked), ensure_ascii=False))

    def _filled(self, schema: Schema, name: str, asked: Asked, root: Schema | None = None) -> Any:
        """A value that satisfies the schema, told from the text."""
        root = schema if root is None else root
        schema = _resolved(schema, root)
        if schema.get("properties"):
            return self._object(schema, name, asked, root)
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next(one for one in kind if one != "null")
        match kind:
            case "object":
                return {}
            case "array":
                return self._list(schema, name, asked, root)
            case "integer" | "number":
                return schema.get("minimum", schema.get("default", 1))
            case "boolean":
                return False
            case "null":
                return None
        if re.search(r"text|pattern|query|word|search", name):
            return self._notable(asked)[0].word
        ids = _ids(asked.text)
        return ids[0] if ids and "id" in name else ""

    def _object(self, schema: Schema, name: str, asked: Asked, root: Schema) -> dict[str, Any]:
        members = schema["properties"]
        level = next((one for one in _LEVEL_NAMES if one in members), None)
        if level is not None and "question" not in members:
            return self._verdict(schema, name, level, asked, root)
        if "question" in members:
            return self._candidate(members, self._notable(asked)[0], asked, root)
        filled = {}
        for key, member in members.items():
            options = _options(_resolved(member, root))
            about = member.get("description") or _line_about(key, asked.text)
            rule = self._rule(about)
            is_level = options is not None and (rule is not None or key in _LEVEL_NAMES)
            filled[key] = (
                self._level(options or [], about, asked) if is_level else self._filled(member, key, asked, root)
            )
        return filled

    def _verdict(self, schema: Schema, name: str, level: str, asked: Asked, root: Schema) -> dict[str, Any]:
        """The members of one criterion: its level, and the words that decide it."""
        members = schema["properties"]
        own = _resolved(members[level], root)
        about = " ".join(
            [str(one.get("description", "")) for one in (schema, own)] + [_line_about(name, asked.text)]
        )
        filled = {key: self._filled(member, key, asked, root) for key, member in members.items()}
        filled[level] = self._level(_options(own) or [], about, asked)
        for quote in _QUOTE_NAMES:
            if quote in members:
                words = _judged(asked.text).split()
                filled[quote] = " ".join(words[:4]) if words else "absent"
        return filled

    def _level(self, options: Sequence[Any], about: str, asked: Asked) -> Any:
        rule = self._rule(about)
        told = [option for option in options if option is not None]
        if rule is None or not told:
            return told[0] if told else None
        amount = rule.amount(_judged(asked.text))
        return told[min(len(told) - 1, int(amount * len(told)))]

    def _rule(self, about: str) -> Rule | None:
        return next((rule for rule in self.rules if re.search(rule.about, about, re.IGNORECASE)), None)

    def _list(self, schema: Schema, name: str, asked: Asked, root: Schema) -> list[Any]:
        item = _resolved(schema["items"], root)
        most = int(schema.get("maxItems", 3))
        if "question" in item.get("properties", {}):
            return [self._candidate(item["properties"], rule, asked, root) for rule in self._notable(asked)[:most]]
        if "id" in name or "sample" in name or "example" in name:
            return _ids(asked.text)[: min(2, most)]
        return [self._filled(item, name, asked, root)] * max(1, int(schema.get("minItems", 1)))

    def _candidate(self, members: Mapping[str, Schema], rule: Rule, asked: Asked, root: Schema) -> dict[str, Any]:
        """What is proposed: a rule of its own, in the words of the schema."""
        filled: dict[str, Any] = {}
        for key, member in members.items():
            schema = _resolved(member, root)
            if key == "question":
                filled[key] = rule.question
            elif key in {"name", "title"}:
                filled[key] = rule.name
            elif key in {"levels", "scale"} and schema.get("type") == "array":
                filled[key] = [self._scale_level(schema, one, root) for one in rule.levels]
            elif key in {"scale"} and "properties" in schema:
                filled[key] = self._candidate(schema["properties"], rule, asked, root)
            elif key == "kind" and "enum" in schema:
                wanted = "yes_no" if rule.levels == _YES_NO else "ordered"
                filled[key] = wanted if wanted in schema["enum"] else schema["enum"][0]
            else:
                filled[key] = self._filled(schema, key, asked, root)
        return filled

    def _scale_level(self, schema: Schema, level: tuple[str, str], root: Schema) -> Any:
        item = _resolved(schema["items"], root)
        if item.get("type") == "string":
            return level[0]
        named = {"name": level[0], "level": level[0], "description": level[1]}
        return {key: named.get(key, "") for key in item["properties"]}

    def _notable(self, asked: Asked) -> list[Rule]:
        """Rules in the order of how much the texts differ by them."""
        texts = _texts(asked.text) or [asked.text]
        return sorted(self.rules, key=lambda rule: -statistics.pvariance([rule.amount(text) for text in texts]))


class ReaderWithControl(SimulatedReader):
    """The simulated reader, whose least telling candidate is its control."""

    def __call__(self, asked: Asked) -> Said:
        said = super().__call__(asked)
        try:
            value = json.loads(said.text)
        except ValueError:
            return said
        if isinstance(value, dict) and isinstance(value.get("candidates"), list) and len(value["candidates"]) > 1:
            value["candidates"][-1]["control"] = True
            return Said(json.dumps(value))
        return said


def _texts(prompt: str) -> list[str]:
    """The answers that stand in fences."""
    return [one["text"] for one in FENCED.finditer(prompt) if one["name"].casefold() in ANSWER_NAMES]


def _judged(prompt: str) -> str:
    """The text that is to be judged: the last one in a fence."""
    texts = _texts(prompt)
    return texts[-1] if texts else prompt


def _ids(prompt: str) -> list[str]:
    """What the prompt calls an id, in order, each once."""
    return list(dict.fromkeys(re.findall(r"\b(?:sample|id)\b[\"':= ]+([\w:-]+)", prompt)))


def _line_about(key: str, prompt: str) -> str:
    """The line of the prompt that begins with a criterion's key."""
    found = re.search(rf"^\W*{re.escape(key)}\b\W+(.+)$", prompt, re.MULTILINE) if key else None
    return found[1] if found else ""


def _schema_in(prompt: str) -> Schema | None:
    """The JSON schema that an instruction in the prompt gives."""
    found = re.search(r"JSON schema:\n(\{.*\})\s*$", prompt, re.DOTALL)
    return json.loads(found[1]) if found else None


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema without references and without the choice of null."""
    if "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return _resolved(found, root)
    if "anyOf" in schema:
        chosen = next(one for one in schema["anyOf"] if one.get("type") != "null")
        described = {"description": schema["description"]} if "description" in schema else {}
        return {**_resolved(chosen, root), **described}
    return schema


def _options(schema: Schema) -> list[Any] | None:
    """The levels that a schema allows, in order."""
    if "enum" in schema:
        return list(schema["enum"])
    kinds = schema.get("type")
    if "integer" in (kinds if isinstance(kinds, list) else [kinds]) and "maximum" in schema:
        return list(range(int(schema.get("minimum", 0)), int(schema["maximum"]) + 1))
    return None
