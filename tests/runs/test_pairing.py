"""Prompts are paired by id or by text, whichever pairs more; what did not pair is said with examples."""

import numpy as np
import pytest

from probes.errors import InputError
from runs.formats.chat import Prompt, plain_prompt
from runs.pairing import PairBy, Pairing, pair

SIDES = ("before", "after")

Row = tuple[str | None, Prompt | str]


def paired(before: list[Row], after: list[Row], pair_by: PairBy = "auto") -> Pairing:
    """The pairing of rows of id and prompt."""
    prompts: list[Prompt] = []
    text_N, id_N, condition_N = [], [], []
    for side, found in enumerate((before, after)):
        for prompt_id, prompt in found:
            whole = plain_prompt(prompt) if isinstance(prompt, str) else prompt
            if whole not in prompts:
                prompts.append(whole)
            text_N.append(prompts.index(whole))
            id_N.append(prompt_id)
            condition_N.append(side)
    return pair(prompts, text_N, id_N, condition_N, SIDES, pair_by)


def test_by_text_without_ids() -> None:
    found = paired([(None, "a"), (None, "b"), (None, "a")], [(None, "b"), (None, "c")])
    assert found.by == "text"
    assert found.prompt_N.tolist() == [0, 1, 0, 1, 2]
    assert len(set(found.prompt_ids_Q)) == 3
    assert found.notes[0] == (
        "paired by prompt text: 1 prompt on both sides "
        "(before 2 prompts, 1 of 3 responses paired; after 2 prompts, 1 of 2 responses paired)"
    )
    assert "1 prompt is only before, e.g. 'a'" in found.notes
    assert "1 prompt is only after, e.g. 'c'" in found.notes


def test_white_space_at_the_ends_and_line_ends_do_not_part_prompts() -> None:
    assert paired([(None, "a\r\nb ")], [(None, "a\nb")]).prompt_N.tolist() == [0, 0]


def test_ids_that_agree_with_the_texts_name_the_prompts() -> None:
    found = paired([("q1", "a"), ("q2", "b")], [("q1", "a"), ("q2", "b")])
    assert found.prompt_ids_Q == ("q1", "q2")
    assert len(found.notes) == 1


def test_by_id_where_the_text_differs_slightly_and_it_is_said() -> None:
    before: list[Row] = [("q1", "Name a river in France."), ("q2", "Bake bread.")]
    after: list[Row] = [("q1", "Please name a river in France."), ("q2", "Bake bread.")]
    found = paired(before, after)
    assert found.by == "id"
    assert found.prompt_ids_Q == ("q1", "q2")
    (warning,) = found.warnings
    assert warning.startswith("1 prompt ids carry different texts, paired by id all the same (e.g. id 'q1'")
    assert "'Please name a river in France.'" in warning
    assert paired(before, after, "text").prompt_N.tolist() == [0, 1, 2, 1]


def test_ids_that_carry_other_prompts_are_refused_unless_meant() -> None:
    before: list[Row] = [("0", "Name a river."), ("1", "Bake bread.")]
    after: list[Row] = [("0", "Who won?"), ("1", "Solve x = 3")]
    with pytest.raises(InputError, match=r"the same prompt ids carry different prompts \(2 of 2.*--pair-by id"):
        paired(before, after)
    found = paired(before, after, "id")
    assert found.prompt_N.tolist() == [0, 1, 0, 1]
    assert "2 of them have hardly a word in common" in found.warnings[0]


def test_row_numbers_are_no_prompt_ids() -> None:
    rows: list[Row] = [(str(n), "ab"[n % 2]) for n in range(6)]
    found = paired(rows, rows)
    assert found.by == "text"
    assert len(found.prompt_ids_Q) == 2
    assert any(
        note.startswith("2 prompts are under several ids (e.g. 'a' under '0' and '2')") for note in found.notes
    )


def test_the_same_text_under_two_ids_is_one_prompt() -> None:
    found = paired([("x", "Same?"), ("z", "Other?")], [("y", "Same?"), ("z", "Other?")])
    assert found.by == "text"
    assert found.prompt_N.tolist() == [0, 1, 0, 1]
    assert found.prompt_ids_Q[1] == "z"
    assert any("'Same?' under 'x' and 'y'" in note for note in found.notes)


def test_system_prompts_are_part_of_the_prompt_under_one_id() -> None:
    rows: list[Row] = [("q", plain_prompt("Who?", system)) for system in ("Be kind.", "Be curt.")]
    found = paired(rows, rows)
    assert found.prompt_N.tolist() == [0, 1, 0, 1]
    assert any(note.startswith("1 prompt id stands for 2 prompts, under 2 system prompts") for note in found.notes)
    assert len(set(found.prompt_ids_Q)) == 2
    assert all(one.startswith("q-") for one in found.prompt_ids_Q)
    assert paired(rows, rows, "id").prompt_N.tolist() == [0, 1, 0, 1]


def test_sides_that_differ_in_the_system_prompt_alone_pair_by_id() -> None:
    before: list[Row] = [("q", plain_prompt("Who are you?", "Be kind."))]
    after: list[Row] = [("q", plain_prompt("Who are you?"))]
    assert paired(before, after).prompt_N.tolist() == [0, 0]
    with pytest.raises(InputError, match=r"without system prompts they pair.*--prompt-id-field"):
        paired([(None, one) for _, one in before], [(None, one) for _, one in after])


def test_no_prompt_in_common_is_refused_with_examples() -> None:
    with pytest.raises(InputError, match=r"no prompt in common: before 'a', 'b'; after 'c'"):
        paired([(None, "a"), (None, "b")], [(None, "c")])
    with pytest.raises(InputError, match=r"their ids pair: say --pair-by id"):
        paired([("1", "a b")], [("1", "a b c")], "text")
    with pytest.raises(InputError, match=r"their texts pair: say --pair-by text"):
        paired([("1", "a")], [("2", "a")], "id")
    with pytest.raises(InputError, match=r"no prompt id; name its field with --prompt-id-field"):
        paired([(None, "a")], [(None, "a")], "id")


def test_hostile_prompts_are_escaped_and_cut_in_messages() -> None:
    with pytest.raises(InputError) as caught:
        paired([(None, "\x1b[2J" + "x" * 5000)], [(None, "b")])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_row_without_id_is_paired_by_its_text() -> None:
    found = paired([("1", "One fine day"), (None, "b")], [("1", "one fine day indeed"), (None, "b")], "id")
    assert found.prompt_N.tolist() == [0, 1, 0, 1]


def test_a_sweep_says_how_many_prompts_are_under_every_value() -> None:
    prompts = [plain_prompt("a"), plain_prompt("b")]
    found = pair(prompts, [0, 1, 0, 0], [None] * 4, [0, 0, 1, 2], ("0", "8", "19"))
    assert np.array_equal(found.prompt_N, [0, 1, 0, 0])
    assert found.notes == (
        "paired by prompt text: 1 of 2 prompts under every value",
        "1 prompt is not under every value, e.g. 'b'",
    )
