"""Logs of inspect: a zip of JSON (`.eval`) or one JSON document (older ones), each sample as a row.

The prompt is the input with the system messages before it, the response is the output; a sample without output (an
error, a cancelled run) is a missing response.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from probes.errors import InputError
from runs.formats.json_text import json_value
from runs.formats.record import Record, Source, kind_of, name_shown, refuse, shown
from runs.formats.stream import check_unpacked

_ATTACHMENT = "attachment://"
_SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "seed")
_NO_SAMPLES = "an inspect log without samples"
_KEEP_SAMPLES = "run the evaluation with its samples logged"


def is_inspect_document(document: Mapping[str, Any]) -> bool:
    """Whether a JSON document is a log of inspect."""
    return isinstance(document.get("eval"), dict) and "status" in document


def inspect_document(name: str, log: Mapping[str, Any]) -> Source:
    """The samples of a log that is one JSON document. InputError: it holds none."""
    samples = log.get("samples")
    if not samples:
        raise refuse(name, _NO_SAMPLES, _KEEP_SAMPLES)
    if not isinstance(samples, list):
        raise refuse(name, f"{kind_of(samples)} for the samples of an inspect log", "samples are a list")
    return _source(
        name, log, lambda: (_record(sample, n, name) for n, sample in enumerate(samples, 1)), len(samples)
    )


def inspect_archive(path: Path) -> Source:
    """The samples of a log that is a zip. InputError: it is damaged, no log of inspect, or holds no samples."""
    name = name_shown(path)
    with _archive(path) as archive:
        members = archive.namelist()
        samples = sorted((m for m in members if re.fullmatch(r"samples/.+\.json", m)), key=_natural)
        header_name = next((m for m in ("header.json", "_journal/start.json") if m in members), None)
        if header_name is None and not samples:
            raise refuse(name, "a zip archive that is no inspect log", "unpack it and give the file inside")
        header = _member(archive, header_name, name) if header_name else {}
    if not samples:
        raise refuse(name, _NO_SAMPLES, _KEEP_SAMPLES)

    def records() -> Iterator[Record]:
        with _archive(path) as archive:
            for number, member in enumerate(samples, 1):
                yield _record(_member(archive, member, name), number, name)

    return _source(name, header, records, len(samples))


def _source(name: str, log: Mapping[str, Any], records: Any, samples: int) -> Source:
    status = log.get("status", "not finished")
    notes = [f"{name}: a log of inspect with {samples} samples"]
    if status != "success":
        notes = [
            f"{name}: a log of inspect of a run that was {shown(status)[1:-1]}: the {samples} samples it holds"
        ]
    evaluation = log.get("eval")
    settings = evaluation.get("model_generate_config") if isinstance(evaluation, dict) else None
    plan = log.get("plan")
    planned = plan.get("config") if isinstance(plan, dict) else None
    metadata = {
        key: value
        for part in (settings, planned)
        if isinstance(part, dict)
        for key, value in part.items()
        if key in _SETTINGS and isinstance(value, int | float | str)
    }
    return Source(name, "an inspect log", "sample", records, metadata, tuple(notes))


def _record(sample: Any, number: int, name: str) -> Record:
    """A sample as a row of ours."""
    if not isinstance(sample, dict):
        raise refuse(
            f"{name}, sample {number}", f"{kind_of(sample)} where a sample belongs", "a sample is an object"
        )
    sample = _attached(sample, sample.get("attachments"))
    output = sample.get("output")
    choices = output.get("choices") if isinstance(output, dict) else None
    answers = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    fields: dict[str, Any] = {
        "prompt": _prompt(sample),
        "response": [_content(choice) for choice in answers] or None,
        "scores": _scores(sample),
    }
    if answers:
        fields["finish_reason"] = answers[0].get("stop_reason")
    if sample.get("id") is not None:
        fields["prompt_id"] = sample["id"]
    if isinstance(sample.get("epoch"), int):
        fields["sample"] = sample["epoch"] - 1
    return Record(fields, number)


def _content(choice: Mapping[str, Any]) -> Any:
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, str) or content is None else [{"role": "assistant", "content": content}]


def _prompt(sample: Mapping[str, Any]) -> Any:
    """The turns before the first that the model wrote; just the input where the log has no messages."""
    given, messages = sample.get("input"), sample.get("messages")
    if not isinstance(messages, list) or not messages:
        return given
    turns = given if isinstance(given, list) else []
    own = sum(isinstance(turn, dict) and turn.get("role") == "assistant" for turn in turns)
    before: list[Any] = []
    for turn in messages:
        if isinstance(turn, dict) and turn.get("role") == "assistant":
            if own == 0:
                break
            own -= 1
        before.append(turn)
    return before or given


def _scores(sample: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the scores by scorer; older logs have one score without a name."""
    scores = sample.get("scores")
    if not isinstance(scores, dict):
        scores = {"score": sample["score"]} if isinstance(sample.get("score"), dict) else {}
    return {
        scorer: score.get("value") if isinstance(score, dict) and "value" in score else score
        for scorer, score in scores.items()
    }


def _attached(value: Any, attachments: Any) -> Any:
    """The sample with long texts, which the log keeps apart, in their places."""
    if not isinstance(attachments, dict) or not attachments:
        return value
    kept = ("id", "epoch", "input", "messages", "output", "scores", "score")
    return _filled({key: value[key] for key in kept if key in value}, attachments)


def _filled(value: Any, attachments: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and value.startswith(_ATTACHMENT):
        return attachments.get(value[len(_ATTACHMENT) :], value)
    if isinstance(value, dict):
        return {key: _filled(inner, attachments) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, attachments) for inner in value]
    return value


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(name_shown(path), error) from error
    unpacked = sum(member.file_size for member in archive.infolist())
    check_unpacked(name_shown(path), unpacked, path.stat().st_size)
    return archive


def _member(archive: zipfile.ZipFile, member: str, name: str) -> Any:
    """One JSON file of the archive. A member cannot unpack to more than its entry says, which was checked."""
    try:
        text = archive.read(member).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(f"{name}, {name_shown(member)}", "not UTF-8 text", "write the log again") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise _damaged(name, error) from error
    return json_value(text, f"{name}, {name_shown(member)}")


def _damaged(name: str, error: Exception) -> InputError:
    return refuse(name, f"the zip archive is cut or damaged ({shown(error)})", "copy the log again")


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that puts samples/2 before samples/10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
