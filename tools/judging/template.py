"""The text a judge is sent: the program's own, or a template of the user's."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError
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


@dataclass(frozen=True)
class JudgePrompt:
    """A template. Its variables: `prompt` and `answer` (both fenced), `criteria` (`key`, `question`, `levels`)."""

    source: str

    @property
    def digest(self) -> str:
        """Tells this template from others."""
        return hashlib.sha256(self.source.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @cached_property
    def _template(self) -> Template:
        environment = ImmutableSandboxedEnvironment(
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
        template = JudgePrompt(content.decode("utf-8"))
        text = template.text([Asked("KEY", "QUESTION", [Level("LEVEL")])], "PROMPT", "ANSWER")
    except UnicodeDecodeError:
        raise InputError(
            f"{shown(file)}: not UTF-8; a judge template is a text with {{{{ answer }}}} in it"
        ) from None
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line is not None else ""
        raise InputError(
            f"{shown(file)}{where}: {str(error)[:200]}; a judge template knows prompt, answer and criteria "
            "(key, question, levels with name and description)"
        ) from error
    absent = [word.lower() for word in ("ANSWER", "QUESTION", "LEVEL", "KEY") if word not in text]
    if absent:
        raise InputError(
            f"{shown(file)}: it leaves out {absent[0]!r}; a judge template shows the answer and, of every one of "
            "criteria, key, question and the names of its levels"
        )
    return template
