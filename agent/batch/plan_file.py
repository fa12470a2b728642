"""A plan's YAML as plain values, each with its line.

A plan may come from anywhere: what no person writes by hand (aliases, tags, depth, megabytes) is refused before
anything of it is built.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agent.settings import shown
from probes.errors import InputError
from probes.utf8 import text_of
from runs.files import explained
from runs.files import shown as path_shown

MOST_BYTES = 1 << 20
MOST_DEPTH = 8
MOST_NODES = 20_000
LONGEST_TEXT = 4000

Place = tuple[str, ...]
"""The keys that lead to a value, from the outermost on."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"


class PlanError(InputError):
    """A plan has mistakes. lines: all of them, one each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines[0])
        self.lines = lines


@dataclass(frozen=True)
class PlanFile:
    """What a file holds. line_of: by place; of a member the line of its key. mistakes: in what could be read."""

    name: str
    folder: Path
    value: Mapping[str, Any]
    line_of: Mapping[Place, int]
    mistakes: tuple[str, ...]

    def line(self, place: Place) -> int:
        """The line of the innermost member on the way to the place that the file has."""
        while place and place not in self.line_of:
            place = place[:-1]
        return self.line_of.get(place, 1)


def read_plan_file(path: Path) -> PlanFile:
    """Raises InputError, in one line with file and line: not readable, not YAML, or nothing a plan would be."""
    name = path_shown(path)
    text = _text(path, name)
    try:
        _require_plain(text, name)
        loader = _Loader(text)
        root = loader.get_single_node()
        reading = _Reading(name, loader)
        value = reading.value(root, ()) if root is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InputError(
            f"{name}, line {line}: not YAML ({_one(error.problem or error.context)}); put text with : or # in it "
            "into quotes"
        ) from None
    except yaml.YAMLError as error:
        raise InputError(f"{name}: not YAML ({_one(error)})") from None
    if not isinstance(value, dict):
        raise InputError(f"{name}, line 1: no plan; a plan is a mapping with `jobs:`")
    return PlanFile(name, path.resolve().parent, value, reading.lines, tuple(reading.mistakes))


def _text(path: Path, name: str) -> str:
    with explained(path, "read"):
        if not path.is_file():
            raise InputError(f"{name}: there is no such file; name a plan, or a run with --by domain")
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{name}: larger than {MOST_BYTES >> 20} MiB; a plan is small")
        return text_of(path.read_bytes(), name)


def _require_plain(text: str, name: str) -> None:
    """Looks through the events of the parser, which builds nothing. Raises InputError."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise InputError(f"{name}, line {line}: an anchor or alias (& or *); write out what is meant")
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
            tag = getattr(event, "tag", None)
            if tag not in (None, "!"):
                raise InputError(f"{name}, line {line}: a tag ({shown(tag)}); write the plain value")
            length = len(getattr(event, "value", ""))
            if length > LONGEST_TEXT:
                raise InputError(
                    f"{name}, line {line}: a text of {length:,} characters; at most {LONGEST_TEXT:,} are taken"
                )
        if depth > MOST_DEPTH:
            raise InputError(f"{name}, line {line}: more than {MOST_DEPTH} levels, one in the other; a plan has 4")
        if nodes > MOST_NODES:
            raise InputError(f"{name}, line {line}: more than {MOST_NODES:,} values; a plan has fewer")


class _Reading:
    """From nodes to values; keeps the lines."""

    def __init__(self, name: str, loader: Any) -> None:
        self._name = name
        self._loader = loader
        self.lines: dict[Place, int] = {}
        self.mistakes: list[str] = []

    def value(self, node: Any, place: Place) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, (*place, str(number))) for number, one in enumerate(node.value)]
        try:
            found = self._loader.construct_object(node)
        except (ValueError, yaml.YAMLError):
            found = node.value
        if isinstance(found, int | float) and not isinstance(found, bool):
            return found if str(found) == node.value else node.value  # 20:40 and 010 are what stands there
        return found if isinstance(found, str | bool | None) else node.value

    def _mapping(self, node: Any, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.mistakes.append(f"{self._name}, line {line}: a key that is no text; a key is one word")
                continue
            name = str(key.value)
            inside = (*place, name)
            if key.tag != _TEXT:
                self.mistakes.append(
                    f"{self._name}, line {line}: {shown(name)} would be read as something else than text; put it "
                    "into quotes"
                )
            elif inside in self.lines:
                first = self.lines[inside]
                self.mistakes.append(
                    f"{self._name}, line {line}: {shown(name)} stands in line {first} already; keep one"
                )
            else:
                self.lines[inside] = line
                found[name] = self.value(value, inside)
        return found


def _one(problem: object) -> str:
    return shown(str(problem), 100)[1:-1]
