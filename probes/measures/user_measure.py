"""A user's own measure: a Python file with one function of (prompt, response), loaded only when named explicitly.

The function's name is the measure's name, its docstring the question, and its return annotation (`bool`, `int`
or `float`) the kind. Other processes load the file again by its path, so nothing of it needs pickling.
"""

import hashlib
import inspect
import math
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from probes.errors import InputError
from probes.measures.measure import Measure, MeasureKind

PARAMETERS = ["prompt", "response"]
_KINDS: dict[object, MeasureKind] = {bool: "yes_no", int: "number", float: "number"}
_NEEDED = "it should hold one function `def name(prompt: str, response: str) -> bool` (or `-> float`)"


def load_user_measure(path: str | Path) -> Measure:
    """The measure that a Python file defines. Runs the file.

    Raises InputError, in one line, if the file cannot be read or run, or if it does not hold exactly one function
    of (prompt, response) with a docstring and a return annotation of bool, int or float.
    """
    file = Path(path).absolute()
    source = _read(file)
    function = _function(file, source)
    kind, question = _kind(file, function), inspect.getdoc(function)
    if not question:
        raise InputError(
            f"{str(file)!r}, {function.__name__}: no docstring; it should state the question measured"
        )
    digest = hashlib.sha256(source).hexdigest()
    score = UserScore(str(file), function.__name__, digest, kind, function)
    return Measure(
        id=f"file_{function.__name__}",
        name=function.__name__.replace("_", " "),
        question=" ".join(question.split("\n\n")[0].split()),
        group="content",
        kind=kind,
        score=score,
        example=("", math.nan),
        version=int(digest[:12], 16),
    )


@dataclass(frozen=True, slots=True)
class UserScore:
    """The user's function, held to numbers. Pickled as the file's path and digest, and loaded again from there."""

    path: str
    name: str
    digest: str
    kind: MeasureKind
    function: Callable[[str, str], Any]

    def __call__(self, prompt: str, response: str) -> float:
        """Raises InputError if the function raises or returns what is no finite number (NaN: does not apply)."""
        try:
            value = self.function(prompt, response)
        except (Exception, SystemExit) as error:
            raise InputError(f"{self.path!r}, {self.name}: {_said(error, self.path)}") from error
        number = _number(value)
        if number is None or (self.kind == "yes_no" and number not in (0.0, 1.0) and not math.isnan(number)):
            wanted = "True or False" if self.kind == "yes_no" else "a finite number"
            raise InputError(
                f"{self.path!r}, {self.name}: returned {_short(repr(value))}; it should return {wanted}"
            )
        return number

    def __reduce__(self) -> tuple[Callable[[str, str], "UserScore"], tuple[str, str]]:
        return _load_again, (self.path, self.digest)


def _load_again(path: str, digest: str) -> UserScore:
    score = load_user_measure(path).score
    assert isinstance(score, UserScore)
    if score.digest != digest:
        raise InputError(f"{path!r}: changed while it was in use; run the command again")
    return score


def _read(file: Path) -> bytes:
    if file.suffix != ".py":
        raise InputError(f"{_short(repr(str(file)))}: not a Python file (.py); {_NEEDED}")
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{_short(repr(str(file)))}: cannot be read ({reason}); name a Python file") from None


def _function(file: Path, source: bytes) -> Callable[[str, str], Any]:
    """The one function of (prompt, response) that the file itself defines."""
    module = _run(file, source)
    own = [f for f in vars(module).values() if inspect.isfunction(f) and f.__module__ == module.__name__]
    fitting = {f.__name__: f for f in own if list(inspect.signature(f).parameters) == PARAMETERS}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    found = f"{len(fitting)} functions of (prompt, response): {', '.join(fitting)}" if fitting else "none found"
    raise InputError(f"{str(file)!r}: {_short(found)}; {_NEEDED}")


def _run(file: Path, source: bytes) -> ModuleType:
    name = f"orderparam_user_{hashlib.sha256(str(file).encode() + source).hexdigest()[:16]}"
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module  # dataclasses and the like look their module up
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{str(file)!r}: cannot be run: {_said(error, str(file))}") from error
    return module


def _kind(file: Path, function: Callable[[str, str], Any]) -> MeasureKind:
    try:
        annotation = inspect.signature(function, eval_str=True).return_annotation
    except Exception:
        annotation = None
    if annotation not in _KINDS:
        raise InputError(
            f"{str(file)!r}, {function.__name__}: its return annotation should be bool (yes or no) or float"
        )
    return _KINDS[annotation]


def _number(value: object) -> float | None:
    if not isinstance(value, Real | np.bool_):
        return None
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return None if math.isinf(number) else number


def _said(error: BaseException, path: str) -> str:
    """What an error says and on which line of the user's file, in one line."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    line = error.lineno if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    where = f" (line {line})" if line else ""
    return f"{type(error).__name__}{where}: {_short(' '.join(text.split()))}"


def _short(text: str) -> str:
    """Cut to one short line; control characters and broken signs are shown as escapes."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= 160 else f"{shown[:160]}..."
