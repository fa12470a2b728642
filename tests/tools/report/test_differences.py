"""Answers in pieces: which words differ, how tokens are shaded, and that no character is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.tools.report.samples import HOSTILE, pair
from tools.report.differences import DIFFERS, END, STEPS, Piece, pieces_of, shading
from tools.report.document import Example, Shown
from tools.report.safe_text import visible


def example(before: str, after: str) -> Example:
    return pair("prompt", before, after, ("no", "yes"), 1)


def marked(pieces: list[Piece]) -> list[str]:
    return [piece.text for piece in pieces if piece.style == DIFFERS]


def whole(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def test_words_without_a_counterpart_are_marked_with_the_space_between_them() -> None:
    made = pieces_of(example("You should see a doctor soon.", "You should never ever see a friend  soon."))
    assert marked(made["before"]) == ["doctor"]
    assert marked(made["after"]) == ["never ever", "friend"]
    assert whole(made["after"]) == "You should never ever see a friend  soon."


def test_case_is_no_difference() -> None:
    made = pieces_of(example("YES of course", "yes of course"))
    assert marked(made["before"]) == marked(made["after"]) == []


def test_answers_with_little_in_common_are_left_plain() -> None:
    made = pieces_of(example("one two three four", "five six seven four"))
    assert [piece.style for side in made.values() for piece in side] == ["", ""]
    assert pieces_of(example("", "something"))["before"] == [Piece("", "")]
    alone = Example(prompt_id="q", prompt="p", after=Shown(sample_id="a", response="alone"))
    assert pieces_of(alone) == {"after": [Piece("alone", "")]}


@given(st.text(st.sampled_from("ab \n\t"), max_size=30), st.text(st.sampled_from("ab \n\t"), max_size=30))
def test_no_character_is_lost_and_marked_runs_begin_and_end_with_a_word(before: str, after: str) -> None:
    made = pieces_of(example(before, after))
    assert (whole(made["before"]), whole(made["after"])) == (before, after)
    for side in made.values():
        for text in marked(side):
            assert text == text.strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_visible_in_its_pieces(text: str) -> None:
    made = pieces_of(example(text, text + " more"))
    stored = text.encode("utf-8", "backslashreplace").decode()
    if len(text) < 1000:
        assert whole(made["before"]) == visible(stored)


def tokens(response: str, ends: tuple[int, ...], evidence: tuple[float, ...]) -> list[Piece]:
    shown = Shown(sample_id="a", response=response, token_ends=ends, token_evidence=evidence)
    return pieces_of(Example(prompt_id="q", prompt="p", before=shown))["before"]


def test_every_token_has_the_shade_of_its_evidence() -> None:
    assert tokens("No, not so", (2, 3, 7, 10), (-4.5, 0.05, 0.2, 0.3)) == [
        Piece("No", "a4"),
        Piece(",", ""),
        Piece(" not so", "b1"),
    ]


@pytest.mark.parametrize(
    ("evidence", "style"),
    [(0.0, ""), (0.09, ""), (0.1, "b1"), (-0.5, "a2"), (1.49, "b2"), (-1.5, "a3"), (4.0, "b4"), (-99.0, "a4")],
)
def test_shades_by_step(evidence: float, style: str) -> None:
    assert len(STEPS) == 4
    assert shading(evidence) == style


def test_the_token_that_ends_an_answer_is_shown_though_it_has_no_text() -> None:
    assert tokens("No.", (3, 3), (-0.2, -5.4)) == [Piece("No.", "a1"), Piece(END, "a4")]


def test_answers_that_no_builder_cut_are_cut_here() -> None:
    long = Shown(sample_id="a", response="a b " * 50_000, token_ends=(1,), token_evidence=(9.0,))
    made = pieces_of(Example(prompt_id="q", prompt="p", before=long, after=long))
    assert whole(made["before"]).endswith("[... 198,600 more characters]")
    assert [piece.style for piece in made["before"]] == [""]


@pytest.mark.parametrize(
    ("ends", "evidence"), [((1, 2), (0.5,)), ((2, 1), (0.5, 0.5)), ((4,), (0.5,)), ((-1,), (0.5,)), ((), (0.5,))]
)
def test_tokens_that_are_not_of_the_answer_are_refused(ends: tuple[int, ...], evidence: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="token_ends must rise"):
        Shown(sample_id="a", response="abc", token_ends=ends, token_evidence=evidence)


def test_what_was_cut_away_has_no_shade_and_no_end() -> None:
    assert tokens("Yes it [... 9 more characters]", (3, 6), (1.0, 1.0))[-1] == Piece(
        " [... 9 more characters]", ""
    )
