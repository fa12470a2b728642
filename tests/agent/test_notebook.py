"""The example notebook runs from top to bottom in a kernel of its own, and shows what its words say."""

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "example.ipynb"


@pytest.fixture(scope="module")
def source() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def executed(source: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("notebook")
    notebook = deepcopy(source)
    resources = {"metadata": {"path": str(folder)}}
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JUPYTER_RUNTIME_DIR": str(folder),
        "IPYTHONDIR": str(folder),
    }
    NotebookClient(notebook, timeout=120, resources=resources).execute(env=environ)
    return notebook


def outputs(notebook: Any) -> list[dict[str, str]]:
    """What each cell of code shows, by kind."""
    shown: list[dict[str, str]] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            told: dict[str, str] = {}
            for output in cell.outputs:
                told |= output.get("data", {}) or {"text/plain": output.get("text", "")}
            shown.append(told)
    return shown


def test_it_is_kept_without_outputs(source: Any) -> None:
    for cell in source.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_it_shows_the_report_its_numbers_and_nothing_where_nothing_changed(executed: Any) -> None:
    report, numbers, again, same = outputs(executed)[1:]
    assert report["text/html"].startswith("<iframe srcdoc=")
    assert report["text/plain"].startswith("<DiscoveryReport d1: What changed: ")
    assert len(report["text/plain"]) < 1000
    for table in (numbers, again):
        assert "hedging" in table["text/html"]
        assert "length in words" in table["text/html"]
    assert same["text/plain"].startswith("0 order parameters")
