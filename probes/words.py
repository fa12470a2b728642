"""Words for counts, the same in every sentence of the program."""


def count(value: int, noun: str, plural: str | None = None) -> str:
    """count(1, "prompt") -> "1 prompt"; count(2000, "prompt") -> "2,000 prompts"."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def are(value: int) -> str:
    """The verb after a count: `is` or `are`."""
    return "is" if value == 1 else "are"
