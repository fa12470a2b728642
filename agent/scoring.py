"""Levels of candidates on the samples of a comparison: by measures in code, scores of the data, or judges.

A measure runs over all samples of the run once and its scores stay in the run, so that neither a resumed nor a
later discovery measures anything twice.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.comparison import Comparison
from agent.progress import Progress, Silent
from agent.settings import shown
from agent.state import CandidateState, is_judged, scale_of
from probes.errors import InputError
from probes.label_scale import Label, LabelScale
from probes.measures.catalogue import measure_of_judge
from probes.measures.measure import Measure
from probes.scale import FloatArray, IntArray, Outcome, levels_of_numbers
from runs.columns import places_of
from runs.directory import Run
from runs.files import write_array_whole
from runs.parts import Parts
from runs.schema import SAMPLES_FILE
from runs.texts import Texts
from tools.measuring import measure_texts

if TYPE_CHECKING:
    from agent.judgments import Judgments

MEASURING = "measuring"
"""Begins the names of parts with scores of the measures that were not measured on all samples yet."""

Levels = NDArray[np.int8] | NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores and levels of whatever a candidate's `judge` names, read once and kept.

    files: judges `file:PATH` that the user named; no other file of code is run. processes: over how many the
    measures are spread. judgments: of a language model, where one judges; as far as it was asked.
    """

    run: Run
    comparison: Comparison
    files: frozenset[str] = frozenset()
    processes: int = 1
    progress: Progress = field(default_factory=Silent)
    judgments: "Judgments | None" = None
    _measured: set[str] = field(default_factory=set)
    _levels: dict[str, Levels] = field(default_factory=dict)

    def levels(self, candidates: Sequence[CandidateState], row_R: IntArray | None = None) -> IntArray:
        """Levels [R, J] of the candidates on these rows of the comparison, or on all; 16 bits each."""
        keys = [_level_key(candidate) for candidate in candidates]
        pairs = [pair for pair in zip(keys, candidates, strict=True) if not is_judged(pair[1])]
        fresh = {key: one for key, one in pairs if key not in self._levels}
        self.measure([one["judge"] for one in fresh.values() if not one["judge"].startswith("data:")])
        for key, candidate in fresh.items():
            self._levels[key] = _narrow(self._levels_of(candidate))
        rows = slice(None) if row_R is None else row_R
        count = len(self.comparison.run_row_N) if row_R is None else len(row_R)
        level_RJ = np.empty((count, len(candidates)), dtype=np.int16)
        for j, (key, candidate) in enumerate(zip(keys, candidates, strict=True)):
            level_N = self.judged_levels(candidate) if is_judged(candidate) else self._levels[key]
            level_RJ[:, j] = level_N[rows]
        return level_RJ

    def judged_levels(self, candidate: CandidateState) -> IntArray:
        """Levels [N] by a language model, as far as it was asked."""
        if self.judgments is None:
            raise InputError(f"{shown(candidate['name'])} is judged by a language model: name one by --judge")
        return self.judgments.levels(candidate)

    def levels_at(self, candidates: Sequence[CandidateState], run_row_R: IntArray) -> IntArray:
        """Levels [R, J], on any samples of the run, of candidates whose levels the comparison has; `MISSING` where
        only the comparison's were judged."""
        level_RJ = np.full((len(run_row_R), len(candidates)), int(Outcome.MISSING), dtype=np.int64)
        mine_R = np.isin(run_row_R, self.comparison.run_row_N)
        place_R = np.searchsorted(self.comparison.run_row_N, run_row_R[mine_R])
        for j, candidate in enumerate(candidates):
            judge = candidate["judge"]
            if is_judged(candidate):
                level_RJ[mine_R, j] = self.judged_levels(candidate)[place_R]
            elif judge.startswith("data:"):
                labels = self._labels_at(judge, run_row_R)
                level_RJ[:, j] = _label_scale(candidate).levels_of(labels)
            else:
                stored_S = self.run.load_scores(scores_key(judge, self.measure_of(judge)))
                assert stored_S is not None  # measured for the comparison, and kept in the run
                level_RJ[:, j] = levels_of_numbers(scale_of(candidate), stored_S[run_row_R])
        return level_RJ

    def _levels_of(self, candidate: CandidateState) -> IntArray:
        judge = candidate["judge"]
        if not judge.startswith("data:"):
            return levels_of_numbers(scale_of(candidate), self.numbers(judge))
        return _label_scale(candidate).levels_of(self.data[judge.removeprefix("data:")])

    def _labels_at(self, judge: str, run_row_R: IntArray) -> list[Label]:
        name = judge.removeprefix("data:")
        column = self.run.samples(["scores"])["scores"].take(run_row_R)
        return [None if text is None else json.loads(text).get(name) for text in column.to_pylist()]

    def numbers(self, judge: str) -> FloatArray:
        """The numbers [N] that a measure gives the rows; NaN where it does not apply."""
        self.measure([judge])
        stored_S = self.run.load_scores(scores_key(judge, self.measure_of(judge)))
        assert stored_S is not None  # just measured
        return stored_S[self.comparison.run_row_N]

    def measure_of(self, judge: str) -> Measure:
        """The measure behind a judge. InputError for an unknown one, or a file of code that was not named."""
        if judge.startswith("file:") and judge not in self.files:
            raise InputError(f"{shown(judge)}: a file of code is run only when it is named by --measure-file")
        return measure_of_judge(judge)

    def measure(self, judges: Iterable[str]) -> None:
        """Makes the scores of measures present in the run: those that it lacks are measured and stored."""
        missing: list[tuple[str, Measure]] = []
        asked = [judge for judge in dict.fromkeys(judges) if judge not in self._measured]
        for judge in asked:
            measure = self.measure_of(judge)
            key = scores_key(judge, measure)
            if self.run.load_scores(key) is None:
                missing.append((key, measure))
        if missing:
            patterns = all(key.startswith("pattern-") for key, _ in missing)
            what = "looking for words and phrases" if patterns else "measuring the answers"
            self.progress.stage(what, self.run.manifest.samples)
            self._measure(missing)
        self._measured.update(asked)

    def _measure(self, missing: Sequence[tuple[str, Measure]]) -> None:
        """Measures block by block, so that memory and what a killed process loses stay those of a block."""
        keys = [key for key, _ in missing]
        samples = self.run.manifest.files[SAMPLES_FILE].sha256
        parts = Parts(self.run, MEASURING, {"samples": samples, "keys": keys}, ".npy")
        parts.remove_others()
        texts = self.run.responses()
        ends = texts.ends.tolist()
        for number, (start, end) in enumerate(pairwise([0, *ends])):
            if parts.has(number):
                self.progress.advance(end - start)
            else:
                write_array_whole(parts.path(number), self._scores_of(missing, texts, slice(start, end)).T)
        for place, key in enumerate(keys):
            value_P = [np.load(parts.path(number), mmap_mode="r")[place] for number in range(len(ends))]
            self.run.store_scores(key, np.concatenate(value_P))
        parts.remove()

    def _scores_of(self, missing: Sequence[tuple[str, Measure]], texts: Texts, rows: slice) -> FloatArray:
        """Scores [R, M] of some samples of the run."""
        prompts_Q, prompt_S = self._run_prompts
        return measure_texts(
            [measure for _, measure in missing],
            [prompts_Q[prompt] for prompt in prompt_S[rows].tolist()],
            texts[rows],
            processes=self.processes,
            on_progress=self.progress.advance,
        )

    @cached_property
    def _run_prompts(self) -> tuple[list[str], IntArray]:
        """The run's prompts [Q], and the prompt of every sample [S]."""
        prompts = self.run.prompts()
        prompt_S = places_of(self.run.samples(["prompt_id"])["prompt_id"], prompts["prompt_id"].combine_chunks())
        return prompts["prompt"].to_pylist(), prompt_S

    @cached_property
    def data(self) -> dict[str, list[Label]]:
        """Scores that came with the data, by name, for every row of the comparison; None where a row has none."""
        column = self.run.samples(["scores"])["scores"].take(self.comparison.run_row_N)
        rows = [{} if text is None else json.loads(text) for text in column.to_pylist()]
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}


def _narrow(level_N: IntArray) -> Levels:
    """The levels in as few bytes as hold them: they are kept for all samples and all candidates."""
    narrow_N = level_N.astype(np.int8)
    return narrow_N if np.array_equal(narrow_N, level_N) else level_N.astype(np.int16)


def _label_scale(candidate: CandidateState) -> LabelScale:
    return LabelScale(scale_of(candidate), tuple(tuple(group) for group in candidate["scale"]["labels"]))


def _level_key(candidate: CandidateState) -> str:
    """What levels depend on besides the samples."""
    return json.dumps([candidate["judge"], candidate["scale"]])


def scores_key(judge: str, measure: Measure) -> str:
    """Under which the run keeps the scores: changes with the measure's definition. No text of a model is in it."""
    kind, _, rest = judge.partition(":")
    digest = hashlib.sha256(f"{measure.version} {judge}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{rest if kind == 'code' else kind}-{digest}"
