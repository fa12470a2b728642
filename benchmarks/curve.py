"""How fast is the curve along a sweep: one pass over the log-likelihoods, and every resample from its sums.

    python -m benchmarks.curve           about a minute on one core

The pass over 100,000 samples x 100 checkpoints is timed against one numpy.exp over the same matrix, the 500
resamples against the pass, and both together against a plain loop that computes every boundary anew for every
resample (timed on a few). Memory is what the process holds, beside the file's own pages and the sums, while it
streams a matrix of ten blocks. Writes benchmarks/results/curve.json.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.blocks import ROOT
from benchmarks.machine import machine
from probes.scale import FloatArray, IntArray
from tools.curve_sums import BLOCK_NUMBERS, CurveSums, sums_of_loglik
from tools.evidence import side_mixtures, signed_evidence
from tools.transition import transitions_of
from tools.windowed_curve import WindowedCurve

SAMPLES, CHECKPOINTS, PROMPTS = 100_000, 100, 1000
RESAMPLES, PLAIN_RESAMPLES = 500, 2
REPEATS = 7
MOST_EXP, LEAST_RATIO = 3.0, 50.0
BLOCKS = 10
SEED = 20250828

Sweep = tuple[NDArray[np.float32], IntArray, IntArray]


def sweep(samples: int = SAMPLES, checkpoints: int = CHECKPOINTS, prompts: int = PROMPTS) -> Sweep:
    """Log-likelihoods [N, K] as a run stores them, prompt by prompt, with a transition in the middle."""
    rng = np.random.default_rng(SEED)
    prompt_N = np.sort(np.arange(samples) % prompts)
    checkpoint_N = np.arange(samples) % checkpoints
    moved_N = np.where(rng.random(samples) < 1 / (1 + np.exp(checkpoints / 2 - checkpoint_N)), 1.0, -1.0)
    slope_K = np.tanh((np.arange(checkpoints) - checkpoints / 2) / 2)
    noise_NK = rng.normal(0, 0.2, size=(samples, checkpoints))
    loglik_NK = -40 + 2 * moved_N[:, None] * slope_K + noise_NK
    return loglik_NK.astype(np.float32), prompt_N, checkpoint_N


def best(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Seconds of CPU time of the fastest of several runs: other programs share the machine."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def curve_of(sums: CurveSums) -> WindowedCurve:
    return WindowedCurve(sums, "random")


def plain_curve(
    loglik_NK: NDArray[np.floating], prompt_N: IntArray, checkpoint_N: IntArray, window: int
) -> FloatArray:
    """The linear dissimilarity at every boundary, straight from the samples."""
    checkpoints = loglik_NK.shape[1]
    values = []
    for right in range(1, checkpoints):
        width = min(window, right, checkpoints - right)
        before, after = range(right - width, right), range(right, right + width)
        total = 0.0
        rows = np.flatnonzero((checkpoint_N >= right - width) & (checkpoint_N < right + width))
        square_N = signed_evidence(*side_mixtures(loglik_NK[rows].astype(np.float64), before, after)) ** 2
        prompts, place_N = np.unique(prompt_N[rows], return_inverse=True)
        for k in (*before, *after):
            mine = checkpoint_N[rows] == k
            count_Q = np.bincount(place_N[mine], minlength=len(prompts))
            sum_Q = np.bincount(place_N[mine], weights=square_N[mine], minlength=len(prompts))
            total += float((sum_Q / np.maximum(count_Q, 1)).mean()) / (2 * width)
        values.append(total)
    return np.array(values)


def plain_resamples(
    loglik_NK: NDArray[np.floating], prompt_N: IntArray, checkpoint_N: IntArray, resamples: int
) -> FloatArray:
    """The straightforward loop: prompts drawn again, and the whole curve computed anew from their samples."""
    rng = np.random.default_rng(SEED)
    order = np.argsort(prompt_N, kind="stable")
    rows_of = np.split(order, np.flatnonzero(np.diff(prompt_N[order])) + 1)
    curves = []
    for _ in range(resamples):
        drawn = rng.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[q] for q in drawn])
        again_N = np.repeat(np.arange(len(drawn)), [len(rows_of[q]) for q in drawn])
        curves.append(plain_curve(loglik_NK[rows], again_N, checkpoint_N[rows], 1))
    return np.array(curves)


def speed(window: int, data: Sweep) -> dict[str, Any]:
    """Seconds of the pass and of the resamples, and their ratios."""
    loglik_NK, prompt_N, checkpoint_N = data
    exp = best(lambda: np.exp(loglik_NK))
    exp_of_float64 = best(lambda: np.exp(loglik_NK, dtype=np.float64), 3)
    one_pass = best(lambda: sums_of_loglik(loglik_NK, prompt_N, checkpoint_N, window))
    sums = sums_of_loglik(loglik_NK, prompt_N, checkpoint_N, window)
    values = best(lambda: curve_of(sums).boundaries())
    control_K = np.arange(CHECKPOINTS, dtype=np.float64)
    fresh = iter([_fresh(sums) for _ in range(REPEATS)])
    resampled = best(lambda: transitions_of(next(fresh), control_K, SEED, RESAMPLES))
    return {
        "window": window,
        "numpy_exp_float32_seconds": round(exp, 4),
        "numpy_exp_float64_seconds": round(exp_of_float64, 4),
        "pass_seconds": round(one_pass, 4),
        "pass_over_exp_float32": round(one_pass / exp, 2),
        "curve_with_intervals_seconds": round(values, 4),
        "resamples_with_peaks_seconds": round(resampled, 4),
        "resamples_over_pass": round(resampled / one_pass, 2),
    }


def _fresh(sums: CurveSums) -> WindowedCurve:
    """A curve whose values are known, as they are where resamples are drawn, and of which nothing is resampled."""
    curve = curve_of(sums)
    curve.boundaries()
    return curve


def against_the_loop(data: Sweep, ours: float) -> dict[str, Any]:
    """Seconds that the plain loop would take for all resamples, from a few, and that both agree."""
    loglik_NK, prompt_N, checkpoint_N = data
    curve = curve_of(sums_of_loglik(loglik_NK, prompt_N, checkpoint_N, 1))
    plain_B = plain_curve(loglik_NK, prompt_N, checkpoint_N, 1)
    seconds = best(lambda: plain_resamples(loglik_NK, prompt_N, checkpoint_N, PLAIN_RESAMPLES), 2)
    plain = seconds / PLAIN_RESAMPLES * (RESAMPLES + 1)
    return {
        "plain_loop_seconds": round(plain, 1),
        "ours_seconds": round(ours, 4),
        "ratio": round(plain / ours),
        "largest_difference": float(np.abs(curve.value_DB[0] - plain_B).max()),
    }


STREAMED = """
import sys, numpy as np
from tools.curve_sums import sums_of_loglik
def held(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
loglik_NK = np.load(sys.argv[1], mmap_mode="r")
prompt_N, checkpoint_N = np.load(sys.argv[2])
sums_of_loglik(loglik_NK[:1000], prompt_N[:1000], checkpoint_N[:1000], 1)
before = held("RssAnon")
import resource, threading, time
largest, done = before, False
def watch():
    global largest
    while not done:
        largest = max(largest, held("RssAnon"))
        time.sleep(0.001)
thread = threading.Thread(target=watch); thread.start()
sums = sums_of_loglik(loglik_NK, prompt_N, checkpoint_N, 1)
done = True; thread.join()
arrays = [sums.sum_DSO, sums.square_DSO, sums.product_SOO, *vars(sums.strata).values()]
print(largest - before, sum(one.nbytes for one in arrays if isinstance(one, np.ndarray)))
"""


def memory() -> dict[str, Any]:
    """Bytes held beside the file's pages while a matrix of `BLOCKS` blocks is streamed."""
    samples = BLOCKS * BLOCK_NUMBERS // CHECKPOINTS
    with tempfile.TemporaryDirectory() as folder:
        loglik_NK, prompt_N, checkpoint_N = sweep(samples)
        paths = [str(Path(folder) / name) for name in ("loglik.npy", "rows.npy")]
        np.save(paths[0], loglik_NK)
        np.save(paths[1], np.stack([prompt_N, checkpoint_N]))
        matrix = loglik_NK.nbytes
        del loglik_NK
        command = [sys.executable, "-c", STREAMED, *paths]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ})
    largest, sums_bytes = map(int, done.stdout.split())
    return {
        "samples": samples,
        "matrix_bytes": matrix,
        "block_bytes": 4 * BLOCK_NUMBERS,
        "sums_bytes": sums_bytes,
        "largest_held_beside_sums_bytes": largest - sums_bytes,
    }


def main() -> int:
    data = sweep()
    speeds = [speed(window, data) for window in (1, 2)]
    first = speeds[0]
    ours = first["pass_seconds"] + first["curve_with_intervals_seconds"] + first["resamples_with_peaks_seconds"]
    loop, held = against_the_loop(data, ours), memory()
    found: dict[str, Any] = {
        "machine": machine(),
        "samples": SAMPLES,
        "checkpoints": CHECKPOINTS,
        "prompts": PROMPTS,
        "resamples": RESAMPLES,
        "speed": speeds,
        "loop": loop,
        "memory": held,
        "held": {
            f"pass at most {MOST_EXP:g} exp": first["pass_over_exp_float32"] <= MOST_EXP,
            "resamples less than the pass": first["resamples_over_pass"] < 1,
            f"at least {LEAST_RATIO:g} times the loop": loop["ratio"] >= LEAST_RATIO,
            "memory within a block": held["largest_held_beside_sums_bytes"] <= held["block_bytes"],
        },
    }
    text = json.dumps(found, indent=1)
    print(text)
    (ROOT / "benchmarks" / "results" / "curve.json").write_text(text + "\n", encoding="utf-8")
    return 0 if all(found["held"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
