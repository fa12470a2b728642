"""Where in the text of a response each of its tokens ends.

The text is what the tokenizer made of all token ids together; a token's own text need not stand in it (a half of a
character, an end token that is left out).
"""

from collections.abc import Callable, Sequence


def token_ends(text: str, ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> list[int] | None:
    """Characters of the text that stand once each token is there [T], never falling.

    decode: the text of token ids. A token that ends inside a character ends before it. None where the ids are not
    those of this text.
    """
    if decode(ids) != text:
        return None
    ends = [0]
    for count in range(1, len(ids) + 1):
        ends.append(max(ends[-1], _common(decode(ids[:count]), text)))
    return ends[1:]


def _common(one: str, other: str) -> int:
    """Characters with which both texts begin."""
    shorter = min(len(one), len(other))
    return next((n for n in range(shorter) if one[n] != other[n]), shorter)
