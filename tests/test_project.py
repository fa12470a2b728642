"""The project as an installed thing: names, rooms, pins, the wheel, and the light install."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
ROOMS = ("agent", "tools", "runs", "probes")
"""The rooms from the top of the chain of imports to its bottom."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
)
PINS = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PINS.items()}


def python_files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", [*ROOMS, "orderparam"])
def test_no_other_distribution_brings_a_package_of_our_names(room: str) -> None:
    assert set(metadata.packages_distributions().get(room, ())) <= {"orderparam"}


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", python_files(*ROOMS), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_imported_upward(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    above = set(ROOMS[: ROOMS.index(room)]) | {"orderparam", "tests", "benchmarks"}
    assert not imported_rooms(path) & above


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_typed_and_every_file_can_be_read_in_one_sitting(room: str) -> None:
    assert (ROOT / room / "py.typed").is_file()
    long = {path.name: lines for path in python_files(room) if (lines := len(path.read_text().splitlines())) > 450}
    assert not long


def requirements_of(distribution: str, extra: str = "") -> list[Requirement]:
    texts = metadata.requires(distribution) or []
    found = [Requirement(text) for text in texts]
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": extra})]


def test_constraints_pin_everything_that_the_light_and_the_test_install_bring() -> None:
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    waiting = [Requirement(text) for text in declared]
    seen: set[tuple[str, str]] = set()
    unpinned = set()
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name not in PINS:
            unpinned.add(name)
        else:
            assert requirement.specifier.contains(PINS[name], prereleases=True), (
                f"{requirement} against {PINS[name]}"
            )
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += requirements_of(name, extra)
    assert not unpinned
    assert len(seen) > 50  # the walk went through the dependencies of dependencies


def test_constraints_pin_what_the_backend_asks_for() -> None:
    for text in PROJECT["optional-dependencies"]["backend"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(PINS[requirement.name])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """A wheel built from a copy of the sources, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for room in (*ROOMS, "tests"):
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "orderparam.py"):
        shutil.copy(ROOT / name, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        ".",
    ]
    subprocess.run(command, cwd=source, check=True, env={**os.environ, "PIP_NO_INDEX": "1"})
    (built,) = folder.glob("*.whl")
    return zipfile.Path(built)


def test_the_wheel_holds_every_file_of_the_rooms_and_nothing_else(wheel: zipfile.Path) -> None:
    inside = {name for name in wheel.root.namelist() if ".dist-info/" not in name and name[-1] != "/"}
    expected = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == expected | {"orderparam.py"}
    assert any(not name.endswith((".py", ".typed")) for name in inside)  # data files too


def test_the_wheel_installs_both_programs_and_the_license(wheel: zipfile.Path) -> None:
    (info,) = [entry for entry in wheel.iterdir() if entry.name.endswith(".dist-info")]
    programs = (info / "entry_points.txt").read_text()
    assert "orderparam = agent.cli:main\n" in programs
    assert "discover = agent.cli:main_discover\n" in programs
    assert "Apache License" in (info / "licenses" / "LICENSE").read_text()
    assert "License-Expression: Apache-2.0" in (info / "METADATA").read_text()


LIGHT = """
import sys
absent = {"torch", "transformers", "peft", "vllm", "accelerate", "pandas", "matplotlib", "pytest", "hypothesis"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Absent())
from pathlib import Path
from probes.toy_world import write_pair
write_pair(Path("."), prompts=12, draws=5)
from agent.cli import main
main(["discover", "before.jsonl", "after.jsonl", "--out", "run", "--quiet", "--json"])
"""


def test_the_light_install_is_enough(tmp_path: Path) -> None:
    """A discovery from the command line where nothing of the extras can be imported."""
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "discoveries" / "d1" / "report.json").read_text() == done.stdout
