"""Plans: what they say, and that all of their mistakes are said at once, each with file and line."""

from pathlib import Path

import pytest

from agent.batch.checking import load_plan
from agent.batch.plan import Files, OfRun, SharedBudget, plan_of_domains
from agent.batch.plan_file import PlanError, read_plan_file
from agent.settings import DiscoverSettings
from probes.errors import InputError
from tests.agent.in_process import forget_settings
from tests.agent.worlds import rows_of, run_of, shorter


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the person who tests; two files beside every plan."""
    forget_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("{}\n")


def plan(folder: Path, text: str) -> Path:
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_plan(plan(folder, text))
    lines = caught.value.lines if isinstance(caught.value, PlanError) else [str(caught.value)]
    assert all("\n" not in line and len(line) < 600 for line in lines)
    return [line.removeprefix(f"{folder}/") for line in lines]


JOB = "jobs:\n  one: {before: a.jsonl, after: b.jsonl}\n"


def test_shared_settings_are_overridden_job_by_job(tmp_path: Path) -> None:
    run_of(tmp_path / "RUN", rows_of(shorter, prompts=4, draws=4))
    found = load_plan(
        plan(
            tmp_path,
            "settings: {rounds: 2, min_gain: 0.02, thinking: strip}\n"
            "budget: {max_calls: 100}\n"
            "jobs:\n"
            "  one: {before: a.jsonl, after: b.jsonl, settings: {rounds: 1, seed: 3}}\n"
            "  two: {run: RUN, before: 0, after: 1.5}\n",
        )
    )
    one, two = found.jobs
    assert isinstance(one.source, Files)
    assert one.source.before == tmp_path / "a.jsonl"
    assert (one.source.options.thinking, one.source.options.seed) == ("strip", 3)
    assert (one.settings.rounds, one.settings.min_gain, one.settings.name) == (1, 0.02, "one")
    assert isinstance(two.source, OfRun)
    assert (two.settings.before, two.settings.after, two.settings.rounds) == ("0", "1.5", 2)
    assert found.budget == SharedBudget(max_calls=100, max_cost=None)
    assert found.pooled is not None
    assert (found.pooled.rounds, found.pooled.name) == (2, "pooled")


def test_what_a_plan_leaves_open_comes_from_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERPARAM_ROUNDS", "5")
    monkeypatch.setenv("ORDERPARAM_SEED", "7")
    (job,) = load_plan(plan(tmp_path, "settings: {rounds: 2}\n" + JOB)).jobs
    assert (job.settings.rounds, job.settings.seed) == (2, 7)


def test_values_are_what_stands_there(tmp_path: Path) -> None:
    """YAML would read 20:40 as a time of day in seconds, 010 as 8 and 1_000 as 1000."""
    run_of(tmp_path / "RUN", rows_of(shorter, prompts=4, draws=4))
    text = "settings: {min_gain: 0.020, resamples: 1_000}\njobs:\n  one: {run: RUN, before: 010, after: 20:40}\n"
    (job,) = load_plan(plan(tmp_path, text)).jobs
    assert (job.settings.before, job.settings.after) == ("010", "20:40")
    assert (job.settings.min_gain, job.settings.resamples) == (0.02, 1000)


def test_a_plan_of_one_job_has_nothing_to_pool(tmp_path: Path) -> None:
    assert load_plan(plan(tmp_path, JOB)).pooled is None


def test_all_mistakes_are_said_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = (
        "setings: {}\n"
        "settings:\n"
        "  roundz: 2\n"
        "  min_gain: much\n"
        "jobs:\n"
        "  one:\n"
        "    before: a.jsonl\n"
        "    after: missing.jsonl\n"
        "  two: {before: a.jsonl}\n"
        "  three: {run: RUN, adapter: x}\n"
        "  ../four: {before: a.jsonl, after: b.jsonl}\n"
    )
    assert mistakes(tmp_path, text) == [
        "plan.yaml, line 1: 'setings': no such key; nearest: settings",
        "plan.yaml, line 3: 'roundz': no such key; nearest: rounds",
        "plan.yaml, line 4: min_gain: 'much': input should be a valid number, unable to parse string as a number",
        "plan.yaml, line 8: 'missing.jsonl' is not there; name a file of responses, from the folder of the plan",
        "plan.yaml, line 9: 'after' is missing for a job of two files",
        "plan.yaml, line 10: 'adapter': no such key for a job of a run; nearest: after",
        "plan.yaml, line 11: '../four': the name of a job has 1 to 40 letters, digits, '.', '_' or '-', and "
        "starts with none of '.-'",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("settings: {max_calls: 5}\n" + JOB, "line 1: max_calls: jobs share what they may take; write it under"),
        ("settings: {name: d1}\n" + JOB, "line 1: name: a discovery is named as its job"),
        ("settings: {before: x}\n" + JOB, "line 1: before: belongs to the job itself"),
        (
            "settings: {measure_files: [x.py]}\n" + JOB,
            "line 1: measure_files: a file of code is named by its flag",
        ),
        ("settings: {given: [wordz]}\n" + JOB, "line 1: no measure is called 'wordz'"),
        ("settings: {model: 'gpt'}\n" + JOB, "line 1: model: 'gpt': no model spec"),
        ("settings: {model: openai:m}\n" + JOB, "line 3: "),
        ("settings: {rounds: true}\n" + JOB, "line 1: rounds: True: a number is wanted"),
        ("budget: {max_calls: 0}\n" + JOB, "line 1: max_calls: 0: input should be greater than or equal to 1"),
        ("budget: {max_call: 3}\n" + JOB, "line 1: 'max_call': no such key; nearest: max_calls"),
        ("budget: 3\n" + JOB, "line 1: budget: 3: input should be a valid dictionary"),
        ("jobs: {}\n", "line 1: no jobs; name at least one"),
        ("jobs: [a, b]\n", "line 1: jobs: ['a', 'b']: input should be a valid dictionary"),
        ("pooled: true\n", "line 1: 'jobs' is missing"),
        ("", "line 1: 'jobs' is missing"),
        ("- 1\n", "line 1: no plan; a plan is a mapping with `jobs:`"),
        (JOB + "  one: {before: b.jsonl, after: a.jsonl}\n", "line 3: 'one' stands in line 2 already; keep one"),
        (JOB + "  One: {before: b.jsonl, after: a.jsonl}\n", "line 3: 'One': another job has this name but for"),
        (JOB + "  pooled: {before: b.jsonl, after: a.jsonl}\n", "line 3: 'pooled' is the discovery over all jobs"),
        (
            JOB + "  no: {before: b.jsonl, after: a.jsonl}\n",
            "line 3: 'no' would be read as something else than text",
        ),
        (JOB + "  ? [a]\n  : {}\n", "line 3: a key that is no text"),
        (JOB + "  two: 3\n", "line 3: jobs.two: 3: input should be a valid dictionary"),
        (JOB + "  two: {run: NONE}\n", "line 3: "),
        (JOB + "  two: {run: NO}\n", "line 3: run: False: input should be a valid string; put text into quotes"),
        (JOB + "  two: {run: a.jsonl}\n", "line 3: "),
        (JOB + "  two: {model: m, adapter: ., prompts: ethics}\n", "line 3: '.' holds no adapter_config.json"),
        (
            JOB + "  two: {model: m, adapter: ., prompts: ethix}\n",
            "line 3: 'ethix': no such set of prompts; nearest: ",
        ),
        (JOB + "  two: {before: 3, after: b.jsonl}\n", "line 3: before: 3: input should be a valid string"),
        ("a: &x [1]\nb: *x\n", "line 1: an anchor or alias"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1: a tag"),
        ("jobs:\n  x: 'unended\n", "line 3: not YAML"),
        ("jobs: {a: b: c}\n", "line 1: not YAML"),
        ("a: 1\n---\nb: 2\n", "line 2: not YAML"),
        ("a: " + "x" * 1_000_000, "line 1: a text of 1,000,000 characters"),
        ("[" * 10 + "]" * 10, "line 1: more than 8 levels"),
        ("[" * 100_000, "line 1: "),
        ("[" + "1," * 30_000 + "]", "line 1: more than 20,000 values"),
        ("a: \x07\n", "not YAML"),
    ],
)
def test_a_plan_that_is_wrong_is_refused_with_file_and_line(text: str, line: str, tmp_path: Path) -> None:
    said = mistakes(tmp_path, text)
    assert any(f"plan.yaml, {line}" in one or (line == "not YAML" and line in one) for one in said), said
    assert all(one.startswith("plan.yaml") for one in said)


def test_bytes_that_are_no_text_and_files_that_are_no_plans(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"jobs:\n  \xff\n")
    with pytest.raises(InputError, match=r"plan.yaml, line 2: not UTF-8 text"):
        read_plan_file(path)
    path.write_bytes(b"#" * 2_000_000)
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_plan_file(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_plan_file(tmp_path)


def test_a_run_has_a_job_for_each_domain_of_its_prompts(tmp_path: Path) -> None:
    sides = rows_of(shorter, prompts=9, draws=4)
    for row in (*sides[0], *sides[1]):
        row["domain"] = ("everyday advice", "Everyday-Advice", "../pooled")[int(row["prompt_id"][1:]) % 3]
    run = run_of(tmp_path / "RUN", sides)
    some = [{key: row[key] for key in row if key != "domain" or row["prompt_id"] != "p0"} for row in sides[0]]
    partly = run_of(tmp_path / "partly", (some, [{**row, "domain": None} for row in sides[1]]))
    settings = DiscoverSettings.model_validate({"rounds": 1})
    found = plan_of_domains(run.path, settings, SharedBudget(), pooled=True)
    assert [(one.name, one.label) for one in found.jobs] == [
        ("everyday-advice", "everyday advice"),
        ("Everyday-Advice-2", "Everyday-Advice"),
        ("pooled-2", "../pooled"),
    ]
    assert {one.settings.domain for one in found.jobs} == {one.label for one in found.jobs}
    assert found.pooled is not None
    assert found.pooled.domain is None
    assert found.said == ()
    without = plan_of_domains(partly.path, settings, SharedBudget(), pooled=False)
    assert without.said == ("1 prompt without a domain is in the discovery over all alone",)
    lonely = run_of(tmp_path / "other", rows_of(shorter, prompts=4, draws=4))
    with pytest.raises(InputError, match="no domain; at least two"):
        plan_of_domains(lonely.path, settings, SharedBudget(), pooled=True)
