"""Prompt sets from files: YAML, JSON Lines, CSV and TSV, refused by line and field.

An entry has `prompt` (text) or `messages` (turns), and may have `id`, `domain`, `tags` and `system`. A YAML file
is a list of entries, or a set: `name`, `description`, `licence`, `domain` (of entries that name none), `prompts`.
"""

import csv
import difflib
import hashlib
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from probes.errors import InputError
from probes.prompt import Message, Prompt, PromptSet, text_of_turns
from probes.utf8 import text_of

ENTRY_FIELDS = ("prompt", "messages", "id", "domain", "tags", "system")
SET_FIELDS = ("name", "description", "licence", "domain", "prompts")
ROLES = ("system", "user", "assistant")
SUFFIXES = (".yaml", ".yml", ".jsonl", ".csv", ".tsv")

MAX_BYTES = 64 << 20
MAX_ID = 200
"""Characters of an id."""

# In C where PyYAML was built with it: ten times faster.
_YamlLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_prompt_file(path: str | Path) -> PromptSet:
    """A set of prompts from a file. An entry without an id gets one from its words, the same in any order of them.

    Raises InputError, in one line with file, line and field: the file cannot be read, is of no known kind or holds
    no prompts; an entry has an unknown or a wrong field, no prompt, or an id or a prompt that occurred before.
    """
    file = Path(path)
    name = _name_shown(file)
    text = _text(file, name)
    head, entries = _READERS[file.suffix.lower()](text, name)
    prompts = tuple(_prompts(entries, head.get("domain")))
    if not prompts:
        raise InputError(f"{name}: no prompts in it; it should hold at least one entry with a prompt")
    return PromptSet(
        name=head.get("name", file.stem),
        description=head.get("description", ""),
        licence=head.get("licence", ""),
        prompts=prompts,
    )


# What the readers give


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry before it is checked, and its place for messages."""

    value: Any
    place: str


_Read = tuple[dict[str, str], list[_Entry]]
"""What the file says of the whole set, and its entries."""


def _text(file: Path, name: str) -> str:
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"{name}: not a file of prompts by its name; it should end in {', '.join(SUFFIXES)}")
    try:
        if file.exists() and not file.is_file():
            raise InputError(f"{name}: not a file; name a file of prompts")
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{name}: larger than {MAX_BYTES >> 20} MiB; a file of prompts is small")
        raw = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{name}: cannot be read ({reason}); name a file of prompts") from None
    return text_of(raw, name)


def _read_yaml(text: str, name: str) -> _Read:
    try:
        loader = _YamlLoader(text)
        root = loader.get_single_node()
        if root is None:
            return {}, []
        _require_keys_once(root, name)
        lines = _entry_lines(root)
        document = loader.construct_document(root)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _not_yaml(error, name) from None
    head: dict[str, str] = {}
    found = document
    if isinstance(document, Mapping):
        _require_known(document, SET_FIELDS, name)
        head = {
            field: _line_of_text(document[field], name, field) for field in SET_FIELDS[:-1] if field in document
        }
        found = document.get("prompts")
    if not isinstance(found, list):
        raise InputError(f"{name}: no list of prompts; a YAML file is a list of entries, or a set with 'prompts'")
    return head, [_Entry(value, f"{name}, line {line}") for value, line in zip(found, lines, strict=True)]


def _entry_nodes(root: Any) -> list[Any]:
    """The nodes of the entries, wherever the list stands."""
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "prompts":
                root = value
    return root.value if isinstance(root, yaml.SequenceNode) else []


def _entry_lines(root: Any) -> list[int]:
    return [node.start_mark.line + 1 for node in _entry_nodes(root)]


def _require_keys_once(root: Any, name: str) -> None:
    """YAML readers keep the last of two equal keys without a word."""
    for node in (root, *_entry_nodes(root)):
        if isinstance(node, yaml.MappingNode):
            seen: set[Any] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    line = key.start_mark.line + 1
                    raise InputError(
                        f"{name}, line {line}: field {_shown(key.value)} occurs twice; each should occur once"
                    )
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)


def _not_yaml(error: Exception, name: str) -> InputError:
    mark = getattr(error, "problem_mark", None)
    place = f"{name}, line {mark.line + 1}" if mark else name
    problem = getattr(error, "problem", None) or str(error)
    return InputError(f"{place}: not YAML ({_shown(problem)[1:-1]}); put text with : or # in it into quotes")


def _read_jsonl(text: str, name: str) -> _Read:
    entries = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{name}, line {number}"
            try:
                entries.append(_Entry(json.loads(line, object_pairs_hook=_object), place))
            except (ValueError, RecursionError) as error:
                said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                raise InputError(
                    f"{place}: not JSON ({_shown(said)[1:-1]}); every line should be one whole object"
                ) from None
    return {}, entries


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {_shown(twice)} occurs twice")
    return fields


def _read_delimited(text: str, name: str) -> _Read:
    """Rows with a header; an empty cell is a field that lacks; `messages` is JSON."""
    header_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    entries: list[_Entry] = []
    header: list[str] = []
    begin = 1
    try:
        for row in reader:
            place = f"{name}, line {begin}"
            begin = reader.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = _header([cell.strip() for cell in row], place)
                continue
            if len(row) != len(header):
                raise InputError(
                    f"{place}: {len(row)} fields where the header has {len(header)}; quote fields that hold "
                    "delimiters or line breaks"
                )
            cells = {field: cell for field, cell in zip(header, row, strict=True) if cell.strip()}
            entries.append(_Entry(_with_messages(cells, place), place))
    except csv.Error as error:
        raise InputError(f"{name}, line {begin}: {error}; close every quote, and double quotes inside") from None
    return {}, entries


def _header(names: list[str], place: str) -> list[str]:
    _require_known(names, ENTRY_FIELDS, place)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"{place}: column {_shown(twice[0])} occurs twice; each should occur once")
    return names


def _with_messages(cells: dict[str, str], place: str) -> dict[str, Any]:
    if "messages" not in cells:
        return dict(cells)
    try:
        return {**cells, "messages": json.loads(cells["messages"])}
    except (ValueError, RecursionError):
        raise InputError(f"{place}, field 'messages': not JSON; it should be a JSON list of turns") from None


_READERS = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".jsonl": _read_jsonl,
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
}


# From entries to prompts


def _prompts(entries: list[_Entry], domain: str | None) -> Iterator[Prompt]:
    places: dict[str, str] = {}
    for entry in entries:
        prompt = _prompt(entry.value, entry.place, domain)
        same_text = f"text {' '.join(prompt.text.casefold().split())}"
        for key, what in ((f"id {prompt.id}", f"id {_shown(prompt.id)}"), (same_text, "prompt")):
            if key in places:
                raise InputError(f"{entry.place}: the same {what} as {places[key]}; each should occur once")
            places[key] = entry.place
        yield prompt


def _prompt(value: Any, place: str, domain: str | None) -> Prompt:
    if not isinstance(value, Mapping):
        raise InputError(f"{place}: {_kind_of(value)} where an entry belongs; an entry has fields, as 'prompt'")
    _require_known(value, ENTRY_FIELDS, place)
    given = {field: content for field, content in value.items() if content is not None}
    messages = _messages(given, place)
    text = text_of_turns(messages)
    return Prompt(
        id=_id(given, text, place),
        domain=_line_of_text(given["domain"], place, "domain") if "domain" in given else domain,
        text=text,
        messages=tuple(messages) if len(messages) > 1 else None,
        tags=_tags(given.get("tags", []), place),
    )


def _messages(given: Mapping[str, Any], place: str) -> list[Message]:
    """The turns; the last one is the user's."""
    if ("prompt" in given) == ("messages" in given):
        wrong = "both 'prompt' and 'messages'" if "prompt" in given else "no 'prompt'"
        raise InputError(f"{place}: {wrong}; an entry has either 'prompt' (text) or 'messages' (turns)")
    if "prompt" in given:
        turns = [{"role": "user", "content": _content(given["prompt"], place, "prompt")}]
    else:
        turns = _turns(given["messages"], place)
    if "system" in given:
        if turns[0]["role"] == "system":
            raise InputError(f"{place}, field 'system': the messages begin with a system message too; keep one")
        turns.insert(0, {"role": "system", "content": _content(given["system"], place, "system")})
    return turns


def _turns(value: Any, place: str) -> list[Message]:
    if not isinstance(value, list) or not value:
        raise InputError(f"{place}, field 'messages': {_kind_of(value)}; it should be a list of turns")
    turns = []
    for index, turn in enumerate(value):
        field = f"messages[{index}]"
        if not isinstance(turn, Mapping) or set(turn) != {"role", "content"}:
            raise InputError(f"{place}, field '{field}': not a turn; it should have 'role' and 'content', no more")
        role = turn["role"]
        if role not in ROLES or (role == "system" and index):
            raise InputError(
                f"{place}, field '{field}': role {_shown(role)}; it should be user, assistant, or first system"
            )
        turns.append({"role": role, "content": _content(turn["content"], place, field)})
    if turns[-1]["role"] != "user":
        raise InputError(f"{place}, field 'messages': the last turn is of the {role}; it should be of the user")
    return turns


def _content(value: Any, place: str, field: str) -> str:
    """Text with line feeds as line ends and without white space at its ends."""
    if not isinstance(value, str):
        raise InputError(
            f"{place}, field '{field}': {_kind_of(value)} where text belongs; put it in quotes if it is text"
        )
    text = value.replace("\r\n", "\n").strip()
    if not text:
        raise InputError(f"{place}, field '{field}': empty; it should hold text")
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise InputError(f"{place}, field '{field}': half of a character (a lone surrogate); it should be whole")
    return text


def _line_of_text(value: Any, place: str, field: str) -> str:
    return " ".join(_content(value, place, field).split())


def _id(given: Mapping[str, Any], text: str, place: str) -> str:
    if "id" not in given:
        words = re.findall(r"[a-z0-9]+", text.lower())[:5]
        return "-".join([*words, hashlib.sha256(text.encode()).hexdigest()[:8]])
    value = given["id"]
    found = _content(str(value) if type(value) is int else value, place, "id")
    if len(found) > MAX_ID or not found.isprintable():
        raise InputError(f"{place}, field 'id': {_shown(found)}; it should be one line of at most {MAX_ID} signs")
    return found


def _tags(value: Any, place: str) -> tuple[str, ...]:
    """Tags from a list, or from text with commas or semicolons between them."""
    tags = [tag for tag in re.split("[,;]", value) if tag.strip()] if isinstance(value, str) else value
    if not isinstance(tags, list):
        raise InputError(f"{place}, field 'tags': {_kind_of(value)}; it should be a list of texts")
    return tuple(dict.fromkeys(_line_of_text(tag, place, "tags") for tag in tags))


def _require_known(fields: Collection[Any], known: tuple[str, ...], place: str) -> None:
    for field in fields:
        if field not in known:
            nearest = difflib.get_close_matches(str(field), known, 1)
            right = f"nearest: {nearest[0]}" if nearest else f"fields are {', '.join(known)}"
            raise InputError(f"{place}: {_shown(field)}: no such field; {right}")


# How user text is shown


def _kind_of(value: Any) -> str:
    """What a value is, in a word a person uses."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true/false"
    kinds = ((int | float, "a number"), (str, "text"), (Mapping, "an object"), (list, "a list"))
    return next((word for kind, word in kinds if isinstance(value, kind)), f"a {type(value).__name__}")


def _shown(text: object, width: int = 60) -> str:
    """Quoted, on one line, control characters escaped, cut to `width` characters."""
    cut = str(text)
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut[:width])
    return f"'{safe}{'...' if len(cut) > width else ''}'"


def _name_shown(path: Path) -> str:
    return _shown(path, 200)[1:-1]
