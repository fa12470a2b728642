"""The chosen parameters as a LaTeX table with rules of the booktabs package, to be pasted into a paper.

Text of models and users passes through `safe_text.latex_inline`: it is shown as it is, and is never a command.
"""

from tools.report.document import Parameter, Report
from tools.report.fine_print import measured_sentence
from tools.report.numbers import percent, probability_value
from tools.report.safe_text import latex_inline
from tools.report.words import (
    UNKNOWN,
    estimator_sentence,
    interval_words,
    set_sentence,
    share_kind_sentence,
    share_words,
    side_names,
    total_sentence,
)

_HEAD = r"""%% needs \usepackage{array,booktabs}; text in other than Latin letters needs XeLaTeX or LuaLaTeX
\begin{table}
\centering\footnotesize\setlength{\tabcolsep}{4pt}
\caption{%s}
\label{tab:order-parameters}\vspace{1ex}
\begin{tabular}{@{}r%srr%s@{}}
\toprule
& parameter & question & share & gain & Shapley & $q$ & before, after \\
\midrule
"""
_TEXT = r">{\raggedright\arraybackslash}p{%.2f\linewidth}"
_NAME, _QUESTION, _INTERVAL, _LEVELS = 0.13, 0.17, 0.11, 0.16
"""Widths of columns of text; with the others they fill a line of 345 points, that of the class article."""
_FOOT = r"""\bottomrule
\end{tabular}
\end{table}
"""
_NONE = r"\multicolumn{8}{@{}l@{}}{no order parameter was chosen} \\"


def render(report: Report) -> str:
    """The table environment, ending in a line break."""
    rows = [_row(report, place, parameter) for place, parameter in enumerate(report.parameters, start=1)]
    texts = "".join(_TEXT % width for width in (_NAME, _QUESTION, _INTERVAL, _INTERVAL))
    return _HEAD % (_caption(report), texts, _TEXT % _LEVELS) + "\n".join(rows or [_NONE]) + "\n" + _FOOT


def _caption(report: Report) -> str:
    """The total, what kind of bound it is, and what the shares are of and were measured on."""
    before, after = side_names(report)
    sentences = [f"What changed from {before} to {after}.", total_sentence(report)]
    if report.parameters:
        sentences += [share_kind_sentence(report), set_sentence(report), estimator_sentence(report)]
        sentences.append("The gain is what a parameter adds to those above it.")
    else:
        sentences.append(measured_sentence(report))
    return latex_inline(" ".join(sentence for sentence in sentences if sentence))


def _row(report: Report, place: int, parameter: Parameter) -> str:
    """One row; its first cell is a number, so that no text follows the end of the row before."""
    cells = [
        str(place),
        latex_inline(parameter.name, 80),
        latex_inline(parameter.question, 400),
        latex_inline(share_words(report, parameter)),
        latex_inline(interval_words(parameter.gain)),
        latex_inline(UNKNOWN if parameter.shapley is None else _signed_percent(parameter.shapley)),
        latex_inline(UNKNOWN if parameter.q_value is None else probability_value(parameter.q_value)),
        r" \newline ".join(_levels(parameter)),
    ]
    return " & ".join(cells) + r" \\"


def _signed_percent(fraction: float) -> str:
    """A Shapley value may be below 0."""
    return percent(fraction) if fraction >= 0 else f"-{percent(-fraction)}"


def _levels(parameter: Parameter) -> list[str]:
    """The probability of each level before and after; of two levels the second says it all."""
    levels = parameter.scale.levels
    return [
        f"{latex_inline(level.name, 40)}: {latex_inline(percent(parameter.before.get(level.name, 0.0)))}, "
        f"{latex_inline(percent(parameter.after.get(level.name, 0.0)))}"
        for level in (levels[1:] if parameter.scale.kind == "yes_no" else levels)
    ]
