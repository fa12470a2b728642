"""Judges in code by name: the catalogue's ids, patterns, and a user's own file."""

import math
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import InputError
from probes.measures.catalogue import (
    CATALOGUE,
    load_user_measure,
    measure,
    measure_of_judge,
    pattern_measure,
)

# By id


def test_every_measure_is_found_by_its_id() -> None:
    for entry in CATALOGUE:
        assert measure(entry.id) is entry
        assert measure_of_judge(f"code:{entry.id}") is entry


@pytest.mark.parametrize(("wrong", "near"), [("word", "words"), ("Refusals", "refusal"), ("hedgin", "hedging")])
def test_an_unknown_id_names_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(InputError, match=f"did you mean.*{near}"):
        measure(wrong)


def test_an_id_like_none_is_offered_no_other() -> None:
    with pytest.raises(
        InputError, match=r"no measure is called 'nosuch'; `orderparam probes --measures` lists them"
    ):
        measure("nosuch")


@pytest.mark.parametrize(
    "judge", ["", "words", "openai:gpt", "pattern:word", "pattern:color:red", "code:", "\x1b[2J" * 99]
)
def test_what_is_no_judge_in_code_is_refused_in_one_printable_line(judge: str) -> None:
    with pytest.raises(InputError) as caught:
        measure_of_judge(judge)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


# Patterns


@pytest.mark.parametrize(
    ("kind", "text", "response", "expected"),
    [
        ("word", "delve", "Let us DELVE in.", 1),
        ("word", "delve", "He delves; delved", 0),
        ("word", "don't", "I don’t know", 1),
        ("word", "c++", "Use C++, not C", 1),
        ("word", "_x", "a_x", 0),
        ("phrase", "as an ai", "As an\n AI model", 1),
        ("phrase", "as an ai", "was an ai", 0),
        ("phrase", "an ai", "an aim, an ai", 1),
        ("characters", "**", "a **b**", 1),
        ("characters", " ,", "a, b", 0),
        ("characters", "Ab", "ab", 0),
        ("characters", "::", "std::cout", 1),
    ],
)
def test_patterns(kind: str, text: str, response: str, expected: float) -> None:
    assert pattern_measure(kind, text).score("", response) == expected
    assert measure_of_judge(f"pattern:{kind}:{text}").score("", response) == expected


@given(st.text(alphabet="ab -_é", min_size=1, max_size=4), st.text(alphabet="ab -_é", max_size=30))
def test_a_phrase_is_found_where_a_search_with_borders_finds_it(text: str, response: str) -> None:
    words = text.split()
    if not words:
        with pytest.raises(InputError):
            pattern_measure("phrase", text)
        return
    inner = r"\s+".join(map(re.escape, words))
    before = r"(?<!\w)" if re.match(r"\w", words[0]) else ""
    after = r"(?!\w)" if re.match(r"\w", words[-1][-1]) else ""
    expected = re.search(before + inner + after, response) is not None
    assert pattern_measure("phrase", text).score("", response) == expected


@pytest.mark.parametrize(
    ("kind", "text"), [("word", "two words"), ("phrase", " "), ("characters", ""), ("word", "a" * 201)]
)
def test_a_pattern_that_cannot_be_meant_is_refused(kind: str, text: str) -> None:
    with pytest.raises(InputError):
        pattern_measure(kind, text)


def test_pattern_ids_can_name_files_and_differ() -> None:
    texts = ["a/b", "../../x", "a b", "a_b", "\x00", "\ud800", "中", "A/B", "a" * 200]
    measures = [pattern_measure("characters", text) for text in texts]
    assert len({entry.id for entry in measures}) == len(texts)
    assert all(re.fullmatch(r"[a-z0-9_]{1,60}", entry.id) for entry in measures)
    assert all(entry.question.isprintable() and entry.name.isprintable() for entry in measures)


def test_a_pattern_can_be_sent_to_other_processes() -> None:
    entry = pickle.loads(pickle.dumps(pattern_measure("phrase", "so it goes")))
    assert entry.score("", "So it goes.") == 1


# A user's file

GOOD = '''"""My measures."""
from __future__ import annotations
from dataclasses import dataclass
from math import sqrt

@dataclass
class Pair:
    left: int

def helper(text):
    return Pair(len(text)).left

def shouts(prompt: str, response: str) -> bool:
    """Does the answer shout?

    More about it.
    """
    return helper(response) > 0 and response.isupper()
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.py"


def written(file: Path, body: str, header: str = "def mine(prompt, response) -> float:\n    'How?'\n") -> Path:
    file.write_text(header + body, encoding="utf-8")
    return file


def test_a_users_measure(file: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")
    entry = load_user_measure(file)
    assert (entry.name, entry.question, entry.kind) == ("shouts", "Does the answer shout?", "yes_no")
    assert (entry.score("", "YES"), entry.score("", "no")) == (1.0, 0.0)
    assert measure_of_judge(f"file:{file}").score("", "YES") == 1.0


def test_a_users_measure_in_another_process_is_loaded_again(file: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")
    sent = pickle.dumps(load_user_measure(file))
    assert pickle.loads(sent).score("", "YES") == 1.0
    file.write_text(GOOD.replace("> 0", "> 1"), encoding="utf-8")
    with pytest.raises(InputError, match="changed while"):
        pickle.loads(sent)


def test_the_version_of_a_users_measure_follows_its_file(file: Path) -> None:
    first = load_user_measure(written(file, "    return 1.0"))
    second = load_user_measure(written(file, "    return 2.0"))
    assert first.id == second.id
    assert first.version != second.version


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("return 2", 2.0),
        ("return True", 1.0),
        ("import numpy; return numpy.float32(0.5)", 0.5),
        ("return float('nan')", math.nan),
    ],
)
def test_numbers_of_any_kind_are_taken(file: Path, body: str, value: float) -> None:
    assert load_user_measure(written(file, f"    {body}")).score("", "") == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 'yes'", "returned 'yes'"),
        ("return None", "returned None"),
        ("return float('inf')", "finite number"),
        ("return [1] * 10**6", "finite number"),
        ("return 10**400", "finite number"),
        ("raise ValueError('a\\nb\\x1b')", r"ValueError \(line 3\): a b"),
        ("raise SystemExit", "SystemExit"),
        ("return mine(prompt, response)", "RecursionError"),
    ],
)
def test_a_failing_function_is_an_error_of_the_input(file: Path, body: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_user_measure(written(file, f"    {body}")).score("", "x")
    assert str(file) in str(caught.value)
    assert "mine" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_a_yes_no_function_must_say_yes_or_no(file: Path) -> None:
    file.write_text("def mine(prompt, response) -> bool:\n    'Is it?'\n    return 2\n", encoding="utf-8")
    with pytest.raises(InputError, match="True or False"):
        load_user_measure(file).score("", "")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "none found"),
        ("def f(text) -> bool:\n    'Q?'\n    return True", "none found"),
        ("def f(prompt, response) -> bool: ...\ndef g(prompt, response) -> bool: ...", "2 functions"),
        ("def f(prompt, response) -> bool:\n    return True", "docstring"),
        ("def f(prompt, response):\n    'Q?'\n    return True", "annotation"),
        ("def f(prompt, response) -> list[int]:\n    'Q?'\n    return []", "annotation"),
        ("def f(prompt, response) -> Missing:\n    'Q?'\n    return []", "Missing|annotation"),
        ("def f(:", r"SyntaxError \(line 1\)"),
        ("x = 1\nprint(y)", r"NameError \(line 2\)"),
        ("raise SystemExit(3)", "SystemExit"),
        ("x = '\x00'", "cannot be run"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_measure_is_refused_in_one_line(file: Path, source: str, said: str) -> None:
    file.write_text(source, encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        load_user_measure(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.py", "folder.py", "data.json"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "data.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="Python file"):
        load_user_measure(tmp_path / name)
