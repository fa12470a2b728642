"""VALUES of the control parameter as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.values import resolve_sides, resolve_values
from probes.errors import InputError

STEPS = (0, 8, 19, 375)


@pytest.mark.parametrize(
    ("values", "text", "indices"),
    [
        (STEPS, "8", (1,)),
        (STEPS, "8.0", (1,)),
        (STEPS, "0,19", (0, 2)),
        (STEPS, " 19 , 0 ", (0, 2)),
        (STEPS, "8:375", (1, 2, 3)),
        (STEPS, "1:20", (1, 2)),
        (STEPS, "0,19:375", (0, 2, 3)),
        ((0.2, 0.4, 0.6), "0.4:0.6", (1, 2)),
        ((-1.0, 0.0, 1.0), "-1:0", (0, 1)),
        (("base", "tuned"), "tuned", (1,)),
        (("a,b", "c"), "a,b", (0,)),
        (("org/model:v1", "b"), "org/model:v1", (0,)),
        (("low", "mid", "high"), "low:mid", (0, 1)),
        (("8", "19"), "8", (0,)),
    ],
)
def test_values_resolve_to_indices(
    values: tuple[int | float | str, ...], text: str, indices: tuple[int, ...]
) -> None:
    assert resolve_values(values, text, "--before") == indices


@pytest.mark.parametrize("text", ["9", "", ",", "8,", "20:10", "x:y", "8:", ":8", "376:400", "\x1b[2J"])
def test_values_that_name_nothing_are_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_values(STEPS, text, "--before")
    message = str(caught.value)
    assert message.startswith("--before: ")
    assert message.endswith("it has 0, 8, 19, 375")
    assert message.isprintable()


@pytest.mark.parametrize(
    ("before", "after"), [(None, None), ("before", None), (None, "after"), ("before", "after")]
)
def test_of_two_values_a_side_not_named_is_the_one_left_over(before: str | None, after: str | None) -> None:
    assert resolve_sides(("before", "after"), before, after) == ((0,), (1,))


@pytest.mark.parametrize(("before", "after"), [("after", None), (None, "before"), ("after", "before")])
def test_two_values_can_change_places(before: str | None, after: str | None) -> None:
    assert resolve_sides(("before", "after"), before, after) == ((1,), (0,))


@pytest.mark.parametrize(
    ("before", "after", "start"),
    [
        (None, None, "--before: name the values"),
        ("8", None, "--after: name the values"),
        (None, "8", "--before: name the values"),
        ("0:8", "8:19", "--before and --after: 8 is on both sides"),
        ("7", "8", "--before: '7' names no value"),
    ],
)
def test_sides_that_say_too_little_or_too_much(before: str | None, after: str | None, start: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_sides(STEPS, before, after)
    assert str(caught.value).startswith(start)


def test_a_single_value_has_no_two_sides() -> None:
    with pytest.raises(InputError):
        resolve_sides((0,), "0", None)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=8, unique=True), st.data())
def test_every_value_names_itself_and_a_range_what_lies_between(numbers: list[int], data: st.DataObject) -> None:
    values = tuple(sorted(numbers))
    low, high = sorted((data.draw(st.sampled_from(values)), data.draw(st.sampled_from(values))))
    assert resolve_values(values, str(low), "--before") == (values.index(low),)
    expected = tuple(i for i, value in enumerate(values) if low <= value <= high)
    assert resolve_values(values, f"{low}:{high}", "--before") == expected


def test_many_values_are_listed_cut() -> None:
    with pytest.raises(InputError, match=r"\(40 in all\)"):
        resolve_values(tuple(range(40)), "x", "--before")
