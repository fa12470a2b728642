"""run.json is read strictly: what is not as it should be is named by file and field."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.errors import InputError
from runs.manifest import InputRecord, file_record, load_manifest, prompts_hash, save_manifest
from runs.schema import PROMPTS_SCHEMA
from tests.runs.made_run import change_manifest, make_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_run(tmp_path / "run")
    return tmp_path / "run"


def change(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**values, **changes}))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_manifest(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert "\x1b" not in message
    return message


def test_a_manifest_comes_back_as_it_was_saved(folder: Path) -> None:
    manifest = load_manifest(folder)
    save_manifest(folder, manifest)
    assert load_manifest(folder) == manifest
    assert manifest.control.values == ["before", "after"]
    assert manifest.created.utcoffset() is not None


def test_run_json_has_the_keys_that_readers_rely_on(folder: Path) -> None:
    values = json.loads((folder / "run.json").read_text())
    assert values["format"] == 1
    assert values["control"] == {"name": "side", "unit": "", "values": ["before", "after"]}
    assert values["sampling"] == {"temperature": None, "max_new_tokens": None, "seed": None, "engine": None}
    assert {"name", "created", "version", "model", "adapters", "tokenizer", "prompts_hash", "stages"} <= set(
        values
    )


def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "nowhere")
    assert f"{tmp_path} is not a run" in refusal(tmp_path)
    (tmp_path / "before.jsonl").touch()
    assert "before.jsonl: is a file; name the folder of a run" in refusal(tmp_path / "before.jsonl")
    (tmp_path / "run.json").mkdir()
    assert "is not a run" in refusal(tmp_path)
    assert "no such folder" in refusal(tmp_path / "\x1b[31mred\n")


def test_another_format_version_is_named_with_both_versions(folder: Path) -> None:
    change(folder, format=2, version="9.1", and_more="unknown to us", control=None)
    message = refusal(folder)
    assert "format 2, written by orderparam 9.1" in message
    assert "reads format 1" in message


@pytest.mark.parametrize("value", [True, "1", None, 1.5, [], 0])
def test_what_is_no_format_number_is_refused(folder: Path, value: object) -> None:
    change(folder, format=value)
    assert "format" in refusal(folder)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": 3}),
        ("name", {"name": ""}),
        ("created", {"created": "yesterday"}),
        ("created", {"created": "2025-01-01T00:00:00"}),
        ("control", {"control": []}),
        ("control.values", {"control": {"name": "a", "values": []}}),
        ("control.values", {"control": {"name": "a", "values": [1, 2, 1]}}),
        ("control.values", {"control": {"name": "a", "values": [True, False]}}),
        ("control.more", {"control": {"name": "a", "values": [1], "more": 1}}),
        ("samples", {"samples": "12"}),
        ("samples", {"samples": -1}),
        ("samples", {"samples": 3.0}),
        ("seed", {"seed": None}),
        ("prompts_hash", {"prompts_hash": "abc"}),
        ("stages.0", {"stages": ["samples"]}),
        ("files", {"files": {"../outside": {"size": 1, "sha256": "0" * 64}}}),
        ("files", {"files": {"/etc/passwd": {"size": 1, "sha256": "0" * 64}}}),
        ("files", {"files": {"a/../../b": {"size": 1, "sha256": "0" * 64}}}),
        ("files.a.size", {"files": {"a": {"size": "1", "sha256": "0" * 64}}}),
        ("surprise", {"surprise": 1}),
        ("\\x1b", {"\x1b[31m": 1}),
    ],
)
def test_a_wrong_field_is_named(folder: Path, field: str, changes: dict[str, Any]) -> None:
    change(folder, **changes)
    message = refusal(folder)
    assert "run.json: field" in message
    assert field in message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[" * 10_000, b'{"format": 1', b"[1]", b"null", b"\x1b[0m"]
)
def test_what_is_not_json_or_no_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / "run.json").write_bytes(content)
    assert "run.json: not" in refusal(folder)


def test_a_missing_field_is_named(folder: Path) -> None:
    values = json.loads((folder / "run.json").read_text())
    del values["prompts_hash"]
    (folder / "run.json").write_text(json.dumps(values))
    assert "field prompts_hash" in refusal(folder)


def test_file_records_hold_size_and_checksum(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "f").write_bytes(data)
    record = file_record(tmp_path / "f")
    assert (record.size, record.sha256) == (len(data), hashlib.sha256(data).hexdigest())


Prompts = list[tuple[str, str, str | None]]
short = st.text(alphabet="ab:;-1", max_size=3)


@settings(max_examples=200, deadline=None)
@given(
    one=st.lists(st.tuples(short, short, st.none() | short), max_size=3),
    other=st.lists(st.tuples(short, short, st.none() | short), max_size=3),
)
def test_prompts_hash_tells_prompts_apart_and_nothing_else(one: Prompts, other: Prompts) -> None:
    assert (prompts_hash(table(one)) == prompts_hash(table(other))) == (one == other)
    pieces = pa.concat_tables([table(one[:1]), table(one[1:])])
    assert prompts_hash(pieces) == prompts_hash(table(one))


def table(rows: Prompts) -> pa.Table:
    records = [{"prompt_id": a, "domain": None, "prompt": b, "messages": c} for a, b, c in rows]
    return pa.Table.from_pylist(records, schema=PROMPTS_SCHEMA)


def test_the_input_is_known_by_content_and_options(tmp_path: Path) -> None:
    for name, text in (("b", "one"), ("a", "two"), ("renamed", "two")):
        (tmp_path / name).write_text(text)
    before, after, renamed = (file_record(tmp_path / name) for name in ("b", "a", "renamed"))
    first = InputRecord(files={"before": before, "after": after}, options={"by": None, "thinking": "keep"})
    assert first.difference(InputRecord(files={"before": before, "after": renamed}, options=first.options)) is None
    changed = InputRecord(files={"before": before, "after": before}, options=first.options)
    assert first.difference(changed) == "another file after"
    assert first.difference(InputRecord(files={"before": before}, options=first.options)) == "another file after"
    strip = first.difference(InputRecord(files=first.files, options={"by": None, "thinking": "strip"}))
    assert strip == "thinking 'keep', not 'strip'"
    with pytest.raises(InputError, match="nowhere"):
        file_record(tmp_path / "nowhere")


def test_a_file_that_was_changed_behind_our_back_is_refused(folder: Path) -> None:
    path = folder / "run.json"
    text = path.read_text("utf-8")
    changed = text.replace('"seed": 0', '"seed": 1')
    assert changed != text
    path.write_text(changed, "utf-8")
    with pytest.raises(InputError, match=r"field sha256: .*take the field sha256 away"):
        load_manifest(path.parent)
    change_manifest(folder, lambda values: None)
    assert load_manifest(folder).seed == 1
