"""What a discovery with language models would send, how much of it, and what that would cost; nothing is sent.

Numbers are upper limits for rounds of proposals as large as is allowed, second tries not counted, by a rule of
thumb of four characters a token and one call of a tool a turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.comparison import Part
from agent.contrasts import CHARACTERS, Reader
from agent.judgments import criterion_of
from agent.models import salt_of
from agent.proposals import MOST_PROPOSED
from agent.proposer import CHARACTERS_SHOWN, LOOK_TOKENS, STEPS, SUBMIT_TOKENS, opening
from agent.proposer_tools import MOST_PILOTS, PILOT
from agent.racing import FEWEST_RACING
from agent.reading import read
from agent.settings import DiscoverSettings
from agent.state import CandidateState, DiscoveryState, is_judged
from agent.workbench import Workbench
from probes.scale import YES_NO
from tools.chat.prices import Price, load_prices
from tools.chat.spec import parse_spec
from tools.judging.judge import Item, judge_request
from tools.judging.template import JudgePrompt, load_template
from tools.judging.verdicts import Criterion

CHARACTERS_A_TOKEN = 4
TOKENS_A_VERDICT = 40
QUESTION_LIKE = Criterion("(a question that a model will propose)", YES_NO)


@dataclass(frozen=True, slots=True)
class Sending:
    """One kind of calls. prompt: a full example. cost: US dollars, None where the price is unknown."""

    kind: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    prompt: str


def plan_of(bench: Workbench) -> list[Sending]:
    """Each kind of calls. Raises InputError for a template or a table of prices that is none."""
    settings = bench.settings
    state: DiscoveryState = {"round": 0, "candidates": []}
    state = {**state, **read(state, bench)}
    reader = Reader(state, bench, salt_of(bench.run))
    prompt = opening(state, bench, reader, CHARACTERS, tools=True)
    planned = [proposing(spec, settings.rounds, prompt, settings) for spec in settings.proposers]
    if settings.judge_spec is not None and settings.proposers:
        planned.append(_judging(bench, settings.judge_spec))
    return planned


def plan_of_set(bench: Workbench, template: JudgePrompt, chosen: Sequence[CandidateState], part: Part) -> Sending:
    """The judging of a known set on the part, and without likelihoods on all rows."""
    settings, comparison = bench.settings, bench.comparison
    rows = comparison.part().row_N if comparison.mode == "black-box" else part.row_N
    responses = comparison.responses.take(rows)
    items = {Item(comparison.prompt_of_row[row], one) for row, one in zip(rows.tolist(), responses, strict=True)}
    criteria = list(dict.fromkeys(criterion_of(one) for one in chosen if is_judged(one)))
    calls = sum(bool(item.response.strip()) for item in items) * calls_of(len(criteria), settings)
    spec = settings.judge_spec
    assert spec is not None  # named wherever a set holds what a model judges
    prompt = judge_example(bench, template, criteria[: settings.criteria_per_call])
    return sending("judging", spec, calls, prompt, TOKENS_A_VERDICT * len(criteria), settings)


def judge_example(bench: Workbench, template: JudgePrompt, criteria: Sequence[Criterion]) -> str:
    """What a judge would be sent of the answer of median length."""
    comparison = bench.comparison
    longest = np.argsort(comparison.length_N, kind="stable")
    row = int(longest[len(longest) // 2])
    item = Item(comparison.prompt_of_row[row], comparison.responses[row])
    return judge_request(template, salt_of(bench.run), criteria, item).messages[0].text


def _judging(bench: Workbench, spec: str) -> Sending:
    """All rounds, and the set on read and report."""
    settings, comparison = bench.settings, bench.comparison
    proposed = len(settings.proposers) * (MOST_PROPOSED + 1)
    both = comparison.read.layout.samples + comparison.report.layout.samples
    count = settings.rounds * (sum(calls_of_round(proposed, bench)) + pilots_of_round(bench))
    count += both * calls_of(settings.max_parameters, settings)
    criteria = [QUESTION_LIKE] * min(settings.criteria_per_call, proposed)
    prompt = judge_example(bench, load_template(settings.judge_template), criteria)
    return sending("judging", spec, count, prompt, TOKENS_A_VERDICT * len(criteria), settings)


def calls_of_round(proposed: int, bench: Workbench) -> tuple[int, int]:
    """Calls that judging so many proposals of a round takes, on read and then on select.

    A race judges all on the pilot, half of them on half of read, and the few that stay on select.
    """
    settings = bench.settings
    read_N, select_N = bench.comparison.read.layout.samples, bench.comparison.select.layout.samples
    if settings.judge_all:
        return read_N * calls_of(proposed, settings), select_N * calls_of(proposed, settings)
    pilot = min(PILOT, read_N) * calls_of(proposed, settings)
    raced = (read_N // 2) * calls_of(-(-proposed // 2), settings)
    return pilot + raced, select_N * calls_of(min(FEWEST_RACING + 1, proposed), settings)


def pilots_of_round(bench: Workbench) -> int:
    """Calls by which proposing models try candidates before they submit any."""
    return len(bench.settings.proposers) * MOST_PILOTS * min(PILOT, bench.comparison.read.layout.samples)


def calls_of(criteria: int, settings: DiscoverSettings) -> int:
    """Calls that so many criteria of one answer take."""
    return -(-criteria // settings.criteria_per_call)


def proposing(spec: str, rounds: int, prompt: str, settings: DiscoverSettings) -> Sending:
    """Conversations that begin with the prompt and have every turn in them, each as long as it may be."""
    shown = CHARACTERS_SHOWN // CHARACTERS_A_TOKEN + LOOK_TOKENS
    tokens_in = (STEPS + 1) * (len(prompt) // CHARACTERS_A_TOKEN) + shown * sum(range(STEPS + 1))
    tokens_out = STEPS * LOOK_TOKENS + SUBMIT_TOKENS
    return _priced(
        "proposing", spec, rounds * (STEPS + 1), rounds * tokens_in, rounds * tokens_out, prompt, settings
    )


def sending(kind: str, spec: str, calls: int, prompt: str, written: int, settings: DiscoverSettings) -> Sending:
    """Calls of the prompt's length, each answered with so many tokens."""
    tokens_in = calls * (len(prompt) // CHARACTERS_A_TOKEN)
    return _priced(kind, spec, calls, tokens_in, calls * written, prompt, settings)


def _priced(
    kind: str, spec: str, calls: int, tokens_in: int, tokens_out: int, prompt: str, settings: DiscoverSettings
) -> Sending:
    price: Price | None = load_prices(settings.prices).of(parse_spec(spec))
    cost = None if price is None else price.most(tokens_in, tokens_out)
    return Sending(kind, spec, calls, tokens_in, tokens_out, cost, prompt)
