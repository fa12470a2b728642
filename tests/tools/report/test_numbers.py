"""Rounding: what is neither nothing nor all never looks so, and bounds are rounded to their safe side."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.words import count
from tools.report.numbers import listed, number, percent, probability_value, signed

fractions = st.floats(min_value=1e-3, max_value=1 - 1e-3)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.884, "88%"),
        (0.004, "0.4%"),
        (0.9961, "99.6%"),
        (-0.0, "0%"),
        (1e-9, "<0.001%"),
    ],
)
def test_percent(value: float, shown: str) -> None:
    assert percent(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0.00"), (1.0, "1.00"), (0.953, "0.95"), (0.0041, "0.004"), (0.9999999, ">0.99999")]
)
def test_number(value: float, shown: str) -> None:
    assert number(value) == shown


@given(fractions)
def test_less_than_all_and_more_than_nothing_never_look_so(value: float) -> None:
    for rounding in ("nearest", "down", "up"):
        assert 0 < float(percent(value, rounding).rstrip("%")) < 100
        assert 0 < float(number(value, rounding)) < 1


@given(st.floats(min_value=0.02, max_value=0.98))
def test_bounds_are_rounded_to_their_safe_side(value: float) -> None:
    assert float(number(value, "down")) <= value <= float(number(value, "up"))
    below, above = (float(percent(value, way).rstrip("%")) / 100 for way in ("down", "up"))
    assert below <= value + 1e-12
    assert above >= value - 1e-12
    assert above - below <= 0.01 + 1e-12


@given(fractions)
def test_nearest_is_within_half_a_unit(value: float) -> None:
    shown = percent(value).rstrip("%")
    unit = 10.0 ** -len(shown.partition(".")[2])
    assert abs(float(shown) - 100 * value) <= unit / 2 + 1e-9


def test_small_words() -> None:
    assert probability_value(0.0004) == "<0.001"
    assert probability_value(0.0314) == "0.031"
    assert count(1, "prompt") == "1 prompt"
    assert count(2000, "prompt") == "2,000 prompts"
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert re.fullmatch("a, b and c", listed(["a", "b", "c"]))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.884, "+0.88"),
        (-0.884, "-0.88"),
        (1.0, "+1.00"),
        (-0.9999, "-0.9999"),
        (0.999955, "+0.99996"),
        (0.0, "+0.00"),
    ],
)
def test_signed_evidence_is_never_certain_for_less(value: float, shown: str) -> None:
    assert signed(value) == shown
