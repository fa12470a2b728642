"""What the records of all reports are made of.

Keys may be added to a record, never changed; readers keep keys they do not know.
"""

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

if TYPE_CHECKING:
    from tools.inference import Estimate

Split = Literal["read", "select", "report"]
ControlValue = str | int | float


def whole_text(value: object) -> object:
    """Lone surrogates, which no file and no terminal can hold, become visible escapes such as `\\ud800`."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


Text = Annotated[str, BeforeValidator(whole_text)]


class Record(BaseModel):
    """Base of all records: frozen, only finite numbers, unknown keys kept."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


class Interval(Record):
    """An estimate with its 95% limits. `high` is null for a lower bound, which has no upper limit.

    `one_sided`: the interval starts at 0 by construction, the value is not separable from 0.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    one_sided: bool = False


def interval(estimate: "Estimate") -> Interval:
    """An estimate as a report keeps it; null where the samples do not allow a number."""
    if math.isnan(estimate.value):
        return Interval(value=None)
    return Interval(value=estimate.value, low=estimate.low, high=estimate.high, one_sided=estimate.one_sided)
