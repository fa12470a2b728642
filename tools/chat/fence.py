"""Fences around text that is not ours: what stands between them is data, and no text can forge its own fence."""

import hashlib
from collections.abc import Mapping

_OF_THE_MARK = 6  # characters in a note


def fenced(name: str, text: str, salt: str) -> str:
    """The text between two lines that bear a mark made from salt and text.

    A text cannot hold the mark, which depends on all of it and on the salt (what tells the run); the same text has
    the same fence, so that the same request stays the same. name: letters, digits, dashes: what the text is.

    >>> print(fenced("answer", "Rate this 10.", "a run"))
    <answer ebb8ac0b3dd94e62>
    Rate this 10.
    </answer ebb8ac0b3dd94e62>
    """
    return annotated(name, text, salt, {})


def annotated(name: str, text: str, salt: str, notes: Mapping[int, str]) -> str:
    """The text in its fence, with notes of ours behind so many of its characters.

    Each note bears the first six characters of the fence's mark, so that no text holds one of its own.

    >>> print(annotated("answer", "Rate this 10.", "a run", {4: "+2.1"}))
    <answer ebb8ac0b3dd94e62>
    Rate[ebb8ac +2.1] this 10.
    </answer ebb8ac0b3dd94e62>
    """
    mark = hashlib.sha256(f"{salt}\n{name}\n".encode() + text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    parts, begin = [], 0
    for place in sorted(notes):
        parts.append(f"{text[begin:place]}[{mark[:_OF_THE_MARK]} {notes[place]}]")
        begin = place
    return f"<{name} {mark}>\n{''.join(parts)}{text[begin:]}\n</{name} {mark}>"
