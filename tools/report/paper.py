"""What terminal pages are written on: text that this terminal can print, bullets and bars.

All text enters as `rich.text.Text`, which holds no markup, after `safe_text` has made what is unseen visible.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Group
from rich.table import Table
from rich.text import Text

WIDEST = 110
HEADING, DIM, ALERT = "bold", "dim", "bold red"
_ASCII = str.maketrans({"…": "...", "→": "->", "↵": "/", "–": "-", "·": "-", "“": '"', "”": '"'})


@dataclass(frozen=True)
class Paper:
    """width: in cells. encoding: of the terminal."""

    width: int
    encoding: str

    @property
    def unicode(self) -> bool:
        return self.encoding.lower().startswith("utf")

    def text(self, text: str, style: str = "") -> Text:
        """Text that this terminal can print: what its encoding lacks becomes a visible escape."""
        if not self.unicode:
            text = text.translate(_ASCII).encode(self.encoding, "backslashreplace").decode(self.encoding)
        return Text(text, style=style)

    def heading(self, text: str) -> Text:
        return self.text(text, HEADING)

    def bullets(self, sentences: Iterable[str]) -> Group:
        rows = Table.grid(padding=(0, 1, 0, 0))
        rows.add_column()
        rows.add_column(overflow="fold")
        for sentence in sentences:
            rows.add_row(self.text("-"), self.text(sentence))
        return Group(rows)

    def bar(self, size: int, value: float, upper: float, style: str = "cyan") -> Text:
        """A bar that is solid up to `value` and shaded up to `upper`, of `size` cells for 1."""
        solid, shaded, empty = ("█", "▒", "·") if self.unicode else ("#", "=", ".")
        filled = round(min(max(value, 0.0), 1.0) * size)
        reach = max(round(min(max(upper, 0.0), 1.0) * size), filled)
        bar = Text(solid * filled, style=style)
        bar.append(shaded * (reach - filled), style=style)
        bar.append(empty * (size - reach), style=DIM)
        return bar
