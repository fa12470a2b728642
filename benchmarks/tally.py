"""Counts of how intervals and estimates did against the truth: what blocks hand back and add up to."""

from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

from tools.inference import Estimate


class Key(NamedTuple):
    """What was estimated. `regime`: "regular", or why this case is shown apart."""

    quantity: str
    mode: str
    claim: str
    regime: str


@dataclass(slots=True)
class Tally:
    """Sums over worlds. error: T - b less the truth, before it is cut at 0. width: of the interval."""

    worlds: int = 0
    covered: int = 0
    too_low: int = 0  # the whole interval lies under the truth
    too_high: int = 0
    one_sided: int = 0
    truth: float = 0.0
    error: float = 0.0
    squared_error: float = 0.0
    width: float = 0.0

    def add(self, estimate: Estimate, truth: float) -> None:
        """One world. A truth that differs from a limit by rounding alone counts as covered."""
        high = 1.0 if estimate.high is None else estimate.high
        self.worlds += 1
        self.too_low += high < truth - 1e-9
        self.too_high += estimate.low > truth + 1e-9
        self.covered += estimate.low - 1e-9 <= truth <= high + 1e-9
        self.one_sided += estimate.one_sided
        error = estimate.plug_in - estimate.bias - truth
        self.truth += truth
        self.error += error
        self.squared_error += error**2
        self.width += high - estimate.low

    def merge(self, other: "Tally") -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    @property
    def coverage(self) -> float:
        return self.covered / self.worlds

    @property
    def mean_error(self) -> float:
        return self.error / self.worlds

    @property
    def mean_truth(self) -> float:
        return self.truth / self.worlds


class Tallies:
    """Tallies by key, and their form in JSON."""

    def __init__(self) -> None:
        self.by_key: dict[Key, Tally] = defaultdict(Tally)

    def add(self, key: Key, estimate: Estimate, truth: float) -> None:
        self.by_key[key].add(estimate, truth)

    def to_json(self) -> list[dict[str, object]]:
        return [{**key._asdict(), **asdict(tally)} for key, tally in self.by_key.items()]

    def merge_json(self, entries: list[dict[str, object]]) -> None:
        for entry in entries:
            key = Key(*(str(entry[name]) for name in Key._fields))
            values = {field.name: entry[field.name] for field in fields(Tally)}
            self.by_key[key].merge(Tally(**values))  # type: ignore[arg-type]
