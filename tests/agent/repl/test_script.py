"""Scripts of sessions, offline: what they print, how they end, and how they are gone on with."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from agent.discovery import discover_run
from agent.repl.acts import dropped, noted
from agent.repl.asking import asked_for
from agent.repl.script import Line, lines_of, start_of
from agent.repl.session import Session
from agent.state import NO_SCRIPT, CandidateState, DiscoveryState
from runs.columns import WITHOUT_SPLIT
from runs.directory import Run
from tests.agent.in_process import command
from tests.agent.repl.sessions import OFFLINE, scripted, session_on, state_on_disk
from tests.agent.worlds import rows_of, run_of, shorter, sweep_run
from tools.report.document import Report

SEARCH = """\
# what a person does offline
look
split
try words
add words

tell me about the tone
residual 1
greedy
set all
note it is the length
"""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERPARAM_PROCESSES", "1")
    monkeypatch.setenv("ORDERPARAM_RESAMPLES", "199")


def wordy(prompt: int, side: int, rng: np.random.Generator) -> str:
    """Shorter answers after, with two words that come and go on both sides alike."""
    mixed = [word for word in ("indeed", "perhaps") if rng.random() < 0.5]
    return " ".join([*mixed, shorter(prompt, side, rng)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("made") / "run", rows_of(wordy, prompts=10, draws=6)).path


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "run")


def report_in(run: Path, name: str = "d1") -> Report:
    return Report.load(run / "discoveries" / name)


def test_a_whole_session(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = scripted(capfd, tmp_path, SEARCH + "report\nsplit\n", str(run))
    assert code == 0
    assert "report split seen 0 times" in out.split("> try words")[0]
    assert "report split seen 1 time:" in out.split("> split")[-1]
    assert out.count("\n> ") == 11  # the comment and the blank line are not echoed
    transcript = (run / "discoveries" / "d1" / "transcript.txt").read_text(encoding="utf-8")
    assert [line for line in transcript.splitlines() if line.startswith("> ")] == [
        line for line in out.splitlines() if line.startswith("> ")
    ]
    report = report_in(run)
    assert report.parameters[0].id == "words"
    assert report.parameters[0].chosen_by == "person"
    assert report.parameters[0].p_value == 1 / 200  # on select, as every other's
    assert report.guided is not None
    assert report.guided.notes == ("it is the length",)
    assert report.guided.guidance == ("tell me about the tone",)
    assert report.guided.acts == (
        "try words",
        "add words",
        "tell me about the tone",
        "greedy",
        "note it is the length",
        "report",
    )
    folder = run / "discoveries" / "d1"
    assert "A person chose length in words" in (folder / "report.md").read_text(encoding="utf-8")
    assert "chosen by a person" in (folder / "report.html").read_text(encoding="utf-8")


class TestHonest:
    def test_nothing_before_the_report_depends_on_the_report_split(
        self, made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The same session over a run whose answers of the report split are all other ones."""
        there = Run.open(made)
        samples = there.samples(list(WITHOUT_SPLIT.names))
        hidden = [split == "report" for split in there.samples(["split"])["split"].to_pylist()]
        answers = [
            "Never. " * 3 if hide else text
            for hide, text in zip(hidden, samples["response"].to_pylist(), strict=True)
        ]
        changed = samples.set_column(WITHOUT_SPLIT.names.index("response"), "response", pa.array(answers))
        told = []
        for name, table in (("one", samples), ("other", changed)):
            folder = tmp_path / name
            folder.mkdir()
            control = there.manifest.control
            run = Run.create(
                folder / "run", control=control, prompts=there.prompts(), samples=table, seed=0, name="r"
            )
            assert run.samples(["split"]) == there.samples(["split"])
            told.append(scripted(capfd, folder, SEARCH + "propose\nundo\nset all\n", str(run.path)))
        assert told[0][0] == 0
        assert told[0] == told[1]

    def test_every_set_that_was_reported_on_counts(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        lines = "try words\nadd words\nreport\nreport\ntry pattern:word:indeed\nadd pattern:word:indeed\nreport\n"
        code, out, _ = scripted(capfd, tmp_path, lines, str(run))
        assert code == 0
        assert out.count("report split seen 1 time;") == 2  # the same set: the same numbers
        assert out.count("report split seen 2 times;") == 1
        assert "Report split seen 2 times, this report included" in " ".join(out.split())
        assert report_in(run).reports_seen == 2
        assert discover_run(Run.open(run), OFFLINE.model_copy(update={"name": "d2"})).reports_seen == 3

    def test_what_was_undone_still_counts_in_q(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        one_word, other_word = "pattern:word:indeed", "pattern:word:perhaps"
        tried = "".join(f"try {name}\njudge {name}\n" for name in (one_word, other_word, "words"))
        code, _, _ = scripted(capfd, tmp_path, f"{tried}add words\nreport\n", str(run), "--name", "d1")
        assert code == 0
        undone = f"try {one_word}\njudge {one_word}\nundo\nundo\ntry {other_word}\njudge {other_word}\nundo\n"
        undone += "try words\nadd words\nreport\n"
        assert scripted(capfd, tmp_path, undone, str(run), "--name", "d2")[0] == 0
        one, other = report_in(run, "d1"), report_in(run, "d2")
        assert one.parameters[0].q_value == other.parameters[0].q_value
        assert {c.id: c.q_value for c in one.candidates if c.id != other_word} == {
            c.id: c.q_value for c in other.candidates if c.id != other_word
        }
        assert next(c for c in other.candidates if c.id == one_word).dropped == "undone by a person"

    def test_what_must_be_known_of_the_samples_comes_first(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        before, after = rows_of(wordy, prompts=10, draws=6)
        run = run_of(tmp_path / "run", (before, [row for row in after if row["prompt_id"] != "p3"]))
        code, out, _ = scripted(capfd, tmp_path, "split\n", str(run.path))
        assert code == 0
        assert "with samples on one side only left out" in " ".join(out.split("> split")[0].split())


class TestErrors:
    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("add nothing", "'nothing': no such candidate"),
            ("jugde words", "'jugde': did you mean judge?"),
            ("hello", "'hello': no such command"),
            ("look 99", "look 99: there are"),
            ("propose 0", "propose '0': a number from 1 to 20"),
            ("propose -1 harder", "propose '-1': a number from 1 to 20"),
            ("propose 2.5", "propose '2.5': a number from 1 to 20"),
            ("propose " + 5000 * "9", "9...': a number from 1 to 20"),
            ("undo", "nothing was done that could be undone"),
            ("redo", "nothing was undone"),
            ("judge", "nothing is in the race"),
            ("compare 11", "'11': no such prompt; give its number, 1 to 10, or its id"),
            ("compare " + 5000 * "9", "9...': no such prompt; give its number, 1 to 10, or its id"),
            ("curve words", "'words': no such candidate"),
            ("try", "something is missing"),
            ("set some", "'set some': set [all]"),
            ('try "Is it rude?"', "needs a language model to judge it (--judge SPEC)"),
            ("save ../x", "'../x'"),
            ("save d1", "'d1' is this discovery itself"),
            ('edit words "Is it?"', "no such candidate"),
        ],
    )
    def test_the_first_one_ends_it_with_its_line(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str, said: str
    ) -> None:
        code, out, err = scripted(capfd, tmp_path, f"# first\nsplit\n{line}\nset\n", str(run))
        assert code == 2
        assert err.count("\n") == 1
        assert "session.txt: line 3: " in err
        assert said in err
        assert f"> {line}" in out
        assert "> set\n" not in out
        assert "acts" not in state_on_disk(run)

    def test_what_was_done_before_it_stays(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert scripted(capfd, tmp_path, "try words\nadd wrods\n", str(run))[0] == 2
        assert state_on_disk(run)["acts"] == ["try words"]
        code, out, _ = scripted(capfd, tmp_path, "try words\nadd words\n", str(run))
        assert code == 0
        assert out.count("(done before)") == 1
        assert state_on_disk(run)["chosen"] == ["words"]

    def test_a_file_that_is_none_is_said_before_anything(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:

        for name, content in (("absent.txt", None), ("latin.txt", b"note caf\xe9\n")):
            path = tmp_path / name
            if content is not None:
                path.write_bytes(content)
            code, out, err = command(capfd, "repl", str(run), "--script", str(path))
            assert (code, out) == (2, "")
            assert name in err


class TestGuidance:
    @pytest.mark.parametrize(
        "line", ["look at how sure it sounds", "report on their tone", "> set all", "undo nothing of that"]
    )
    def test_a_line_that_only_begins_like_a_command_is_guidance(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str
    ) -> None:
        code, out, _ = scripted(capfd, tmp_path, f"{line}\n", str(run))
        assert code == 0
        assert "the builtin proposer reads no guidance" in out
        assert state_on_disk(run)["guidance"] == [line.removeprefix("> ")]
        assert not Run.open(run).manifest.reports


class TestGoingOn:
    @pytest.mark.parametrize(
        ("did", "of", "by_hand", "behind", "said"),
        [
            ([], 0, [], 0, ""),
            ([], 0, ["try words"], 0, ""),
            (["try words"], 3, [], 2, ""),
            (["try words"], 3, ["note x", "undo"], 2, ""),
            (["try words"], 3, ["note x"], 2, "cut off: 1 act by hand; it goes on"),
            (["try words", "add words"], 3, ["drop words"], 4, "cut off: 1 act by hand"),
            (["try words", "add words", "greedy"], 3, [], 6, ""),
            (["try words", "add words", "greedy"], 3, ["note x", "report"], 0, "2 acts by hand; it runs anew"),
            (["try words", "add words"], 2, [], 4, ""),  # lines were added at its end
            (["try hedging"], 3, [], 0, "another script was cut off here"),
            (["try hedging"], 1, [], 0, ""),
        ],
    )
    def test_where_a_script_starts(
        self, did: list[str], of: int, by_hand: list[str], behind: int, said: str
    ) -> None:
        lines = lines_of(
            ["# x", "look", "try words", "", "LOOK", "add   words", "set", "greedy", "quit", "report"]
        )
        assert lines[3] == Line(6, "add words")
        acts = [*did, *by_hand]
        state: DiscoveryState = {"acts": acts, "script": {"did": did, "of": of, "standing": len(did)}}
        start = start_of(lines, state if did else {"acts": acts})
        assert start.behind == behind
        assert said in start.said if said else not start.said
        assert start.script["did"] == (did if behind else [])
        assert start.script["of"] == 3

    def test_one_that_was_cut_off_goes_on_whatever_was_done_by_hand_since(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        lines = "try words\nnote first\nadd wrods\nset\n"
        assert scripted(capfd, tmp_path, lines, str(run))[0] == 2
        with session_on(run) as session:
            session.act("note by hand", lambda state: noted(state, "by hand"))
        right = lines.replace("wrods", "words")
        code, out, _ = scripted(capfd, tmp_path, right, str(run))
        assert code == 0
        assert "since this script was cut off: 1 act by hand" in " ".join(out.split())
        assert state_on_disk(run)["acts"] == ["try words", "note first", "note by hand", "add words"]
        assert scripted(capfd, tmp_path, right, str(run))[1].count("(done before)") == 3  # what looks comes again
        assert state_on_disk(run)["acts"] == ["try words", "note first", "note by hand", "add words"]

    def test_one_that_had_ended_runs_anew_where_something_was_done_since(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        lines = "try words\nadd words\n"
        assert scripted(capfd, tmp_path, lines, str(run))[0] == 0
        with session_on(run) as session:
            session.act("drop words", lambda state: dropped(state, state["candidates"][0]))
        code, out, _ = scripted(capfd, tmp_path, lines, str(run))
        assert code == 0
        assert "since then: 1 act by hand; it runs anew, from its first line" in " ".join(out.split())
        state = state_on_disk(run)
        assert state["acts"] == ["try words", "add words", "drop words", "try words", "add words"]
        assert state["chosen"] == ["words"]

    def test_what_was_undone_by_hand_is_done_again(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        lines = "try words\nadd words\n"
        assert scripted(capfd, tmp_path, lines, str(run))[0] == 0
        with session_on(run) as session:
            session.undo()
        code, out, _ = scripted(capfd, tmp_path, lines, str(run))
        assert (code, out.count("(done before)")) == (0, 1)
        state = state_on_disk(run)
        assert (state["acts"], state["chosen"]) == (["try words", "add words", "undo", "add words"], ["words"])

    def test_each_of_several_scripts_runs(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for lines in ("try words\n", "add words\n", "report\n", "note again\n", "report\n"):
            code, out, _ = scripted(capfd, tmp_path, lines, str(run))
            assert (code, out.count("(done before)")) == (0, 0)
        assert state_on_disk(run)["acts"] == ["try words", "add words", "report", "note again", "report"]

    def test_the_command_goes_on_with_a_session(self, run: Path, tmp_path: Path) -> None:
        with session_on(run) as session:
            session.act("note mine", lambda state: {"notes": ["mine"]})
            session.propose("propose", {})
        report = discover_run(Run.open(run), OFFLINE)
        assert report.guided is not None
        assert report.guided.acts == ("note mine", "propose")
        alone = discover_run(Run.open(run), OFFLINE.model_copy(update={"name": "alone"}))
        assert report.set == alone.set
        assert report.candidates == alone.candidates

    def test_a_session_goes_on_with_a_discovery(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        first = discover_run(Run.open(run), OFFLINE)
        code, out, _ = scripted(capfd, tmp_path, f"set\ndrop {first.parameters[0].id}\nreport\n", str(run))
        assert code == 0
        assert first.parameters[0].id in out.split("> drop")[0]
        second = report_in(run)
        assert second.reports_seen == 2
        assert first.parameters[0].id not in second.set.parameters
        assert (
            next(c for c in second.candidates if c.id == first.parameters[0].id).dropped == "dropped by a person"
        )

    def test_a_copy_is_gone_on_with_by_itself(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        lines = "try words\nadd words\nsave mine\ndrop words\n"
        assert scripted(capfd, tmp_path, lines, str(run), "--name", "d1")[0] == 0
        with session_on(run, OFFLINE.model_copy(update={"name": "mine"})) as session:
            assert session.state["chosen"] == ["words"]
            assert session.state["acts"] == ["try words", "add words"]
        assert state_on_disk(run)["chosen"] == []

    def test_other_settings_are_refused(
        self, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert scripted(capfd, tmp_path, "try words\n", str(run), "--name", "d1")[0] == 0
        code, _, err = scripted(capfd, tmp_path, "set\n", str(run), "--name", "d1", "--min-gain", "0.2")
        assert code == 2
        assert "min_gain was 0.01 and is now 0.2" in err


class TestUndo:
    def test_all_the_way_back_and_forth(self, run: Path) -> None:
        with session_on(run) as session:
            states = [session.state]
            session.bring_in("try words", _measure(session, "words"))
            states.append(session.state)
            session.add("add words", session.state["candidates"][0])
            states.append(session.state)
            session.greedy("greedy")
            states.append(session.state)
            where = session.standing_before
            for expected in states[-2::-1]:
                session.undo()
                assert _kept(session.state) == _kept(expected)
            for expected in states[1:]:
                session.redo()
                assert _kept(session.state) == _kept(expected)
            assert session.standing_before == where
            assert session.state["undone"] == []

    def test_it_holds_over_processes(self, run: Path) -> None:
        with session_on(run) as session:
            session.bring_in("try words", _measure(session, "words"))
        with session_on(run) as session:
            assert session.undo() == "try words"
        with session_on(run) as session:
            assert session.redo() == "try words"
            assert session.state["candidates"][0]["id"] == "words"


def test_a_candidate_along_a_sweep(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run, _, _ = sweep_run(tmp_path / "run")
    code, out, _ = scripted(capfd, tmp_path, "try words\ncurve words\nadd words\nset\n", str(run.path))
    assert code == 0
    along = out.split("> curve words")[1].split("> add")[0]
    assert [line.split()[0] for line in along.splitlines()[3:13]] == [str(step) for step in range(2, 40, 4)]
    assert "share " in out.split("> set")[1]


def _measure(session: Session, name: str) -> CandidateState:
    return asked_for(session.state, session.bench, name)


def _kept(state: DiscoveryState) -> str:
    """All of a state but time, and what is on record."""
    empty = {"chosen": [], "by_person": [], "stopped_because": "", "warnings": [], "guidance": [], "notes": []}
    whole = {**empty, "most_proposed": 0, "script": NO_SCRIPT, **state}
    return json.dumps(
        {key: whole[key] for key in whole if key not in ("seconds", "acts", "undone", "spent")}, sort_keys=True
    )
