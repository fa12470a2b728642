"""What the README and the pages in docs/ quote is there: commands and flags, files, headings, make targets."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from agent.cli.app import app
from agent.settings import DiscoverSettings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]


@cache
def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def quoted() -> Iterator[tuple[str, str]]:
    """Commands in blocks and between backticks, each with its page."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for line in re.findall(r"^\$ (.+)$", text, re.MULTILINE) + re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text):
            if re.match(r"(orderparam|make) [a-z]", line):
                yield page.name, line


def test_there_are_commands_to_look_at() -> None:
    assert len(list(quoted())) > 40


@pytest.mark.parametrize(("page", "line"), sorted(set(quoted())))
def test_a_quoted_command_parses(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    end = next((place for place, word in enumerate(words) if word in ("|", ">", "<", "&&")), len(words))
    program, name, *arguments = words[:end]
    if program == "make":
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    assert name in commands()
    bare = not arguments and name not in ("demo", "probes")  # named, without what it takes
    if not bare:
        commands()[name].make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_flag_is_one_of_ours(page: Path) -> None:
    known = {
        flag
        for one in commands().values()
        for given in one.params
        for flag in (*given.opts, *given.secondary_opts)
    }
    known |= {"--debug", "--help", "--version"}
    text = re.sub(r"(pip install|python -m benchmarks)[^`\n]*", "", page.read_text("utf-8"))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known


def anchors(page: Path) -> set[str]:
    """Headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def test_defaults_that_the_pages_name_are_those_of_the_settings() -> None:
    defaults = DiscoverSettings.model_construct()
    pages = " ".join(" ".join(page.read_text("utf-8").split()) for page in PAGES)
    assert f"`--criteria-per-call`, {defaults.criteria_per_call} by default" in pages
    assert f"in {defaults.resamples} resamples" in pages
