"""Text written by models is hostile input: what a reader cannot see is shown, and nothing in it is obeyed.

Control characters, bidirectional overrides, invisible characters and lone surrogates become visible escapes
(`\\x1b`, `U+202E`). Then each kind of output gets its own escaping: the terminal takes `rich.text.Text` objects,
which hold no markup; HTML is escaped by the template engine; Markdown and LaTeX by the functions below.
"""

import re

# Code points that draw nothing or reorder what is around them. Signs of category Cf that are drawn (Arabic
# number signs and the like) are left alone.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U00013430-\U0001343f\U000e0000-\U000e0fff\ud800-\udfff"
)
_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f"

# Joiners do honest work inside emoji and inside Arabic and Indic words; only there are they left as they are.
_EMOJI = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINING = "\u0600-\u0dff\u0f00-\u109f"
_HONEST_JOINER = f"(?<=[{_EMOJI}])\u200d(?=[{_EMOJI}])|(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"

_COMBINING = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe0f\ufe20-\ufe2f"
_MOST_COMBINING = 4

_HIDDEN = re.compile(f"(?P<keep>{_HONEST_JOINER})|[{_CONTROL}{_INVISIBLE}]")
_PILE = re.compile(f"([{_COMBINING}]{{{_MOST_COMBINING}}})([{_COMBINING}]+)")


def visible(text: str) -> str:
    """The text with everything unseen shown as an escape; of the white space only space, tab and \\n remain."""
    text = _HIDDEN.sub(_escape, text.replace("\r\n", "\n"))
    return _PILE.sub(lambda match: f"{match[1]}[+{len(match[2])} combining marks]", text)


def _escape(match: re.Match[str]) -> str:
    if match["keep"]:
        return match[0]
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 and code != 0xAD else f"U+{code:04X}"


def one_line(text: str, limit: int | None = None) -> str:
    """`visible` text on a single line, line breaks shown as an arrow, at most `limit` characters."""
    line = re.sub(r"[ \t]*\n\s*", " ↵ ", visible(text).strip())
    line = re.sub(r"\s+", " ", line)
    if limit is not None and len(line) > limit:
        return line[: max(limit - 1, 1)].rstrip() + "…"
    return line


def first_lines(text: str, characters: int) -> str:
    """`visible` text cut to about so many characters, with a mark that says how many more there are."""
    shown = visible(text).strip()
    if len(shown) <= characters:
        return shown
    return f"{shown[:characters].rstrip()} … ({len(shown) - characters:,} more characters)"


def markdown_fence(text: str) -> str:
    """A fenced block that no text can break out of: its fence is longer than any run of backticks inside."""
    shown = visible(text)
    fence = "`" * max(3, _longest_backticks(shown) + 1)
    return f"{fence}text\n{shown}\n{fence}"


def markdown_inline(text: str, limit: int | None = None) -> str:
    """One line of Markdown that renders as the text itself, wherever on a line it stands.

    What hosts turn into links, mentions, references, mathematics or emoji goes into a code span; in the rest
    the characters with a meaning are escaped, and those that have one at the start of a line only there.
    """
    line = one_line(text, limit)
    if _ACTED_ON.search(line):
        fence = "`" * (_longest_backticks(line) + 1)
        pad = " " if line.startswith("`") or line.endswith("`") else ""
        return f"{fence}{pad}{line}{pad}{fence}"
    line = re.sub(r"([*_{}\[\]<>~|&^])", r"\\\1", line)
    return re.sub(r"^([#+\-=]|\d+(?=[.)]))", lambda start: _escaped_start(start[1]), line)


def _escaped_start(start: str) -> str:
    return f"&#{ord(start[0])};{start[1:]}" if start.isdigit() else f"\\{start}"


def markdown_cell(text: str, limit: int | None = None) -> str:
    """`markdown_inline` for a table cell: tables are split at pipes before code spans are read."""
    line = markdown_inline(text, limit)
    return line.replace("|", "\\|") if line.startswith("`") else line


def latex_inline(text: str, limit: int | None = None) -> str:
    """One line of LaTeX that sets the text itself, in any font encoding; letters outside ASCII are kept."""
    line = one_line(re.sub(r"\s+", " ", visible(text)), limit)
    line = re.sub(r"[\\{}$&#_%^~<>|\"`\[\]↵]", lambda match: _LATEX[match[0]], line)
    return re.sub(r"([-',])(?=\1)", r"\1{}", line)  # or two of them are set as one sign


_LATEX = {
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
    **{sign: f"{{{sign}}}" for sign in "[]"},
    **{sign: f"\\symbol{{{ord(sign)}}}" for sign in '"`'},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "↵": r"$\hookleftarrow$",  # what `one_line` puts in: engines for Latin letters lack it
}

_ACTED_ON = re.compile(r"[@$`\\]|#\d|://|www\.|:[\w+-]+:|\bGH-\d|\b[0-9a-f]{7,40}\b", re.IGNORECASE)


def _longest_backticks(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
