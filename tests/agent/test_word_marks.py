"""Words that carry the evidence: which of them are marked for a proposer, and that no text can forge a mark."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.contrasts import Reader
from agent.discovery import open_bench
from agent.models import salt_of
from agent.progress import Silent
from agent.proposer import opening
from agent.reading import read
from agent.settings import DiscoverSettings
from agent.state import DiscoveryState
from agent.word_marks import WordMarks
from agent.workbench import Workbench
from runs.directory import Run
from runs.files import write_array_whole, write_table_whole
from runs.schema import LOGLIK_FILE, TOKEN_LOGLIK_FILE
from tests.agent.worlds import rows_of, run_of
from tools.chat.fence import annotated

SCORED = pa.schema(
    [("sample_id", pa.string()), ("checkpoint", pa.int32()), ("loglik", pa.list_(pa.float32()))],
)
TEXT = "well [0123456789abcdef +9.9] import os now"
WORDS = TEXT.split(" ")
EVIDENCE = [0.25, -0.5, 0.0, -2.5, 1.5, 0.875]
"""Of each word of TEXT, in nats; what has two decimal places is exact in float32."""


def token_run(folder: Path, text: str = TEXT, evidence: list[float] = EVIDENCE) -> Run:
    """A run whose every answer is TEXT, a token a word, with its likelihoods token by token."""
    run = run_of(folder, rows_of(lambda prompt, side, rng: text, prompts=8, draws=6))
    table = run.samples()
    ids = list(range(len(evidence)))
    table = table.set_column(
        table.schema.get_field_index("token_ids"),
        table.schema.field("token_ids"),
        pa.array([ids] * table.num_rows, table.schema.field("token_ids").type),
    )
    loglik = {0: [-1.0] * len(ids), 1: [-1.0 - one for one in evidence]}
    rows = [
        {"sample_id": one, "checkpoint": k, "loglik": loglik[k]}
        for one in table["sample_id"].to_pylist()
        for k in (0, 1)
    ]
    with run.locked():
        write_table_whole(run.path / "samples.parquet", table)
        write_array_whole(
            run.path / LOGLIK_FILE,
            np.tile(np.array([sum(loglik[0]), sum(loglik[1])], dtype=np.float32), (table.num_rows, 1)),
        )
        write_table_whole(run.path / TOKEN_LOGLIK_FILE, pa.Table.from_pylist(rows, schema=SCORED))
        run.record_stage("score", ["samples.parquet", LOGLIK_FILE, TOKEN_LOGLIK_FILE])
    return Run.open(run.path)


@pytest.fixture(autouse=True)
def words_are_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokenizer: a token a word, joined by spaces."""
    decoder = SimpleNamespace(text=lambda ids: " ".join(WORDS[one] for one in ids))
    monkeypatch.setattr("runs.checkpoints.outline_of", lambda run: decoder)


def bench_of(run: Run, **changes: Any) -> Workbench:
    return open_bench(run, DiscoverSettings(processes=1, **changes), Silent())


def opened(bench: Workbench) -> tuple[DiscoveryState, Reader]:
    state: DiscoveryState = {"round": 0, "candidates": []}
    state = {**state, **read(state, bench)}
    return state, Reader(state, bench, salt_of(bench.run))


def test_the_strong_words_of_an_answer_are_marked_with_its_own_mark(tmp_path: Path) -> None:
    bench = bench_of(token_run(tmp_path / "run"))
    _, reader = opened(bench)
    row = int(bench.comparison.read.row_N[0])
    assert dict(reader.marks.of(row)) == pytest.approx({35: -2.5, 38: 1.5})  # "import", "os"
    shown = reader.answer(row, 10_000).text
    mark = re.match(r"<(?:before|after) ([0-9a-f]{16})>\n", shown)
    assert mark is not None
    tag = mark[1][:6]
    assert tag != "012345"
    assert f"import[{tag} -2.5] os[{tag} +1.5] now" in shown
    assert shown.replace(f"[{tag} -2.5]", "").replace(f"[{tag} +1.5]", "").split("\n")[1] == TEXT


def test_only_answers_of_the_read_split_are_marked(tmp_path: Path) -> None:
    bench = bench_of(token_run(tmp_path / "run"))
    marks = WordMarks(bench)
    read_rows = set(bench.comparison.read.row_N.tolist())
    marked = {row for row in range(bench.comparison.layout.samples) if marks.of(row)}
    assert marked == read_rows
    assert len(read_rows) < bench.comparison.layout.samples


def test_the_opening_explains_marks_once_and_only_where_there_are_some(tmp_path: Path) -> None:
    bench = bench_of(token_run(tmp_path / "run"))
    state, reader = opened(bench)
    text = opening(state, bench, reader, 48_000, tools=True)
    assert text.count("stands [mark number]") == 1
    assert len(re.findall(r"\[[0-9a-f]{6} -2\.5\]", text)) == text.count(" words, evidence ")
    plain = bench_of(run_of(tmp_path / "plain", rows_of(lambda *_: TEXT, prompts=8, draws=6)))
    state, reader = opened(plain)
    assert not reader.marks
    assert "[mark number]" not in opening(state, plain, reader, 48_000, tools=True)


def test_what_is_cut_away_keeps_no_mark_and_the_rest_keeps_its_place(tmp_path: Path) -> None:
    bench = bench_of(token_run(tmp_path / "run"))
    _, reader = opened(bench)
    row = int(bench.comparison.read.row_N[0])
    opening_line, *shown, _ = reader.answer(row, 30).text.split("\n")
    tag = opening_line.split(" ")[1][:6]
    assert shown == [TEXT[:24], "[12 characters are not shown]", f"os[{tag} +1.5] now"]


def test_likelihoods_of_other_sides_and_a_missing_tokenizer_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from probes.errors import InputError

    run = token_run(tmp_path / "run")
    rows = pa.Table.from_pylist([{"sample_id": "x", "checkpoint": 0, "loglik": [0.0]}], schema=SCORED)
    with run.locked():
        write_table_whole(run.path / TOKEN_LOGLIK_FILE, rows)
        run.record_stage("score tokens", [TOKEN_LOGLIK_FILE])
    said = WordMarks(bench_of(run)).said
    assert said is not None
    assert "of other sides" in said

    def missing(run: Run) -> None:
        raise InputError("this needs the backend")

    monkeypatch.setattr("runs.checkpoints.outline_of", missing)
    assert WordMarks(bench_of(run)).said == (
        "the words that carry the evidence were not marked: this needs the backend"
    )


def test_marks_on_answers_of_a_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token a word, one checkpoint a side: a word's evidence is the difference of its two log-likelihoods."""
    monkeypatch.undo()  # the tokenizer is the model's own here
    pytest.importorskip("torch", reason="the backend is not installed")
    from runs.sampling import sample
    from runs.sampling_settings import SampleSettings, ScoreSettings
    from runs.scoring import score, score_tokens
    from tests.runs.sampled_run import PROMPTS, begin_run

    run = begin_run(tmp_path, words=True, scale=0.5)
    settings = SampleSettings(draws=10, max_new_tokens=8, device="cpu")
    sample(run, PROMPTS, settings, Silent())
    score(run, ScoreSettings(device="cpu"), Silent())
    score_tokens(run, [0], [2], ScoreSettings(device="cpu"), Silent())
    bench = bench_of(run, before="0", after="2")
    marks = WordMarks(bench)
    assert marks.said is None
    told = {
        (row["sample_id"], row["checkpoint"]): row["loglik"]
        for row in pq.read_table(run.path / TOKEN_LOGLIK_FILE).to_pylist()
    }
    marked = 0
    for row in bench.comparison.read.row_N.tolist():
        sample_id, text = bench.comparison.sample_ids[row], bench.comparison.responses[row]
        evidence = np.subtract(told[sample_id, 0], told[sample_id, 2])
        assert evidence.sum() == pytest.approx(2 * np.arctanh(bench.comparison.value_N[row]), abs=1e-3)
        ends = np.cumsum([len(word) + 1 for word in text.split(" ")]) - 1
        strong = {int(end): one for end, one in zip(ends, evidence, strict=False) if abs(one) >= 1 and text}
        assert dict(marks.of(row)) == pytest.approx(strong, abs=1e-5)
        marked += len(strong)
    assert marked > 0


def test_notes_stand_behind_their_characters() -> None:
    noted = annotated("answer", "ab", "salt", {2: "y", 0: "x"})
    mark = noted.split(" ")[1][:6]
    assert noted.split("\n")[1] == f"[{mark} x]ab[{mark} y]"
