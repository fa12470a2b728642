"""From what a person types to a candidate: a measure by its name, or a question of their own with a scale."""

import math
import re
from collections import Counter

from agent.builtin import candidate_of, known_judge
from agent.proposals import candidate_from, proposals_in, unfit
from agent.repl.acts import PERSON
from agent.settings import shown
from agent.state import CandidateState, DiscoveryState
from agent.workbench import Workbench
from probes.errors import InputError
from probes.measures.catalogue import CATALOGUE, measure
from probes.measures.lexicons import PHRASES
from probes.measures.measure import Measure

SCHEMES = ("code:", "pattern:", "data:", "file:")
"""How a judge that is no language model begins, written out."""

SCALE_HINT = (
    'levels in order with "|" between them, each NAME or NAME: DESCRIPTION; `categories` before them if they have '
    "no order"
)

_NAME = 40  # characters of a question that become its name

_FUNCTION_WORDS = frozenset(PHRASES["function_words"])


def asked_for(state: DiscoveryState, bench: Workbench, text: str) -> CandidateState:
    """The candidate that `MEASURE`, `"QUESTION"` or `"QUESTION" SCALE` names, as fresh as if it were proposed.

    InputError for an unknown measure, a question that cannot be judged, or one that nobody here can judge.
    """
    quoted = re.fullmatch(r'"([^"]+)"\s*(.*)', text, re.DOTALL)
    if quoted:
        return question_of(state, bench, quoted[1], quoted[2])
    if " " in text and not text.startswith(SCHEMES):
        return question_of(state, bench, text, "")
    if not text.startswith(SCHEMES):
        measure(text)  # a word that is none gets the nearest ids
    candidate = candidate_of(bench, known_judge(bench.scores, text), state["round"])
    candidate["origin"] = PERSON
    return candidate


def question_of(
    state: DiscoveryState, bench: Workbench, question: str, scale: str, *, of: CandidateState | None = None
) -> CandidateState:
    """A question of a person's own. of: the candidate that it is an edition of, whose scale it has unless told."""
    judgments = bench.judgments
    if judgments is None:
        near = ", ".join(one.id for one in measures_near(question))
        offered = (
            f"measures that come close: {near}" if near else "`orderparam probes --measures` lists what needs none"
        )
        raise InputError(f"a question of your own needs a language model to judge it (--judge SPEC); {offered}")
    said = {"name": question.rstrip(" ?")[:_NAME].strip(), "question": question, **_scale(scale, of)}
    proposals = proposals_in([said])
    if not proposals:
        raise InputError(f"{shown(scale)}: no scale: {SCALE_HINT}")
    known = [] if of is not None else state["candidates"]
    if reason := unfit(proposals[0], known, bench.run.manifest.control.values, None):
        raise InputError(f"{shown(question)} cannot be judged: {reason}")
    judge = judgments.models.judge.name
    return candidate_from(proposals[0], judge, PERSON, state["round"], of["examples"] if of else ())


def _scale(text: str, of: CandidateState | None) -> dict[str, object]:
    """Kind and levels as a proposing model would say them."""
    text = text.strip()
    if not text and of is not None and of["scale"]["kind"] != "numeric":
        levels = [{"name": name, "description": description} for name, description in of["scale"]["levels"]]
        return {"kind": of["scale"]["kind"], "levels": levels}
    if not text:
        return {"kind": "yes_no", "levels": [{"name": "no"}, {"name": "yes"}]}
    kind = "ordered"
    if text.split()[0] == "categories":
        kind, text = "categories", text.removeprefix("categories")
    named = [part.partition(":") for part in text.split("|")]
    return {"kind": kind, "levels": [{"name": name, "description": told} for name, _, told in named]}


def measures_near(question: str, most: int = 3) -> list[Measure]:
    """Measures in code whose name and question share telling words with a question, the nearest first."""
    held = {one.id: _words(f"{one.id} {one.name} {one.question}") for one in CATALOGUE}
    counts = Counter(word for words in held.values() for word in words)
    wanted = _words(question)
    nearness = {
        one.id: sum(math.log(len(CATALOGUE) / counts[word]) for word in wanted & held[one.id]) for one in CATALOGUE
    }
    near = sorted(CATALOGUE, key=lambda one: -nearness[one.id])[:most]
    least = max(math.log(4), nearness[near[0].id] / 2)
    return [one for one in near if nearness[one.id] >= least]


def _words(text: str) -> set[str]:
    """Telling words, without the endings that tell one from many or one tense from another."""
    words = set(re.findall(r"[a-z]{3,}", text.casefold().replace("_", " ")))
    return {re.sub(r"(?:ings?|ed|es|s|e|al|ly|ity)$", "", word) for word in words - _FUNCTION_WORDS}
