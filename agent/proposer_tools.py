"""The tools with which a proposing model looks closer: over the read split alone, and nothing of them is stored.

Results are text for the model. The same call has the same result, so that a conversation that was cut off by a
kill is found again in the ledger turn by turn.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np

from agent.contrasts import Reader, label_of
from agent.judgments import Judgments
from agent.proposals import CANDIDATE, candidate_from, proposals_in, unfit
from agent.reading import contrasts
from agent.screening import estimates_on
from agent.state import CandidateState, DiscoveryState
from agent.workbench import Workbench
from probes.scale import IntArray
from tools.chat.interface import Tool, ToolCall
from tools.layout import AFTER, BEFORE

MOST_READ = 8
"""Samples that one call shows at most."""

MOST_PILOTS = 4
"""Candidates that one model may try in one round."""

PILOT = 40
"""Answers that a candidate is tried on, half of each side."""

_LIMIT = 1500  # characters of an answer


def _schema(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


TOOLS = (
    Tool(
        "read_samples",
        "Shows more samples of both sides, from a random place on.",
        _schema(count={"type": "integer", "minimum": 1, "maximum": MOST_READ}),
    ),
    Tool(
        "compare",
        "Shows both sides' answers to one prompt, by its number.",
        _schema(prompt={"type": "integer", "minimum": 1}),
    ),
    Tool(
        "search",
        "Counts the answers of each side that hold a text, whatever its case, and shows some.",
        _schema(text={"type": "string"}),
    ),
    Tool(
        "pilot",
        "Has a candidate judged on a few samples, and tells its estimated dissimilarity.",
        _schema(**{key: CANDIDATE["properties"][key] for key in ("name", "question", "kind", "levels")}),
    ),
    Tool("list_tried", "Tells what was tried by now, and why it was dropped.", _schema()),
)


def pilot_rows(bench: Workbench) -> IntArray:
    """All rows of the read split in the order in which candidates are tried on them.

    One answer a side of every prompt, prompts in random order, then the next. Racing goes by the same order, so
    that no call is made twice.
    """
    part = bench.comparison.read
    generator = np.random.default_rng([bench.settings.seed, 11])
    return part.row_N[contrasts(part, generator, part.layout.samples)]


class Toolbox:
    """The tools of one model in one round."""

    def __init__(self, state: DiscoveryState, bench: Workbench, judgments: Judgments, reader: Reader) -> None:
        self._state = state
        self._bench = bench
        self._judgments = judgments
        self._reader = reader
        self._pilots = 0
        self._read = 0
        self._calls: Mapping[str, Callable[[dict[str, Any]], Awaitable[str]]] = {
            "read_samples": self._read_samples,
            "compare": self._compare,
            "search": self._search,
            "pilot": self._pilot,
            "list_tried": self._list_tried,
        }

    async def result(self, call: ToolCall) -> str:
        """What a call comes to; a call that makes no sense is told so. Raises as judging does."""
        arguments = call.arguments
        if call.name not in self._calls:
            return f"There is no such tool; there are {', '.join(self._calls)}."
        if arguments is None:
            return "The arguments are no JSON object."
        return await self._calls[call.name](arguments)

    async def _read_samples(self, arguments: dict[str, Any]) -> str:
        wanted = arguments.get("count")
        count = wanted if isinstance(wanted, int) and 1 <= wanted <= MOST_READ else MOST_READ
        order = np.random.default_rng([self._bench.settings.seed, 13, self._state["round"]]).permutation(
            self._bench.comparison.read.row_N
        )
        rows = order[self._read : self._read + count].tolist()
        self._read += count
        return self._shown(rows) or "All samples were shown."

    async def _compare(self, arguments: dict[str, Any]) -> str:
        wanted = arguments.get("prompt")
        prompt = wanted - 1 if isinstance(wanted, int) else -1
        sides = [self._reader.rows_by_group.get((prompt, side), []) for side in (BEFORE, AFTER)]
        return self._shown([row for rows in sides for row in rows[: MOST_READ // 2]]) or "There is no such prompt."

    async def _search(self, arguments: dict[str, Any]) -> str:
        text = arguments.get("text")
        if not isinstance(text, str) or not text.strip():
            return "Name a text."
        comparison = self._bench.comparison
        rows = comparison.read.row_N.tolist()
        found = [row for row in rows if text.strip().casefold() in comparison.responses[row].casefold()]
        lines = []
        for side, name in ((BEFORE, "before"), (AFTER, "after")):
            count = sum(int(comparison.layout.side_N[row]) == side for row in found)
            whole = sum(int(comparison.layout.side_N[row]) == side for row in rows)
            lines.append(f"{name}: {count} of {whole} answers")
        return "\n\n".join(["\n".join(lines), self._shown(found[:3])]).strip()

    async def _pilot(self, arguments: dict[str, Any]) -> str:
        proposals = proposals_in([arguments])
        if not proposals:
            return "A candidate has a name, a question, a kind and levels, each with name and description."
        if self._pilots >= MOST_PILOTS:
            return f"No more than {MOST_PILOTS} candidates can be tried in one round."
        proposal = proposals[0]
        values = self._bench.run.manifest.control.values
        if reason := unfit(proposal, [], values, None):
            return f"This candidate would not be judged: {reason}."
        self._pilots += 1
        candidate = candidate_from(proposal, self._judgments.models.judge.name, "", self._state["round"], ())
        rows = pilot_rows(self._bench)[:PILOT]
        await self._judgments.ensured([candidate], rows)
        return self._told(candidate, rows)

    def _told(self, candidate: CandidateState, rows: IntArray) -> str:
        """The counts of each level by side, and the estimate."""
        comparison = self._bench.comparison
        level_N = self._judgments.levels(candidate)
        lines = []
        for place, (name, _) in enumerate(candidate["scale"]["levels"]):
            at = rows[level_N[rows] == place]
            before = int((comparison.layout.side_N[at] == BEFORE).sum())
            lines.append(f"{name}: {before} before, {len(at) - before} after")
        part = comparison.read.where(np.isin(comparison.read.row_N, rows))
        estimate = estimates_on(
            part, level_N[part.row_N][:, None][:, :0], level_N[part.row_N][:, None], comparison.claim
        )[0]
        high = "" if estimate.high is None else f" to {estimate.high:.2f}"
        lines.append(f"dissimilarity: {estimate.value:.2f} ({estimate.low:.2f}{high}) on {len(rows)} samples")
        return "\n".join(lines)

    async def _list_tried(self, arguments: dict[str, Any]) -> str:
        return "\n".join(tried(self._state["candidates"])) or "Nothing was tried yet."

    def _shown(self, rows: Sequence[int]) -> str:
        parts = []
        for row in rows:
            contrast = self._reader.contrast([row], _LIMIT)
            answer = contrast.answers[0]
            parts.append(
                f"Prompt {contrast.number}\n{contrast.prompt}\n"
                f"{answer.side}, sample: {label_of(row)} ({answer.words} words)\n{answer.text}"
            )
        return "\n\n".join(parts)


def tried(candidates: Sequence[CandidateState], most: int = 60) -> list[str]:
    """Candidates by now with what became of them, at most so many; words that differ are left out."""
    told = [one for one in candidates if not one["judge"].startswith("pattern:")]
    return [
        f"{one['name']}: {one['question']}" + (f" ({one['dropped']})" if one["dropped"] else "")
        for one in told[-most:]
    ]
