"""Short versions of the attacks by files."""

from pathlib import Path

from tests.torture import documents, inputs


def test_mutated_inputs_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    tally = inputs.attack(600, 1, tmp_path)
    assert tally.failures == []
    assert tally.tried == 600
    assert min(tally.taken, tally.refused) > 100


def test_commands_end_with_0_or_with_2_and_one_line(tmp_path: Path) -> None:
    tally = inputs.attack_by_command(6, 5, tmp_path)
    assert tally.failures == []
    assert tally.taken > 0 < tally.refused


def test_mutated_documents_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    tally = documents.attack(600, 1, tmp_path)
    assert tally.failures == []
    assert tally.taken > 50 < tally.refused
