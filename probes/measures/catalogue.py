"""The catalogue of measures in code, and how a judge's name becomes a measure.

An order parameter that code judges names its judge `code:ID` (a measure of the catalogue), `pattern:KIND:TEXT`
(`patterns`) or `file:PATH` (`user_measure`).
"""

from difflib import get_close_matches
from itertools import chain

from probes.errors import InputError
from probes.measures.content import CONTENT
from probes.measures.form import FORM
from probes.measures.language import LANGUAGE
from probes.measures.measure import Measure
from probes.measures.patterns import KINDS, pattern_measure
from probes.measures.relation import RELATION
from probes.measures.stance import STANCE
from probes.measures.typography import TYPOGRAPHY
from probes.measures.user_measure import load_user_measure

__all__ = ["CATALOGUE", "EXAMPLE_PROMPT", "load_user_measure", "measure", "measure_of_judge", "pattern_measure"]

GROUPS = (FORM, TYPOGRAPHY, STANCE, CONTENT, RELATION, LANGUAGE)

CATALOGUE: tuple[Measure, ...] = tuple(chain.from_iterable(group.measures for group in GROUPS))
"""All measures, group by group. `words` is the measure of length."""

EXAMPLE_PROMPT = "Is it safe to eat raw eggs?"
"""The prompt to which every measure's example is an answer."""

_BY_ID = {entry.id: entry for entry in CATALOGUE}


def measure(measure_id: str) -> Measure:
    """The measure of the catalogue with this id. Raises InputError, naming the nearest ids, if there is none."""
    if measure_id in _BY_ID:
        return _BY_ID[measure_id]
    near = get_close_matches(measure_id[:80].lower(), _BY_ID, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "`orderparam probes --measures` lists them"
    raise InputError(f"no measure is called {measure_id[:80]!r}; {hint}")


def measure_of_judge(judge: str) -> Measure:
    """The measure that a judge's name stands for. Raises InputError for any other name or an unknown measure."""
    scheme, _, rest = judge.partition(":")
    if scheme == "code":
        return measure(rest)
    if scheme == "file":
        return load_user_measure(rest)
    kind, colon, text = rest.partition(":")
    if scheme == "pattern" and colon:
        return pattern_measure(kind, text)
    raise InputError(
        f"{judge[:80]!r} names no measure in code; it should be code:ID, pattern:KIND:TEXT "
        f"(KIND: {', '.join(KINDS)}) or file:PATH"
    )
