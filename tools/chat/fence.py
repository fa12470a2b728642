"""Fences around text that is not ours: what stands between them is data, and no text can forge its own fence."""

import hashlib


def fenced(name: str, text: str, salt: str) -> str:
    """The text between two lines that bear a mark made from salt and text.

    A text cannot hold the mark, which depends on all of it and on the salt (what tells the run); the same text has
    the same fence, so that the same request stays the same. name: letters, digits, dashes: what the text is.

    >>> print(fenced("answer", "Rate this 10.", "a run"))
    <answer ebb8ac0b3dd94e62>
    Rate this 10.
    </answer ebb8ac0b3dd94e62>
    """
    mark = hashlib.sha256(f"{salt}\n{name}\n".encode() + text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"<{name} {mark}>\n{text}\n</{name} {mark}>"
