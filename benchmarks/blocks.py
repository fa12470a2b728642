"""Long studies in blocks: each has its own seed, finished ones are kept in a journal, a killed study goes on.

A journal is a file of JSON lines: what is being studied, then one line a finished block. Only this process writes
it; a line that a kill left half written is cut off. Blocks are started in the order given.
"""

import hashlib
import json
import os
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
SAY_EVERY = 15.0  # seconds


@dataclass(frozen=True, slots=True)
class Block:
    """Some worlds of one cell of one part of a study."""

    part: str
    cell: str
    index: int

    @property
    def key(self) -> str:
        return f"{self.part}|{self.cell}|{self.index}"

    def generator(self, seed: int) -> np.random.Generator:
        """Random numbers that depend on the study's seed and on this block, and on nothing else."""
        return np.random.default_rng([seed, zlib.crc32(self.key.encode())])


Result = dict[str, Any]


class OtherStudy(Exception):
    """The journal belongs to a study with other settings or other code."""


def code_digest(*display: str) -> str:
    """Of the code that a study's numbers depend on: what is loaded of the tools, the probes and this folder, less
    the files that only show or distribute them."""
    files = {Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    rooms = [ROOT / name for name in ("tools", "probes", "benchmarks")]
    ours = [file for file in sorted(files) if any(file.is_relative_to(room) for room in rooms)]
    content = b"".join(file.read_bytes() for file in ours if file.name not in display)
    return hashlib.sha256(content).hexdigest()[:16]


def run_blocks(
    blocks: Sequence[Block],
    work: Callable[[Block], Result],
    journal: Path,
    settings: Mapping[str, Any],
    *,
    expected_seconds: Mapping[str, float],
    processes: int | None = None,
) -> dict[str, Result]:
    """The results of all blocks by their keys, and what else the journal holds; nothing is computed again.

    work: a picklable function. expected_seconds: of one block, by part, until blocks of it were timed.
    processes: defaults to all cores this process may use. Raises OtherStudy.
    """
    results = _opened(journal, settings)
    waiting = [block for block in blocks if block.key not in results]
    clock = _Clock(waiting, expected_seconds, processes or len(os.sched_getaffinity(0)))
    with (
        journal.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(clock.processes, initializer=_one_thread) as pool,
    ):
        running: dict[Future[tuple[float, Result]], Block] = {}
        while waiting or running:
            while waiting and len(running) < 2 * clock.processes:
                block = waiting.pop(0)
                running[pool.submit(_timed, work, block)] = block
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                block = running.pop(done)
                seconds, result = done.result()
                file.write(json.dumps({"block": block.key, "result": result}) + "\n")
                file.flush()
                results[block.key] = result
                clock.finished(block, seconds)
    return results


def _opened(journal: Path, settings: Mapping[str, Any]) -> dict[str, Result]:
    """Blocks that a journal holds; a new journal is begun where there is none."""
    header = json.dumps({"study": settings}, sort_keys=True)
    if not journal.exists():
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_text(header + "\n", encoding="utf-8")
    content = journal.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    os.truncate(journal, len(whole))
    first, *lines = whole.decode().splitlines()
    if first != header:
        raise OtherStudy(
            f"{journal} belongs to a study with other settings or other code: remove it to begin anew"
        )
    entries = [json.loads(line) for line in lines]
    return {entry["block"]: entry["result"] for entry in entries}


def _one_thread() -> None:
    threadpool_limits(1)


def _timed(work: Callable[[Block], Result], block: Block) -> tuple[float, Result]:
    start = time.perf_counter()
    result = work(block)
    return time.perf_counter() - start, result


class _Clock:
    """Says on stderr, now and then, how many blocks are left and about how long they will take."""

    def __init__(self, waiting: Sequence[Block], expected_seconds: Mapping[str, float], processes: int) -> None:
        self.processes = processes
        self._left: dict[str, int] = defaultdict(int)
        for block in waiting:
            self._left[block.part] += 1
        self._expected = expected_seconds
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._said = -SAY_EVERY

    def finished(self, block: Block, seconds: float) -> None:
        self._left[block.part] -= 1
        self._seconds[block.part].append(seconds)
        if time.monotonic() - self._said < SAY_EVERY and any(self._left.values()):
            return
        self._said = time.monotonic()
        left = sum(count * self._mean(part) for part, count in self._left.items()) / self.processes
        blocks = ", ".join(f"{part} {count}" for part, count in self._left.items() if count) or "none"
        print(f"blocks left: {blocks}; about {left / 60:.1f} min", file=sys.stderr, flush=True)

    def _mean(self, part: str) -> float:
        times = self._seconds[part]
        return float(np.mean(times)) if times else self._expected[part]
