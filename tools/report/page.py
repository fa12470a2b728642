"""What pages are made with: templates that escape every value, and files of our own with their hash."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tools.report import safe_text


class Own:
    """Files of ours, one after the other: the only text that is not escaped, and its hash for the policy."""

    def __init__(self, *paths: Path) -> None:
        self.text = Markup("\n".join(path.read_text(encoding="utf-8") for path in paths))
        self.hash = base64.b64encode(hashlib.sha256(self.text.encode("utf-8")).digest()).decode("ascii")


def templates(folder: Path) -> Environment:
    """The templates in a folder. They escape what they print, and make visible what is unseen in it."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(line=safe_text.one_line)
    return environment


def _finalize(value: Any) -> Any:
    return safe_text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
