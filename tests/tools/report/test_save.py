"""Three files, whole or not at all."""

from pathlib import Path

import pytest

from probes.errors import InputError
from tests.tools.report.samples import HOSTILE, report
from tools.report import html, markdown
from tools.report.document import Report
from tools.report.save import save_report


def test_three_files(tmp_path: Path) -> None:
    folder = tmp_path / "discoveries" / "d1"
    made = report("".join(HOSTILE))
    save_report(made, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.md"]
    assert Report.load(folder) == made
    assert (folder / "report.md").read_text(encoding="utf-8") == markdown.render(made)
    assert (folder / "report.html").read_text(encoding="utf-8") == html.render(made)


def test_saving_again_replaces(tmp_path: Path) -> None:
    save_report(report(), tmp_path)
    save_report(report(seed=7), tmp_path)
    assert Report.load(tmp_path).seed == 7


def test_nothing_is_written_if_one_cannot_be_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Report) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(markdown, "render", fails)
    with pytest.raises(ZeroDivisionError):
        save_report(report(), tmp_path / "d1")
    assert not (tmp_path / "d1").exists()


def test_report_json_comes_last(tmp_path: Path) -> None:
    (tmp_path / "report.md").mkdir()  # cannot be replaced by a file
    with pytest.raises(InputError, match=r"report\.md"):
        save_report(report(), tmp_path)
    assert not (tmp_path / "report.json").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "d1").write_text("x")
    with pytest.raises(InputError, match="d1"):
        save_report(report(), tmp_path / "d1")
