"""Three files and the figures, whole or not at all."""

import html as html_text
import re
from pathlib import Path

import pytest

from probes.errors import InputError
from tests.tools.report.samples import HOSTILE, empty_report, report
from tools.report import drawing, html, markdown
from tools.report.document import Report
from tools.report.save import save_report


def test_all_files(tmp_path: Path) -> None:
    folder = tmp_path / "discoveries" / "d1"
    made = report("".join(HOSTILE))
    assert save_report(made, folder) == []
    assert sorted(path.name for path in folder.iterdir()) == ["figures", "report.html", "report.json", "report.md"]
    names = ("shares", "parameter-1-levels", "parameter-2-levels")
    expected = {f"{name}.{ending}" for name in names for ending in ("svg", "pdf", "png")}
    assert {path.name for path in (folder / "figures").iterdir()} == expected
    assert Report.load(folder) == made
    told = (folder / "report.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]*\]\((figures/[a-z0-9-]+\.svg)\)", told)
    assert pictures == [f"figures/{name}.svg" for name in names]
    assert re.sub(r"!\[[^\]]*\]\(figures/[a-z0-9-]+\.svg\)\n\n", "", told) == markdown.render(made)
    assert (folder / "report.html").read_text(encoding="utf-8") == html.render(made)


def test_saving_again_replaces(tmp_path: Path) -> None:
    save_report(report(), tmp_path)
    save_report(report(seed=7), tmp_path)
    assert Report.load(tmp_path).seed == 7


def test_figures_that_a_report_no_longer_has_are_removed_and_nothing_else(tmp_path: Path) -> None:
    save_report(report(), tmp_path)
    (tmp_path / "figures" / "mine.svg").write_text("x")
    save_report(empty_report(), tmp_path)
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["mine.svg"]


def test_a_report_without_its_figures_is_a_report_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: str) -> str:
        raise ValueError("no engine here")

    monkeypatch.setattr(drawing, "svg_of", fails)
    said = save_report(report(), tmp_path)
    assert said[0] == "The figure 'shares' could not be drawn: no engine here."
    assert len(said) == 3
    assert list((tmp_path / "figures").iterdir()) == []
    assert Report.load(tmp_path) == report()
    for name in ("report.html", "report.md"):
        told = html_text.unescape((tmp_path / name).read_text(encoding="utf-8"))
        assert all(sentence in told for sentence in said)


def test_nothing_is_written_if_one_cannot_be_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> str:
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
