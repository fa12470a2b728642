"""The judge against a server on loopback: grouping, checking, asking again, outcomes, and what is kept."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probes.errors import InputError
from probes.scale import YES_NO, Level, Outcome, Scale
from tests.servers.chat import Asked, ChatServer, Model, Said
from tests.tools.chat.made import run, spec_text
from tools.chat.asking import Asker
from tools.chat.budget import Budget
from tools.chat.connect import connect
from tools.chat.interface import BudgetSpent
from tools.chat.ledger import Judgment, Ledger
from tools.chat.spec import parse_spec
from tools.judging.judge import SHOWN, Item, Judge, cut_for_model
from tools.judging.template import load_template
from tools.judging.verdicts import Criterion, is_sound

CODE = Criterion("Does the answer contain code?", YES_NO)
TONE = Criterion("How warm is it?", Scale("ordered", (Level("cold", "No warmth."), Level("warm", "Kind words."))))
ITEMS = [Item(f"Prompt {n}", f"Answer number {n}") for n in range(6)]


def told(asked: Asked) -> dict[str, str]:
    """The question under each key of a judge's prompt."""
    lines = (line.partition(": ") for line in asked.text.splitlines() if line[:1] == "c" and line[1:2].isdigit())
    return {key: question for key, _, question in lines}


def saying(verdict: Callable[[str, str], Any], seen: list[dict[str, str]] | None = None) -> Model:
    """A judge that gives each question of an answer the verdict that the function names; `...` leaves it out."""

    def model(asked: Asked) -> Said:
        questions = told(asked)
        if seen is not None:
            seen.append(questions)
        verdicts = {key: verdict(question, asked.text) for key, question in questions.items()}
        if all(one == "REFUSE" for one in verdicts.values()):
            return Said(refusal="I can't help with that.")
        return Said(json.dumps({key: one for key, one in verdicts.items() if one is not ...}))

    return model


def level(name: Any, quote: str = "absent") -> dict[str, Any]:
    return {"quote": quote, "level": name}


def calls_to_come(
    folder: Path, server: ChatServer, criteria: list[Criterion], items: list[Item] = ITEMS, per_call: int = 6
) -> int:
    """How many calls are foreseen, by what the ledger in the folder holds of that server's judgments."""
    ledger = Ledger.open(folder / "ledger.sqlite")
    try:
        asker = Asker(connect(parse_spec(spec_text(server, "openai")), {}), ledger, Budget(ledger, "d1"), None)
        judge = Judge(asker, ledger, load_template(), salt="a run", per_call=per_call)
        return len(judge.requests(criteria, items))
    finally:
        ledger.close()


def judged(
    folder: Path, model: Model, criteria: list[Criterion], items: list[Item] = ITEMS, **limits: Any
) -> tuple[list[list[Judgment | Outcome]], ChatServer]:
    with ChatServer(model) as server:
        return judge_on(server, folder, criteria, items, **limits), server


def judge_on(
    server: ChatServer,
    folder: Path,
    criteria: list[Criterion],
    items: list[Item],
    *,
    per_call: int = 6,
    **limits: Any,
) -> list[list[Judgment | Outcome]]:
    ledger = Ledger.open(folder / "ledger.sqlite")

    async def work() -> list[list[Judgment | Outcome]]:
        asker = Asker(
            connect(parse_spec(spec_text(server, "openai")), {}), ledger, Budget(ledger, "d1", **limits), None
        )
        judge = Judge(asker, ledger, load_template(), salt="a run", per_call=per_call)
        try:
            return await judge.judge(criteria, items)
        finally:
            await asker.close()

    try:
        return run(work())
    finally:
        ledger.close()


def levels(verdicts: list[list[Judgment | Outcome]]) -> list[list[Any]]:
    return [[one.level if isinstance(one, Judgment) else one for one in row] for row in verdicts]


def by_question(question: str, text: str) -> dict[str, Any]:
    if question == CODE.question:
        return level("yes" if "Answer number 3" in text else "no")
    return level("warm" if "Answer number 1" in text else "cold")


def test_each_criterion_gets_its_verdict_whatever_the_order(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []
    verdicts, _ = judged(tmp_path, saying(by_question, seen), [CODE, TONE])
    assert levels(verdicts) == [[int(n == 3), int(n == 1)] for n in range(6)]
    assert len(seen) == 6
    assert {tuple(one.values()) for one in seen} == {
        (CODE.question, TONE.question),
        (TONE.question, CODE.question),
    }


def test_calls_are_of_equal_size_and_equal_answers_judged_once(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []
    criteria = [Criterion(f"Question {n}?", YES_NO) for n in range(4)]
    judged(tmp_path, saying(lambda question, text: level("no"), seen), criteria, [ITEMS[0]] * 5, per_call=3)
    assert [len(one) for one in seen] == [2, 2]


@pytest.mark.parametrize("held", [0, 1, 2, 4])
@pytest.mark.parametrize("per_call", [1, 2, 3, 6])
def test_calls_are_foreseen_before_they_are_made(tmp_path: Path, held: int, per_call: int) -> None:
    """Exactly where all criteria go in one call, or none or all are known already; else never too few."""
    criteria = [Criterion(f"Question {n}?", YES_NO) for n in range(4)]
    items = [*ITEMS, ITEMS[0]]
    with ChatServer(saying(lambda question, text: level("no"))) as server:
        if held:
            judge_on(server, tmp_path, criteria[:held], items)
        for order in (criteria, criteria[::-1]):
            foreseen = calls_to_come(tmp_path, server, order, items, per_call)
            copy = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-{order[0].question[:10]}"))
            before = sum(server.served.values())
            judge_on(server, copy, order, items, per_call=per_call)
            made = sum(server.served.values()) - before
            assert made <= foreseen <= len(ITEMS) * (len(criteria) - held)
            if per_call == 6 or held in (0, 4):
                assert made == foreseen


def test_a_missing_or_wrong_verdict_is_asked_again_alone_and_then_fails(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    def verdict(question: str, text: str) -> Any:
        alone = text.count("\nc2: ") == 0
        if question == CODE.question:
            return level("no")
        return level("warm") if alone and "number 1" in text else level(85) if "number 2" in text else ...

    verdicts, _ = judged(tmp_path, saying(verdict, seen), [CODE, TONE], ITEMS[:3])
    assert levels(verdicts) == [[0, Outcome.FAILED], [0, 1], [0, Outcome.FAILED]]
    assert sorted(len(one) for one in seen) == [1, 1, 1, 2, 2, 2]


def test_refusals_are_an_outcome_and_no_judgment_is_kept_of_them(tmp_path: Path) -> None:
    refusing = saying(lambda question, text: "REFUSE" if "number 0" in text else level("yes"))
    verdicts, _ = judged(tmp_path, refusing, [CODE], ITEMS[:2])
    assert levels(verdicts) == [[Outcome.REFUSED], [1]]
    (tmp_path / "prose").mkdir()
    prose, _ = judged(
        tmp_path / "prose", lambda asked: Said("I'm sorry, but I can't judge that."), [CODE], ITEMS[:1]
    )
    assert levels(prose) == [[Outcome.REFUSED]]


def test_what_failed_is_asked_again_and_nothing_else(tmp_path: Path) -> None:
    good = False
    seen: list[dict[str, str]] = []

    def verdict(question: str, text: str) -> Any:
        return level("yes") if good or question == CODE.question else ...

    model = saying(verdict, seen)
    with ChatServer(model) as server:
        ledger = Ledger.open(tmp_path / "ledger.sqlite")

        async def work() -> list[list[Judgment | Outcome]]:
            asker = Asker(connect(parse_spec(spec_text(server, "openai")), {}), ledger, Budget(ledger, "d1"), None)
            try:
                return await Judge(asker, ledger, load_template(), salt="a run").judge([CODE, warm_or_not], ITEMS)
            finally:
                await asker.close()

        warm_or_not = Criterion("Is it warm?", YES_NO)
        assert levels(run(work())) == [[1, Outcome.FAILED]] * 6
        seen.clear()
        good = True
        assert levels(run(work())) == [[1, 1]] * 6
        assert [list(one.values()) for one in seen] == [[warm_or_not.question]] * 6
        ledger.close()


def test_null_is_a_verdict_and_prose_is_read_where_one_criterion_was_asked(tmp_path: Path) -> None:
    verdicts, _ = judged(tmp_path, saying(lambda question, text: level(None)), [CODE], ITEMS[:1])
    assert verdicts == [[Judgment(None, "absent", None, 1)]]
    (tmp_path / "prose").mkdir()
    verdicts, _ = judged(
        tmp_path / "prose", lambda asked: Said("There are 5 reasons. Level: yes"), [CODE], ITEMS[:1]
    )
    assert levels(verdicts) == [[1]]


def test_the_budget_ends_judging_and_keeps_what_was_judged(tmp_path: Path) -> None:
    with pytest.raises(BudgetSpent, match="--max-calls"):
        judged(tmp_path, saying(by_question), [CODE], max_calls=4)
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    assert ledger.spent("d1").calls == 4
    ledger.close()


def test_the_expected_level_is_kept_where_probabilities_are_told(tmp_path: Path) -> None:
    text = '{"c1": {"quote": "the level: yes", "level": "yes"}}'
    pieces = ['{"c1": {"quote": "the level: ', "yes", '", "level": "', "yes", '"}}']
    likeliest = [((piece, 0.0),) for piece in pieces]
    likeliest[3] = (("yes", -0.1), ("no", -2.4))  # type: ignore[assignment]
    said = Said(text, logprobs=tuple(zip(pieces, likeliest, strict=True)))
    verdicts, _ = judged(tmp_path, lambda asked: said, [CODE], ITEMS[:1])
    found = verdicts[0][0]
    assert isinstance(found, Judgment)
    # e^-0.1 / (e^-0.1 + e^-2.4)
    assert found.expected == pytest.approx(1 / (1 + 2.718281828459045**-2.3))


def test_quotes_are_checked_against_the_answer() -> None:
    response = "It  rests\nuntil “tomorrow” morning, then you bake it at home."
    assert is_sound('rests until "TOMORROW"', response)
    assert is_sound("absent", response)
    assert not is_sound("rests until noon", response)
    assert not is_sound("It rests until tomorrow morning, then you bake it", response)  # more than eight words
    assert not is_sound("", response)


def test_long_answers_are_cut_visibly() -> None:
    cut = cut_for_model("a" * 200_000, SHOWN)
    assert len(cut) < SHOWN + 60
    assert "188,000 characters are not shown" in cut


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ prompt }}", "leaves out 'answer'"),
        ("{{ answer }} {% for one in criteria %}{{ one.question }}", "line 1"),
        ("{{ answer }} {{ side }}", "'side' is undefined"),
        ("{{ answer.__class__.__mro__ }}", "leaves out|unsafe"),
    ],
)
def test_templates_that_cannot_judge_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "judge.jinja"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=said):
        load_template(path)
    with pytest.raises(InputError, match=r"judge\.jinja"):
        load_template(path)


def test_a_template_of_the_users_own_is_used_and_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "judge.jinja"
    path.write_text(
        "RUBRIC {{ answer }} {% for c in criteria %}{{ c.key }}: {{ c.question }}"
        "{% for level in c.levels %} {{ level.name }}{% endfor %}{% endfor %}",
        "utf-8",
    )
    template = load_template(path)
    assert template.digest != load_template().digest
