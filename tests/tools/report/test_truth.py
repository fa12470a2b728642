"""Every number on the page is one of report.json, rounded to the side that its words name, and to no falsehood."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.report.samples import empty_report, interval, length_parameter, likelihood_report, report
from tests.tools.report.test_along import along
from tests.tools.report.test_curve import swept
from tools.report import html
from tools.report.document import Report, Usage

REPORTS = (report(), likelihood_report(), swept(), along(), empty_report())
NUMBER = re.compile(r"(?<![\w.])(?P<sign>[-−<>]?)(?P<digits>\d[\d,]*(?:\.\d+)?)(?P<percent>%?)")


class Data(HTMLParser):
    """The `data` elements: their attributes with their text. `rest`: what else a reader sees that we wrote."""

    SILENT = frozenset({"style", "script", "bdi", "blockquote", "select", "pre", "svg"})

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[dict[str, str | None], str]] = []
        self.rest = ""
        self._inside: dict[str, str | None] | None = None
        self._text = ""
        self._silent = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in self.SILENT
        self.rest += " "
        if tag == "data":
            self._inside, self._text = dict(attrs), ""

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self.SILENT
        if tag == "data":
            assert self._inside is not None
            self.found.append((self._inside, self._text))
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self._text += data
        elif not self._silent:
            self.rest += data


def at(document: dict[str, Any], key: str) -> Any:
    """What report.json has under a key of the page; levels by their place, absent ones are 0."""
    *path, side = key.split(".")
    if "levels" in path:
        parameter = document["parameters"][int(path[1])]
        name = parameter["scale"]["levels"][int(path[3])]["name"]
        low, high = parameter[f"{side}_limits"].get(name, (None, None))
        return {"value": parameter[side].get(name, 0.0), "low": low, "high": high}
    value: Any = document
    for part in [*path, side]:
        value = value[int(part)] if part.isdigit() else value[part]
    return value


def fits(match: re.Match[str], exact: float) -> bool:
    """Whether the number is this value, or (1 + value) / 2, rounded at its last digit, and no false 0 or 1."""
    decimals = len(match["digits"].partition(".")[2])
    shown = float(match["digits"].replace(",", "")) / (100 if match["percent"] else 1)
    unit = 10.0**-decimals / (100 if match["percent"] else 1)
    return abs(shown - abs(exact)) < unit * (1 + 1e-9) and (shown not in (0, 1) or shown == abs(exact))


def numbers(text: str) -> Iterator[re.Match[str]]:
    return NUMBER.finditer(text)


@pytest.mark.parametrize("made", REPORTS)
def test_every_value_of_the_page_is_that_of_report_json(made: Report) -> None:
    document = json.loads(made.to_json())
    found = Data(html.render(made)).found
    assert len(found) >= 5
    for attributes, text in found:
        key = attributes["data-key"] or ""
        known = at(document, key)
        value, low, high = (
            (known["value"], known["low"], known["high"]) if isinstance(known, dict) else (known, None, None)
        )
        for name, exact in (("value", value), ("data-low", low), ("data-high", high)):
            written = attributes.get(name)
            assert (None if written is None else float(written)) == exact, key
        exacts = [one for one in (value, low, high) if one is not None]
        if re.fullmatch(r"parameters\.\d+\.tv", key):
            exacts = [(1 + value) / 2]
        for match in numbers(text.replace("separable from 0", "")):
            assert any(fits(match, exact) for exact in exacts), (key, text)


def leaves(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        yield from (leaf for one in value.values() for leaf in leaves(one))
    elif isinstance(value, list):
        yield float(len(value))
        yield from (leaf for one in value for leaf in leaves(one))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


OURS = re.compile(
    r"95% (?:interval|point|lower)|\(95%\)|50% is guessing|\[1, 2\]|\[[12]\]|1 − [24]|minus 4 times|1 minus|"
    r"arXiv \d+\.\d+|0 means|; 1 means|: 0 for|1 for sides|\^2|\(linear, 0 to 1\)|intervals are 95%|"
    r"Under 8 prompts|up to 0\.9|separable from 0|side \(\+1 before, -1 after\)|needs 6 prompts|of 0\.05|of 5%"
)
"""Numbers of the method, not of a report."""


@pytest.mark.parametrize("made", REPORTS)
def test_every_other_number_that_we_write_is_of_report_json_too(made: Report) -> None:
    """Values, whole parts of 1, a reader's right answers (1 + TV) / 2, and sums of counts by side and split."""
    document = json.loads(made.to_json())
    known = set(leaves(document))
    known |= {1 - value for value in known if 0 <= value <= 1} | {(1 + value) / 2 for value in known if value <= 1}
    splits = document["splits"]
    known |= {float(sum(splits[name] for name in ("read", "select", "report")))}
    known |= {float(one["before"] + one["after"]) for one in [document["samples"]]}
    known |= {float(sum(one["split"] is not None for one in document["candidates"]))}
    known |= {float(sum(one["parts"] is None for one in document["decomposition"]))}
    known |= {100 * value for value in known if 0 <= value <= 1}  # points, without a percent sign
    known |= {float(place) for place in range(1, len(document["parameters"]) + 1)}
    rest = Data(html.render(made)).rest
    rest = rest.replace(made.version, "").replace("python 3.11.9", "").replace("2.4.6", "").replace("3.11.9", "")
    for name in [level.name for one in made.parameters for level in one.scale.levels if " " in level.name]:
        rest = rest.replace(name, "")
    told = list(numbers(OURS.sub("", rest)))
    assert len(told) >= 10
    wrong = [
        rest[max(match.start() - 60, 0) : match.end() + 20]
        for match in told
        if not any(fits(match, value) for value in known)
    ]
    assert wrong == []


fractions = st.one_of(
    st.sampled_from([0.0, 1e-9, 1e-4, 0.004, 0.5, 0.949, 0.951, 0.994, 0.9951, 0.99999, 1 - 1e-12, 1.0]),
    st.floats(0, 1),
)


@settings(max_examples=12, deadline=None)
@given(three=st.lists(fractions, min_size=3, max_size=3), exact=st.booleans(), level=fractions)
def test_no_rounding_shows_all_for_less_or_nothing_for_more_and_words_agree_with_the_bound(
    three: list[float], exact: bool, level: float
) -> None:
    low, value, high = sorted(three)
    share = interval(value, low, high)
    words = length_parameter()
    names = [one.name for one in words.scale.levels]
    parameter = words.model_copy(
        update={"share": share, "tv": value, "shapley": value, "before": {names[0]: level, names[1]: 1 - level}}
    )
    made = (likelihood_report if exact else report)(parameters=(parameter, report().parameters[1]))
    document = json.loads(made.to_json())
    for attributes, text in Data(html.render(made)).found:
        known = at(document, attributes["data-key"] or "")
        exacts = list(known.values()) if isinstance(known, dict) else [known]
        if re.fullmatch(r"parameters\.\d+\.tv", attributes["data-key"] or ""):
            exacts = [(1 + known) / 2]
        exacts = [one for one in exacts if one is not None and not isinstance(one, bool)]
        for match in numbers(text.replace("separable from 0", "")):
            assert any(fits(match, one) for one in exacts), (attributes, text)
        first = next(numbers(text), None)
        if isinstance(known, dict) and known["value"] is not None and first is not None:
            shown = float(first["digits"].replace(",", "")) / (100 if first["percent"] else 1)
            if text.startswith("at most"):
                assert shown >= known["value"] or text.startswith("at most >")
            if text.startswith("at least"):
                assert shown <= known["value"] or text.startswith("at least <")


def test_a_cost_that_is_not_known_is_not_nothing() -> None:
    page = html.render(report(usage=Usage(calls=3, cost=None)))
    assert "cost unknown" in page
    assert "$0.00" not in page
