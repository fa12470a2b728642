"""Whether a text holds program code, fenced or not: an everyday question answered in Python has no fences.

Lines are told apart by how they begin and end, each cut to its first 200 characters so that the time stays
linear. A *sure* line occurs in code and hardly in prose (`from flask import Flask`, `#include <stdio.h>`);
a *likely* line occurs in code often and in prose seldom (an assignment, a call, a line that ends in `{` or `;`).
"""

import re

from probes.measures.text_view import TextView

_LINE_LIMIT = 200

_TYPES = r"(?:int|void|char|float|double|bool|boolean|string|String|auto|long|var)"
_TAGS = r"(?:html|head|body|title|meta|link|script|style|div|span|p|a|h[1-6]|ul|ol|li|table|tr|td|form|input|img)"
_SURE_PATTERNS = (
    # Python
    r"from [\w.]+ import [\w*(]",
    r"import [\w.]+(?: as \w+)?(?:, ?[\w.]+(?: as \w+)?)*;?$",
    r"(?:async )?def \w+ ?\(",
    r"class \w+ ?(?:\(.*\):|:$|\{|extends )",
    r"@\w[\w.]*(?:\(.*\))?$",
    r"if __name__ ?==",
    r"elif .+:$",
    r"(?:try|else|finally|except(?: [\w.]+)?(?: as \w+)?):$",
    r"for \w+(?:, ?\w+)* in [^ ].*:$",
    r"(?:print|input|len|range)\(.*\)$",
    # JavaScript and TypeScript
    r"(?:const|let|var) [\w{}\[\], ]+ ?(?:=|;)",
    r"(?:export |default |async )*function\b ?\w*\(",
    r"(?:import|export) .* from ['\"]",
    r"console\.\w+\(",
    # C, C++, C#, Java, Go, Rust, PHP
    r"#include ?[<\"]",
    r"using (?:namespace )?[\w.]+;$",
    r"(?:public|private|protected) (?:static |final |async |override )*[\w<>\[\]]+ \w+ ?[({=;]",
    r"(?:public |abstract |final )+(?:class|interface|enum) ",
    _TYPES + r" \*?\w+ ?(?:\(.*\) ?\{|=.*;$|;$|\[)",
    r"(?:std::|printf\(|System\.out\.)",
    r"package [\w.]+;?$",
    r"func (?:\(\w+ \*?\w+\) )?\w+\(",
    r"(?:pub )?fn \w+[<(]",
    r"<\?php",
    r"\$\w+ ?= ?[^=]",
    # HTML, SQL, shell
    r"<!(?:DOCTYPE|doctype) ",
    r"</?" + _TAGS + r"(?: [\w-]+=.*| ?/)?>",
    r"SELECT .+ FROM\b|INSERT INTO\b|DELETE FROM\b|UPDATE \w+ SET\b",
    r"(?:CREATE|ALTER|DROP) (?:TABLE|DATABASE|INDEX|VIEW)\b",
    r"#!/",
    r"(?:sudo|pip3?|npm|apt-get|git|docker|chmod) (?:install|run|update|clone|commit|push|build|apt|[+-]\w|\d{3})",
)
_LIKELY_PATTERNS = (
    r"\w[\w.\[\]\"']*(?:, ?\w[\w.]*)* ?[-+*/|]?=(?!=) ?\S",  # assignment
    r"[a-zA-Z_]\w*(?:\.\w+)*\(.*\)[;:]?$",  # a call that is the whole line
    r"\w+(?:\.\w+)+\(",
    r"(?:return|raise|yield|await|throw|assert)\b[^.!?]*$",
    r"(?:if|while|with|for|switch|catch)\b.*[:{]$",
    r"[)\]}]+[;,)]*$",
    r"[\]})] ?else\b",
    r"(?://|/\*|# ?\w|\"\"\"|''')",  # comments
    r"[\"']\w+[\"'] ?: ?\S",  # an entry of a dictionary
    r".*[;{]$",
    r"</?\w+",
    r"(?:pass|break|continue)$",
)
_SURE = re.compile("|".join(_SURE_PATTERNS))
_LIKELY = re.compile("|".join(_LIKELY_PATTERNS))


def holds_code(view: TextView) -> bool:
    """Fenced blocks, two sure lines, or code-like lines that make up half of the text with a sure one among them.

    A single sure line is enough only where code-like lines are half of the answer: a stray `</p>` is no program.
    """
    if view.holds_fences:
        return True
    sure = likely = 0
    for line in view.lines:
        line = line[:_LINE_LIMIT]
        if _SURE.match(line):
            sure += 1
        elif _LIKELY.match(line):
            likely += 1
    return sure >= 2 or (2 * (sure + likely) >= len(view.lines) and (sure >= 1 or likely >= 3))
