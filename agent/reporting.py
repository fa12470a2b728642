"""The report of a discovery: final numbers from the report split, which neither proposing nor selecting saw.

Source: Method, sections 3 and 5.
"""

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import JsonValue

from agent.alerts import few_prompts_warnings
from agent.along import along_of, with_curves
from agent.builtin import candidate_of
from agent.comparison import Comparison, Mode, Part
from agent.estimates import SetNumbers, share_of_bound
from agent.example_details import with_details
from agent.examples import UNEXPLAINED, unexplained
from agent.parameters import off_scale_warnings, parameters_of
from agent.reading import largest_residuals
from agent.scores_table import SCORES_FILE, scores_table
from agent.selecting import q_values_of
from agent.settings import BUILTIN
from agent.state import CandidateState, DiscoveryState, by_id, everything_tried
from agent.totals import total_of
from agent.tried import candidates_of
from agent.workbench import Workbench
from probes.scale import IntArray
from runs.directory import Run
from runs.files import write_table_whole
from runs.manifest import program_version
from runs.schema import REPORT_FILE
from tools.layout import AFTER, BEFORE
from tools.report.document import (
    BySide,
    Candidate,
    Control,
    Guided,
    Interval,
    Prompts,
    Report,
    Scored,
    SetOfParameters,
    Source,
    Splits,
    Total,
    Unexplained,
    Usage,
)
from tools.report.record import interval
from tools.report.save import save_report
from tools.visibility import smallest_visible

LENGTH = "words"
"""The measure of length that `beyond_length` is measured beyond."""

SAMPLES_KEY = "samples"
"""Key of a report's settings under which it names the samples it was made from, by their checksum."""

NAMED_PROMPTS = 50
"""Prompts left out that a report names; it counts them all."""

LIBRARIES = ("numpy", "scipy", "scikit-learn", "langgraph", "pyarrow")


def report(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """The node: computes the report and writes it into the discovery's folder."""
    write_report(state, bench)
    return {}


def write_report(state: DiscoveryState, bench: Workbench) -> None:
    asked = json.dumps(_answered(state), sort_keys=True)
    seen = bench.run.count_report(bench.name, hashlib.sha256(asked.encode()).hexdigest())
    folder = bench.run.discovery_folder(bench.name)
    made = report_of(state, bench, seen)
    chosen = by_id(state["candidates"], state.get("chosen", []))
    write_table_whole(folder / SCORES_FILE, scores_table(bench, chosen))
    for said in save_report(made, folder):
        bench.progress.note(said)
    record_report(bench.run, folder)


def record_report(run: Run, folder: Path) -> None:
    """Records the checksums of what others read of a report; the pages are made again from report.json."""
    inside = folder.relative_to(run.path)
    run.record_stage(f"report {folder.name}", [inside / REPORT_FILE, inside / SCORES_FILE])


def _answered(state: DiscoveryState) -> object:
    """What tells a report among those of its name; where a person guides the search, each set has its own."""
    return [state["fingerprint"], state.get("chosen", [])] if state.get("acts") else state["fingerprint"]


def report_of(state: DiscoveryState, bench: Workbench, reports_seen: int) -> Report:
    """The report of a discovery that has stopped."""
    comparison, settings = bench.comparison, bench.settings
    state = {**state, "candidates": everything_tried(state)}
    chosen = by_id(state["candidates"], state.get("chosen", []))
    warnings = list(state.get("warnings", []))
    if bench.judgments is not None:
        from agent.judged_report import control_sentences, judge_for_report

        warnings += judge_for_report(comparison.report, chosen, bench)
        warnings += control_sentences(state["candidates"])
    bench.progress.stage("measuring the set on the report split")
    numbers = numbers_on(comparison.report, bench, chosen)
    total = total_of(comparison, numbers, bench.levels(chosen), settings.seed, bench.progress)
    return assemble(
        bench,
        numbers,
        chosen,
        total,
        q_values=q_values_of(state["candidates"]),
        candidates=candidates_of(state, bench, total),
        warnings=warnings,
        stopped_because=state["stopped_because"],
        reports_seen=reports_seen,
        tried=state["candidates"],
        by_person=state.get("by_person", []),
        guided=_guided(state),
    )


def _guided(state: DiscoveryState) -> Guided | None:
    """What a person did, where one guided the search."""
    if not state.get("acts"):
        return None
    return Guided(
        acts=tuple(state["acts"]),
        guidance=tuple(state.get("guidance", [])),
        notes=tuple(state.get("notes", [])),
    )


def numbers_on(part: Part, bench: Workbench, chosen: Sequence[CandidateState]) -> SetNumbers:
    """The numbers of a set of candidates on the rows of a part."""
    levels_NJ = bench.levels(chosen, part.row_N)
    return SetNumbers(part, levels_NJ, bench.comparison.mode, bench.comparison.claim, bench.settings.seed)


def assemble(
    bench: Workbench,
    numbers: SetNumbers,
    chosen: Sequence[CandidateState],
    total: Total,
    *,
    q_values: dict[str, float],
    candidates: Sequence[Candidate],
    warnings: Sequence[str],
    stopped_because: str,
    reports_seen: int,
    measured_on: Literal["report", "all"] = "report",
    tried: Sequence[CandidateState] = (),
    by_person: Sequence[str] = (),
    guided: Guided | None = None,
) -> Report:
    """A report from the numbers of a set: what a discovery and the measuring of a known set have in common."""
    comparison, run, located = bench.comparison, bench.run, bench.comparison.located
    part, values = numbers.part, run.manifest.control.values
    alerts = comparison.alerts
    said = [*alerts, *comparison.warnings, *few_prompts_warnings(part.layout.prompts, comparison.claim), *warnings]
    record = set_of(bench, numbers, chosen, total)
    parameters = parameters_of(comparison, numbers, chosen, total, q_values, by_person)
    along = along_of(bench, numbers, chosen)
    if along is not None:
        bench.progress.stage("following the set along the sweep")
        parameters = with_curves(parameters, chosen, along)
    usage = Usage()
    if bench.judgments is not None:
        from agent.judged_report import judge_sentences, lost_warnings, usage_of, with_quotes

        parameters = with_quotes(parameters, chosen, part, bench.judgments)
        said += [*lost_warnings(parameters, chosen), *judge_sentences(bench.judgments)]
        usage = usage_of(bench, tried)
    said += [*off_scale_warnings(parameters), *_not_computed(record)]
    mean_square = float(part.layout.weight_N @ part.value_N**2)
    report = Report(
        version=program_version(),
        run=run.manifest.name,
        name=bench.name,
        seed=bench.settings.seed,
        mode=comparison.mode,
        control=Control(
            name=run.manifest.control.name,
            unit=run.manifest.control.unit,
            before=tuple(values[k] for k in comparison.before),
            after=tuple(values[k] for k in comparison.after),
        ),
        transition=None if located is None else located.record(comparison.before, comparison.after),
        decomposition=() if along is None else along.decomposition([one["id"] for one in chosen]),
        scored=_scored(run, comparison.mode),
        total=total,
        set=record,
        parameters=parameters,
        candidates=tuple(candidates),
        splits=splits_of(comparison),
        reports_seen=reports_seen,
        smallest_visible=smallest_visible(part.layout, comparison.claim, mean_square),
        prompts=Prompts(
            used=comparison.layout.prompts,
            left_out=len(comparison.left_out),
            claim=comparison.claim,
            left_out_names=comparison.left_out[:NAMED_PROMPTS],
        ),
        stopped_because=stopped_because,
        guided=guided,
        usage=usage,
        models={"proposer": ", ".join(bench.settings.model), "judge": bench.settings.judge_spec or BUILTIN},
        judge_template=None if bench.judgments is None else bench.judgments.models.template.source,
        warnings=tuple(dict.fromkeys(said)),
        alerts=alerts,
        measured_on=measured_on,
        samples=by_side(part),
        input=Source(notes=tuple(run.manifest.notes)),
        settings={
            **bench.settings.model_dump(mode="json", exclude={"dry_run", "processes", "name"}),
            SAMPLES_KEY: samples_known_by(bench),
        },
        versions={"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    )
    return with_details(report, bench)


def set_of(
    bench: Workbench, numbers: SetNumbers, chosen: Sequence[CandidateState], total: Total
) -> SetOfParameters:
    """The record of the set taken together."""
    comparison, part = bench.comparison, numbers.part
    black_box = comparison.mode == "black-box"
    captured = share_of_bound(numbers.whole, total.linear) if black_box else interval(numbers.share())
    residual_N = numbers.residual_N()
    whole = interval(numbers.whole)
    worst = unexplained(comparison, part, residual_N, largest_residuals(residual_N, UNEXPLAINED))
    return SetOfParameters(
        parameters=tuple(candidate["id"] for candidate in chosen),
        share=captured,
        dissimilarity=whole,
        beyond_length=interval(numbers.beyond(_length_levels(bench, chosen)[part.row_N])),
        estimator="regression" if numbers.by_regression else "table",
        tv=numbers.of_set("tv"),
        js=numbers.of_set("js"),
        samples=by_side(numbers.complete),
        unexplained=_left_of(total, whole, captured).model_copy(update={"examples": worst}),
    )


def _left_of(total: Total, whole: Interval, captured: Interval) -> Unexplained:
    """What the set leaves of the total, and within which limits."""
    if total.linear.value is None or whole.value is None:
        return Unexplained(value=None)
    value = max(0.0, total.linear.value - whole.value)
    if total.bound == "lower":
        low = max(0.0, (total.linear.low or 0.0) - (1.0 if whole.high is None else whole.high))
        high = 1.0 - (whole.low or 0.0)
    else:
        low = total.linear.value * (1.0 - (1.0 if captured.high is None else captured.high))
        high = total.linear.value * (1.0 - (captured.low or 0.0))
    share = None if captured.value is None else 1.0 - captured.value
    return Unexplained(value=value, low=min(low, value), high=max(high, value), share=share)


def _length_levels(bench: Workbench, chosen: Sequence[CandidateState]) -> IntArray:
    """Levels [N] of the measure of length on the comparison's rows: on the set's scale or as learned on read."""
    judge = f"code:{LENGTH}"
    length = next((one for one in chosen if one["judge"] == judge), None) or candidate_of(bench, judge)
    return bench.levels([length])[:, 0]


def _scored(run: Run, mode: Mode) -> Scored | None:
    """What the likelihoods that were used come from; None without, or where the run does not know."""
    how = run.manifest.scoring
    return None if how is None or mode == "black-box" else Scored.model_validate(how.model_dump())


def samples_known_by(bench: Workbench) -> dict[str, JsonValue]:
    """By what a later report knows these samples again: the run's file with its splits, and each side's own."""
    comparison = bench.comparison
    sides: dict[str, JsonValue] = {}
    for name, side in (("before", BEFORE), ("after", AFTER)):
        ids = comparison.sample_ids.column.filter(pa.array(comparison.layout.side_N == side)).sort()
        sides[name] = hashlib.sha256("\n".join(ids.to_pylist()).encode()).hexdigest()[:16]
    return {"file": bench.run.manifest.files["samples.parquet"].sha256[:16], **sides}


def by_side(part: Part) -> BySide:
    before, after = (int((part.layout.side_N == side).sum()) for side in (BEFORE, AFTER))
    return BySide(before=before, after=after)


def splits_of(comparison: Comparison) -> Splits:
    """How many samples each split holds, and whether whole prompts were dealt out."""
    counts = np.bincount(comparison.split_N, minlength=3).tolist()
    keys = comparison.layout.prompt_N * 3 + comparison.split_N
    whole = len(np.unique(keys)) == comparison.layout.prompts
    return Splits(read=counts[0], select=counts[1], report=counts[2], by="prompt" if whole else "sample")


def _not_computed(record: SetOfParameters) -> list[str]:
    """Why numbers of the report are null."""
    found = []
    if record.dissimilarity.value is None:
        found.append(
            "too few prompts have samples with a level on every chosen parameter, so that the numbers of the set "
            "could not be computed"
        )
    elif record.share.value is None:
        found.append("the total is not separable from 0, so that shares of it could not be computed")
    if record.estimator == "regression":
        found.append(
            "the joint table of the set is too thin for its cells to be read off: its numbers come from a "
            "cross-fitted regression (a lower bound), and its TV and JS could not be computed"
        )
    return found
