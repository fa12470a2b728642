"""Measuring a known set of order parameters on a run: nothing is searched for, so all rows may count.

Cut points that are learned here are learned on the read split, and the other rows are reported on; a set that was
found on these very samples is measured on their report split. Source: Method, section 5 ("Splits").
"""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agent.comparison import REPORT, SELECT, Part
from agent.discovery import (
    difference,
    fingerprint_of,
    is_free,
    numbered,
    open_bench,
    state_file,
    with_models,
)
from agent.estimates import SetNumbers
from agent.known_judging import Judging, judging_of
from agent.known_set import Questions, candidates_named, candidates_reported, is_learned, resolved
from agent.progress import Progress, Silent
from agent.reporting import SAMPLES_KEY, assemble, numbers_on, record_report, samples_known_by
from agent.scores_table import SCORES_FILE, scores_table
from agent.settings import DiscoverSettings, shown
from agent.state import CandidateState
from agent.totals import total_of
from agent.workbench import Workbench
from probes.errors import InputError
from runs.directory import Run
from runs.files import explained, write_json_whole, write_table_whole
from runs.schema import REPORT_FILE
from tools.layout import FEWEST_PROMPTS
from tools.nulls import p_values, q_values
from tools.report.document import Report
from tools.report.save import save_report

ASKED_FILE = "measure.json"


def measure_set(
    questions: Questions, run: Run, settings: DiscoverSettings, *, progress: Progress | None = None
) -> Report:
    """Measure a known set on a run; takes the run's lock and counts as a report of it.

    What a language model judged in the report that the set is from is judged here as it was there, unless the
    settings name another judge. The folder of the discovery also gets `scores.parquet`: the score and level of
    every sample. The same call again goes on after a kill, or returns the report. Errors as
    `agent.discovery.discover_run`.
    """
    with threadpool_limits(1), run.locked():  # small matrices: more threads only wait for each other
        known = opened_set(questions, run, settings, progress or Silent())
        if known.judging.template is not None:
            from agent.models import require_models

            require_models(known.judging.settings)
        fingerprint = known.fingerprint()
        folder = _folder_for(run, settings.name, fingerprint)
        if (folder / REPORT_FILE).is_file():
            return Report.load(folder)
        write_json_whole(folder / ASKED_FILE, fingerprint)
        with with_models(known.bench.named(folder.name), known.judging.template) as bench:
            report = _measured(replace(known, bench=bench), folder, fingerprint)
            for said in save_report(report, folder):
                bench.progress.note(said)
            record_report(run, folder)
    return report


@dataclass(frozen=True, eq=False)
class KnownSet:
    """A known set on a run. part: the rows that the numbers come from; said: warnings, why these are not all."""

    asked: Report | tuple[str, ...]
    judging: Judging
    bench: Workbench
    chosen: list[CandidateState]
    part: Part
    said: list[str]

    def fingerprint(self) -> dict[str, Any]:
        """All that the report depends on."""
        bench, template = self.bench, self.judging.template
        return {
            **fingerprint_of(bench.run, bench.comparison, bench.settings),
            "judge_template": None if template is None else template.digest,
            "questions": _asked(self.asked),
        }


def opened_set(questions: Questions, run: Run, settings: DiscoverSettings, progress: Progress) -> KnownSet:
    """The set on the run, nothing judged yet and nothing written. Raises InputError."""
    asked = resolved(questions)
    judging = judging_of(asked, settings)
    bench = open_bench(run, judging.settings, progress)
    if isinstance(asked, tuple):
        chosen = candidates_named(bench, asked)
    else:
        chosen = candidates_reported(bench.scores, asked, judging.settings.judge_spec)
    part, said = _rows(asked, bench, chosen)
    return KnownSet(asked, judging, bench, chosen, part, [*said, *judging.said])


def _asked(asked: Report | tuple[str, ...]) -> Any:
    if isinstance(asked, tuple):
        return list(asked)
    by_id = {parameter.id: parameter for parameter in asked.parameters}
    told = {"id", "question", "judge", "scale"}
    return [by_id[one].model_dump(mode="json", include=told) for one in asked.set.parameters]


def _folder_for(run: Run, name: str | None, fingerprint: dict[str, Any]) -> Path:
    """The folder named, else that of the numbered discovery that asked the same, else the next number's."""
    if name is None:
        same = (folder for folder in numbered(run) if is_free(folder) or _fingerprint_in(folder) == fingerprint)
        return next(same, None) or run.discovery_folder()
    folder = run.discovery_folder(name)
    known = _fingerprint_in(folder)
    if state_file(folder).is_file() or (known is not None and known != fingerprint):
        raise InputError(difference(name, known or {}, fingerprint))
    return folder


def _fingerprint_in(folder: Path) -> dict[str, Any] | None:
    path = folder / ASKED_FILE
    if not path.is_file():
        return None
    with explained(path, "read"):
        known: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return known


def _measured(known: KnownSet, folder: Path, fingerprint: dict[str, Any]) -> Report:
    bench, chosen, part = known.bench, known.chosen, known.part
    comparison = bench.comparison
    short: list[str] = []
    if bench.judgments is not None:
        from agent.judged_report import judge_part

        short = judge_part(part, chosen, bench)
    numbers = numbers_on(part, bench, chosen)
    _require_levels(numbers, chosen, short)
    bench.progress.stage("measuring the set")
    p_J = p_values(
        part.value_N,
        part.layout,
        numbers.levels_NJ,
        comparison.claim,
        black_box=comparison.mode == "black-box",
        seed=bench.settings.seed,
        resamples=bench.settings.resamples,
    )
    for candidate, p in zip(chosen, p_J.tolist(), strict=True):
        candidate["p_value"] = p
    total = total_of(comparison, numbers, bench.levels(chosen), bench.settings.seed, bench.progress)
    write_table_whole(folder / SCORES_FILE, scores_table(bench, chosen))
    digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()
    return assemble(
        bench,
        numbers,
        chosen,
        total,
        q_values=dict(zip([one["id"] for one in chosen], q_values(p_J).tolist(), strict=True)),
        candidates=(),
        warnings=[*known.said, *short],
        stopped_because="; ".join(["a known set was measured; nothing was searched for", *short]),
        reports_seen=bench.run.count_report(bench.name, digest),
        measured_on="all" if part.layout.samples == comparison.layout.samples else "report",
    )


def _rows(
    asked: Report | tuple[str, ...], bench: Workbench, chosen: list[CandidateState]
) -> tuple[Part, list[str]]:
    """The rows that the numbers come from, and why they are not all."""
    comparison = bench.comparison
    if isinstance(asked, Report):
        return _rows_of_reported(asked, bench)
    if not any(is_learned(candidate) for candidate in chosen):
        return comparison.part(), []
    rest = comparison.part(SELECT, REPORT)
    return rest, [
        "cut points were learned on the read split, so that the numbers come from the other "
        f"{rest.layout.samples:,} samples"
    ]


def _rows_of_reported(asked: Report, bench: Workbench) -> tuple[Part, list[str]]:
    """All rows of new samples, the report split of the run in which the set was found.

    InputError for the same samples under other splits: there, rows that chose the set would measure it.
    """
    known = asked.settings.get(SAMPLES_KEY)
    mine = samples_known_by(bench)
    if not isinstance(known, dict):
        return bench.comparison.part(), []
    if known.get("file") == mine["file"]:
        return bench.comparison.report, [
            "this set was chosen with these very samples: it was measured on their report split, not on all"
        ]
    again = [side for side in ("before", "after") if known.get(side) == mine[side]]
    if len(again) == 2:
        raise InputError(
            "this set was chosen with these very samples, and other splits would let them measure it too; measure "
            "it in the run where it was found, or on new samples"
        )
    if again:
        return bench.comparison.part(), [
            f"the samples {again[0]} are those with which this set was chosen: on that side they favour it"
        ]
    return bench.comparison.part(), []


def _require_levels(numbers: SetNumbers, chosen: list[CandidateState], short: list[str]) -> None:
    """InputError where too few prompts have levels on both sides for any number. short: what kept judges away."""
    fewest = FEWEST_PROMPTS[numbers.claim]
    for candidate, level_N in zip(chosen, numbers.levels_NJ.T, strict=True):
        if numbers.part.where(level_N >= 0).layout.prompts < fewest:
            why = "; ".join(["too few prompts have answers with a level on both sides", *short])
            raise InputError(f"{shown(candidate['id'])}: {why}")
    if numbers.complete.layout.prompts < fewest:
        raise InputError(
            "too few prompts have answers on both sides with a level on every parameter; measure fewer at a time"
        )
