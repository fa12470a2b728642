"""The benchmark of load, at a size that says nothing of load: what it measures is there and adds up."""

import json
from pathlib import Path

from benchmarks import load


def test_the_benchmark_of_load_measures_what_it_says(tmp_path: Path) -> None:
    out = tmp_path / "load.json"
    arguments = ["--rows", "2000", "--prompts", "20", "--judgments", "100", "--out", str(out)]
    assert load.main(arguments) == 0
    found = json.loads(out.read_text())
    small, large = found["answers"]["runs"]
    assert (small["rows"], large["rows"]) == (400, 2000)
    for run in (small, large):
        assert 0 < run["main"] <= run["resident"]
        assert max(run["main_stages"].values()) <= run["main"]
        assert 0 < sum(run["stages"].values()) <= 1.01 * run["seconds"]
    judged = found["judgments"]
    assert list(map(int, judged["resident"])) == list(range(10, 101, 10))
    assert judged["held"]
    assert judged["ledger"] > 100 * 200
