"""Short versions of the attacks by kills and on keys."""

from pathlib import Path

import pytest

from tests.torture import secrets
from tests.torture.tally import tallied


def test_a_killed_command_leaves_what_a_spared_one_does(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the backend is not installed")
    from tests.torture import kills

    found = list(kills.stages(tmp_path / "stages", ["import", "discover two files"]))
    tally = tallied(
        [kills.Kill(stage, number) for number, stage in enumerate(found)],
        lambda kill: kills.attempt(kill, 1),
    )
    assert tally.failures == []
    assert tally.tried == 2


@pytest.mark.parametrize("leak", [secrets.Leak("openai", "401"), secrets.Leak("anthropic", "echo")])
def test_no_key_is_found_anywhere(tmp_path: Path, leak: secrets.Leak) -> None:
    secrets.attempt(leak, tmp_path)
