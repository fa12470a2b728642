"""Levels of candidates on the samples of a comparison: by measures in code, scores of the data, or judges.

A measure runs over all samples of the run once and its scores stay in the run, so that neither a resumed nor a
later discovery measures anything twice.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
from runs.directory import Run
from tools.measuring import measure_texts

if TYPE_CHECKING:
    from agent.judgments import Judgments

CHARACTERS_HELD = 2_000_000_000
"""Characters times measures that are measured before the scores are stored: what a killed process may lose."""


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
    _measured: dict[str, FloatArray] = field(default_factory=dict)
    _levels: dict[str, NDArray[np.int16]] = field(default_factory=dict)

    def levels(self, candidates: Sequence[CandidateState]) -> IntArray:
        """Levels [N, J] of the candidates on all rows of the comparison."""
        keys = [_level_key(candidate) for candidate in candidates]
        pairs = [pair for pair in zip(keys, candidates, strict=True) if not is_judged(pair[1])]
        fresh = {key: one for key, one in pairs if key not in self._levels}
        self.measure([one["judge"] for one in fresh.values() if not one["judge"].startswith("data:")])
        for key, candidate in fresh.items():
            self._levels[key] = self._levels_of(candidate).astype(np.int16)
        levels_NJ = np.empty((len(self.comparison.run_row_N), len(candidates)), dtype=np.int64)
        for j, (key, candidate) in enumerate(zip(keys, candidates, strict=True)):
            levels_NJ[:, j] = self.judged_levels(candidate) if is_judged(candidate) else self._levels[key]
        return levels_NJ

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
        return self._measured[judge]

    def measure_of(self, judge: str) -> Measure:
        """The measure behind a judge. InputError for an unknown one, or a file of code that was not named."""
        if judge.startswith("file:") and judge not in self.files:
            raise InputError(f"{shown(judge)}: a file of code is run only when it is named by --measure-file")
        return measure_of_judge(judge)

    def measure(self, judges: Iterable[str]) -> None:
        """Makes the scores of measures present: from the run where it holds them, else measured and stored."""
        missing: list[tuple[str, Measure]] = []
        for judge in dict.fromkeys(judges):
            if judge in self._measured:
                continue
            measure = self.measure_of(judge)
            stored = self.run.load_scores(scores_key(judge, measure))
            if stored is None:
                missing.append((judge, measure))
            else:
                self._measured[judge] = stored[self.comparison.run_row_N]
        if not missing:
            return
        at_once = max(1, CHARACTERS_HELD // (1 + sum(map(len, self._run_texts[1]))))
        groups = [missing[start : start + at_once] for start in range(0, len(missing), at_once)]
        patterns = all(judge.startswith("pattern:") for judge, _ in missing)
        what = "looking for words and phrases" if patterns else "measuring the answers"
        self.progress.stage(what, len(groups) * len(self._run_texts[1]))
        for group in groups:
            self._measure(group)

    def _measure(self, missing: Sequence[tuple[str, Measure]]) -> None:
        prompts, responses = self._run_texts
        measures = [measure for _, measure in missing]
        values_NM = measure_texts(
            measures, prompts, responses, processes=self.processes, on_progress=self.progress.advance
        )
        for (judge, measure), value_N in zip(missing, values_NM.T, strict=True):
            self.run.store_scores(scores_key(judge, measure), value_N)
            self._measured[judge] = value_N[self.comparison.run_row_N]

    @cached_property
    def _run_texts(self) -> tuple[list[str], list[str]]:
        """Prompt and response of every sample of the run."""
        prompts = self.run.prompts()
        text_of = dict(zip(prompts["prompt_id"].to_pylist(), prompts["prompt"].to_pylist(), strict=True))
        samples = self.run.samples(["prompt_id", "response"])
        return [text_of[one] for one in samples["prompt_id"].to_pylist()], samples["response"].to_pylist()

    @cached_property
    def data(self) -> dict[str, list[Label]]:
        """Scores that came with the data, by name, for every row of the comparison; None where a row has none."""
        column = self.run.samples(["scores"])["scores"].take(self.comparison.run_row_N)
        rows = [{} if text is None else json.loads(text) for text in column.to_pylist()]
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}


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
