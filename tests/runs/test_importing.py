"""What people bring becomes a run, whole or not at all, and what to know about it is said."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.errors import InputError
from runs.directory import Run
from runs.importing import import_pair, import_rows, import_sweep
from runs.storing import Imported, ImportOptions
from tests.runs.made import (
    QUESTIONS,
    import_two,
    jsonl,
    prompts_of,
    responses_of,
    rows,
    scores_of,
    text_file,
)


def test_two_files_become_a_run(tmp_path: Path) -> None:
    imported = import_two(tmp_path, rows("b"), rows("a", "question", "answer"), seed=7, name="mine")
    run = Run.open(tmp_path / "run")
    assert run.manifest == imported.run.manifest
    assert run.manifest.control.model_dump() == {"name": "side", "unit": "", "values": ["before", "after"]}
    assert (run.manifest.seed, run.manifest.name, run.manifest.samples) == (7, "mine", 24)
    assert prompts_of(imported) == list(QUESTIONS)
    assert responses_of(imported, 0) == [row["response"] for row in rows("b")]
    assert responses_of(imported, 1) == [row["response"] for row in rows("a")]
    assert run.manifest.notes == list(imported.notes)
    assert imported.warnings == imported.alerts == ()


def test_everything_that_stands_beside_a_response_is_kept(tmp_path: Path) -> None:
    made = [
        {
            "prompt": "p",
            "prompt_id": "one",
            "domain": "safety",
            "response": f"answer {n}",
            "sample": 3 - n,
            "finish_reason": ("stop", "MAX_TOKENS")[n % 2],
            "logprob": -1.5 * n,
            "scores": {"x": n},
        }
        for n in range(4)
    ]
    imported = import_two(tmp_path, made, made)
    table = imported.run.samples().to_pylist()
    assert [row["draw"] for row in table[:4]] == [3, 2, 1, 0]
    assert [row["finish_reason"] for row in table[:4]] == ["stop", "length", "stop", "length"]
    assert [row["logprob"] for row in table[:4]] == [0, -1.5, -3, -4.5]
    assert imported.run.prompts().to_pylist() == [
        {"prompt_id": "one", "domain": "safety", "prompt": "p", "messages": None}
    ]


def test_draws_are_counted_where_the_numbers_given_tell_nothing(tmp_path: Path) -> None:
    imported = import_two(tmp_path, [{**row, "sample": 0} for row in rows("b")], rows("a"))
    assert imported.run.samples(["draw"])["draw"].to_pylist() == [0, 1, 2, 3] * 6


def test_samples_keep_their_ids_and_splits_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    def content(imported: Imported) -> set[tuple[str, str, int, str]]:
        table = imported.run.samples(["sample_id", "response", "checkpoint", "split"]).to_pylist()
        return {(row["sample_id"], row["response"], row["checkpoint"], row["split"]) for row in table}

    first = import_two(tmp_path, rows("b"), rows("a"))
    mixed = rows("b")
    random.Random(1).shuffle(mixed)
    second = import_rows(mixed, rows("a")[::-1], tmp_path / "again", ImportOptions())
    assert content(first) == content(second)
    assert len({one[0] for one in content(first)}) == 24


def test_equal_responses_are_samples_of_their_own(tmp_path: Path) -> None:
    same = [{"prompt": "p", "response": "the very same response"}] * 5
    imported = import_two(tmp_path, same, same)
    assert len(set(imported.run.samples(["sample_id"])["sample_id"].to_pylist())) == 10


# One file


def long_rows() -> list[dict[str, Any]]:
    return [{**row, "model": model, "step": step} for model, step in (("base", 0), ("my tuned", 8.0), ("other", 9))
            for row in rows(model)]  # fmt: skip


def test_one_long_file_told_apart_by_a_column(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "all.jsonl", long_rows())
    imported = import_pair(
        path, None, tmp_path / "run", ImportOptions(by="model", before="base", after="my tuned")
    )
    assert responses_of(imported, 1) == [row["response"] for row in rows("my tuned")]
    assert any(
        "before: 12 rows whose 'model' is 'base'; 12 rows of other values left out" in n for n in imported.notes
    )
    by_number = import_pair(path, None, tmp_path / "steps", ImportOptions(by="step", before="8", after="0"))
    assert responses_of(by_number, 0) == [row["response"] for row in rows("my tuned")]


def test_one_wide_file_with_a_column_a_model(tmp_path: Path) -> None:
    columns = ("gpt 4.1 mini", "tuned.v2")
    made = [{"question": q, columns[0]: f"b {q}", columns[1]: f"a {q}", "id": n} for n, q in enumerate(QUESTIONS)]
    options = ImportOptions(before_column=columns[0], after_column=columns[1])
    imported = import_pair(jsonl(tmp_path / "wide.jsonl", made), None, tmp_path / "run", options)
    assert responses_of(imported, 0) == [f"b {q}" for q in QUESTIONS]
    assert responses_of(imported, 1) == [f"a {q}" for q in QUESTIONS]
    assert imported.run.prompts()["prompt_id"].to_pylist() == ["0", "1", "2"]
    assert scores_of(imported) == [None] * 6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"one file alone; say .*--by.*--before-column.*'model' \('base', 'my tuned', 'other'\)"),
        ({"by": "modle", "before": "a", "after": "b"}, r"no field 'modle' \(--by\); fields found: .*'model'"),
        (
            {"by": "model", "before": "base", "after": "tuned"},
            r"no row whose 'model' is 'tuned' \(--after\); values",
        ),
        ({"by": "model", "before": "base"}, "one file alone"),
        ({"by": "model", "before": "base", "after": "base"}, "--before and --after are both 'base'"),
        ({"before_column": "x", "after_column": "y"}, r"no field 'x' \(--before-column\)"),
    ],
)
def test_one_file_whose_sides_are_not_told_apart_is_refused(options: Any, said: str, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "all.jsonl", long_rows())
    with pytest.raises(InputError, match=said):
        import_pair(path, None, tmp_path / "run", ImportOptions(**options))
    assert not (tmp_path / "run").exists()


def test_a_column_for_sides_beside_two_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="for one file that holds both sides; two were given"):
        import_rows(rows("b"), rows("a"), tmp_path / "run", ImportOptions(by="model", before="a", after="b"))


# Sweeps


def sweep_rows(values: list[Any]) -> list[dict[str, Any]]:
    return [{**row, "checkpoint": value} for value in values for row in rows(f"at {value}")]


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        ([19, 0, 8], [0, 8, 19]),
        (["19", "0", "8"], [0, 8, 19]),
        ([1.0, 0.5, 2], [0.5, 1, 2]),
        (["step-100", "step-9"], ["step-9", "step-100"]),
        (["base", "tuned", "aligned"], ["base", "tuned", "aligned"]),
    ],
)
def test_a_sweep_in_the_order_of_its_axis(given: list[Any], ordered: list[Any], tmp_path: Path) -> None:
    path = jsonl(tmp_path / "sweep.jsonl", sweep_rows(given))
    imported = import_sweep(path, tmp_path / "run", ImportOptions(axis="checkpoint"))
    assert imported.run.manifest.control.name == "checkpoint"
    assert imported.run.manifest.control.values == ordered
    for index, value in enumerate(ordered):
        source = next(one for one in given if one in (value, str(value)))
        assert responses_of(imported, index) == [row["response"] for row in rows(f"at {source}")]


def test_a_sweep_told_by_the_names_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    for step in (5, 100):
        jsonl(tmp_path / "sweep" / f"qwen2-7b-step{step}.jsonl", rows(f"at {step}"))
    imported = import_sweep(tmp_path / "sweep", tmp_path / "run", ImportOptions(axis="step"))
    assert imported.run.manifest.control.values == [5, 100]
    assert responses_of(imported, 1) == [row["response"] for row in rows("at 100")]


@pytest.mark.parametrize(
    ("values", "axis", "said"),
    [
        ([0, 8], None, "a sweep needs --axis"),
        ([0, 8], "step", r"no field 'step' \(--axis\); fields found: 'prompt', 'response', 'checkpoint'"),
        ([0], "checkpoint", "'checkpoint' has one value only"),
        ([0, None], "checkpoint", "line 13, field 'checkpoint': 'None' for a value of the axis"),
    ],
)
def test_a_sweep_without_an_axis_is_refused(
    values: list[Any], axis: str | None, said: str, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "sweep.jsonl", sweep_rows(values))
    with pytest.raises(InputError, match=said):
        import_sweep(path, tmp_path / "run", ImportOptions(axis=axis))
    assert not (tmp_path / "run").exists()


# What must be said


def changed(
    side: str, change: Callable[[int, dict[str, Any]], dict[str, Any]], draws: int = 4
) -> list[dict[str, Any]]:
    return [{**row, **change(number, row)} for number, row in enumerate(rows(side, draws=draws))]


def test_missing_responses_are_left_out_and_counted_by_side(tmp_path: Path) -> None:
    before = changed("b", lambda n, _: {"response": None} if n < 3 else {})
    imported = import_two(tmp_path, before, rows("a"))
    assert len(responses_of(imported, 0)) == 9
    assert "missing responses (null) were left out: 3 before, 0 after" in imported.warnings


def test_empty_responses_are_kept_and_counted(tmp_path: Path) -> None:
    imported = import_two(tmp_path, changed("b", lambda n, _: {"response": " \n"} if n == 5 else {}), rows("a"))
    assert len(responses_of(imported, 0)) == 12
    assert "empty responses were kept: 1 before, 0 after" in imported.notes
    assert imported.alerts == ()


def test_nearly_all_empty_is_the_first_thing_said(tmp_path: Path) -> None:
    after = changed("a", lambda n, _: {"response": ""} if n else {}, draws=40)
    imported = import_two(tmp_path, rows("b", draws=40), after)
    assert imported.alerts == ("99% of the responses after are empty or only white space",)
    assert imported.warnings[0] == imported.alerts[0]


def test_a_side_without_any_response_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"after.jsonl: no response after \(all are missing\)"):
        import_two(tmp_path, rows("b"), changed("a", lambda n, _: {"response": None}))


@pytest.mark.parametrize(("equal", "said"), [(12, "100%"), (11, "92%"), (5, None)])
def test_identical_responses_ask_for_the_adapter(equal: int, said: str | None, tmp_path: Path) -> None:
    after = changed("a", lambda n, _: {"response": rows("b")[n]["response"]} if n < equal else {})
    alerts = import_two(tmp_path, rows("b"), after).alerts
    asked = "was the adapter loaded? or was one file given twice?"
    expected = f"{said} of the responses are identical on both sides: {asked}"
    assert alerts == ((expected,) if said else ())


def test_short_answers_that_agree_are_no_lost_adapter(tmp_path: Path) -> None:
    before = changed("b", lambda n, _: {"response": "A"})
    after = changed("a", lambda n, _: {"response": "B" if n == 0 else "A"})
    assert not any("adapter" in one for one in import_two(tmp_path, before, after).warnings)


def test_hardly_any_common_prompt_does_not_pass_in_silence(tmp_path: Path) -> None:
    before = [{"prompt": f"question {n}", "response": f"answer {n} before"} for n in range(805)]
    after = [{"prompt": f"question {n}", "response": f"answer {n} after"} for n in range(5)]
    imported = import_two(tmp_path, before, after)
    assert imported.alerts == ("only 5 of 805 prompts before are on the other side too",)
    assert any("800 prompts are only before, e.g. 'question 5'" in note for note in imported.notes)
    assert imported.run.manifest.prompts == 805


def test_thinking_is_said_and_its_unequal_share_a_warning(tmp_path: Path) -> None:
    after = changed("a", lambda n, row: {"response": f"<think>hm</think>{row['response']}"})
    kept = import_two(tmp_path, rows("b"), after)
    assert any(
        "kept as part of the answer (--thinking strip leaves them out): 0 before, 12 after" in n
        for n in kept.notes
    )
    assert any("differ in how many responses hold a thinking block" in one for one in kept.warnings)
    paths = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    stripped = import_pair(*paths, tmp_path / "stripped", ImportOptions(thinking="strip"))
    assert responses_of(stripped, 1) == [row["response"] for row in rows("a")]
    assert any("were stripped: 0 before, 12 after" in note for note in stripped.notes)


def test_sides_sampled_differently_are_a_warning(tmp_path: Path) -> None:
    before = changed("b", lambda n, _: {"temperature": 1.0, "finish_reason": "stop", "max_tokens": 512})
    after = changed(
        "a", lambda n, _: {"temperature": 0.7, "finish_reason": "length" if n < 6 else "stop", "max_tokens": 512}
    )
    warnings = import_two(tmp_path, before, after).warnings
    assert warnings == (
        "temperature differs ('1.0' before, '0.7' after): that difference is measured too",
        "responses cut at the length limit: 0% before and 50% after: that difference is measured too",
    )


def test_identical_draws_are_a_warning(tmp_path: Path) -> None:
    before = changed("b", lambda n, row: {"response": f"always {row['prompt']}"})
    (warning,) = import_two(tmp_path, before, rows("a")).warnings
    assert warning.startswith("100% of the prompts have several responses before that are all the same")


def test_a_file_of_several_checkpoints_is_not_pooled_in_silence(tmp_path: Path) -> None:
    before = changed("b", lambda n, _: {"checkpoint": n % 3})
    (warning,) = import_two(tmp_path, before, changed("a", lambda n, _: {"checkpoint": 7})).warnings
    assert warning.startswith("before holds 3 values of 'checkpoint' ('0', '1', '2') on one side")
    assert "--by checkpoint --before VALUE --after VALUE" in warning


# Whole or not at all, and the same again


@pytest.mark.parametrize("bad", ['{"prompt": "p", "resp', '{"prompt": "p", "response": 7}\n', "\n"])
def test_nothing_is_half_imported(bad: str, tmp_path: Path) -> None:
    before = jsonl(tmp_path / "before.jsonl", rows("b"))
    after = text_file(
        tmp_path / "after.jsonl", "".join(json.dumps(row) + "\n" for row in rows("a") if bad.strip()) + bad
    )
    with pytest.raises(InputError, match=r"after.jsonl"):
        import_pair(before, after, tmp_path / "runs" / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["after.jsonl", "before.jsonl"]


def test_the_same_import_again_opens_the_run(tmp_path: Path) -> None:
    first = import_two(tmp_path, changed("b", lambda n, _: {"response": ""}), rows("a"))
    run_file = tmp_path / "run" / "run.json"
    written = run_file.stat().st_mtime_ns
    (tmp_path / "elsewhere").mkdir()
    for name in ("before.jsonl", "after.jsonl"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    moved = tmp_path / "elsewhere" / "before.jsonl", tmp_path / "elsewhere" / "after.jsonl"
    again = import_pair(*moved, tmp_path / "run")
    assert (again.notes, again.warnings, again.alerts) == (first.notes, first.warnings, first.alerts)
    assert again.alerts
    other_seed = import_pair(*moved, tmp_path / "run", ImportOptions(seed=5))
    assert other_seed.notes == (*first.notes, "the run keeps its splits, which were made with seed 0")
    assert run_file.stat().st_mtime_ns == written


def test_other_input_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    import_two(tmp_path, rows("b"), rows("a"))
    with pytest.raises(InputError, match="was made from other input"):
        import_two(tmp_path, rows("b"), rows("c"))
    with pytest.raises(InputError, match="was made from other input"):
        import_two(tmp_path, rows("b"), rows("a"), thinking="strip")
    import_rows(rows("b"), rows("a"), tmp_path / "rows", ImportOptions())
    import_rows(rows("b"), rows("a"), tmp_path / "rows", ImportOptions())
    with pytest.raises(InputError, match="was made from other input"):
        import_rows(rows("b"), rows("c"), tmp_path / "rows", ImportOptions())


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    text_file(tmp_path / "notes.txt", "mine")
    with pytest.raises(InputError, match="exists and is not empty"):
        import_rows(rows("b"), rows("a"), tmp_path, ImportOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_data_frames_in_memory(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(long_rows())
    options = ImportOptions(by="model", before="base", after="other")
    imported = import_rows(frame, None, tmp_path / "run", options)
    assert responses_of(imported, 1) == [row["response"] for row in rows("other")]


ANY_TEXT = st.text(st.sampled_from("ab1. \n\t<\x1b\x00\u202e\ud800\udc00é🙂"), max_size=4)
ANY = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.lists(ANY_TEXT, max_size=2)
NESTED = ANY | st.dictionaries(ANY_TEXT, ANY, max_size=2)


def test_a_temperature_that_is_no_number_is_not_kept(tmp_path: Path) -> None:
    log = {"eval": {"model_generate_config": {"temperature": math.nan}}, "status": "success"}
    samples = [{"input": f"q{n}", "output": {"choices": [{"message": {"content": "a"}}]}} for n in range(3)]
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    for path in (before, after):
        path.write_text(json.dumps({**log, "samples": samples}), "utf-8")
    assert import_pair(before, after, tmp_path / "run").run.manifest.sampling.temperature is None


BESIDE = ("id", "domain", "scores", "sample", "finish_reason", "aligned", "system_prompt", "temperature", "\ud800")
ANY_ROW = st.fixed_dictionaries(
    {"prompt": st.sampled_from(["p", "q", "\ud800"]) | ANY_TEXT, "response": ANY_TEXT | st.none()},
    optional=dict.fromkeys(BESIDE, NESTED),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(ANY_ROW, min_size=1, max_size=6), st.lists(ANY_ROW, max_size=6))
def test_whatever_the_rows_hold_a_whole_run_comes_out_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    refused, imported = "", None
    try:
        imported = import_rows(before, [*after, *before], folder / "run", ImportOptions())
    except InputError as error:
        refused = str(error)
    if imported is None:
        assert refused.isprintable()
        assert not list(folder.iterdir())
    else:
        assert all(sentence.isprintable() for sentence in (*imported.notes, *imported.warnings))
        responses = sum(row["response"] is not None for row in (*before, *after, *before))
        assert imported.run.samples().num_rows == responses
        assert all(row is None or isinstance(row, dict) for row in scores_of(imported))
