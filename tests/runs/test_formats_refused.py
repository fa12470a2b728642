"""What cannot be read is refused in one line: which file, which line, which field, and what would be right."""

import gzip
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.errors import InputError
from runs.formats.json_text import json_array
from runs.formats.memory import rows_source
from runs.formats.record import shown
from runs.formats.source import open_source
from runs.storing import ImportOptions
from tests.runs.made import jsonl, rows, text_file
from tests.runs.test_formats import FILES, eval_zip, read

CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
NAMES = [
    *("prompt", "question", "instruction", "input", "response", "answer", "output", "messages", "system_prompt"),
    *("id", "scores", "score", "domain", "sample", "finish_reason", "logprob", "role", "content", "from", "value"),
    *("samples", "status", "eval", "doc_id", "arguments", "resps", "epoch", "choices", "message"),
]
GOOD = '{"prompt": "p", "response": "r"}\n'


def refusal(path: Path, **named: str) -> str:
    """The one line that a person reads."""
    with pytest.raises(InputError) as caught:
        read(open_source(path), **named)
    line = str(caught.value)
    assert line.isprintable(), "one line without control characters"
    assert str(path) in line
    return line


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jsonl", b"", "the file is empty"),
        ("blank.csv", b"\n \n\n", "the file is empty"),
        (
            "pointer.jsonl",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n",
            "a Git LFS pointer",
        ),
        ("page.csv", b"<!DOCTYPE html><html>", "a web page"),
        ("text.csv", b"once upon a time\nthere was\n", "plain text"),
        ("utf16.csv", "prompt,response".encode("utf-16"), "UTF-16 text"),
        ("binary.jsonl", b"{\x00\x01\x02", "a binary file"),
        ("rows.pkl", b"\x80\x04\x95", "a pickle"),
        ("rows.jsonl.zst", b"\x28\xb5\x2f\xfd123", "packed with zstd"),
        ("header.csv", b"prompt,response\n", "it holds no rows"),
        ("empty.json", b"[]", "it holds no rows"),
        ("cut.gz", gzip.compress(GOOD.encode() * 1000)[:-20], "the gzip data is cut or damaged"),
        ("cut.parquet", b"PAR1abc", "a Parquet file that cannot be read"),
        ("cut.eval", b"PK\x03\x04abc", "the zip archive is cut or damaged"),
        ("metrics.csv", b"step,loss\n1,0.5\n2,0.4\n", "a table of numbers, not of responses"),
        ("summary.csv", b"model,accuracy\nbase,0.5\ntuned,0.4\n", "a summary of results"),
        ("summary.json", b'{"results": {"gsm8k": {"acc": 0.5}}, "n-shot": {}}', "a summary of lm-eval"),
        ("settings.json", b'{"model": "m", "acc": 0.5}', "a JSON document without rows of responses"),
        ("log.json", b'{"status": "error", "eval": {"model": "m"}}', "an inspect log without samples"),
        ("two.csv", b"prompt,response,response\na,b,c\n", "column 'response' occurs twice"),
    ],
)
def test_what_is_no_data_is_refused_by_what_it_is(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    assert said in refusal(text_file(tmp_path / name, content))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.jsonl", GOOD + '{"prompt": "p", "resp', "line 2: the JSON is cut off"),
        ("bad.jsonl", GOOD + "{'prompt': 1}\n", "line 2: not JSON"),
        ("bytes.jsonl", GOOD.encode() + b'{"prompt": "\xff"}\n', "line 2: not UTF-8 text (byte 0xff)"),
        ("carriage.csv", b"prompt,response\ra,b\r", "a carriage return outside of quotes"),
        ("bytes.csv", b"prompt,response\na,b\nc,\xe9\n", "line 3: not UTF-8 text (byte 0xe9)"),
        ("list.jsonl", GOOD + "[1]\n", "line 2: a list where a row belongs"),
        ("missing.jsonl", GOOD + '{"prompt": "p"}\n', "line 2, field 'response': the field is missing"),
        ("prompt.jsonl", GOOD + '{"response": "p"}\n', "line 2, field 'prompt': no prompt"),
        ("number.jsonl", GOOD + '{"prompt": "p", "response": 7}\n', "line 2, field 'response': a number where"),
        ("truth.jsonl", GOOD + '{"prompt": "p", "response": true}\n', "line 2, field 'response': true/false"),
        ("list.jsonl", GOOD + '{"prompt": "p", "response": ["a", 7]}\n', "line 2, field 'response': a number"),
        ("numbers.jsonl", '{"prompt": "p", "response": 7}\n', "line 1, field 'response': a number where"),
        ("number.jsonl", '{"prompt": 7, "response": "r"}\n', "line 1, field 'prompt': a number where"),
        ("torn.csv", 'prompt,response\na,b\nc,"d\ne,f\n', "row beginning at line 3: a quote is opened here"),
        ("torn2.csv", 'prompt,response\na,"b" c"\n', "row beginning at line 2: text follows a closing quote"),
        ("short.csv", "prompt,response\na,b\nc\n", "line 3: 1 fields where the header has 2"),
        ("array.json", '[{"prompt": "p",\n "response": "r"},\n {"prompt"', "line 3: the JSON is cut off"),
        ("array2.json", '[{"prompt": "p", "response": "r"}', "the JSON array is cut off before its end"),
        ("array3.json", '[{"prompt": "p", "response": "r"}] x', "more text after the array's end"),
        ("document.json", '{"results": {"a": [{"probe": "p"', "line 1: the JSON is cut off"),
        ("twice.jsonl", '{"prompt": "p", "response": "a", "response": "b"}\n', "line 1: field 'response' occurs"),
        (
            "role.jsonl",
            '{"messages": [{"role": 3, "content": "x"}]}\n',
            "line 1, field 'messages[0]': a number for",
        ),
        ("chat.jsonl", '{"messages": [{"role": "assistant", "content": "x"}]}\n', "no turn before the response"),
        (
            "logprob.jsonl",
            '{"prompt": "p", "response": "r", "logprob": 2}\n',
            "line 1, field 'logprob': '2' for a log",
        ),
    ],
)
def test_a_bad_row_is_refused_by_line_and_field(
    name: str, content: str | bytes, said: str, tmp_path: Path
) -> None:
    assert said in refusal(text_file(tmp_path / name, content))


def test_an_object_for_a_response_is_refused_with_the_path_that_would_be_right(tmp_path: Path) -> None:
    row = {"prompt": "p", "response": {"body": {"choices": [{"message": {"content": "the text"}}]}, "code": 200}}
    path = jsonl(tmp_path / "batch.jsonl", [row])
    line = refusal(path)
    assert "line 1, field 'response': an object where" in line
    assert "--response-field, such as 'response.body.choices.message.content'" in line
    assert read(open_source(path), response="response.body.choices.message.content").response_N == ["the text"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"question": "q", "answer": "a", "output": "b"},
            "response could be any of 'answer', 'output'; name it with --response-field",
        ),
        (
            {"question": "q", "query": "r", "answer": "a"},
            "prompt could be any of 'question', 'query'; name it with --prompt-field",
        ),
        ({"messages": CHAT, "output": "b"}, "the response could be any of 'the last turn', 'output'"),
        (
            {"prompt": "q", "text": "a"},
            "no field with the response; name it with --response-field; fields found: 'prompt'",
        ),
        (
            {"text": "q", "response": "a"},
            "no field with the prompt; name it with --prompt-field; fields found: 'text'",
        ),
    ],
)
def test_what_could_mean_two_things_is_refused_with_the_flag(
    row: dict[str, Any], said: str, tmp_path: Path
) -> None:
    assert said in refusal(jsonl(tmp_path / "a.jsonl", [row]))


def test_a_named_field_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    line = refusal(jsonl(tmp_path / "a.jsonl", rows("a")), response="respons")
    assert "no field 'respons' (--response-field); fields found: 'prompt', 'response'" in line


def test_a_missing_file_is_answered_with_the_nearest(tmp_path: Path) -> None:
    text_file(tmp_path / "before.jsonl", GOOD)
    assert f"no such file; did you mean {tmp_path}/before.jsonl?" in refusal(tmp_path / "befor.jsonl")
    assert "there is no folder" in refusal(tmp_path / "nowhere" / "before.jsonl")


def test_a_folder_is_answered_with_the_files_in_it(tmp_path: Path) -> None:
    text_file(tmp_path / "before.jsonl", GOOD)
    assert "a folder, where a file of responses belongs; name a file in it: 'before.jsonl'" in refusal(tmp_path)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not an ordinary file" in refusal(tmp_path / "pipe")


def test_bombs_are_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "bomb.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(b'{"prompt": "p", "response": "' + b"x" * (1 << 20) + b'"}\n')
    assert "refused as an archive bomb" in refusal(tmp_path / "bomb.jsonl.gz")
    with zipfile.ZipFile(tmp_path / "bomb.eval", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(3):
            archive.writestr(f"samples/{number}_epoch_1.json", b" " * (100 << 20))
    assert "refused as an archive bomb" in refusal(tmp_path / "bomb.eval")


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    deep = "[" * 1_000_000
    assert "nested too deeply" in refusal(text_file(tmp_path / "a.jsonl", f'{{"prompt": {deep}'))
    assert "nested too deeply" in refusal(text_file(tmp_path / "b.json", f'[{{"prompt": {deep}'))


def test_archives_that_are_no_logs(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
    assert "an Office document" in refusal(tmp_path / "book.xlsx")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("before.jsonl", GOOD)
    assert "a zip archive that is no inspect log" in refusal(tmp_path / "data.zip")
    assert "an inspect log without samples" in refusal(eval_zip(tmp_path / "a.eval", [], {"status": "error"}))


def test_a_parquet_file_of_numbers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": np.arange(3)}), tmp_path / "a.parquet")
    assert "a table of numbers" in refusal(tmp_path / "a.parquet")


def test_a_log_of_lm_eval_with_other_rows_in_it(tmp_path: Path) -> None:
    row = {"doc_id": 0, "arguments": [["q", {}]], "resps": [["a"]]}
    path = jsonl(tmp_path / "a.jsonl", [row, {"doc_id": 1, "resps": [["a"]]}])
    assert "line 2: a row without doc_id, arguments and resps" in refusal(path)


@pytest.mark.parametrize(
    "sample", [{"input": "q", "output": {"choices": 3}}, {"input": [7, None, "q"], "messages": [1]}]
)
def test_samples_of_inspect_with_numbers_where_objects_belong(tmp_path: Path, sample: dict[str, Any]) -> None:
    path = text_file(tmp_path / "log.json", json.dumps({"status": "success", "eval": {}, "samples": [sample]}))
    _read_or_refused(path)


def test_lm_eval_logs_of_likelihoods_hold_no_text(tmp_path: Path) -> None:
    row = {"doc_id": 0, "arguments": [["q", " a"]], "resps": [[[-1.5, False]]], "filtered_resps": [[-1.5, False]]}
    assert "line 1: likelihoods of given answers, no generated text" in refusal(jsonl(tmp_path / "a.jsonl", [row]))


def test_a_system_prompt_that_appears_late_is_not_missed(tmp_path: Path) -> None:
    made = [{"prompt": f"p{n}", "response": "r"} for n in range(1500)]
    line = refusal(jsonl(tmp_path / "a.jsonl", [*made, {**made[0], "system_prompt": "Be evil."}]))
    assert "line 1501, field 'system_prompt'" in line


def test_user_text_in_a_message_is_quoted_escaped_and_cut() -> None:
    assert shown("a\x1b[31m\nb") == "'a\\x1b[31m\\nb'"
    assert len(shown("x" * 1000)) < 70


def test_rows_in_memory_that_are_none() -> None:
    with pytest.raises(InputError, match="before: text where rows belong"):
        rows_source("a.jsonl", "before")
    with pytest.raises(InputError, match="before, index 1: a number where a row belongs"):
        rows_source([{"prompt": "p"}, 3], "before")


def test_a_gzip_of_json_that_packs_well_is_read(tmp_path: Path) -> None:
    made = json.dumps({"prompt": "p", "response": "again and again " * 1000}) + "\n"
    path = text_file(tmp_path / "a.jsonl.gz", gzip.compress(made.encode() * 500))
    assert len(read(open_source(path)).response_N) == 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    st.lists(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6), max_size=3),
    st.sampled_from(["rows", "document"]),
)
def test_whatever_the_fields_hold_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, made: list[dict[str, Any]], shape: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.json"
    path.write_text(
        "\n".join(map(json.dumps, made)) if shape == "rows" else json.dumps({"results": made, "eval": {}})
    )
    _read_or_refused(path)


@settings(max_examples=300)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_whatever_happened_to_a_file_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    content = FILES[name]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 40)))
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content[:start] + data.draw(st.binary(max_size=6)) + content[end:])
    _read_or_refused(path)


def _read_or_refused(path: Path) -> None:
    found, refused = None, ""
    try:
        found = read(open_source(path))
    except InputError as error:
        refused = str(error)
    assert refused.isprintable()
    if found is not None:
        assert len(found.response_N) == len(found.text_N)
        assert "".join(found.response_N).encode() is not None


def test_a_comma_after_the_last_element_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[\n{"prompt": "a", "response": "b"},\n{"prompt": "a", "response": "b"},\n\n]\n')
    with pytest.raises(InputError, match=r"line 3: a comma after the array's last element; take it away"):
        list(json_array(path))


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04" + b"\x07" * 300, b"\xd0\xcf\x11\xe0" + b"\x00" * 300, b"a,b\n1,2\n"]
)
def test_what_is_named_as_a_sheet_is_told_how_to_become_rows(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "answers.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"Office document.*save the sheet as CSV"):
        open_source(path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"prompt_field": "prompt", "response_field": "prompt"},
            "--prompt-field and --response-field are both 'prompt'",
        ),
        ({"before_column": "a", "after_column": "a"}, "--before-column and --after-column are both 'a'"),
    ],
)
def test_one_field_named_for_two_things_is_refused(options: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ImportOptions(**options)  # type: ignore[arg-type]
