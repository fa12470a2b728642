"""The text a judge is sent: the program's own, or a template of the user's."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from probes.errors import InputError
from probes.scale import Level
from runs.files import explained, shown

OURS = Path(__file__).parent / "prompts" / "judge.jinja"


@dataclass(frozen=True, slots=True)
class Asked:
    """A criterion as a template sees it: `key` is the name under which its verdict is wanted."""

    key: str
    question: str
    levels: Sequence[Level]


class _Environment(ImmutableSandboxedEnvironment):
    """A sandbox that does not examine anew, at every call of the judge, what a template may always read."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if (type(obj), attribute) in _OPEN:
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # what `map(attribute=...)` asks
        if type(obj) is Asked and (Asked, argument) in _OPEN:
            return getattr(obj, argument)
        return super().getitem(obj, argument)


_OPEN = {(kind, field.name) for kind in (Asked, Level) for field in fields(kind)}


@dataclass(frozen=True)
class JudgePrompt:
    """A template. Its variables: `prompt` and `answer` (both fenced), `criteria` (`key`, `question`, `levels`)."""

    source: str

    @cached_property
    def digest(self) -> str:
        """Tells this template from others."""
        return hashlib.sha256(self.source.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @cached_property
    def _template(self) -> Template:
        environment = _Environment(
            trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=False
        )
        return environment.from_string(self.source)

    def text(self, criteria: Sequence[Asked], prompt: str, answer: str) -> str:
        """What the judge is sent. prompt, answer: with their fences."""
        return self._template.render(criteria=criteria, prompt=prompt, answer=answer).strip() + "\n"


def load_template(path: Path | None = None) -> JudgePrompt:
    """The program's template, or that of a file.

    Raises InputError for a file that cannot be read or is no template, and for one that leaves out the answer, a
    question, the name of a level or a key: its verdicts could not be told.
    """
    file = path or OURS
    with explained(file, "read"):
        content = file.read_bytes()
    try:
        return checked_template(content.decode("utf-8"), shown(file))
    except UnicodeDecodeError:
        raise InputError(
            f"{shown(file)}: not UTF-8; a judge template is a text with {{{{ answer }}}} in it"
        ) from None


def checked_template(source: str, where: str) -> JudgePrompt:
    """The template of this text, which came from `where`. Raises InputError as `load_template`."""
    template = JudgePrompt(source)
    try:
        text = template.text([Asked("KEY", "QUESTION", [Level("LEVEL")])], "PROMPT", "ANSWER")
    except Exception as error:  # a template is a program of somebody else's
        line = getattr(error, "lineno", None)
        place = f", line {line}" if line is not None else ""
        raise InputError(
            f"{where}{place}: {str(error)[:200]}; a judge template knows prompt, answer and criteria "
            "(key, question, levels with name and description)"
        ) from error
    absent = [word.lower() for word in ("ANSWER", "QUESTION", "LEVEL", "KEY") if word not in text]
    if absent:
        raise InputError(
            f"{where}: it leaves out {absent[0]!r}; a judge template shows the answer and, of every one of "
            "criteria, key, question and the names of its levels"
        )
    return template
