"""Samples against the exact probabilities of whole outputs, of a model whose outputs can be enumerated."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from probes.errors import InputError
from probes.progress import Silent
from probes.prompt import Prompt
from runs import sampling
from runs.checkpoints import open_checkpoints, outline_of
from runs.directory import Run
from runs.engines import Drawn, Request
from runs.engines.transformers_engine import TransformersEngine
from runs.files import write_table_whole
from runs.sampling import prompt_token_ids, prompts_table, sample
from runs.sampling_settings import SampleSettings
from tests.runs.sampled_run import END, PROMPTS, Heard, all_outputs, begin_run, exact_logliks

torch = pytest.importorskip("torch", reason="the backend is not installed")

pytestmark = pytest.mark.usefixtures("one_thread")

LONGEST, TEMPERATURE = 3, 0.8
SETTINGS = SampleSettings(draws=6, temperature=TEMPERATURE, max_new_tokens=12, seed=4, device="cpu")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return begin_run(tmp_path_factory.mktemp("words"), words=True, scale=0.3)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return begin_run(tmp_path)


def engine_of(run: Run, longest: int, prompts: Sequence[Prompt] = PROMPTS) -> tuple[TransformersEngine, list[Any]]:
    engine = TransformersEngine(open_checkpoints(run, "cpu"), TEMPERATURE, longest)
    ids_P = prompt_token_ids(prompts_table(prompts, None), outline_of(run))
    assert engine.start(ids_P) == []
    return engine, ids_P


# The distribution


def test_whole_outputs_come_as_often_as_they_should(words: Run) -> None:
    engine, ids_P = engine_of(words, LONGEST)
    outputs = all_outputs(LONGEST)
    for checkpoint in (0, 2):
        requests = [Request(ids, 1000 * checkpoint + seed) for ids in ids_P for seed in range(1500)]
        drawn = engine.sample(checkpoint, requests)
        with open_checkpoints(words, "cpu").use(checkpoint) as language_model:
            exact = [exact_logliks(language_model.model, ids, outputs, TEMPERATURE) for ids in ids_P]
        for prompt, loglik_O in enumerate(exact):
            assert np.exp(loglik_O).sum() == pytest.approx(1, abs=1e-5)
            mine = drawn[1500 * prompt : 1500 * (prompt + 1)]
            counts = Counter(one.token_ids for one in mine)
            assert counts.keys() <= set(outputs)
            observed = np.array([counts[output] for output in outputs], dtype=float)
            expected = 1500 * np.exp(loglik_O) / np.exp(loglik_O).sum()
            rare = expected < 5
            observed = np.append(observed[~rare], observed[rare].sum())
            expected = np.append(expected[~rare], expected[rare].sum())
            assert len(observed) > 5
            assert stats.chisquare(observed, expected).pvalue > 1e-3
            by_output = dict(zip(outputs, loglik_O, strict=True))
            assert all(one.logprob == pytest.approx(by_output[one.token_ids], abs=1e-4) for one in mine)


def test_a_response_ends_with_its_end_token_or_is_cut(words: Run) -> None:
    engine, ids_P = engine_of(words, LONGEST)
    drawn = engine.sample(1, [Request(ids, seed) for ids in ids_P for seed in range(40)])
    for one in drawn:
        assert END not in one.token_ids[:-1]
        assert one.finish_reason == ("stop" if one.token_ids[-1] == END else "length")
        assert one.finish_reason == "stop" or len(one.token_ids) == LONGEST
    assert {one.finish_reason for one in drawn} == {"stop", "length"}


def test_a_request_gets_its_response_whatever_else_is_drawn(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, ids_P = engine_of(run, 10)
    requests = [Request(ids, seed) for ids in ids_P for seed in range(9)]
    together = engine.sample(1, requests)
    assert len({one.token_ids for one in together}) > 20
    assert [one.token_ids for one in engine.sample(1, requests[::-1])] == [one.token_ids for one in together[::-1]]
    assert engine.sample(1, requests[5:6])[0].token_ids == together[5].token_ids
    monkeypatch.setattr("runs.engines.transformers_engine._ROWS", {"cpu": 4})
    assert [one.token_ids for one in engine.sample(1, requests)] == [one.token_ids for one in together]


def test_the_cache_fits_into_the_memory_it_may_take(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, ids_P = engine_of(run, 10)
    shapes: list[tuple[int, ...]] = []
    with open_checkpoints(run, "cpu").use(0):
        layer = engine._checkpoints.language_model.model.get_decoder().layers[0].mlp  # type: ignore[attr-defined]
    layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape)))
    bytes_per_token = 2 * 3 * 2 * 8 * 4  # keys and values, layers, heads, size, float32
    longest = max(map(len, ids_P)) + 10
    monkeypatch.setattr("runs.engines.transformers_engine._CPU_CACHE_BYTES", 3 * longest * bytes_per_token)
    assert len(engine.sample(0, [Request(ids_P[1], seed) for seed in range(10)])) == 10
    assert max(rows for rows, _, _ in shapes) == 3


# A run


def test_a_run_gets_its_samples(run: Run) -> None:
    heard = Heard()
    sample(run, PROMPTS, SETTINGS, heard)
    table = Run.open(run.path).samples()
    assert table.num_rows == 3 * 3 * 6 == heard.steps[-1] == heard.stages[-1][1]
    assert table["checkpoint"].to_pylist() == sorted(table["checkpoint"].to_pylist())
    assert len(set(table["sample_id"].to_pylist())) == 54
    assert set(table["split"].to_pylist()) == {"read", "select", "report"}
    outline = outline_of(run)
    for row in table.to_pylist():
        assert 1 <= len(row["token_ids"]) <= 12
        assert row["response"] == outline.text(row["token_ids"])
        assert "<|" not in row["response"]
        assert row["logprob"] < 0
    sampling_record = run.manifest.sampling
    assert (sampling_record.temperature, sampling_record.seed, sampling_record.engine) == (0.8, 4, "transformers")
    assert not (run.path / "parts").exists()


def test_draws_differ_and_the_same_seed_gives_the_same(tmp_path: Path) -> None:
    tables = []
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        (tmp_path / name).mkdir()
        run = begin_run(tmp_path / name, checkpoints=2)
        sample(run, PROMPTS, SampleSettings(draws=4, max_new_tokens=8, seed=seed, device="cpu"), Silent())
        tables.append(run.samples(["token_ids"])["token_ids"].to_pylist())
    assert tables[0] == tables[1] != tables[2]
    assert len(set(map(tuple, tables[0]))) > 20  # of 24; neither draws nor checkpoints repeat each other


def test_a_system_prompt_is_put_before_prompts_without_one() -> None:
    chat = [{"role": "user", "content": "Hi"}]
    own = [{"role": "system", "content": "mine"}, *chat]
    prompts = [Prompt("a", "", "Hi"), Prompt("b", "", "Hi", tuple(chat)), Prompt("c", "", "Hi", tuple(own))]
    table = prompts_table(prompts, "Be kind.")
    given = '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]'
    assert table["messages"].to_pylist()[:2] == [given, given]
    assert "Be kind." not in table["messages"].to_pylist()[2]
    assert prompts_table(prompts[:1], None)["messages"].to_pylist() == [None]


# Killed and resumed


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [1, 4])
def test_after_a_kill_only_what_is_missing_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(sampling, "_PART_REQUESTS", (10, 10))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    runs = []
    for folder in (whole, cut):
        folder.mkdir()
        runs.append(begin_run(folder))
    sample(runs[0], PROMPTS, SETTINGS, Silent())
    written: list[int] = []
    plain = write_table_whole

    def dying(path: Path, table: pa.Table) -> None:
        if len(written) == after:
            raise Killed
        written.append(table.num_rows)
        plain(path, table)

    monkeypatch.setattr(sampling, "write_table_whole", dying)
    with pytest.raises(Killed):
        sample(runs[1], PROMPTS, SETTINGS, Silent())
    monkeypatch.setattr(sampling, "write_table_whole", plain)
    asked: list[int] = []
    draw = TransformersEngine.sample

    def counted(self: TransformersEngine, checkpoint: int, requests: Sequence[Request]) -> list[Drawn]:
        asked.append(len(requests))
        return draw(self, checkpoint, requests)

    monkeypatch.setattr(TransformersEngine, "sample", counted)
    heard = Heard()
    resumed = Run.open(runs[1].path)
    sample(resumed, PROMPTS, SETTINGS, heard)
    assert len(asked) == 6 - after
    assert sum(asked) == 54 - sum(written)
    assert heard.steps[-1] == 54
    left, right = runs[0].samples(), resumed.samples()
    assert left.drop_columns("logprob").equals(right.drop_columns("logprob"))
    np.testing.assert_allclose(left["logprob"].to_numpy(), right["logprob"].to_numpy(), atol=1e-4)


def test_parts_of_other_settings_are_not_taken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "add_samples", lambda *arguments: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        sample(run, PROMPTS, SETTINGS, Silent())
    monkeypatch.undo()
    heard = Heard()
    other = SampleSettings(draws=6, temperature=TEMPERATURE, max_new_tokens=2, seed=4, device="cpu")
    sample(run, PROMPTS, other, heard)
    assert heard.notes == ["samples that were begun with other settings are dropped"]
    assert max(map(len, run.samples(["token_ids"])["token_ids"].to_pylist())) == 2


# Refusals


def test_samples_are_drawn_once(run: Run) -> None:
    sample(run, PROMPTS, SETTINGS, Silent())
    before = run.samples()
    heard = Heard()
    left = run.path / "parts" / "samples-0123-000000.parquet"  # as after a kill between joining and tidying up
    left.parent.mkdir()
    left.touch()
    sample(run, PROMPTS, SETTINGS, heard)
    assert heard.notes == ["the samples are there already"]
    assert not left.parent.exists()
    with pytest.raises(InputError, match="drawn with other settings"):
        sample(run, PROMPTS, SampleSettings(draws=6, temperature=0.9, device="cpu"), Silent())
    with pytest.raises(InputError, match="drawn with other settings"):
        sample(run, PROMPTS, SETTINGS.model_copy(update={"draws": 7}), Silent())
    with pytest.raises(InputError, match="drawn with other prompts"):
        sample(run, PROMPTS[:2], SETTINGS, Silent())
    assert Run.open(run.path).samples().equals(before)


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ([], "no prompts"),
        ([*PROMPTS, PROMPTS[1]], "'long' stands there twice"),
        ([Prompt("huge", "", "x" * 600)], r"'huge' has 6\d\d tokens"),
    ],
)
def test_wrong_prompts_are_refused(run: Run, prompts: list[Prompt], said: str) -> None:
    with pytest.raises(InputError, match=said):
        sample(run, prompts, SampleSettings(device="cpu"), Silent())
    assert not run.manifest.has_done("samples")


def test_a_run_made_from_files_has_no_model_to_sample_from(tmp_path: Path) -> None:
    from tests.runs.made_run import make_run

    run = make_run(tmp_path / "run")
    with pytest.raises(InputError, match="holds samples already"):
        sample(run, PROMPTS, SETTINGS, Silent())
