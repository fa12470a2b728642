"""Short version of the attack by where a run or a file lies."""

from pathlib import Path

import pytest

from tests.torture import places
from tests.torture.disk import made

TRIED = {
    "check: a run named '\\x1b[31mred\\x1b[0m'": True,
    "check: ledger.sqlite leads astray": False,
    "discover --quiet --name d2: discoveries lies elsewhere": False,
    "discover --quiet --name d2: no rights": False,
    "import: a pipe": False,
}
"""Whether the command does its work there."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = made(tmp_path_factory.mktemp("source") / "made")
    done = places.bound(["discover", run, "--quiet", "--name", "d1"], run.parent)
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.parametrize("name", TRIED)
def test_odd_places_are_worked_in_or_refused(source: Path, tmp_path: Path, name: str) -> None:
    (place,) = [place for place in places.places() if place.name == name]
    assert places.attempt(place, source, None, tmp_path / "place") == TRIED[name]
