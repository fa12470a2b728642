"""Two reports compared, and on the samples that both have, how far their scores agree."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agent.found_report import FoundReport
from agent.scores_table import SCORES_FILE, read_scores
from probes.errors import InputError
from probes.scale import IntArray
from runs.files import shown
from runs.manifest import program_version
from tools.agreement import cramers_v, cramers_v_within, krippendorff_alpha
from tools.report.comparison import ByScores, Comparison, PairAgreement, compared
from tools.report.document import Parameter, Report

_BY_CONTENT = r"[0-9a-f]{20}"
"""Sample ids that the import of files makes from what a sample holds: the same wherever they occur."""


def compare_reports(a: FoundReport, b: FoundReport) -> Comparison:
    """Both in one record, with the agreement of their scores where they have samples in common."""
    paths = str(a.file), str(b.file)
    return compared((a.report, b.report), paths, _by_scores(a, b), program_version())


def _by_scores(a: FoundReport, b: FoundReport) -> ByScores:
    for one in (a, b):
        if not (one.folder / SCORES_FILE).is_file():
            return ByScores(samples=None, why_not=f"{shown(one.folder / SCORES_FILE)} is missing")
    table_a, table_b = _scores(a), _scores(b)
    shared = pc.is_in(table_a["sample_id"], table_b["sample_id"])
    ids = table_a["sample_id"].filter(shared)
    by_content = pc.all(pc.match_substring_regex(ids, f"^{_BY_CONTENT}$")).as_py()
    if by_content is False and not _same_samples(a.report, b.report):
        why = "the samples of both were numbered by their runs, so that the same number is not the same sample"
        return ByScores(samples=None, why_not=why)
    if not len(ids):
        return ByScores(samples=0)
    rows_a = table_a.filter(shared)
    rows_b = table_b.take(pc.index_in(ids, table_b["sample_id"]))
    group_N = 2 * _coded(rows_a["side"], ["before", "after"]) + _coded(rows_b["side"], ["before", "after"])
    pairs = tuple(
        _agreement(one, _levels(rows_a, one), other, _levels(rows_b, other), group_N)
        for one in a.report.parameters
        for other in b.report.parameters
    )
    return ByScores(samples=len(ids), pairs=pairs)


def _scores(found: FoundReport) -> pa.Table:
    """Scores beside a report. InputError where they are of another one."""
    table = read_scores(found.folder)
    needed = {"sample_id", "side", *(f"{one.id} level" for one in found.report.parameters)}
    if lacking := needed - set(table.column_names):
        raise InputError(
            f"{shown(found.folder / SCORES_FILE)}: is not of the report beside it: it has no column "
            f"{shown(repr(min(lacking)))}"
        )
    return table


def _same_samples(a: Report, b: Report) -> bool:
    """Whether both were made from the very same file of samples."""
    files = [
        known.get("file") if isinstance(known := one.settings.get("samples"), dict) else None for one in (a, b)
    ]
    return files[0] is not None and files[0] == files[1]


def _coded(column: pa.ChunkedArray, names: list[str]) -> IntArray:
    """Places [N] among the names; -1 for what is none of them."""
    places = pc.fill_null(pc.index_in(column, pa.array(names, pa.string())), -1)
    return np.asarray(places.to_numpy(), dtype=np.int64)


def _levels(rows: pa.Table, parameter: Parameter) -> IntArray:
    """Levels [N] of a parameter, from their names."""
    return _coded(rows[f"{parameter.id} level"], [level.name for level in parameter.scale.levels])


def _agreement(
    one: Parameter, one_N: IntArray, other: Parameter, other_N: IntArray, group_N: IntArray
) -> PairAgreement:
    names = [[level.name for level in parameter.scale.levels] for parameter in (one, other)]
    ordered = one.scale.kind in ("ordered", "numeric")
    alpha = (
        krippendorff_alpha(one_N, other_N, "ordinal" if ordered else "nominal")
        if one.scale.kind == other.scale.kind and names[0] == names[1]
        else math.nan
    )
    return PairAgreement(
        a=one.id,
        b=other.id,
        samples=int(((one_N >= 0) & (other_N >= 0)).sum()),
        cramers_v=_or_null(cramers_v(one_N, other_N)),
        within_sides=_or_null(cramers_v_within(one_N, other_N, group_N)),
        alpha=_or_null(alpha),
    )


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
