"""The three splits of a run's samples, fixed once when samples enter it.

Source: Method, section 5, "Splits": read 30%, select 30%, report 40%.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from probes.scale import IntArray

READ, SELECT, REPORT = range(3)  # positions in runs.schema.SPLITS

TENTHS = (3, 3, 4)

SplitArray = NDArray[np.int8]
_HashArray = NDArray[np.uint64]


def assign_splits(
    sample_ids: Iterable[str],
    prompt_N: IntArray,
    checkpoint_N: IntArray,
    seed: int,
    *,
    prompt_ids: Sequence[str],
) -> SplitArray:
    """The split [N] of each sample: 0 read, 1 select, 2 report.

    sample_ids: [N], all different. prompt_N: index into prompt_ids [Q]. Within prompt and checkpoint, samples in
    the order of a hash of seed and sample id are divided 3 : 3 : 4 by largest remainder, provided that most of
    these groups hold three samples or more; otherwise whole prompts are divided so. A remainder that read and
    select tie for goes to either by the group's own hash. Nothing depends on the order of the rows or of the
    prompts.
    Raises ValueError when ids repeat.
    """
    hash_N2 = _hashes("sample", seed, sample_ids, len(prompt_N))
    if len(np.unique(hash_N2, axis=0)) < len(hash_N2) or len(set(prompt_ids)) < len(prompt_ids):
        raise ValueError("ids of samples and prompts must all be different")
    if not len(hash_N2):
        return np.zeros(0, dtype=np.int8)
    groups_G2, group_N = _groups(prompt_N, checkpoint_N)
    size_G = np.bincount(group_N)
    if 2 * np.count_nonzero(size_G >= 3) > len(size_G):
        names = (f"{checkpoint} {prompt_ids[prompt]}" for prompt, checkpoint in groups_G2)
        tie_G = _hashes("group", seed, names, len(groups_G2))[:, 1] % 2 == 0
        return _divide(group_N, hash_N2, size_G, tie_G)
    used_Q, used_index_N = np.unique(prompt_N, return_inverse=True)
    one_group_Q = np.zeros(len(used_Q), dtype=np.int64)
    hash_Q2 = _hashes("prompt", seed, (prompt_ids[prompt] for prompt in used_Q), len(used_Q))
    tie_1 = _hashes("group", seed, ["prompts"], 1)[:, 1] % 2 == 0
    split_Q = _divide(one_group_Q, hash_Q2, np.array([len(used_Q)]), tie_1)
    return split_Q[used_index_N.reshape(-1)]


def _groups(prompt_N: IntArray, checkpoint_N: IntArray) -> tuple[IntArray, IntArray]:
    """Prompt and checkpoint [G, 2] of each group, and the group [N] of each sample."""
    width = int(checkpoint_N.max()) + 1
    key_G, group_N = np.unique(prompt_N.astype(np.int64) * width + checkpoint_N, return_inverse=True)
    return np.stack([key_G // width, key_G % width], axis=1), group_N.reshape(-1)


def _divide(
    group_N: IntArray, hash_N2: _HashArray, size_G: IntArray, read_wins_tie_G: NDArray[np.bool_]
) -> SplitArray:
    """Split of each item: the first of its group, by hash, go to read, the next to select, the rest to report."""
    order_N = np.lexsort((hash_N2[:, 1], hash_N2[:, 0], group_N))
    start_G = np.cumsum(size_G) - size_G
    rank_N = np.empty(len(group_N), dtype=np.int64)
    rank_N[order_N] = np.arange(len(group_N)) - np.repeat(start_G, size_G)
    counts_G3 = split_counts(size_G, read_wins_tie_G)
    read_end_N = counts_G3[group_N, READ]
    select_end_N = read_end_N + counts_G3[group_N, SELECT]
    split_N: SplitArray = (rank_N >= read_end_N).astype(np.int8) + (rank_N >= select_end_N).astype(np.int8)
    return split_N


def split_counts(size_G: IntArray, read_wins_tie_G: NDArray[np.bool_]) -> IntArray:
    """How many of a group's samples each split gets [G, 3], by largest remainder in whole tenths.

    At most two samples remain to be given. Remainders of read and select are always equal, and equal that of
    report only when all are 0, so a tie is for the last sample between read and select.
    """
    tenths_G3 = np.outer(size_G, TENTHS)
    counts_G3 = tenths_G3 // 10
    remainder_G3 = tenths_G3 % 10
    left_G = size_G - counts_G3.sum(axis=1)
    report_first_G = remainder_G3[:, REPORT] >= remainder_G3[:, READ]
    to_report_G = report_first_G & (left_G > 0)
    counts_G3[:, REPORT] += to_report_G
    left_G = left_G - to_report_G
    counts_G3[:, READ] += (left_G == 2) | ((left_G == 1) & read_wins_tie_G)
    counts_G3[:, SELECT] += (left_G == 2) | ((left_G == 1) & ~read_wins_tie_G)
    return counts_G3


def _hashes(kind: str, seed: int, texts: Iterable[str], count: int) -> _HashArray:
    """128 bits for each text [count, 2]; kind keeps a sample, a prompt and a group of one name apart."""
    start = hashlib.blake2b(f"{kind} {seed} ".encode(), digest_size=16)
    digests = bytearray()
    for text in texts:
        one = start.copy()
        one.update(text.encode("utf-8", "surrogatepass"))
        digests += one.digest()
    return np.frombuffer(bytes(digests), dtype="<u8").reshape(count, 2).astype(np.uint64)
