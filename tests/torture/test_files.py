"""Short version of the attack on the files of a run."""

from pathlib import Path

from tests.torture.files import attempt, damages, judged_run, kinds
from tests.torture.tally import tallied


def test_cut_and_changed_files_are_noticed(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run")
    found = kinds(run)
    assert {"run.json", "samples.parquet", "prompts.parquet", "measures/*.npy", "ledger.sqlite"} <= set(found)
    assert {"report.json", "scores.parquet", "state.sqlite"} <= set(found)
    tally = tallied(damages([run], 6), lambda one: attempt(one, 0))
    assert tally.failures == []
    assert tally.tried == 6 * len(found)
    assert tally.refused > 0.8 * tally.tried  # the rest turned a bit that holds nothing
