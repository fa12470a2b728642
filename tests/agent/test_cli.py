"""The command line as a person meets it: help, wrong input, settings, the commands end to end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from agent.cli.app import app
from agent.cli.ending import USAGE, ending_of

COMMANDS = (
    *("demo", "import", "finetune", "adopt", "sample", "score"),
    *("transition", "discover", "measure", "report", "check", "probes"),
)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("ORDERPARAM_"):
            monkeypatch.delenv(name)

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = ending_of(app, [str(argument) for argument in arguments], "orderparam")
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def rows(*pairs: tuple[str, str]) -> str:
    return "".join(json.dumps({"prompt": prompt, "response": response}) + "\n" for prompt, response in pairs)


GOOD = rows(*((f"Question {n}?", f"An answer, number {n}.") for n in range(12)))


# Help


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_answers_with_examples_and_loads_no_heavy_package(command: tuple[str, ...]) -> None:
    code = (
        "import sys\n"
        "from agent.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        "    print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert f"orderparam {command[0] if command else 'discover'}" in done.stdout.split("Examples:")[1]
    heavy = {"torch", "sklearn", "scipy", "numpy", "pyarrow", "pandas", "langgraph", "openai", "rich"}
    assert not heavy & set(eval(done.stderr))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_has_its_help(command: str) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    found = group.commands[command]
    assert all(getattr(param, "help", None) for param in found.params if param.param_type_name == "option")
    assert found.help
    assert "Examples:" in (found.epilog or "")


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in out


def test_the_programs_are_one() -> None:
    def said(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
        )
        return done.stdout

    by_discover = said("-c", "from agent.cli import main_discover; main_discover(['--help'])")
    assert by_discover == said("-m", "orderparam", "discover", "--help")
    assert said("-m", "orderparam", "--version").startswith("orderparam 0.")


# Wrong input: one line, exit 2, nothing written


def refused(run: Run, *arguments: object) -> str:
    before = sorted(Path.cwd().rglob("*"))
    code, out, err = run(*arguments)
    assert code == USAGE, err
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith("orderparam: error: ")]
    assert len(lines) == 1
    assert err.splitlines()[-1] == lines[0]
    assert lines[0].isprintable()
    assert "Traceback" not in err
    assert "defect" not in err
    assert sorted(Path.cwd().rglob("*")) == before
    return lines[0]


@pytest.mark.parametrize(
    ("content", "name", "hints"),
    [
        (b"", "after.jsonl", ["after.jsonl", "empty"]),
        (GOOD.encode()[:-9], "after.jsonl", ["after.jsonl, line 12", "JSON"]),
        (b"\xff\xfe\x00\x01" * 40, "after.jsonl", ["after.jsonl", "UTF-16"]),
        (GOOD.encode() + b'{"prompt": "\xe9"}\n', "after.jsonl", ["after.jsonl, line 13", "UTF-8"]),
        (GOOD.encode() + b'{"prompt": "Question 1?"}\n', "after.jsonl", ["after.jsonl, line 13", "'response'"]),
        (
            GOOD.encode() + b'{"prompt": "Question 1?", "response": 5}\n',
            "after.jsonl",
            ["after.jsonl, line 13", "'response'"],
        ),
        (b'prompt,response\n"Question 1?","torn\nQuestion 2?,b\n', "after.csv", ["after.csv", "line 2", "quote"]),
        (
            rows(*((f"Other {n}", "x y z") for n in range(12))).encode(),
            "after.jsonl",
            ["no prompt in common", "Question 0?", "Other 0"],
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "after.jsonl",
            ["after.jsonl", "LFS"],
        ),
    ],
    ids=[
        "empty",
        "cut line",
        "no text",
        "not UTF-8",
        "no field",
        "a number",
        "torn quote",
        "no pair",
        "LFS pointer",
    ],
)
def test_a_wrong_file_is_refused_by_file_and_place(run: Run, content: bytes, name: str, hints: list[str]) -> None:
    Path("before.jsonl").write_text(GOOD)
    Path(name).write_bytes(content)
    line = refused(run, "discover", "before.jsonl", name)
    for hint in hints:
        assert hint in line


def test_what_is_not_there_is_refused_by_name(run: Run) -> None:
    Path("before.jsonl").write_text(GOOD)
    Path("folder").mkdir()
    assert "missing.jsonl" in refused(run, "discover", "before.jsonl", "missing.jsonl")
    for command in (
        ("discover", "missing"),
        ("report", "missing"),
        ("check", "missing"),
        ("measure", "words", "missing"),
    ):
        assert "missing" in refused(run, *command)
    for command in (
        ("discover", "folder"),
        ("report", "folder"),
        ("check", "folder"),
        ("measure", "words", "folder"),
    ):
        assert "folder" in refused(run, *command)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["discover"], "RUN | BEFORE AFTER"),
        (["discover", "a", "b", "c"], "3"),
        (["discover", "before.jsonl", "before.jsonl", "--seed", "x"], "--seed: 'x'"),
        (["discover", "before.jsonl", "before.jsonl", "--claim", "both"], "--claim: 'both'"),
        (["discover", "before.jsonl", "before.jsonl", "--min-gain", "2"], "--min-gain: '2'"),
        (["discover", "before.jsonl", "before.jsonl", "--name", "a/b"], "--name: 'a/b'"),
        (["discover", "before.jsonl", "before.jsonl", "--pair-by", "luck"], "--pair-by: 'luck'"),
        (["discover", "before.jsonl", "before.jsonl", "--fail-above", "-1"], "--fail-above: '-1'"),
        (["discover", "before.jsonl", "before.jsonl", "--prompt-field", "nope"], "nope"),
        (["discover", "before.jsonl", "before.jsonl", "--given", "nope"], "nope"),
        (["discover", "before.jsonl", "before.jsonl", "--measure-file", "nope.py"], "nope.py"),
        (["discover", "before.jsonl", "before.jsonl", "--scores", "nope.csv"], "nope.csv"),
        (["discover", "before.jsonl", "before.jsonl", "--by", "model"], "--by"),
        (["discover", "before.jsonl"], "--by"),
        (["discover", "before.jsonl", "--by", "model"], "--before"),
        (["discover", "before.jsonl", "--before-column", "response"], "--after-column"),
        (["import", "before.jsonl", "before.jsonl"], "--out"),
        (["import", "before.jsonl", "--out", "r"], "--axis"),
        (["import", ".", "--out", "r"], ".: a folder; name two files, BEFORE AFTER, or give --axis NAME"),
        (["measure", "nope", "before.jsonl", "before.jsonl"], "nope"),
        (["probes", "nope"], "nope"),
        (["nope"], "nope"),
        (["discovr", "x"], "'discover'"),
        (["discover", "before.jsonl", "--no-such-flag"], "--no-such-flag"),
    ],
)
def test_wrong_usage_is_refused_by_flag(run: Run, arguments: list[str], named: str) -> None:
    Path("before.jsonl").write_text(GOOD)
    assert named in refused(run, *arguments)


def test_a_wrong_setting_is_refused_by_its_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("before.jsonl").write_text(GOOD)
    Path("orderparam.toml").write_text("roundz = 2\n")
    assert "orderparam.toml: 'roundz': no such setting; nearest: rounds" in refused(
        run, "discover", "before.jsonl", "before.jsonl"
    )
    Path("orderparam.toml").unlink()
    monkeypatch.setenv("ORDERPARAM_ROUNDS", "many")
    assert "ORDERPARAM_ROUNDS: 'many'" in refused(run, "discover", "before.jsonl", "before.jsonl")
