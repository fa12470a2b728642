"""The HTML report, read by a parser of its own: well-formed, self-contained, a script of ours, text only text."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from tests.tools.report.samples import (
    HOSTILE,
    candidates,
    empty_report,
    length_parameter,
    likelihood_report,
    report,
)
from tools.report import html
from tools.report.document import EXAMPLE_LIMIT, Example, Report, Shown
from tools.report.safe_text import visible
from tools.report.sweep_document import LevelPoint

VOID = {"meta", "br", "img", "link", "input", "hr", "base", "rect", "line"}
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "section", "header", "nav", "h1", "h2", "h3", "h4",
    "p", "div", "dl", "dt", "dd", "ol", "ul", "li", "a", "bdi", "span", "small", "strong", "br", "table", "thead",
    "tbody", "tr", "th", "td", "svg", "rect", "line", "blockquote", "details", "summary",
    "figure", "figcaption", "g", "text", "tspan", "path", "data", "mark", "code", "pre", "script",
    "form", "label", "input", "select", "option", "button", "output",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "role", "dir", "colspan", "rowspan",
    "scope", "tabindex", "hidden", "type", "value", "data-label", "data-key", "data-low", "data-high", "data-side",
    "data-level", "data-about", "data-prompt", "data-domain",
    "width", "height", "x1", "x2", "y1", "y2", "aria-label", "aria-hidden",
    "viewbox", "x", "y", "dy", "d", "transform", "fill", "stroke", "stroke-width", "stroke-dasharray", "opacity",
    "text-anchor", "font-size", "font-weight",
}  # fmt: skip


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on a tag that is not closed in its place."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.style = ""
        self.script = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.style += data
        elif self.open[-1:] == ["script"]:
            self.script += data
        else:
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def values(self, attribute: str) -> list[str]:
        return [value or "" for _, attrs in self.tags for name, value in attrs.items() if name == attribute]

    def told(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


def assert_plain(page: Page) -> None:
    """Only the tags and attributes of the template, links within the page, nothing that loads or runs."""
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {name for _, attrs in page.tags for name in attrs} <= ATTRIBUTES
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert all(link.startswith("#") and link[1:] in ids for link in page.values("href"))
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert not re.search(r"https?:|fetch|XMLHttp|import|eval|innerHTML|document\.write|localStorage", page.script)


@pytest.mark.parametrize("made", [report(), likelihood_report(), empty_report()])
def test_the_page_is_plain_and_well_formed(made: Report) -> None:
    assert_plain(Page(html.render(made)))


def test_the_policy_allows_the_one_style_sheet_and_the_one_script_and_nothing_else() -> None:
    page = Page(html.render(report()))
    policy = next(
        attrs["content"] or ""
        for tag, attrs in page.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (page.style, page.script)
    )
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed == {
        "default-src": "'none'",
        "style-src": f"'sha256-{style}'",
        "script-src": f"'sha256-{script}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_key_facts() -> None:
    told = Page(html.render(report())).told()
    for fact in (
        "What changed: Length in words (lower after) and Harm verdict (yes: 3% before, 59% after); together the 2 "
        "chosen parameters capture at most 94% (87% to 100%) of the total change.",
        "Together they capture at most 94% (87% to 100%) of the total change",
        "The total dissimilarity is at least 0.95 (lower limit 0.93), a lower bound",
        "at most 86% 79% to 93%",
        "at most 45% 37% to 53%",
        "measured on the report split (420 samples)",
        "How many words does the answer have?",
        "Alone right in 94% of cases",
        "q = 0.004 on the select split",
        "Unlimited power. Nobody tells me what to do.",
        "Left unexplained: a dissimilarity of about 0.06, 6% of the total.",
        "The claim is about prompts like these: 23 prompts",
        "adds nothing significant beyond the set",
        "no text left this machine",
        "Took response as the answer.",
    ):
        assert fact in told, fact


def test_alerts_come_before_any_number() -> None:
    alert = "Nearly all responses are identical: was the adapter loaded?"
    body = Page(html.render(report(alerts=(alert,), warnings=(alert,)))).told()
    body = body[body.index("Read this first") :]
    assert body.startswith(f"Read this first {alert}")
    assert body.count(alert) == 1


def test_a_report_without_parameters_says_so() -> None:
    told = Page(html.render(empty_report())).told()
    assert (
        "No change was found with these samples. 5 candidates were proposed and 4 of them tried; none was chosen."
        in told
    )
    assert "could just have shown is 0.03" in told
    assert "share captured" not in told


def test_a_long_report_has_a_table_of_contents() -> None:
    assert "Contents" not in Page(html.render(report())).told()
    many = tuple(length_parameter().model_copy(update={"id": f"p{i}"}) for i in range(3))
    changed = report().set.model_copy(update={"parameters": ("p0", "p1", "p2")})
    page = Page(html.render(report(parameters=many, set=changed)))
    assert "Contents" in page.told()
    assert_plain(page)


def test_a_report_of_the_largest_kind_stays_small() -> None:
    """Eight parameters with four pairs of the longest answers, every token another shade, 60 checkpoints, and 500
    candidates."""
    words = length_parameter()
    text = " ".join(f"w{i:03d}" for i in range(EXAMPLE_LIMIT // 5))
    ends = tuple(range(2, len(text), 3))
    shown = Shown(
        sample_id="a" * 20,
        response=text,
        level="under 12 words",
        token_ends=ends,
        token_evidence=tuple(5.0 * (-1) ** i for i in range(len(ends))),
    )
    examples = tuple(Example(prompt_id=f"q{i}", prompt=text, before=shown, after=shown) for i in range(4))
    levels = tuple(LevelPoint(at=float(i), value=0.5, low=0.4, high=0.6) for i in range(60))
    many = tuple(
        words.model_copy(update={"id": f"p{i}", "examples": examples, "levels": levels, "shown": "mean level"})
        for i in range(8)
    )
    tried = tuple(candidates()[0].model_copy(update={"id": f"c{i}", "name": text[:80]}) for i in range(500))
    chosen = report().set.model_copy(update={"parameters": tuple(one.id for one in many)})
    page = html.render(report(parameters=many, set=chosen, candidates=tried))
    assert len(page.encode("utf-8")) < 3_000_000
    assert page.count('<mark class="a4">') > 10_000


@pytest.mark.parametrize("text", [*HOSTILE, "".join(HOSTILE)])
def test_hostile_text_never_becomes_structure(text: str) -> None:
    hostile, plain = Page(html.render(report(text))), Page(html.render(report("plain")))
    assert_plain(hostile)
    # A long name stands in a figure on two lines, each a tspan.
    assert [tag for tag, _ in hostile.tags if tag != "tspan"] == [tag for tag, _ in plain.tags]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html.render(report(text)))


def test_values_that_no_filter_names_are_made_visible_too() -> None:
    source = html.render(report(version="\x1b[31m<b>\u202e"))
    assert "\\x1b[31m&lt;b&gt;U+202E" in source


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.strip() and len(text) < 500])
def test_hostile_text_is_shown(text: str) -> None:
    shown = visible(text.encode("utf-8", "backslashreplace").decode()).strip()
    assert shown in "".join(Page(html.render(report(text))).text)
