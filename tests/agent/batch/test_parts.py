"""Parts of a batch by themselves: how a budget is dealt out, what is shown while it runs, the summary's pages."""

import io
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agent.batch import summary_html, summary_markdown, summary_terminal
from agent.batch.board import JobProgress, LiveTable, PlainLines, Row, table_of
from agent.batch.folder import BatchFolder
from agent.batch.plan import SharedBudget
from agent.batch.purse import Part, Purse
from agent.batch.summary import Cell, Domain, RowRecord, Summary, Transfer
from agent.batch.summary_words import cell_words, headline, heat, limits_cell, share_cell, verdict_words
from agent.settings import DiscoverSettings
from probes.errors import InputError
from tools.report.document import BySide, LevelRecord, ScaleRecord
from tools.report.record import Interval

PLAIN = DiscoverSettings.model_validate({})


# The budget


@given(
    whole=st.integers(4, 500),
    jobs=st.integers(1, 6),
    data=st.data(),
)
def test_parts_never_add_up_to_more_than_the_whole(whole: int, jobs: int, data: st.DataObject) -> None:
    names = [f"job {number}" for number in range(jobs)]
    taken = dict.fromkeys(names, 0)
    purse = Purse(
        SharedBudget(max_calls=whole), {}, list(names), lambda name: (taken[name], 0.0), lambda parts: None
    )
    running: dict[str, int] = {}
    for name in names:
        try:
            part = purse.settings_of(name, PLAIN).max_calls
        except InputError:
            assert whole - sum(taken.values()) - sum(running[one] - taken[one] for one in running) < len(names)
            continue
        assert part is not None
        running[name] = part
        assert sum(taken[one] for one in taken if one not in running) + sum(running.values()) <= whole
        taken[name] = data.draw(st.integers(0, part))
        if data.draw(st.booleans()):
            purse.ended(name)
            del running[name]
    assert sum(taken.values()) <= whole


def test_what_a_job_leaves_over_is_for_those_after_it_and_a_part_is_kept() -> None:
    kept: dict[str, Part] = {}
    budget = SharedBudget(max_calls=90, max_cost=3.0)

    def purse(dealt: dict[str, Part]) -> Purse:
        return Purse(budget, dealt, ["a", "b", "c"], lambda name: (10, 0.5), kept.update)

    first = purse({})
    assert first.settings_of("a", PLAIN).max_calls == 30
    assert kept["a"] == Part(max_calls=30, max_cost=1.0)
    first.ended("a")
    second = first.settings_of("b", PLAIN.model_copy(update={"max_calls": 7}))
    assert (kept["b"], second.max_calls) == (Part(max_calls=40, max_cost=1.25), 7)  # a job's own limit holds too
    assert second.max_cost == pytest.approx(1.25)
    again = purse({"a": Part(max_calls=30, max_cost=1.0)})
    assert again.settings_of("a", PLAIN).max_calls == 30
    assert again.settings_of("b", PLAIN).max_calls == 30  # as long as it is not known what the first leaves
    assert Purse(SharedBudget(), {}, [], lambda name: (0, 0.0), kept.update).settings_of("x", PLAIN) == PLAIN


def test_the_matrix_of_a_batch_is_its_own_and_stays_so_wherever_its_folder_is(tmp_path: Path) -> None:
    """Two batches on one run must not share a budget, nor count as one look at its report split."""
    scopes = []
    for place in ("one", "other"):
        with BatchFolder.opened(tmp_path / place / "out", []) as folder:
            scopes.append(folder.matrix)
    assert len(set(scopes)) == 2
    assert all(scope.startswith("matrix of out ") for scope in scopes)
    (tmp_path / "one" / "out").rename(tmp_path / "moved")
    with BatchFolder.opened(tmp_path / "moved", []) as folder:
        assert folder.matrix == scopes[0]


# What is shown


def test_plain_lines_say_each_stage_and_no_control_characters() -> None:
    stream = io.StringIO()
    board = PlainLines(stream)
    row = board.row("a\x1b[2J")
    progress = JobProgress(board, row, threading.Event())
    row.state = "runs"
    progress.stage("reading", 1200)
    progress.note("noted\n")
    row.state = "done"
    board.changed(row)
    assert stream.getvalue() == "a\\x1b[2J: reading (1,200)\na\\x1b[2J: noted\\n\na\\x1b[2J: done\n"


def test_the_table_shows_job_stage_calls_cost_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.batch.board.time.monotonic", lambda: 100.0)
    rows = [
        Row("health [bold]", "runs", "judging", 40, 10, 70.0, 1234, 0.5),
        Row("law", "done", "judging", 40, 40, 0.0, 12, None),
        Row("money"),
    ]
    console = Console(file=io.StringIO(), width=100)
    console.print(table_of(rows))
    lines = [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[0] == ["job", "stage", "calls", "cost", "left", "in", "stage"]
    assert lines[1] == ["health", "[bold]", "judging", "(10", "of", "40)", "1,234", "$0.50", "2", "min"]
    assert lines[2] == ["law", "done", "12", "unknown"]
    assert lines[3] == ["money", "waits"]


def test_the_stage_alone_gives_way_on_a_narrow_terminal() -> None:
    rows = [Row("politics", "runs", "measuring the answers", 256, 256, 0.0, 1234, 0.5), Row("law")]
    console = Console(file=io.StringIO(), width=60)
    console.print(table_of(rows))
    lines = [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[0] == ["job", "stage", "calls", "cost", "left", "in", "stage"]
    assert lines[1] == ["politics", "measuring", "the", "answers", "1,234", "$0.50"]
    assert lines[2:] == [["(256", "of", "256)"], ["law", "waits"]]


def test_a_job_is_interrupted_where_a_stage_begins() -> None:
    stop = threading.Event()
    board = LiveTable(lambda *_, **__: None)
    progress = JobProgress(board, board.row("a"), stop)
    progress.stage("one", 3)
    stop.set()
    progress.advance()
    with pytest.raises(KeyboardInterrupt):
        progress.stage("two")
    with pytest.raises(KeyboardInterrupt):
        progress.status("1 call")


# The summary

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e|x|\n# h `"


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high, one_sided=low == 0)


def a_cell(value: float, **more: Any) -> Cell:
    around = interval(value, max(0.0, value - 0.1), min(1.0, value + 0.1))
    return Cell(dissimilarity=around, share=around, **{"p_value": 0.01, "q_value": 0.02, "shift": 0.4, **more})


def a_row(cells: dict[str, Cell], verdict: Any, seen: tuple[str, ...], **more: Any) -> RowRecord:
    row = RowRecord(
        id=HOSTILE,
        name=HOSTILE,
        question=HOSTILE,
        judge="code:words",
        scale=ScaleRecord(kind="yes_no", levels=(LevelRecord(name="no"), LevelRecord(name="yes"))),
        source="a",
        found_in=("a", "pooled"),
        verdict=verdict,
        seen_in=seen,
        says="",
        cells=cells,
        pooled=Cell(why=HOSTILE),
        **more,
    )
    return row.model_copy(update={"says": verdict_words(row, {"a": "A", "b": "B", "c": "C"})})


def a_summary() -> Summary:
    done: dict[str, Any] = {
        "status": "done",
        "bound": "lower",
        "total": interval(0.5, 0.4, 0.6),
        "samples": BySide(before=5, after=5),
    }
    domains = (
        Domain(name="a", label=HOSTILE, report="runs/a/report.html", prompts=3, parameters=("x",), **done),
        Domain(name="b", label="B", prompts=3, **done),
        Domain(name="c", label="C", status="failed", error=HOSTILE),
    )
    cells = {"a": a_cell(0.5), "b": a_cell(0.3, shift=-0.2), "c": Cell(why="the job failed")}
    return Summary(
        version="0",
        name=HOSTILE,
        level=0.05,
        tests=4,
        resamples=999,
        transferred=True,
        complete=False,
        domains=domains,
        pooled=Domain(name="pooled", label="all together", prompts=6, **done),
        parameters=(a_row(cells, "common", ("a", "b"), opposite=True),),
        transfers=(Transfer(source="a", to="b", why=HOSTILE),),
        warnings=(HOSTILE,),
    )


def test_hostile_text_is_shown_and_never_obeyed() -> None:
    summary = a_summary()
    page = summary_html.render(summary)
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page
    assert re.search(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'", page)
    assert "style=" not in page
    text = summary_markdown.render(summary)
    assert "<script>" not in re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)  # but in code spans, as text
    assert "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows[:3]}) == 1
    console = Console(file=io.StringIO(), width=120)
    console.print(summary_terminal.render(summary))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in shown
    assert "\\x1b[2J" in shown
    assert Summary.model_validate_json(summary.to_json()) == summary


def test_links_lead_to_the_reports_whatever_their_folders_are_called() -> None:
    summary = a_summary()
    odd = summary.domains[1].model_copy(update={"report": "../my run #1?/a|b)/report.html"})
    summary = summary.model_copy(update={"domains": (summary.domains[0], odd, summary.domains[2])})
    expected = "../my%20run%20%231%3F/a%7Cb%29/report.html"
    assert f'<a href="{expected}">' in summary_html.render(summary)
    assert f"[report]({expected})" in summary_markdown.render(summary)


@pytest.mark.parametrize(
    ("verdict", "seen", "more", "said"),
    [
        ("common", ("a", "b", "c"), {"everywhere": True}, "Common to all 3 domains."),
        ("common", ("a", "b"), {}, "Common to A and B."),
        (
            "common",
            ("a", "b"),
            {"opposite": True},
            "Common to A and B, but not the same way: higher after in A, lower after in B.",
        ),
        (
            "specific",
            ("b",),
            {"of": "b"},
            "Of B: seen there alone, and separably larger there than in A and C.",
        ),
        ("undecided", ("a",), {}, "Seen in A; whether there alone, these samples cannot tell."),
        (
            "undecided",
            ("a", "c"),
            {},
            "Seen in A and C; whether in more than one of them, these samples cannot tell.",
        ),
        (
            "common",
            ("a", "b", "c"),
            {"everywhere": True, "tied": ("a", "c")},
            "Common to all 3 domains; A and C count as one where they share prompts.",
        ),
        (
            "undecided",
            ("a", "c"),
            {"tied": ("a", "c")},
            "Seen in A and C; whether in more than one of them, these samples cannot tell; A and C count as one "
            "where they share prompts.",
        ),
        (
            "undecided",
            ("a",),
            {"tied": ("a", "c")},
            "Seen in A; whether there alone, these samples cannot tell, as A and C share prompts.",
        ),
        ("not shown", (), {}, "Not shown to have changed in any domain."),
    ],
)
def test_verdicts_in_words(verdict: Any, seen: tuple[str, ...], more: dict[str, Any], said: str) -> None:
    cells = {"a": a_cell(0.5), "b": a_cell(0.3, shift=-0.2), "c": a_cell(0.4)}
    assert a_row(cells, verdict, seen, **more).says == said


def test_what_is_of_one_domain_is_so_among_those_it_was_measured_in_wherever_that_is_said() -> None:
    cells = {"a": a_cell(0.5), "b": a_cell(0.01), "c": Cell(why="the job failed")}
    row = a_row(cells, "specific", ("a",), of="a")
    assert row.says == "Of A: seen there alone, and separably larger there than in B; it was not measured in C."
    summary = a_summary().model_copy(update={"parameters": (row,)})
    console = Console(file=io.StringIO(), width=400)
    console.print(summary_terminal.render(summary))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for page in (shown, summary_html.render(summary), summary_markdown.render(summary)):
        assert page.count("Of one domain") == page.count("Of one domain, among those it was measured in") > 0
        assert "it was not measured in C" in page


def test_two_domains_are_both() -> None:
    cells = {"a": a_cell(0.5), "b": a_cell(0.3)}
    row = a_row(cells, "common", ("a", "b"), everywhere=True)
    assert row.says == "Common to both domains."
    summary = a_summary().model_copy(update={"parameters": (row,), "domains": a_summary().domains[:2]})
    assert headline(summary)[0].endswith("(in both domains).")


def test_what_was_seen_where_it_was_found_only_is_said() -> None:
    row = a_row({"a": a_cell(0.5), "b": Cell(why="not asked")}, "undecided", ("a",))
    assert row.says == "Seen in A; it was measured in no other domain."


def test_cells() -> None:
    assert share_cell(None, "lower") == "–"
    assert share_cell(a_cell(0.5), "lower") == "≤ 50%"
    assert share_cell(a_cell(0.5), "exact") == "50%"
    assert share_cell(a_cell(0.05), "exact") == "0%"
    few, many = (a_cell(0.99, samples=BySide(before=n, after=n)) for n in (30, 3000))
    assert (share_cell(few, "lower"), limits_cell(few)) == ("≥ 89%", "")  # no upper limit is valid there
    assert (share_cell(many, "exact"), limits_cell(many)) == ("99%", "89% to 100%")
    assert [heat(a_cell(value)) for value in (0.0, 0.12, 0.55, 1.0)] == [0, 1, 6, 10]
    assert cell_words(a_cell(0.5)) == "dissimilarity 0.50 (0.40 to 0.60), q 0.020, higher after"
    assert cell_words(Cell(why="not\nasked")) == "not ↵ asked"
