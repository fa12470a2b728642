"""A language model as a judge: blind, several criteria a call, every verdict checked, nothing paid for twice.

It is shown a prompt, an answer and questions; never a checkpoint, a side, a run or what is expected. Verdicts are
found again by what was judged, in whatever calls criteria were grouped; what could not be judged is a typed
outcome and is kept as no judgment, so that the next run asks for it again. Source: Method, section 8.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from probes.measures.catalogue import measure
from probes.scale import Outcome
from tools.chat.asking import Asked as Answered
from tools.chat.asking import Asker, Check
from tools.chat.fence import fenced
from tools.chat.interface import Answer, BudgetSpent, CallFailed, Message, Request
from tools.chat.ledger import Judgment, Ledger, judgment_key
from tools.judging.template import Asked, JudgePrompt
from tools.judging.verdicts import Criterion, key_of, schema_of, verdicts_in

Verdict = Judgment | Outcome
"""A judgment, or REFUSED or FAILED."""

SHOWN = 12_000
"""Characters of an answer that a judge is shown; of a prompt a third of them."""

_RESPONSE_OVER_PROMPT = 3

WORKERS = 64
"""Answers that are worked on at once; how many calls are in flight is the client's to limit."""

KEPT_AT_ONCE = 64
"""Judgments that are written in one transaction."""

JUDGING, ALONE = "judging", "judging again, alone"
"""Purposes of calls, as the usage names them."""

_FEWEST_SHOWN = 750
"""Characters of an answer below which nothing is cut to make a call fit into a model."""

_TOKENS_A_VERDICT = 80


@dataclass(frozen=True, slots=True)
class Item:
    """What is judged."""

    prompt: str
    response: str


class Judge:
    """One model as a judge. salt: what tells the run, for fences. per_call: most criteria of one call."""

    def __init__(
        self, asker: Asker, ledger: Ledger, template: JudgePrompt, *, salt: str, per_call: int = 6, seed: int = 0
    ) -> None:
        self.asker = asker
        self._ledger = ledger
        self._template = template
        self._salt = salt
        self._per_call = per_call
        self._seed = seed
        self._refusal = measure("refusal").score
        self._unkept: dict[bytes, Judgment] = {}

    @property
    def name(self) -> str:
        return self.asker.model.name

    def calls_for(self, criteria: int) -> int:
        """Calls that so many criteria of one answer take."""
        return -(-criteria // self._per_call)

    def found(self, criteria: Sequence[Criterion], items: Sequence[Item]) -> list[list[Judgment | None]]:
        """What the ledger holds: for each item the judgment on each criterion."""
        return self._held(self._keys(criteria, items))

    async def judge(
        self,
        criteria: Sequence[Criterion],
        items: Sequence[Item],
        on_item: Callable[[], None] = lambda: None,
    ) -> list[list[Verdict]]:
        """Verdicts [item][criterion]. Equal items are judged once.

        Raises BudgetSpent, OutsideError and InputError, once the calls that were under way have been kept.
        """
        verdicts: list[list[Verdict]] = [[Outcome.FAILED] * len(criteria) for _ in items]
        places: dict[Item, list[int]] = {}
        for place, item in enumerate(items):
            places.setdefault(item, []).append(place)
        unique = list(places)
        keys = self._keys(criteria, unique)
        known = self._held(keys)
        self.asker.count_reused(JUDGING, sum(one is not None for row in known for one in row))
        waiting = deque(np.random.default_rng([self._seed, 1]).permutation(len(unique)).tolist())
        stopped: list[BaseException] = []

        async def work() -> None:
            while waiting and not stopped:
                place = waiting.popleft()
                item = unique[place]
                try:
                    judged = await self._judge_one(criteria, item, keys[place], known[place])
                except BaseException as error:
                    stopped.append(error)
                    return
                for row in places[item]:
                    verdicts[row] = judged
                    on_item()

        try:
            await asyncio.gather(*(work() for _ in range(min(WORKERS, len(unique)))))
        finally:
            self._keep()
        if stopped:
            raise next((one for one in stopped if not isinstance(one, BudgetSpent)), stopped[0])
        return verdicts

    def groups(self, criteria: Sequence[Criterion], item: Item) -> list[list[int]]:
        """Which criteria are asked together, in which order: shuffled by seed and item, in calls of equal size."""
        told = hashlib.shake_256(f"{self._seed}\n{item.prompt}\n{item.response}".encode("utf-8", "surrogatepass"))
        drawn = told.digest(8 * len(criteria))
        order = sorted(range(len(criteria)), key=lambda place: int.from_bytes(drawn[8 * place :][:8], "little"))
        calls, start = self.calls_for(len(criteria)), 0
        groups = []
        for call in range(calls):
            size = len(order) // calls + (call < len(order) % calls)
            groups.append(order[start : start + size])
            start += size
        return groups

    def requests(self, criteria: Sequence[Criterion], items: Sequence[Item]) -> list[Request]:
        """The calls that `judge` would make, second tries not counted; no fewer in any order of the criteria."""
        unique = list(dict.fromkeys(items))
        one_call = self.calls_for(len(criteria)) == 1
        asked = []
        for item, known in zip(unique, self.found(criteria, unique), strict=True):
            missing = [place for place, one in enumerate(known) if one is None]
            if one_call and missing:
                groups = [missing]
            elif len(missing) < len(criteria):  # which of them meet in one call depends on the order
                groups = [[place] for place in missing]
            else:
                groups = self.groups(criteria, item)
            asked += [self.request([criteria[place] for place in group], item) for group in groups]
        return asked

    def request(self, criteria: Sequence[Criterion], item: Item, characters: int = SHOWN) -> Request:
        """One call: these criteria, in this order, on one answer."""
        return judge_request(self._template, self._salt, criteria, item, characters)

    async def _judge_one(
        self, criteria: Sequence[Criterion], item: Item, keys: Sequence[bytes], known: Sequence[Judgment | None]
    ) -> list[Verdict]:
        verdicts: dict[int, Verdict] = {place: one for place, one in enumerate(known) if one is not None}
        for group in self.groups(criteria, item):
            wanted = [place for place in group if place not in verdicts]
            if wanted:
                verdicts |= await self._ask(criteria, item, keys, wanted, JUDGING)
        for place in range(len(criteria)):
            if isinstance(verdicts[place], Outcome):
                verdicts |= await self._ask(criteria, item, keys, [place], ALONE)
        return [verdicts[place] for place in range(len(criteria))]

    async def _ask(
        self,
        criteria: Sequence[Criterion],
        item: Item,
        keys: Sequence[bytes],
        places: Sequence[int],
        purpose: str,
    ) -> dict[int, Verdict]:
        """One call, and what came of it; it is on record, and its judgments are kept before they are used."""
        chosen = [criteria[place] for place in places]

        def check(answer: Answer) -> str | None:
            if any(one is not None for one in verdicts_in(answer, chosen)):
                return None
            return "the judge refused" if self._is_refusal(answer) else "no verdict that can be used"

        asked = await self._fitting(chosen, item, purpose, check)
        if asked is None:
            return dict.fromkeys(places, Outcome.FAILED)
        read = verdicts_in(asked.answer, chosen)
        judgments = {
            place: Judgment(one.level, one.quote, one.expected, asked.call)
            for place, one in zip(places, read, strict=True)
            if one is not None
        }
        self._unkept |= {keys[place]: one for place, one in judgments.items()}
        if len(self._unkept) >= KEPT_AT_ONCE:
            self._keep()
        lost = Outcome.REFUSED if not judgments and self._is_refusal(asked.answer) else Outcome.FAILED
        return {place: judgments.get(place, lost) for place in places}

    async def _fitting(
        self, criteria: Sequence[Criterion], item: Item, purpose: str, check: Check
    ) -> Answered | None:
        """The answer to one call; None where it failed. Texts that do not fit into the model are halved until they
        do, each by itself, so that the order of calls changes nothing."""
        characters = min(SHOWN, max(len(item.response), _RESPONSE_OVER_PROMPT * len(item.prompt)))
        while True:
            try:
                return await self.asker.ask(self.request(criteria, item, characters), purpose, check=check)
            except CallFailed as failure:
                if failure.reason != "too long" or characters <= _FEWEST_SHOWN:
                    return None
            characters //= 2

    def _is_refusal(self, answer: Answer) -> bool:
        return answer.kind == "refusal" or (answer.kind == "text" and self._refusal("", answer.text) > 0.5)

    def _keys(self, criteria: Sequence[Criterion], items: Sequence[Item]) -> list[list[bytes]]:
        """What judgments are found again by, [item][criterion]."""
        judge, template = f"{self.asker.model.name} {self.asker.model.endpoint}", self._template.digest
        asked = [(one.question, one.described()) for one in criteria]
        keys = []
        for item in items:
            prompt, response = shown_to_judge(item)
            keys.append(
                [
                    judgment_key(
                        judge=judge,
                        template=template,
                        question=question,
                        scale=scale,
                        prompt=prompt,
                        response=response,
                    )
                    for question, scale in asked
                ]
            )
        return keys

    def _keep(self) -> None:
        """Keeps judgments together: a kill before that loses none, since the calls they came by are on record."""
        self._ledger.store_judgments(self._unkept)
        self._unkept = {}

    def _held(self, keys: Sequence[Sequence[bytes]]) -> list[list[Judgment | None]]:
        held = self._ledger.judgments(key for row in keys for key in row)
        return [[held.get(key) for key in row] for row in keys]


def judge_request(
    template: JudgePrompt, salt: str, criteria: Sequence[Criterion], item: Item, characters: int = SHOWN
) -> Request:
    """What a judge is sent: these criteria, in this order, on one answer, of which it sees so many characters."""
    asked = [Asked(key_of(place), one.question, one.levels) for place, one in enumerate(criteria)]
    prompt, response = shown_to_judge(item, characters)
    text = template.text(asked, fenced("prompt", prompt, salt), fenced("answer", response, salt))
    names = tuple(dict.fromkeys(name for criterion in criteria for name in criterion.names))
    return Request(
        (Message("user", text),),
        max_tokens=100 + _TOKENS_A_VERDICT * len(criteria),
        schema=schema_of(criteria),
        temperature=0.0,
        level_names=names,
    )


def shown_to_judge(item: Item, characters: int = SHOWN) -> tuple[str, str]:
    """Prompt and answer as a judge is shown them: cut where they are long, visibly."""
    return (
        cut_for_model(item.prompt, characters // _RESPONSE_OVER_PROMPT),
        cut_for_model(item.response, characters),
    )


def cut_for_model(text: str, limit: int) -> str:
    """The text, or its beginning and its end with a mark between that says how much is left out.

    >>> cut_for_model("abcdefghij" * 10, 50)
    'abcdefghijabcdefghijabcdefghijabcdefghij\\n[50 characters are not shown]\\nabcdefghij'
    """
    head, mark, tail = cut_pieces(text, limit)
    return head + mark + tail


def cut_pieces(text: str, limit: int) -> tuple[str, str, str]:
    """The same in pieces: the beginning, the mark and the end; a text that is not cut is all beginning."""
    if len(text) <= limit:
        return text, "", ""
    end = limit // 5
    return text[: limit - end], f"\n[{len(text) - limit:,} characters are not shown]\n", text[-end:]
