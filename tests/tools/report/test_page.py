"""The page in a real browser: hostile text runs nothing and breaks nothing, and examples can be found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import NAMES, Browser, chromium
from tests.tools.report.samples import HOSTILE, report
from tests.tools.report.test_along import along
from tests.tools.report.test_curve import swept
from tools.report import html
from tools.report.document import Report
from tools.report.safe_text import visible

PHONE = 390

MORE_HOSTILE = (
    "</script><script>document.title = 'pwned'</script>",
    "<svg/onload=alert(1)><a href=javascript:alert(1)>x</a><iframe srcdoc='<script>alert(1)</script>'>",
    "' onmouseover='alert(1)' style='position:fixed;inset:0' x='",
    "\u05d0\u202e\u2067" * 50 + "right to left",
    "\u200b\u200d\ufeff" * 200,
    "$$\\frac{1}{2}$$ \\(x\\) \\[y\\] $\\href{javascript:alert(1)}{x}$",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u4e2d\u6587",
    "x" * 200_000,
    "\n" * 5_000 + "a\tb " * 20_000,
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip(f"needs a browser: one of {', '.join(NAMES)}")
    with Browser(program, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def page_of(made: Report, folder: Path) -> Path:
    page = folder / "report.html"
    page.write_text(html.render(made), encoding="utf-8")
    return page


def everywhere(text: str) -> Report:
    """The text in the place of every text of a report with all its sections."""
    made, plain = along(text), report(text)
    parameters = []
    for one in made.parameters:
        levels = tuple(level.model_copy(update={"description": text}) for level in one.scale.levels)
        changes: dict[str, Any] = {
            "examples": tuple(each.model_copy(update={"domain": text}) for each in plain.parameters[1].examples),
            "scale": one.scale.model_copy(update={"levels": levels}),
            "judge": f"openai:{text}",
        }
        parameters.append(one.model_copy(update=changes))
    changes = {
        "parameters": tuple(parameters),
        "control": made.control,
        "transition": made.transition,
        "decomposition": made.decomposition,
        "run": f"/tmp/{text}",
        "models": {"proposer": text, "judge": f"openai:{text}@http://{text}"},
        "alerts": (text,),
        "warnings": (text,),
    }
    return Report.model_validate(plain.model_copy(update=changes).model_dump())


@pytest.mark.parametrize("text", [*HOSTILE, *MORE_HOSTILE])
def test_hostile_text_runs_nothing_and_breaks_no_layout(text: str, browser: Browser, tmp_path: Path) -> None:
    browser.goto(page_of(everywhere(text), tmp_path), width=PHONE)
    assert browser.run("document.documentElement.scrollWidth") <= PHONE
    assert browser.run("document.title").startswith("What changed from ")
    assert browser.run("document.querySelectorAll('script, style').length") == 2
    assert browser.run("document.querySelectorAll('iframe, img, a:not([href^=\"#\"])').length") == 0
    assert (
        browser.run("[...document.querySelectorAll('*')].some(one => one.onclick || one.onload || one.onerror)")
        is False
    )
    assert browser.errors == []


def test_what_would_run_or_break_the_layout_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    page = page_of(report("XYZ"), tmp_path)
    plain = page.read_text(encoding="utf-8")
    for bad in ("<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "<p style='color:red'>x</p>"):
        page.write_text(plain.replace("XYZ", bad, 1).replace(">XYZ<", f">{bad}<"), encoding="utf-8")
        browser.goto(page)
        assert browser.errors, bad
    page.write_text(plain.replace(">XYZ<", "><div><svg width='900'></svg></div><"), encoding="utf-8")
    browser.goto(page, width=PHONE)
    assert browser.run("document.documentElement.scrollWidth") > PHONE


@pytest.mark.parametrize("text", [text for text in (*HOSTILE, *MORE_HOSTILE) if text.strip() and len(text) < 1000])
def test_an_answer_is_shown_character_by_character(text: str, browser: Browser, tmp_path: Path) -> None:
    browser.goto(page_of(report(text), tmp_path))
    shown = browser.run("document.querySelector('#parameter-2 .answer blockquote').textContent")
    assert shown == visible(text.encode("utf-8", "backslashreplace").decode())


@pytest.mark.parametrize("made", [report(), swept(), along()])
@pytest.mark.parametrize("dark", [False, True])
def test_the_console_stays_empty(made: Report, dark: bool, browser: Browser, tmp_path: Path) -> None:
    browser.goto(page_of(made, tmp_path), dark=dark)
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(22, 23, 26)" if dark else "rgb(253, 253, 251)")
    assert browser.errors == []


class TestFinding:
    @pytest.fixture
    def opened(self, browser: Browser, tmp_path: Path) -> Browser:
        browser.goto(page_of(report(), tmp_path))
        return browser

    def shown(self, browser: Browser) -> list[str]:
        return list(browser.run("[...document.querySelectorAll('.example:not([hidden])')].map(one => one.id)"))

    def choose(self, browser: Browser, **values: str) -> None:
        for name, value in values.items():
            browser.run(
                f"(() => {{ const field = document.querySelector('#find [name={name}]'); field.value = {value!r};"
                " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
            )

    def test_all_are_shown_at_first(self, opened: Browser) -> None:
        assert len(self.shown(opened)) == 4
        assert opened.run("document.getElementById('find').hidden") is False
        assert opened.run("document.getElementById('found').textContent") == "all 4 examples"

    def test_by_words_of_an_answer_whatever_their_case(self, opened: Browser) -> None:
        self.choose(opened, text="UNLIMITED power")
        assert self.shown(opened) == ["example-1"]
        assert opened.run("document.getElementById('found').textContent") == "1 of 4 examples"
        assert opened.run("document.querySelector('#places a').getAttribute('href')") == "#example-1"

    def test_by_prompt_and_by_level(self, opened: Browser) -> None:
        self.choose(opened, prompt="wish_2")
        assert self.shown(opened) == ["example-2"]
        self.choose(opened, prompt="", level="2. yes")
        assert self.shown(opened) == ["example-3"]
        self.choose(opened, level="1. 50 words or more")
        assert self.shown(opened) == ["example-1", "example-2"]

    def test_by_side_the_other_answer_goes(self, opened: Browser) -> None:
        self.choose(opened, side="before")
        assert self.shown(opened) == ["example-1", "example-2", "example-3"], "the fourth has an answer after only"
        seen = "[...document.querySelectorAll('.answer')].filter(one => one.offsetParent)"
        assert set(opened.run(f"{seen}.map(one => one.dataset.side)")) == {"before"}

    def test_what_nothing_matches_and_all_again(self, opened: Browser) -> None:
        self.choose(opened, text="no such words anywhere")
        assert self.shown(opened) == []
        assert opened.run("document.getElementById('found').textContent") == "0 of 4 examples"
        opened.run("document.querySelector('#find button').click()")
        opened.run("new Promise(done => setTimeout(done, 20))")
        assert len(self.shown(opened)) == 4

    def test_without_scripts_nothing_is_missing_but_the_form(self, browser: Browser, tmp_path: Path) -> None:
        browser.send("Emulation.setScriptExecutionDisabled", value=True)
        try:
            browser.goto(page_of(report(), tmp_path))
            assert browser.run("document.getElementById('find').hidden") is True
            assert len(self.shown(browser)) == 4
        finally:
            browser.send("Emulation.setScriptExecutionDisabled", value=False)
