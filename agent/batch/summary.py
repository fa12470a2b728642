"""summary.json as typed records: what a batch hands over, and all that its Markdown and HTML show.

Keys may be added to it, never changed. Paths are from the folder of the summary. A number that was not measured is
null, with why.
"""

import json
from typing import Literal

from tools.domains import Verdict
from tools.report.document import BySide, ScaleRecord, Usage
from tools.report.record import Interval, Record, Text

FORMAT = 1


class Domain(Record):
    """A job. total: of its report; `bound` as there. captured: the share of its chosen set, by `estimator`."""

    name: Text
    label: Text
    status: Literal["done", "failed"]
    error: Text | None = None
    run: Text | None = None
    report: Text | None = None
    mode: Literal["likelihood", "black-box"] | None = None
    bound: Literal["exact", "lower"] | None = None
    total: Interval | None = None
    captured: Interval | None = None
    estimator: Literal["table", "regression"] = "table"
    parameters: tuple[Text, ...] = ()
    samples: BySide | None = None
    prompts: int | None = None
    claim: Literal["fixed", "random"] | None = None
    usage: Usage = Usage()
    warnings: tuple[Text, ...] = ()


class Cell(Record):
    """A parameter in a domain, on its report split.

    shift: of the mean level from before to after, as a part of the scale's length; null for categories. why: where
    it was not measured.
    """

    dissimilarity: Interval | None = None
    share: Interval | None = None
    p_value: float | None = None
    q_value: float | None = None
    shift: float | None = None
    samples: BySide | None = None
    why: Text | None = None


class RowRecord(Record):
    """A parameter over all domains. source: the job whose search defined it, cut points included; found_in: all
    whose search chose it. seen_in, of, tied: names of jobs; tied: those that count as one with others where it is
    seen, since their samples are not independent. says: the verdict in words."""

    id: Text
    name: Text
    question: Text
    judge: Text
    scale: ScaleRecord
    source: Text
    found_in: tuple[Text, ...]
    verdict: Verdict
    seen_in: tuple[Text, ...] = ()
    tied: tuple[Text, ...] = ()
    everywhere: bool = False
    of: Text | None = None
    opposite: bool = False
    says: Text
    common_p: float | None = None
    common_q: float | None = None
    contrast_p: float | None = None
    contrast_q: float | None = None
    cells: dict[Text, Cell]
    pooled: Cell | None = None


class Transfer(Record):
    """The chosen set of one job on another, on its report split; a regression's numbers are lower bounds."""

    source: Text
    to: Text
    dissimilarity: Interval | None = None
    share: Interval | None = None
    estimator: Literal["table", "regression"] = "table"
    samples: BySide | None = None
    why: Text | None = None


class Summary(Record):
    """The whole of summary.json. tests: in the families whose false discovery rate is `level`. transferred:
    whether parameters were measured on jobs that did not find them. warnings: why it is not complete."""

    format: Literal[1] = 1
    version: Text
    name: Text
    level: float
    tests: int
    resamples: int
    transferred: bool
    complete: bool
    domains: tuple[Domain, ...]
    pooled: Domain | None = None
    parameters: tuple[RowRecord, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    usage: Usage = Usage()
    warnings: tuple[Text, ...] = ()
    alerts: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=True, allow_nan=False) + "\n"
