"""The arrays of a run: log-likelihoods as a memory map; scores of measures, tied by a digest to their samples."""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probes.scale import FloatArray
from runs.columns import damaged, require_unchanged
from runs.files import explained
from runs.manifest import FileRecord, RunManifest
from runs.schema import LOGLIK_FILE, SAMPLES_FILE

_DIGEST_BYTES = 32


def read_loglik(folder: Path, manifest: RunManifest, record: FileRecord) -> NDArray[np.float32]:
    """Log-likelihoods [samples, checkpoints] as a memory map. Raises InputError when they are damaged."""
    path = folder / LOGLIK_FILE
    expected = (manifest.samples, len(manifest.control.values))
    require_unchanged(path, record)
    with explained(path, "read"):
        try:
            loglik_SK = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise damaged(path, str(error)) from error
    if not isinstance(loglik_SK, np.ndarray) or loglik_SK.shape != expected or loglik_SK.dtype != np.float32:
        raise damaged(path, f"it must be float32 of shape {expected}")
    return loglik_SK


def read_scores(path: Path, manifest: RunManifest) -> FloatArray:
    """The scores [N] of `path`. Raises ValueError unless they are what was stored for this run under this name."""
    content = path.read_bytes()
    data, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if digest != scores_digest(manifest, path.stem, data):
        raise ValueError("not the scores that were stored for these samples")
    values_N: FloatArray = np.load(io.BytesIO(data), allow_pickle=False)
    return values_N


def scores_digest(manifest: RunManifest, key: str, data: bytes) -> bytes:
    """What ends a file of scores, after the bytes of an ordinary .npy: it ties them to samples and measure."""
    samples = manifest.files[SAMPLES_FILE].sha256
    return hashlib.sha256(f"{samples} {key} ".encode() + data).digest()
