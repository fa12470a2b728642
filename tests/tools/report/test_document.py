"""report.json: a round trip, keys that may be added, and refusals in one line."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from probes.errors import InputError
from probes.scale import YES_NO, Level, Scale
from tests.tools.report.samples import HOSTILE, empty_report, likelihood_report, report
from tools.report.document import Interval, Report, ScaleRecord, cut_text

TOP_LEVEL = {
    "format", "version", "run", "name", "seed", "mode", "control", "transition", "total", "set", "parameters",
    "candidates", "splits", "reports_seen", "smallest_visible", "prompts", "stopped_because", "usage", "models",
    "warnings",
}  # fmt: skip


@pytest.mark.parametrize("made", [report(), likelihood_report(), empty_report(), report("".join(HOSTILE))])
def test_round_trip(made: Report) -> None:
    text = made.to_json()
    assert Report.from_json(text) == made
    assert text.isascii()
    assert json.loads(text)["total"]["linear"]["value"] == made.total.linear.value


def test_the_promised_keys_are_there() -> None:
    data = json.loads(report().to_json())
    assert set(data) >= TOP_LEVEL
    assert set(data["set"]) >= {"share", "dissimilarity", "beyond_length", "estimator", "unexplained"}
    assert data["total"]["linear"]["high"] is None
    assert data["parameters"][0]["before"]["50 words or more"] == 0.646


def test_unknown_keys_are_kept() -> None:
    data: dict[str, Any] = json.loads(report().to_json())
    data["new_key"] = {"a": 1}
    assert json.loads(Report.from_json(json.dumps(data)).to_json())["new_key"] == {"a": 1}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_only_finite_numbers(value: float) -> None:
    with pytest.raises(ValidationError):
        Interval(value=value)


def test_a_set_of_unknown_parameters_and_an_unlisted_alert_are_refused() -> None:
    with pytest.raises(ValidationError, match="not among the parameters"):
        report(parameters=())
    with pytest.raises(ValidationError, match="every alert"):
        report(alerts=("unlisted",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a report"),
        ('{"format": 2}', "reads format 1"),
        ('{"format": 1}', "Field required"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        Report.from_json(text, "x.json")
    assert str(caught.value).startswith("x.json: ")
    assert "\n" not in str(caught.value)


def test_load_takes_a_file_or_its_folder(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(report().to_json(), encoding="utf-8")
    assert Report.load(tmp_path) == Report.load(tmp_path / "report.json") == report()
    with pytest.raises(InputError, match="cannot be read"):
        Report.load(tmp_path / "absent")


def test_cut_text_says_how_much_is_missing() -> None:
    assert cut_text("abc", 3) == "abc"
    assert cut_text("a" * 2000, 5) == "aaaaa [... 1,995 more characters]"


def test_scales_keep_levels_and_cuts() -> None:
    scale = Scale("numeric", (Level("low", "little"), Level("high")), cuts=(3.0,), unit="words")
    record = ScaleRecord.of(scale)
    assert (record.kind, record.cuts, record.unit) == ("numeric", (3.0,), "words")
    assert [(level.name, level.description) for level in record.levels] == [("low", "little"), ("high", "")]
    assert [level.name for level in ScaleRecord.of(YES_NO).levels] == ["no", "yes"]
