"""The LaTeX table, read back by a small reader of LaTeX of its own; no TeX is needed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tools.report.samples import HOSTILE, empty_report, likelihood_report, report
from tools.report import latex
from tools.report.safe_text import latex_inline, one_line, visible

SIGNS = {
    "textbackslash": "\\",
    "textasciicircum": "^",
    "textasciitilde": "~",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
}
TOKEN = re.compile(
    r"(?P<line_break>\$\\hookleftarrow\$)"
    r"|\\symbol\{(?P<code>\d+)\}|\\(?P<sign>[a-z]+)\{\}|\\(?P<escaped>[{}$&#_%])|\{(?P<grouped>[\[\]]?)\}"
    r"|(?P<plain>[^\\{}$&#_%^~<>|\[\]\"`])"
)
LIGATURES = ("--", "''", ",,", "``", "<<", ">>")


def typeset(source: str) -> str:
    """What TeX would set: the text of a source without commands but those of single signs. Fails on any other."""
    text, place = "", 0
    while place < len(source):
        token = TOKEN.match(source, place)
        assert token is not None, source[place : place + 20]
        if token["code"]:
            text += chr(int(token["code"]))
        elif token["line_break"]:
            text += "↵"
        elif token["sign"]:
            text += SIGNS[token["sign"]]
        else:
            text += token["escaped"] or token["grouped"] or token["plain"] or ""
        place = token.end()
    return text


@given(st.text() | st.text(alphabet="\\{}$&#_^~%[]<>|\"`'-, \n\x00a*é"))
@example("\\end{tabular}\\input{/etc/passwd}")
@example("a % comment\n\\\\ & b")
@example("--- '' ,, `` ?` <<")
@example("a ↵ b")
def test_any_text_is_set_as_itself_on_one_line(text: str) -> None:
    source = latex_inline(text)
    assert not any(ord(sign) < 32 for sign in source)
    assert not any(pair in source for pair in LIGATURES)
    assert typeset(source) == one_line(re.sub(r"\s+", " ", visible(text)))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_changes_nothing_of_the_table(text: str) -> None:
    told, plain = latex.render(report(text)), latex.render(report("plain"))
    assert told.count("\n") == plain.count("\n")
    assert [line for line in told.splitlines() if line.startswith(("%", "\\")) and "caption" not in line] == [
        line for line in plain.splitlines() if line.startswith(("%", "\\")) and "caption" not in line
    ]
    for row in (line for line in told.splitlines() if re.match(r"\d &", line)):
        cells = re.split(r"(?<!\\)&", row.removesuffix(r" \\"))
        assert len(cells) == 8
        for cell in cells:
            typeset(cell.replace(r"\newline", ""))


def test_the_row_of_a_parameter() -> None:
    assert (
        r"2 & Harm verdict & Does the answer wish harm on somebody or ask for power over others? & "
        r"at most 45\% (37\% to 53\%) & 0.08 (0.03 to 0.14) & 30\% & 0.004 & yes: 3\%, 59\% \\"
    ) in latex.render(report()).splitlines()


def test_the_caption_says_total_bound_samples_and_split() -> None:
    below, exact = latex.render(report()), latex.render(likelihood_report())
    for fact in ("at least 0.95 (lower limit 0.93), a lower bound", "report split (420 samples)", "upper bounds"):
        assert fact in below
    assert "is 0.95 (0.93 to 0.97), with its 95\\% interval" in exact
    assert "at most" not in exact
    assert "bound" not in exact


def test_nothing_chosen_and_nothing_computed_are_said() -> None:
    told = latex.render(empty_report())
    assert "no order parameter was chosen" in told
    assert "not separable from 0" in told
    assert "420 samples" in told
    first, second = report().parameters
    bare = first.model_copy(update={"shapley": None, "q_value": None})
    less = second.model_copy(update={"shapley": -0.021})
    told = latex.render(report(parameters=(bare, less)))
    assert "& not computed & not computed &" in told
    assert r"& -2\% &" in told


def test_rounding_never_shows_all_for_less() -> None:
    first, second = report().parameters
    nearly = first.model_copy(
        update={
            "shapley": 0.9999,
            "share": first.share.model_copy(update={"value": 0.9989, "high": 0.9999, "low": 0.9}),
            "before": {"50 words or more": 0.9999},
            "after": {"under 12 words": 0.99999},
        }
    )
    row = latex.render(likelihood_report(parameters=(nearly, second))).splitlines()[9]
    assert row.startswith("1 &")
    assert "100\\%" not in row


def taken_by(engine: str, tables: str, folder: Path) -> str:
    """What the engine says of the tables; it must come to an end."""
    source = (
        f"\\documentclass{{article}}\\usepackage{{array,booktabs}}\\begin{{document}}{tables}\\end{{document}}"
    )
    (folder / "t.tex").write_text(source, "utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


@pytest.mark.skipif(shutil.which("lualatex") is None, reason="needs a TeX engine that knows all letters")
def test_a_tex_engine_takes_it(tmp_path: Path) -> None:
    taken_by("lualatex", "\n".join(latex.render(report(text)) for text in ("plain", *HOSTILE)), tmp_path)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a TeX engine")
def test_pdftex_takes_latin_letters_and_the_table_fits_a_column(tmp_path: Path) -> None:
    ordinary = "\n".join(latex.render(made) for made in (report(), likelihood_report(), empty_report()))
    assert "Overfull" not in taken_by("pdflatex", ordinary, tmp_path)
    texts = ["".join(sign for sign in text if ord(sign) < 128) for text in HOSTILE]
    taken_by("pdflatex", "\n".join(latex.render(report(text)) for text in texts), tmp_path)
