"""How long and how much memory: `discover` on 200,000 rows, and the statistics against plain numpy loops.

    python -m benchmarks.speed             both, about five minutes on two cores
    python -m benchmarks.speed --part statistics

Writes results/speed.json. A stage ends where `discover` says that the next one begins. Memory is that of the
process and all its children, sampled ten times a second: resident, and with shared pages counted once (PSS).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.worlds import CLAIMS, sample, world_of
from probes.scale import FloatArray, IntArray
from tools import nulls, share
from tools.layout import Claim, Layout

ROWS, PROMPTS, CHARACTERS = 200_000, 500, 300
MOST_SECONDS, MOST_BYTES = 240, 3 * 10**9
LEAST_SECONDS = 0.05  # what takes less is a remark, not a stage
SEED = 20250828
SYLLABLES = (
    "ba",
    "ter",
    "mon",
    "li",
    "ca",
    "ro",
    "den",
    "su",
    "per",
    "vi",
    "tal",
    "no",
    "ger",
    "min",
    "qua",
    "est",
)


# discover


def write_rows(folder: Path, rows: int = ROWS, prompts: int = PROMPTS) -> tuple[Path, Path]:
    """Two files of toy-world answers, each lengthened to about 300 characters with words of a made-up language."""
    rng = np.random.default_rng(SEED)
    world = world_of(0, 0.3)
    types_Q = rng.choice(world.grammar.types, size=prompts).astype(np.int64)
    draws = world.draw(rng, types_Q, rows // (2 * prompts))
    vocabulary = ["".join(rng.choice(SYLLABLES, size=rng.integers(1, 5))) for _ in range(5000)]
    frequency = 1.0 / np.arange(1, len(vocabulary) + 1)
    word_M = iter(rng.choice(len(vocabulary), size=60 * rows, p=frequency / frequency.sum()))
    paths = (folder / "before.jsonl", folder / "after.jsonl")
    with paths[0].open("w", encoding="utf-8") as before, paths[1].open("w", encoding="utf-8") as after:
        files = (before, after)
        texts = zip(*world.texts(draws), strict=True)
        for prompt, side, (prompt_text, response) in zip(draws.prompt_N, draws.side_N, texts, strict=True):
            while len(response) < CHARACTERS:
                sentence = " ".join(vocabulary[next(word_M)] for _ in range(8))
                response += f" {sentence.capitalize()}."
            row = {"prompt_id": f"p{prompt}", "prompt": f"{prompt_text} [{prompt}]", "response": response}
            files[side].write(json.dumps(row) + "\n")
    return paths


@dataclass(frozen=True, slots=True)
class Measured:
    """Wall time in seconds, whole and by stage; the highest memory in bytes, of all processes together.

    main, main_stages: the highest resident memory of the process that was started, whole and by stage.
    """

    seconds: float
    stages: dict[str, float]
    resident: int
    proportional: int
    main: int
    main_stages: dict[str, int]


def measured(command: Sequence[str]) -> Measured:
    """Run a command that says its stages on stderr, one a line. Raises CalledProcessError."""
    start = time.perf_counter()
    marks: list[tuple[str, float]] = [("start", 0.0)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    memory = _Memory(process.pid)
    memory.start()
    assert process.stderr is not None
    for line in process.stderr:
        print(f"{time.perf_counter() - start:7.1f} s  {line}", end="", file=sys.stderr)
        if not line[0].isspace():  # how far a stage has come is no stage
            marks.append((line.strip(), time.perf_counter() - start))
            memory.stage = _stage(line)
    code = process.wait()
    seconds = time.perf_counter() - start
    memory.stop()
    if code:
        raise subprocess.CalledProcessError(code, command)
    ends = [at for _, at in marks[1:]] + [seconds]
    stages: dict[str, float] = {}
    for (line, begun), end in zip(marks, ends, strict=True):
        if end - begun >= LEAST_SECONDS:
            stages[_stage(line)] = round(stages.get(_stage(line), 0.0) + end - begun, 2)
    main = {name: size for name, size in memory.main.items() if name in stages}
    return Measured(
        round(seconds, 2), stages, memory.resident, memory.proportional, max(memory.main.values()), main
    )


def _stage(line: str) -> str:
    return line.split(":")[0].strip()


class _Memory(threading.Thread):
    """Watches the memory of all processes of a session until it is stopped."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.resident = self.proportional = 0
        self.main: dict[str, int] = {}
        self.stage = "start"
        self._session = session
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(0.1):
            stage, main = self.stage, _memory_of(self._session)[0]
            self.main[stage] = max(self.main.get(stage, 0), main)
            sizes = [_memory_of(pid) for pid in _members(self._session)]
            self.resident = max(self.resident, sum(resident for resident, _ in sizes))
            self.proportional = max(self.proportional, sum(proportional for _, proportional in sizes))

    def stop(self) -> None:
        self._done.set()
        self.join()


def _members(session: int) -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.getsid(int(entry)) == session:
                    yield int(entry)
            except ProcessLookupError:
                continue


def _memory_of(pid: int) -> tuple[int, int]:
    """Resident and proportional bytes; 0 of a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    kilobytes = {name: int(size.split()[0]) for name, size in (line.split(":") for line in lines)}
    return 1024 * kilobytes["Rss"], 1024 * kilobytes["Pss"]


def discover(folder: Path) -> dict[str, Any]:
    paths = write_rows(folder)
    size = sum(path.stat().st_size for path in paths)
    command = [sys.executable, "-m", "orderparam", "discover", *map(str, paths), "--out", str(folder / "run")]
    found = measured(command)
    return {
        "rows": ROWS,
        "prompts": PROMPTS,
        "bytes": size,
        "cores": len(os.sched_getaffinity(0)),
        **asdict(found),
        "held": found.seconds <= MOST_SECONDS and found.proportional <= MOST_BYTES,
    }


# Statistics


def naive_corrected(values_N: FloatArray, layout: Layout, cell_N: IntArray, claim: Claim) -> float:
    """T - b by the formulas of Method, section 5, cell by cell and prompt by prompt; no strata of one sample."""
    prompts, weight_N = layout.prompts, layout.weight_N
    corrected = 0.0
    for cell in np.unique(cell_N):
        inside_N = cell_N == cell
        mass = weight_N[inside_N].sum()
        mean = weight_N[inside_N] @ values_N[inside_N] / mass
        phi_N = inside_N * (values_N - mean) / np.sqrt(mass)
        strata = [
            [phi_N[(layout.prompt_N == q) & (layout.side_N == side)] for side in (0, 1)] for q in range(prompts)
        ]
        if claim == "fixed":
            count = mass**2 / (weight_N[inside_N] ** 2).sum()
            variance = sum(part.var(ddof=1) / (4 * prompts**2 * len(part)) for sides in strata for part in sides)
            factor, thin = count / (count - 1), count < 1.5
        else:
            mass_Q = np.array([weight_N[inside_N & (layout.prompt_N == q)].sum() for q in range(prompts)])
            count = mass**2 / (mass_Q**2).sum()
            means = np.array([(sides[0].mean() + sides[1].mean()) / 2 for sides in strata])
            variance = means.var(ddof=1) / prompts
            factor, thin = count / (count - 1) * (prompts - 1) / prompts, count <= 1.2
        corrected += 0.0 if thin else mass * mean**2 - factor * variance
    return float(corrected)


def statistics(candidates: int = 40, resamples: int = 999) -> list[dict[str, Any]]:
    """Time a candidate, and a candidate and resample, against the plain loop that gives the same numbers."""
    sampled = sample(np.random.default_rng(SEED), world_of(0, 0.3), 23, (10, 10))
    layout = sampled.layout
    levels_NJ = np.random.default_rng(SEED).integers(0, 4, size=(layout.samples, candidates))
    values_N, found = layout.label_N, []
    for claim in CLAIMS:
        estimates = [share.dissimilarity(values_N, layout, levels_N, claim) for levels_N in levels_NJ.T]
        loop = [naive_corrected(values_N, layout, levels_N, claim) for levels_N in levels_NJ.T]
        np.testing.assert_allclose([one.plug_in - one.bias for one in estimates], loop, atol=1e-9)
        p_values = partial(nulls.p_values, black_box=True, seed=0, resamples=resamples)
        naive = _seconds(partial(naive_corrected, values_N, layout, levels_NJ[:, 0], claim), 20)
        one = _seconds(partial(share.dissimilarity, values_N, layout, levels_NJ[:, 0], claim), 200)
        all_of_null = _seconds(partial(p_values, values_N, layout, levels_NJ, claim), 3)
        found += [
            _ratio(f"dissimilarity with interval, {claim} prompts", one, naive),
            _ratio(f"p-values, {claim} prompts", all_of_null / (candidates * (resamples + 1)), naive),
        ]
    return found


def _seconds(call: Callable[[], object], times: int) -> float:
    """Median seconds of a call."""
    call()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def _ratio(what: str, seconds: float, naive: float) -> dict[str, Any]:
    return {
        "what": what,
        "alternative": "a numpy loop over cells and prompts for each candidate, T - b only",
        "microseconds_each": round(1e6 * seconds, 2),
        "alternative_microseconds": round(1e6 * naive, 2),
        "ratio": round(naive / seconds, 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["discover", "statistics"], help="only this part")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "speed.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if options.part != "discover":
        content["statistics"] = statistics()
    if options.part != "statistics":
        with tempfile.TemporaryDirectory() as folder:
            content["discover"] = discover(Path(folder))
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
