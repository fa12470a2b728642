"""`orderparam probes`: sets listed, shown, sampled and validated, a user's own too; measures in code."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.cli.app import app
from agent.cli.ending import USAGE, ending_of
from probes.measures.catalogue import CATALOGUE
from probes.prompt_sets import prompt_set, prompt_sets, sample

Probes = Callable[..., tuple[str, str]]


@pytest.fixture
def probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Probes:
    """Runs the command in this process, in an empty folder; stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("ORDERPARAM_")]:
        monkeypatch.delenv(name)

    def probes(*arguments: object, code: int = 0) -> tuple[str, str]:
        capfd.readouterr()
        ended = ending_of(app, ["probes", *map(str, arguments)], "orderparam")
        captured = capfd.readouterr()
        assert ended == code, captured.err
        return captured.out, captured.err

    return probes


def read(out: str) -> Any:
    return json.loads(out)


def test_sets_are_listed_with_their_counts(probes: Probes) -> None:
    out, err = probes()
    listed = {line.split()[0]: int(line.split()[1]) for line in out.splitlines()[:-1]}
    assert listed == {name: len(prompt_set(name).prompts) for name in prompt_sets()}
    assert out.splitlines()[-1].startswith(f"{sum(listed.values())} prompts in {len(listed)} sets")
    assert err == ""
    outlines = read(probes("--json")[0])
    assert {one["name"]: one["prompts"] for one in outlines} == listed
    assert all(one["domains"] == {one["name"]: one["prompts"]} for one in outlines)
    assert {one["licence"] for one in outlines} == {"Apache-2.0"}


def test_a_set_shows_every_prompt(probes: Probes) -> None:
    out, _ = probes("ethics")
    for prompt in prompt_set("ethics").prompts:
        assert f"\n{prompt.id}  [{', '.join(prompt.tags)}]\n  {prompt.text}\n" in out
    shown = read(probes("ethics", "--json")[0])
    assert [one["prompt"] for one in shown["prompts"]] == [one.text for one in prompt_set("ethics").prompts]


def test_a_sample_is_that_of_its_seed(probes: Probes) -> None:
    for seed in (0, 1):
        shown = read(probes("ethics", "--sample", 5, "--seed", seed, "--json")[0])
        assert [one["id"] for one in shown["prompts"]] == [
            one.id for one in sample(prompt_set("ethics"), 5, seed).prompts
        ]
    out, _ = probes("ethics", "--sample", 5)
    assert out.count("\nethics-") == 5
    assert ": 5 of " in out.splitlines()[0]


def test_what_json_shows_is_a_file_of_prompts(probes: Probes) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    rows: list[dict[str, Any]] = [
        {"id": "a", "domain": "d", "tags": ["t"], "prompt": "Esc \x1b[31m and\nsecond line"},
        {"id": "b", "domain": None, "tags": [], "messages": turns},
    ]
    Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(probes("own.jsonl", "--json")[0])["prompts"] == rows
    out, _ = probes("own.jsonl")
    assert "\x1b" not in out
    assert "\n  Esc \\x1b[31m and\n  second line\n" in out
    assert "\n  [system] Be brief.\n\n  [user] Why?\n" in out


def test_a_file_is_validated_with_what_is_nearly_the_same(probes: Probes) -> None:
    rows = [
        "id,prompt,domain,tags",
        "a,How do I boil an egg?,food,short",
        "b,How do I boil one egg?,food,",
        "c,Why?,,",
    ]
    Path("own.csv").write_text("\n".join(rows))
    out, err = probes("--validate", "own.csv")
    assert out == "own.csv: 3 prompts\ndomains: food 2\ntags: short 1\n"
    # How, do, I, boil, egg of seven words: 5/7
    assert err == "orderparam: warning: own.csv: 'a' and 'b' are nearly the same prompt (71% of their words)\n"
    found = read(probes("--validate", "own.csv", "--json")[0])
    assert found["near_duplicates"] == [{"ids": ["a", "b"], "similarity": 5 / 7}]
    Path("own.csv").write_text("\n".join([*rows, "a,What?,,"]))
    out, err = probes("--validate", "own.csv", code=USAGE)
    assert out == ""
    assert err.startswith("orderparam: error: own.csv, line 5: the same id 'a' as own.csv, line 2")


def test_measures_are_listed_by_group_or_name(probes: Probes) -> None:
    assert [one["id"] for one in read(probes("--measures", "--json")[0])] == [one.id for one in CATALOGUE]
    out, _ = probes("words", "--measures")
    assert next(one.question for one in CATALOGUE if one.id == "words") in out
    assert "e.g. " in out
    assert "'nope'" in probes("nope", "--measures", code=USAGE)[1]


@pytest.mark.parametrize(
    ("arguments", "hints"),
    [
        (["ethic"], ["'ethic'", "nearest: ethics"]),
        (["nope.csv"], ["nope.csv", "No such file"]),
        (["ethics", "--sample", "0"], ["--sample: 0"]),
        (["ethics", "--sample", "1000"], ["--sample: 1000", "'ethics'"]),
        (["--sample", "3"], ["--sample", "SET"]),
        (["ethics", "--seed", "3"], ["--seed", "--sample"]),
        (["ethics", "--sample", "many"], ["'--sample'", "integer"]),
        (["ethics", "--sample", "3", "--measures"], ["--measures and --sample"]),
        (["ethics", "--validate", "x.csv"], ["--validate", "'ethics'"]),
        (["--validate", "x.csv", "--measures"], ["--validate and --measures"]),
        (["--validate", "x.txt"], ["x.txt", ".yaml"]),
    ],
)
def test_wrong_usage_is_refused_in_one_line(probes: Probes, arguments: list[str], hints: list[str]) -> None:
    out, err = probes(*arguments, code=USAGE)
    assert out == ""
    assert len(err.splitlines()) == 1
    for hint in hints:
        assert hint in err
