"""Numbers as text: rounding never shows 0 for more or 100% (1.00) for less, bounds round to their safe side."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Literal

Rounding = Literal["nearest", "down", "up"]

_MODES = {"nearest": ROUND_HALF_EVEN, "down": ROUND_FLOOR, "up": ROUND_CEILING}


def percent(fraction: float, rounding: Rounding = "nearest") -> str:
    """0.884 -> "88%". Digits are added until 0 < fraction < 1 shows neither 0% nor 100%."""
    return _rounded(fraction, 100, 0, rounding) + "%"


def number(value: float, rounding: Rounding = "nearest") -> str:
    """A dissimilarity on 0..1 with two decimals, more where two would show 0.00 or 1.00 falsely."""
    return _rounded(value, 1, 2, rounding)


def signed(value: float) -> str:
    """Signed evidence, -1 to 1, with its sign: "+0.88", "-0.9999"; as `number` it shows 1 for nothing less."""
    return f"{'-' if value < 0 else '+'}{number(abs(value))}"


def _rounded(fraction: float, top: int, decimals: int, rounding: Rounding) -> str:
    exact = Decimal(repr(float(fraction))) * top
    if exact <= 0 or exact >= top:
        clipped = Decimal(0) if exact <= 0 else Decimal(top)
        return f"{clipped:.{decimals}f}"
    for places in range(decimals, decimals + 4):
        shown = exact.quantize(Decimal(1).scaleb(-places), rounding=_MODES[rounding])
        if 0 < shown < top:
            return f"{shown:f}"
    step = Decimal(1).scaleb(-(decimals + 3))
    return f"<{step:f}" if exact < step else f">{top - step:f}"


def probability_value(value: float) -> str:
    """A p- or q-value: three decimals, and "<0.001" below them."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def listed(items: list[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""
