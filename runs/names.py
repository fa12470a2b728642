"""Which names may be folders inside a run: the same for whoever asks for one and whoever makes it."""

LONGEST_NAME = 64


def is_plain_name(name: str) -> bool:
    """Whether a name can be a folder of its own anywhere and never a path."""
    plain = all(character.isascii() and (character.isalnum() or character in "._-") for character in name)
    return plain and 1 <= len(name) <= LONGEST_NAME and name[0] not in ".-"
