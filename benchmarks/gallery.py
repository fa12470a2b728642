"""The pictures of docs/gallery.md: reports of the demo and of a toy world, as a browser shows them.

    python -m benchmarks.gallery --demo DEMO-RUN

DEMO-RUN is the run of `orderparam demo`; the toy world's is made here. Needs Chromium and Pillow.
"""

import argparse
import io
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from agent.discovery import discover_run
from agent.found_report import find_report, rebuild
from agent.settings import DiscoverSettings, from_keywords
from probes.toy_world import write_pair
from runs.importing import import_pair
from runs.storing import ImportOptions

DOCS = Path(__file__).parent.parent / "docs"
WIDTH, HEIGHT = 1000, 2200
"""Of a picture: the top of the page, in pixels."""

PROMPTS, DRAWS = 40, 24


def toy_run(folder: Path) -> Path:
    """A run of the toy world's answers with a discovery in it."""
    before, after = write_pair(folder, prompts=PROMPTS, draws=DRAWS)
    run = import_pair(before, after, folder / "toy-world", ImportOptions()).run
    discover_run(run, from_keywords(DiscoverSettings, {}))
    return run.path


def picture(page: Path, to: Path, chromium: str) -> None:
    """The top of a page as a picture of few colors."""
    with TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb")
        size = f"--window-size={WIDTH},{HEIGHT}"
        where = (f"--user-data-dir={folder}/browser", f"--screenshot={shot}", page.resolve().as_uri())
        subprocess.run([chromium, *flags, size, *where], check=True, capture_output=True, timeout=120)
        buffer = io.BytesIO()
        Image.open(shot).convert("RGB").quantize(192).save(buffer, "png", optimize=True)
    to.write_bytes(buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, required=True, metavar="DEMO-RUN")
    parser.add_argument("--chromium", default="chromium")
    parser.add_argument("--out", type=Path, default=DOCS)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        for name, run in (("demo", asked.demo), ("toy-world", toy_run(Path(folder)))):
            page, failed = rebuild(find_report(run))
            assert not failed, failed
            picture(page, asked.out / f"gallery-{name}.png", asked.chromium)


if __name__ == "__main__":
    main()
