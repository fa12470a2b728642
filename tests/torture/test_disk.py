"""Short version of the attack on the space of a disk."""

from pathlib import Path

import pytest

from tests.torture import disk


def test_a_full_disk_ends_resumably(tmp_path: Path) -> None:
    try:
        tally = disk.attack(2, 3, tmp_path)
    except disk.NoMount as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    assert tally.failures == []
    assert tally.tried == 2
