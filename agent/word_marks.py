"""The words that carry an answer's evidence, where the run holds log-likelihoods token by token.

A proposer is told those of the read split only. Source: Method, section 3 (signed evidence).
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow.parquet as pq

from agent.comparison import Comparison
from agent.workbench import Workbench
from probes.errors import InputError
from probes.scale import FloatArray
from runs.files import explained
from runs.schema import TOKEN_LOGLIK_FILE
from tools.token_evidence import token_evidence, word_evidence

MOST_MARKED = 8
"""Words of one answer."""

FEWEST_NATS = 1.0
"""Evidence from which on a word is marked: it makes one side that much likelier, by a factor of e."""


class WordMarks:
    """Marks of the answers of the read split, or of other rows of the comparison.

    said: why there are none although the run has what it takes.
    """

    def __init__(self, bench: Workbench, rows: Iterable[int] | None = None) -> None:
        self._comparison: Comparison = bench.comparison
        self._rows = bench.comparison.read.row_N.tolist() if rows is None else list(rows)
        self._known: dict[int, Mapping[int, float]] = {}
        self._loglik: dict[int, FloatArray] = {}
        self._ids: dict[int, list[int]] = {}
        self.said: str | None = None
        if self._comparison.mode != "likelihood" or TOKEN_LOGLIK_FILE not in bench.run.manifest.files:
            return
        try:
            from runs.checkpoints import outline_of

            self._decode = outline_of(bench.run).text
        except InputError as error:
            self.said = f"the words that carry the evidence were not marked: {error}"
            return
        self._read(bench)
        if not self._loglik:
            self.said = (
                "the words that carry the evidence were not marked: the log-likelihoods token by token are of "
                "other sides; `orderparam score --tokens` makes them for these"
            )

    def __bool__(self) -> bool:
        return bool(self._loglik)

    def of(self, row: int) -> Mapping[int, float]:
        """Where the words that carry most end in the answer of this row, and their evidence in nats."""
        if row not in self._loglik:
            return {}
        if row not in self._known:
            self._known[row] = self._marks(row)
        return self._known[row]

    def _read(self, bench: Workbench) -> None:
        """Log-likelihoods [T, K] of the answers that have all of both sides' checkpoints."""
        comparison = self._comparison
        rows = {comparison.sample_ids[row]: row for row in self._rows}
        sides = (*comparison.before, *comparison.after)
        path = bench.run.path / TOKEN_LOGLIK_FILE
        with explained(path, "read"):
            table = pq.read_table(path, filters=[("sample_id", "in", list(rows)), ("checkpoint", "in", sides)])
        told: dict[int, dict[int, list[float]]] = {}
        for one in table.to_pylist():
            told.setdefault(rows[one["sample_id"]], {})[one["checkpoint"]] = one["loglik"]
        tokens = bench.run.samples(["token_ids"])["token_ids"]
        for row, by_checkpoint in told.items():
            if all(k in by_checkpoint for k in sides):
                self._loglik[row] = np.array([by_checkpoint[k] for k in sides], dtype=np.float64).T
                self._ids[row] = tokens[int(comparison.run_row_N[row])].as_py()

    def tokens(self, row: int) -> tuple[list[int], FloatArray] | None:
        """Where each token ends in the answer of this row, and its evidence [T]; None where they are not known."""
        from runs.token_ends import token_ends

        if row not in self._loglik:
            return None
        ends = token_ends(self._comparison.responses[row], self._ids[row], self._decode)
        if ends is None:
            return None
        count = len(self._comparison.before)
        columns = range(len(self._loglik[row].T))
        return ends, token_evidence(self._loglik[row], columns[:count], columns[count:])

    def _marks(self, row: int) -> Mapping[int, float]:
        found = self.tokens(row)
        if found is None:
            return {}
        words = word_evidence(self._comparison.responses[row], *found)
        strong = sorted((one for one in words if abs(one[1]) >= FEWEST_NATS), key=lambda one: -abs(one[1]))
        return dict(strong[:MOST_MARKED])
