"""What models write where JSON or a level was wanted."""

import doctest
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.chat import abilities, fence, parsing, spec
from tools.chat.parsing import Found, Unreadable, last_json, option_in_prose, without_thinking

TEN = [str(n) for n in range(1, 11)]
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS: Any = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


@pytest.mark.parametrize("module", [parsing, abilities, fence, spec])
def test_what_the_docstrings_show(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@given(OBJECTS)
def test_json_is_read_as_the_standard_library_reads_it(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert last_json(f"Sure: {text} Done.") == Found(json.loads(text), True)


@pytest.mark.parametrize("begun", ["-", "1", "-1.", "1.5e", "2E-", ""])
def test_a_number_that_is_cut_off_is_not_kept(begun: str) -> None:
    found = last_json('{"quote": "so", "level": ' + begun)
    assert found is not None
    assert (found.value, found.complete) == ({"quote": "so"}, False)


@given(OBJECTS, st.data())
def test_of_json_that_is_cut_off_nothing_is_kept_that_did_not_stand_there(value: Any, data: Any) -> None:
    text = json.dumps(value)
    cut = data.draw(st.integers(1, len(text) - 1))
    found = last_json(text[:cut])
    assert found is not None
    assert not found.complete
    assert is_part_of(found.value, value)


def is_part_of(part: Any, whole: Any) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and is_part_of(one, whole[key]) for key, one in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(part) <= len(whole) and all(is_part_of(a, b) for a, b in zip(part, whole, strict=False))
    return type(part) is type(whole) and bool(part == whole)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('```json\n{"level": 1}\n```', {"level": 1}),
        ('{"level": 1, // because\n /* of */ "quote": "x", # this\n}', {"level": 1, "quote": "x"}),
        ('{"quote": "two\nlines\tand a tab", "level": 0}', {"quote": "two\nlines\tand a tab", "level": 0}),
        (r'{"quote": "\(a\) \d \u00e9 \" \\"}', {"quote": '\\(a\\) \\d é " \\'}),
        ('{"level": 0} is the example. {"level": 2}', {"level": 2}),
        ('{"level": 2} as {this} shows [1]', {"level": 2}),
        ('[{"name": "a"}, {"name": "b"},]', [{"name": "a"}, {"name": "b"}]),
        ('{"a": [1, -2.5, 3e2, true, false, null, []]}', {"a": [1, -2.5, 300.0, True, False, None, []]}),
        (r'{"face": "\ud83d\ude00"}', {"face": "😀"}),
    ],
)
def test_broken_in_the_usual_ways(text: str, value: Any) -> None:
    assert last_json(text) == Found(value, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot judge that.",
        '{"level": }',
        '{"level": yes}',
        '{"level" 1}',
        '{"quote": "say "hi" now", "level": 2}',
        '{"level": 0} and then {"level": 1 "quote": {"level": 5}}',  # the last is broken: the first is an example
        "{" + '"a": {' * 200 + "}" * 201,
    ],
)
def test_what_is_not_there_is_not_made_up(text: str) -> None:
    assert last_json(text) is None


def test_a_number_at_the_very_end_is_not_whole() -> None:
    assert last_json('{"a": 1, "b": 1') == Found({"a": 1}, False)
    assert last_json('{"a": 1, "b": 1}') == Found({"a": 1, "b": 1}, True)


def test_the_echoed_example_does_not_stand_for_an_answer_that_was_cut_off() -> None:
    assert last_json('{"level": 0} {"quote": "x", "lev') == Found({"quote": "x"}, False)


@pytest.mark.parametrize(
    ("text", "options", "chosen"),
    [
        ("yes", ["no", "yes"], "yes"),
        (" **Yes.** ", ["no", "yes"], "yes"),
        ("There are 5 reasons why this is a 9 out of 10", TEN, "9"),
        ("I give it 7/10, 3 points off.", TEN, "7"),
        ("In 2 of 3 cases it fails. Rating: [[4]]", TEN, "4"),
        ("Final verdict: some. Much would be too strong.", ["none", "some", "much"], "some"),
        ("The level is **much**", ["none", "some", "much"], "much"),
        ("Score: 10", TEN, "10"),
    ],
)
def test_verdicts_in_prose(text: str, options: list[str], chosen: str) -> None:
    assert option_in_prose(text, options) == chosen


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Rating: 85", "not on the scale"),
        ("It is an 11 out of 10", "not on the scale"),
        ("Rating: 8.5", "not on the scale"),
        ("Rating: [[3]] ... no, Rating: [[4]]", "2 verdicts"),
        ("There are 5 reasons against it.", "no verdict"),
        ("", "no verdict"),
    ],
)
def test_verdicts_that_cannot_be_told(text: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        option_in_prose(text, TEN)


def test_thinking_is_no_part_of_an_answer() -> None:
    assert without_thinking('<think>{"level": 1}?\nNo.</think>\n\n{"level": 2}') == '{"level": 2}'
    assert without_thinking('hm, 1?\n</think>\n{"level": 2}') == '{"level": 2}'
    assert without_thinking("<think>and so on") == ""
    assert without_thinking('{"quote": "<think> </think>"}') == '{"quote": "<think> </think>"}'


@given(st.text(max_size=60))
def test_a_text_cannot_hold_its_own_fence(text: str) -> None:
    first, *inside, last = fence.fenced("answer", text, "run").split("\n")
    assert "\n".join(inside) == text
    assert last == first.replace("<", "</", 1)
    assert last not in text
    assert fence.fenced("answer", text, "another run").split("\n")[0] != first
