"""Words for counts and prices, the same in every sentence of the program."""


def count(value: int, noun: str, plural: str | None = None) -> str:
    """count(1, "prompt") -> "1 prompt"; count(2000, "prompt") -> "2,000 prompts"."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def are(value: int) -> str:
    """The verb after a count: `is` or `are`."""
    return "is" if value == 1 else "are"


def at_price(dollars: float | None) -> str:
    """at_price(2.5) -> "for $2.50"; None is a price that is unknown."""
    return "at a price that is unknown" if dollars is None else f"for ${dollars:,.2f}"
