"""The file of calls and judgments: what is found again, what is refused, and what it weighs."""

import sqlite3
import time
from pathlib import Path

import pytest

from probes.errors import InputError, OutsideError
from runs.row_sums import row_sum
from tools.chat.interface import Answer
from tools.chat.ledger import Call, Judgment, Ledger, judgment_key

SCALE = {"kind": "yes_no", "levels": [["no", "It does not."], ["yes", "It does."]]}
JUDGED = {
    "judge": "openai:m",
    "template": "v1",
    "question": "Is it so?",
    "scale": SCALE,
    "prompt": "why?",
    "response": "because",
}


def key_of(**change: object) -> bytes:
    return judgment_key(**{**JUDGED, **change})  # type: ignore[arg-type]


def test_a_judgment_is_found_by_all_that_it_depends_on(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    verdict = Judgment(1, "be\ud800cause", 0.8, 7)
    ledger.store_judgments({key_of(): verdict})
    found = Ledger.open_to_read(tmp_path / "ledger.sqlite").judgments([key_of()])
    assert found == {key_of(): Judgment(1, "be\\ud800cause", 0.8, 7)}
    others = [key_of(**{name: "other"}) for name in JUDGED if name != "scale"]
    others.append(key_of(scale={**SCALE, "levels": [["no", "It does not."], ["yes", "It does, mostly."]]}))
    others.append(key_of(prompt="why?because", response=""))
    assert len({key_of(), *others}) == 1 + len(others)
    assert ledger.judgments(others) == {}


def test_outcomes_are_no_judgments(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with pytest.raises(ValueError, match="not kept"):
        ledger.store_judgments({b"a": Judgment(1), b"b": Judgment(-3)})
    assert ledger.judgments([b"a", b"b"]) == {}
    ledger.store_judgments({b"a": Judgment(None)})  # the judge says that the scale does not apply
    assert ledger.judgments([b"a"])[b"a"].level is None


def test_many_judgments_at_once(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    keys = [bytes([n % 256, n // 256]) for n in range(1300)]
    ledger.store_judgments({key: Judgment(n % 3) for n, key in enumerate(keys)})
    found = ledger.judgments([*keys, b"none"])
    assert [found[key].level for key in keys] == [n % 3 for n in range(1300)]


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database at all " * 100)
    with pytest.raises(InputError, match="is damaged"):
        Ledger.open(path)
    path.unlink()
    ledger = Ledger.open(path)
    ledger.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(InputError, match="format 9"):
        Ledger.open(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="cannot open"):
        Ledger.open(tmp_path / "none" / "ledger.sqlite")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    answer = Answer("text", "so " * 5000, "stop")
    with pytest.raises(OutsideError, match="no space left"):
        ledger.record(Call(b"k", "d1", "judge", "m", "answered", 0.1, answer=answer))


def test_cost_is_unknown_where_that_of_any_call_is(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    answer = Answer("text", "so", "stop", input_tokens=3, output_tokens=1)
    assert ledger.spent("d1").cost == 0.0
    ledger.record(Call(b"k", "d1", "judge", "m", "answered", 0.1, answer=answer, cost=0.5))
    assert ledger.spent("d1").cost == 0.5
    ledger.record(Call(b"l", "d1", "judge", "m", "failed", 0.1, reason="time-out"))
    assert (ledger.spent("d1").calls, ledger.spent("d1").cost) == (1, 0.5)
    ledger.record(Call(b"m", "d1", "judge", "m", "answered", 0.1, answer=answer))
    assert ledger.spent("d1").cost is None
    assert [one.cost for one in ledger.usage()] == [None]


def test_a_hundred_thousand_judgments_are_light(tmp_path: Path) -> None:
    """A tenth of them here: every judgment a call of its own, with an answer as long as they are."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(path)
    text = '{"c1": {"quote": "at most eight words that decide the level", "level": "yes"}}'
    answer = Answer(
        "json", text, "stop", "schema", value={"c1": {"quote": "x" * 40, "level": "yes"}}, input_tokens=900
    )
    ledger._connection.execute("BEGIN")  # one transaction, to be quick
    for n in range(10_000):
        key = n.to_bytes(32, "big")
        number = ledger.record(Call(key, "d1", "judge", "openai:m", "answered", 0.1, answer=answer))
        row = (key, 1, "x" * 40, None, number)
        ledger._connection.execute("INSERT INTO judgments VALUES (?, ?, ?, ?, ?, ?)", (*row, row_sum(row)))
    ledger._connection.execute("COMMIT")
    ledger.close()
    assert 10 * path.stat().st_size < 400e6
    began = time.monotonic()
    again = Ledger.open(path)
    assert again.find((9_999).to_bytes(32, "big")) is not None
    assert len(again.judgments(n.to_bytes(32, "big") for n in range(10_000))) == 10_000
    assert again.spent("d1").calls == 10_000
    assert 10 * (time.monotonic() - began) < 5


def test_judgments_of_another_ledger_are_taken_where_there_are_none(tmp_path: Path) -> None:
    mine, other = (Ledger.open(tmp_path / name) for name in ("mine.sqlite", "other.sqlite"))
    mine.store_judgments({b"a": Judgment(1, "mine")})
    other.store_judgments({b"a": Judgment(0, "other"), b"b": Judgment(2, "b", 1.5, 7)})
    mine.take_judgments(other.path)
    assert mine.judgments([b"a", b"b"]) == {b"a": Judgment(1, "mine"), b"b": Judgment(2, "b", 1.5, None)}
