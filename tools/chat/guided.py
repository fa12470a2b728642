"""JSON that a model in process writes under guidance: the schema's text is given, what is to be told is chosen.

Names of members, brackets and commas are not left to the model; one of finitely many values (a level, yes or no,
null) is chosen by its probability among them; only strings are written freely. So the result satisfies the
schema, whatever the model is, and the probabilities of levels come with it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tools.chat.interface import LevelTokens
from tools.chat.writer import Writer

_STRING_TOKENS = 160
_MOST_ITEMS = 12
_MOST_OPTIONS = 101


class CannotGuide(Exception):
    """The schema holds something for which there is no guidance."""


def guided_json(
    writer: Writer, schema: Mapping[str, Any], level_names: Sequence[str]
) -> tuple[str, tuple[LevelTokens, ...]]:
    """JSON that satisfies the schema, and the levels in it. Raises CannotGuide."""
    guide = _Guide(writer, schema, level_names)
    guide.value(schema, "")
    return guide.text, tuple(guide.levels)


class _Guide:
    def __init__(self, writer: Writer, root: Mapping[str, Any], level_names: Sequence[str]) -> None:
        self.text = ""
        self.levels: list[LevelTokens] = []
        self._writer = writer
        self._root = root
        self._level_names = set(level_names)
        self._kept = 0  # tokens for what comes after the value that is being written
        self._blank = ""  # which belongs to the next text: tokens hold a blank and what follows it

    @property
    def _free(self) -> int:
        """Tokens that the value being written may take."""
        return self._writer.left - self._kept

    def value(self, schema: Mapping[str, Any], after: str) -> None:
        """Writes a value. after: the character that follows it, which tells 1 from the beginning of 10."""
        schema = self._resolved(schema)
        options = self._options(schema)
        if options is not None:
            self._choice(options, after)
            return
        branches = [self._resolved(one) for one in schema.get("anyOf", ())] or _by_type(schema)
        if len(branches) > 1:
            self._branch(branches, after)
            return
        match schema.get("type"):
            case "object":
                self._object(schema)
            case "array":
                self._array(schema)
            case "string":
                self._string()
            case _:
                raise CannotGuide

    def _object(self, schema: Mapping[str, Any]) -> None:
        members = list(schema.get("properties", {}).items())
        for place, (name, member) in enumerate(members):
            self._say(("{" if place == 0 else ", ") + json.dumps(name, ensure_ascii=False) + ":")
            self._blank = " "
            following = len(members) - place - 1
            kept = max(0, self._free) * following // (following + 1)  # what it leaves goes to those that follow
            self._kept += kept
            self.value(member, "," if following else "}")
            self._kept -= kept
        self._say("}" if members else "{}")

    def _array(self, schema: Mapping[str, Any]) -> None:
        """The list ends where the model ends it, where another item would not fit, or where it repeats itself:
        a model that has begun to do so goes on."""
        least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", _MOST_ITEMS))
        items: list[str] = []
        longest = 1
        self._say("[")
        while len(items) < most:
            going_on = "," if items else ""
            if len(items) >= least:
                first = going_on or _opening(self._resolved(schema["items"]))
                if self._free < longest or len(set(items)) < len(items) or self._picked(["]", first]) == 0:
                    break
            if items:
                self._say(going_on)
                self._blank = " "
            before, begin = self._writer.left, len(self.text)
            self.value(schema["items"], ",")
            longest = max(longest, before - self._writer.left)
            items.append(self.text[begin:].strip())
        self._say("]")

    def _string(self) -> None:
        self._say('"')
        written = self._writer.write_until('"', min(_STRING_TOKENS, self._free))
        self.text += json.dumps(written, ensure_ascii=False)[1:-1]
        self._say('"')

    def _choice(self, options: Sequence[Any], after: str) -> None:
        texts = [json.dumps(option, ensure_ascii=False) for option in options]
        logprobs = self._writer.logprobs_of([self._blank + text + after for text in texts])
        chosen = self._writer.choose(logprobs)
        names = [option if isinstance(option, str) else text for option, text in zip(options, texts, strict=True)]
        told = zip(names, logprobs, strict=True)
        known = {name: logprob for name, logprob in told if name in self._level_names}
        if names[chosen] in known:
            offset = len(self.text + self._blank) + isinstance(options[chosen], str)
            self.levels.append(LevelTokens(offset, names[chosen], known))
        self._say(texts[chosen])

    def _branch(self, branches: Sequence[Mapping[str, Any]], after: str) -> None:
        """Chooses what kind of value it will be by how each would begin."""
        openings = [_opening(branch) for branch in branches]
        if len(set(openings)) < len(openings):
            raise CannotGuide
        self.value(branches[self._picked(openings)], after)

    def _picked(self, texts: Sequence[str]) -> int:
        return self._writer.choose(self._writer.logprobs_of([self._blank + text for text in texts]))

    def _say(self, text: str) -> None:
        text, self._blank = self._blank + text, ""
        self._writer.write(text)
        self.text += text

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema that a reference names."""
        reference = schema.get("$ref")
        if reference is None:
            return schema
        found: Any = self._root
        for part in str(reference).removeprefix("#/").split("/"):
            found = found[part]
        return self._resolved(found)

    def _options(self, schema: Mapping[str, Any]) -> list[Any] | None:
        """All values that the schema allows, where they are finitely many."""
        if "anyOf" in schema:
            parts = [self._options(self._resolved(one)) for one in schema["anyOf"]]
            return None if any(part is None for part in parts) else [one for part in parts for one in part or []]
        if "enum" in schema:
            return list(schema["enum"])
        if "const" in schema:
            return [schema["const"]]
        if len(branches := _by_type(schema)) > 1:
            return self._options({"anyOf": branches})
        match schema.get("type"):
            case "boolean":
                return [False, True]
            case "null":
                return [None]
            case "integer" if "minimum" in schema and "maximum" in schema:
                allowed = range(int(schema["minimum"]), int(schema["maximum"]) + 1)
                return list(allowed) if len(allowed) <= _MOST_OPTIONS else None
        return None


def _by_type(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A schema of several types as one schema a type."""
    types = schema.get("type")
    return [{**schema, "type": one} for one in types] if isinstance(types, list) else [schema]


def _opening(schema: Mapping[str, Any]) -> str:
    match schema.get("type"):
        case "string":
            return '"'
        case "object":
            return "{"
        case "array":
            return "["
        case "null":
            return "null"
    raise CannotGuide
