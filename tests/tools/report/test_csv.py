"""The numbers as CSV, read back by a strict reading of RFC 4180."""

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.report.samples import HOSTILE, empty_report, likelihood_report, report
from tools.report import csv_table
from tools.report.safe_text import visible

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows_of(text: str) -> list[dict[str, str]]:
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def numbers(row: dict[str, str], *names: str) -> list[float | None]:
    return [float(row[name]) if row[name] else None for name in names]


def test_every_number_is_that_of_the_report_in_full() -> None:
    told = report()
    third = told.parameters[1].model_copy(
        update={"shapley": -0.1 / 3, "gain": told.parameters[1].gain.model_copy(update={"low": 1e-17})}
    )
    told = told.model_copy(update={"parameters": (told.parameters[0], third)})
    rows = rows_of(csv_table.render(told))
    assert [row["row"] for row in rows] == ["parameter", "parameter", "set", "total"]
    for row, parameter in zip(rows, told.parameters, strict=False):
        for name in ("dissimilarity", "share", "gain"):
            wanted = getattr(parameter, name)
            assert numbers(row, name, f"{name}_low", f"{name}_high") == [wanted.value, wanted.low, wanted.high]
        for name in ("shapley", "tv", "p_value", "q_value"):
            assert numbers(row, name) == [getattr(parameter, name)]
        for name in ("id", "name", "question", "judge"):
            assert row[name] == getattr(parameter, name)
        assert json.loads(row["before"]) == parameter.before
        assert json.loads(row["after"]) == parameter.after
        assert numbers(row, "samples_before", "samples_after") == [parameter.judged.before, parameter.judged.after]
    assert numbers(rows[2], "dissimilarity", "share", "share_high", "tv", "js") == [0.892, 0.939, 1.0, 0.917, None]
    assert numbers(rows[3], "dissimilarity", "dissimilarity_low", "tv", "js") == [0.953, 0.934, 0.957, 0.921]
    assert numbers(rows[3], "dissimilarity_high", "share") == [None, None]


@pytest.mark.parametrize(
    ("regression", "exact", "wanted"),
    [
        (False, True, ["exact", "exact"]),
        (False, False, ["exact", "upper"]),
        (True, True, ["lower", "lower"]),
        (True, False, ["lower", "unknown"]),
    ],
)
def test_bounds_are_named(regression: bool, exact: bool, wanted: list[str]) -> None:
    told = likelihood_report() if exact else report()
    estimator = "regression" if regression else "table"
    told = told.model_copy(update={"set": told.set.model_copy(update={"estimator": estimator})})
    parameter, _, whole, total = rows_of(csv_table.render(told))
    assert [whole["dissimilarity_bound"], whole["share_bound"]] == wanted
    assert parameter["share_bound"] == ("exact" if exact else "upper")
    assert total["dissimilarity_bound"] == ("exact" if exact else "lower")


def test_a_report_of_nothing_has_set_and_total() -> None:
    rows = rows_of(csv_table.render(empty_report()))
    assert [(row["row"], row["dissimilarity"]) for row in rows] == [("set", "0.0"), ("total", "0.004")]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_in_its_cell_and_is_no_formula(text: str) -> None:
    told = csv_table.render(report(text))
    rows = rows_of(told)
    assert [row["row"] for row in rows] == ["parameter", "parameter", "set", "total"]
    for row in rows:
        assert None not in row
        assert None not in row.values()
        assert not any(cell.startswith(FORMULA) and not is_number(cell) for cell in row.values())
    assert not any(ord(sign) < 32 and sign not in "\t\r\n" for sign in told)


@given(st.text() | st.builds(str.__add__, st.sampled_from("=+-@\t\r\n＝＋－＠"), st.text()))
def test_no_cell_begins_like_a_formula_and_no_text_is_lost(text: str) -> None:
    cell = csv_table.harmless(text)
    assert not cell.startswith(FORMULA) or is_number(cell)
    assert visible(text) in (cell, cell.removeprefix("'"))
    header, row = csv.reader(io.StringIO(csv_table.csv_text(["a", "b"], [[text, 1]]), newline=""), strict=True)
    assert (header, row) == (["a", "b"], [cell, "1"])


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_numbers_stay_numbers(value: float) -> None:
    for cell in (value, repr(value)):
        _, row = csv.reader(io.StringIO(csv_table.csv_text(["a"], [[cell]]), newline=""))
        assert float(row[0]) == float(value)


def test_a_table_becomes_rows() -> None:
    columns: dict[str, Any] = {
        "id": ["a", "=b", 'c,"d"\ne'],
        "x": [-0.5, None, 1 / 3],
        "=x level": ["-", "-1", None],
    }
    text = csv_table.of_table(pa.table(columns))
    assert text == ("id,x,'=x level\r\na,-0.5,'-\r\n'=b,,-1\r\n" + f'"c,""d""\ne",{1 / 3!r},\r\n')
