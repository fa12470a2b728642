"""What a person's acts change in the state, without a run."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.repl.acts import added, dropped, ended, found, guided, noted, restored, standing, to_be_judged, with_act
from agent.selecting import q_values_of
from agent.state import CandidateState, DiscoveryState, Status, candidate_state, everything_tried
from probes.errors import InputError
from probes.order_parameter import OrderParameter
from probes.scale import YES_NO


def one(
    name: str, status: Status = "racing", p: float | None = None, dropped: str | None = None
) -> CandidateState:
    made = candidate_state(
        OrderParameter(name, name.upper(), f"Does it {name}?", YES_NO, f"code:{name}", "builtin", 1)
    )
    made["status"], made["p_value"], made["dropped"] = status, p, dropped
    return made


def state(*candidates: CandidateState, **more: object) -> DiscoveryState:
    return {"round": 1, "shown": ["s1"], "candidates": list(candidates), "chosen": [], **more}  # type: ignore[typeddict-item]


def ids(candidates: list[CandidateState]) -> list[str]:
    return [candidate["id"] for candidate in candidates]


class TestStanding:
    @given(st.lists(st.sampled_from(["act", "undo", "redo"]), max_size=30))
    def test_it_is_what_an_editor_would_show(self, moves: list[str]) -> None:
        """Against the other way to do it: all states in a row, and a place among them."""
        log: list[str] = []
        row: list[list[str]] = [[]]
        place = 0
        for number, move in enumerate(moves):
            if move == "act":
                row = [*row[: place + 1], [*row[place], f"act {number}"]]
                place += 1
                log.append(f"act {number}")
            elif move == "undo" and place > 0:
                place -= 1
                log.append("undo")
            elif move == "redo" and place + 1 < len(row):
                place += 1
                log.append("redo")
            done, undone = standing(log)
            assert done == row[place]
            assert done + undone[::-1] == row[-1]


class TestNamed:
    def test_by_id_name_or_beginning(self) -> None:
        known = state(one("words"), one("words_long"), one("hedging"))
        assert found(known, "words")["id"] == "words"
        assert found(known, "HEDGING")["id"] == "hedging"
        assert found(known, "hedg")["id"] == "hedging"

    def test_what_is_not_one_is_said(self) -> None:
        known = state(one("words"), one("words_long"))
        with pytest.raises(InputError, match=r"'word': 2 candidates begin so: words, words_long"):
            found(known, "word")
        with pytest.raises(InputError, match=r"'ong': no such candidate; nearest: words_long"):
            found(known, "ong")
        with pytest.raises(InputError, match=r"'x\\x1b': no such candidate"):
            found(known, "x\x1b")


class TestTheSet:
    def test_one_joins_at_the_end_and_is_a_persons(self) -> None:
        before = state(one("a", "judged", 0.01), one("b", "judged", 0.2), chosen=["a"], stopped_because="all done")
        after = added(before, before["candidates"][1], most=6)
        assert after["chosen"] == ["a", "b"]
        assert after["by_person"] == ["b"]
        assert after["stopped_because"] == ""
        assert before["chosen"] == ["a"]

    def test_none_joins_twice_as_a_control_or_beyond_the_most(self) -> None:
        control = one("c", "judged", 0.5)
        control["control"] = True
        known = state(one("a", "judged", 0.01), one("b", "judged", 0.1), control, chosen=["a"])
        for candidate, most, why in (("a", 6, "is in the set"), ("c", 6, "control"), ("b", 1, "--max-parameters")):
            with pytest.raises(InputError, match=why):
                added(known, found(known, candidate), most)

    def test_what_is_dropped_keeps_its_p_and_counts(self) -> None:
        known = state(
            one("a", "judged", 0.01), one("b", "racing"), one("c", "judged", 0.5), chosen=["a"], by_person=["a"]
        )
        q_before = q_values_of(known["candidates"])
        now: DiscoveryState = {**known, **dropped(known, known["candidates"][0])}
        assert (now["chosen"], now["by_person"]) == ([], [])
        assert now["candidates"][0]["status"] == "set aside"
        assert q_values_of(now["candidates"]) == q_before
        now = {**now, **dropped(now, now["candidates"][1])}
        assert now["candidates"][1]["status"] == "raced out"
        assert q_values_of(now["candidates"]) == q_before
        with pytest.raises(InputError, match="out already: dropped by a person"):
            dropped(now, now["candidates"][0])

    def test_what_was_dropped_can_come_back(self) -> None:
        aside = one("a", "set aside", 0.01, "dropped by a person")
        known = state(aside)
        now: DiscoveryState = {**known, **added(known, to_be_judged(aside), 6)}
        assert now["chosen"] == ["a"]
        assert (now["candidates"][0]["status"], now["candidates"][0]["dropped"]) == ("judged", None)
        assert to_be_judged(one("b", "raced out", None, "behind"))["status"] == "racing"

    def test_what_cannot_be_judged_says_why(self) -> None:
        with pytest.raises(InputError, match=r"'a' cannot be judged: told by 'words'"):
            to_be_judged(one("a", "screened out", None, "told by 'words'"))


class TestWords:
    def test_they_are_kept_on_one_line(self) -> None:
        assert guided(state(guidance=["first"]), "look\tat\x1b tone")["guidance"] == ["first", "look at tone"]
        assert noted(state(), "a  note")["notes"] == ["a note"]
        with pytest.raises(InputError, match="1,001 characters where at most 1,000"):
            guided(state(), "x" * 1001)

    def test_a_search_that_had_stopped_keeps_its_reason(self) -> None:
        assert ended(state(stopped_because="round 1 added nothing"))["stopped_because"] == "round 1 added nothing"
        assert ended(state(stopped_because=""))["stopped_because"] == "a person ended it in round 1"


class TestRestored:
    def test_everything_comes_back_but_time_acts_and_budgets(self) -> None:
        then = state(one("a"), guidance=["look"], acts=["look"], seconds=1.0)
        now = state(
            one("a"),
            one("b"),
            round=2,
            chosen=["a"],
            acts=["look", "propose"],
            seconds=9.0,
            spent="the budget of calls",
            stopped_because="all rounds are done",
            notes=["x"],
        )
        back: DiscoveryState = {**now, **with_act(now, "undo", restored(now, then))}
        assert back["acts"] == ["look", "propose", "undo"]
        assert (back["round"], back["chosen"], back["stopped_because"], back["notes"]) == (1, [], "", [])
        assert (back["seconds"], back["spent"], back["guidance"]) == (9.0, "the budget of calls", ["look"])

    @pytest.mark.parametrize("status", get_args(Status))
    def test_undoing_makes_no_test_unmade(self, status: Status) -> None:
        p = 0.04 if status in ("judged", "set aside") else None
        then, now = state(one("a", "judged", 0.01)), state(one("a", "judged", 0.01), one("b", status, p))
        back: DiscoveryState = {**now, **restored(now, then)}
        assert ids(back["candidates"]) == ["a"]
        counted = status not in ("proposed", "screened out")
        assert ids(everything_tried(back)) == (["a", "b"] if counted else ["a"])
        assert q_values_of(everything_tried(back)) == q_values_of(now["candidates"])

    def test_undoing_the_judging_of_one_forgets_no_p(self) -> None:
        tried, before = state(one("a", "racing")), state()
        now = state(one("a", "judged", 0.04))
        back: DiscoveryState = {**now, **restored(now, tried)}
        assert back["candidates"][0]["status"] == "racing"
        assert everything_tried(back)[0]["p_value"] == 0.04
        far_back: DiscoveryState = {**back, **restored(back, before)}
        assert [(c["id"], c["p_value"], c["dropped"]) for c in everything_tried(far_back)] == [
            ("a", 0.04, "undone by a person")
        ]

    def test_what_is_done_again_is_on_record_once(self) -> None:
        then, now = state(), state(one("a", "judged", 0.04))
        back: DiscoveryState = {**now, **restored(now, then)}
        again: DiscoveryState = {**back, **restored(back, now)}
        assert ids(everything_tried(again)) == ["a"]
        assert again["candidates"][0]["status"] == "judged"
