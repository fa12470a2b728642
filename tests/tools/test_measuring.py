"""Measuring many texts: the same numbers for any number of processes, and clear errors."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from probes.errors import InputError, OutsideError
from probes.measures.catalogue import CATALOGUE, load_user_measure, measure, pattern_measure
from probes.scale import FloatArray
from tools import measuring
from tools.measuring import measure_texts

WORDS = [
    "the",
    "egg",
    "is",
    "not",
    "safe",
    ",",
    "says",
    "I",
    ";",
    "do",
    "you",
    "?",
    "no",
    "!",
    "def",
    "f(x):",
    "\n\n",
    "-",
    "1.",
    "🍳",
    "中",
    "�",
]


def texts(count: int, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(0, 30))) for _ in range(count)]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> int:
    """A number of texts that is spread over processes, in several chunks."""
    monkeypatch.setattr(measuring, "FEW_TEXTS", 100)
    monkeypatch.setattr(measuring, "CHUNK_TEXTS", 70)
    return 300


def test_numbers_are_those_of_each_measure_alone_whatever_the_processes(many: int, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def mine(prompt, response) -> float:\n    'How?'\n    return len(prompt) - len(response)\n")
    measures = [*CATALOGUE, pattern_measure("word", "egg"), load_user_measure(file)]
    prompts, responses = texts(many, 1), texts(many, 2)
    done: list[int] = []
    spread_NM = measure_texts(measures, prompts, responses, processes=2, on_progress=done.append)
    assert spread_NM.shape == (many, len(measures))
    assert sum(done) == many
    assert len(done) > 1
    expected = [[entry.score(p, r) for entry in measures] for p, r in zip(prompts, responses, strict=True)]
    np.testing.assert_array_equal(spread_NM, expected)
    np.testing.assert_array_equal(measure_texts(measures, prompts, responses, processes=1), spread_NM)


def test_a_small_job_starts_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)  # importing it would fail
    assert measure_texts([measure("words")], ["", ""], ["a b", ""], processes=8).tolist() == [[2.0], [0.0]]


def test_nothing_to_do() -> None:
    assert measure_texts([], ["a"], ["b"], processes=2).shape == (1, 0)
    assert measure_texts(CATALOGUE, [], [], processes=2).shape == (0, len(CATALOGUE))
    with pytest.raises(ValueError, match="1 prompts for 2"):
        measure_texts(CATALOGUE, ["a"], ["b", "c"])


@pytest.mark.parametrize("processes", [1, 2])
def test_a_users_function_that_fails_is_named_with_its_sample(many: int, tmp_path: Path, processes: int) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def mine(prompt, response) -> float:\n    'How?'\n    return 1 / (response != 'odd \\x1b')\n")
    responses = ["fine"] * many
    responses[123] = "odd \x1b"
    with pytest.raises(InputError) as caught:
        measure_texts([load_user_measure(file)], [""] * many, responses, processes=processes)
    message = str(caught.value)
    assert "ZeroDivisionError" in message
    assert str(file) in message
    assert "mine" in message
    assert "sample 124" in message
    assert message.isprintable()


def test_a_worker_that_dies_is_an_error_from_outside(many: int, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import os\ndef mine(prompt, response) -> float:\n    'How?'\n    os._exit(9)\n")
    with pytest.raises(OutsideError, match="ended before"):
        measure_texts([load_user_measure(file)], [""] * many, [""] * many, processes=2)
    # The next job is not hurt by it.
    assert measure_texts([measure("empty")], [""] * many, [""] * many, processes=2).sum() == many


SCRIPT = """
from probes.measures.catalogue import measure
from probes.scale import FloatArray
from tools import measuring

print("started")
measuring.FEW_TEXTS, measuring.CHUNK_TEXTS = 10, 20
print(measuring.measure_texts([measure("words")], [""] * 90, ["a b"] * 90, processes=2).sum())
"""


def test_a_script_without_a_main_guard_is_run_once(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["started", "180.0"]


def test_chunks_hold_every_text_once_and_end_at_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "CHUNK_TEXTS", 4)
    monkeypatch.setattr(measuring, "CHUNK_CHARACTERS", 10)
    chunks = list(measuring._chunks(["abc"] * 5 + ["x" * 50] + [""] * 9))
    assert [(chunk.start, chunk.stop) for chunk in chunks] == [(0, 4), (4, 6), (6, 10), (10, 14), (14, 15)]


def test_threads_that_measure_at_once_do_not_wait_for_each_other() -> None:
    measures = [measure("words"), measure("questions")]
    found: dict[int, FloatArray] = {}

    def work(number: int) -> None:
        texts = ["why? " * (row % 7) for row in range(measuring.FEW_TEXTS + 1500 * number)]
        found[number] = measure_texts(measures, texts, texts, processes=2 + number % 2)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    for number, scores_NM in found.items():
        assert scores_NM[:, 0].tolist() == [row % 7 for row in range(measuring.FEW_TEXTS + 1500 * number)]
