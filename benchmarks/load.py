"""A million answers through `discover` and a hundred thousand judgments: time, memory, ledger, beginning again.

    python -m benchmarks.load              about fifteen minutes on two cores
    python -m benchmarks.load --part judgments --judgments 1000

Writes results/load.json. Answers are those of `benchmarks.speed`, from a toy world whose change is known; a fifth
of them go first, so that it shows how memory grows. Judgments are those of `benchmarks.judging`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.judging import JUDGE_COMMAND, Server
from benchmarks.machine import machine
from benchmarks.speed import measured, write_rows

ROWS, PROMPTS, JUDGMENTS = 1_000_000, 1_000, 100_000
MOST_LEDGER, MOST_AGAIN = 400e6, 5.0  # bytes, seconds
RESULTS = Path(__file__).parent / "results" / "load.json"


def answers(rows: int, prompts: int = PROMPTS) -> dict[str, Any]:
    """What `discover` takes on a fifth of the rows and on all; bytes of the main process for a row more."""
    found = [_discovered(count, prompts) for count in (rows // 5, rows)]
    slope = (found[1]["main"] - found[0]["main"]) / (found[1]["rows"] - found[0]["rows"])
    return {"runs": found, "bytes_a_row": round(slope, 1)}


def _discovered(rows: int, prompts: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_rows(folder, rows, prompts)
        size = sum(path.stat().st_size for path in paths)
        command = [sys.executable, "-m", "orderparam", "discover", *map(str, paths), "--out", str(folder / "run")]
        return {"rows": rows, "prompts": prompts, "bytes": size, **asdict(measured(command))}


def judgments(count: int) -> dict[str, Any]:
    """Megabytes of a process after every tenth, the ledger's bytes, seconds until another has all out of it."""
    with tempfile.TemporaryDirectory() as folder, Server() as specs:
        command = [*JUDGE_COMMAND, specs["openai"], folder, str(count)]
        first, second = (json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in "ab")
        ledger = sum(path.stat().st_size for path in Path(folder).iterdir())
    assert (first["sent"], second["sent"]) == (count, 0)
    held = ledger < MOST_LEDGER and second["seconds"] < MOST_AGAIN
    return {
        "judgments": count,
        "seconds": round(first["seconds"], 1),
        "resident": first["resident"],
        "ledger": ledger,
        "again": round(second["seconds"], 2),
        "held": held,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["answers", "judgments"], help="only this part")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--judgments", type=int, default=JUDGMENTS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    content = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    content["machine"] = machine()
    if options.part != "judgments":
        content["answers"] = answers(options.rows, options.prompts)
    if options.part != "answers":
        content["judgments"] = judgments(options.judgments)
    options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
