"""Log-probabilities of a level's one token, read from those that servers tell for every token of an answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tools.chat.interface import LevelTokens


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """A token of an answer, its bytes in UTF-8, and the likeliest tokens at its place with their logprobs."""

    text: str
    encoded: bytes
    likeliest: Sequence[tuple[str, float]]


def level_tokens(text: str, tokens: Iterable[TokenLogprobs], names: Sequence[str]) -> tuple[LevelTokens, ...]:
    """The places of `text` where one token is the name of a level, with the logprobs of all names there.

    tokens: those of the whole answer, thinking included, of which `text` is the end. Blanks and quotes that
    belong to a token are not part of a name; of two spellings of a name the probabilities add up.
    """
    wanted = {name.casefold(): name for name in names}
    taken = list(tokens)
    whole = b"".join(one.encoded for one in taken)
    encoded = text.encode("utf-8", "replace")
    begin = whole.rfind(encoded)
    if begin < 0:
        return ()
    found: list[LevelTokens] = []
    position = 0
    for one in taken:
        name = wanted.get(_bare(one.text))
        if name is not None and position >= begin:
            before = whole[begin:position].decode("utf-8", "replace")
            offset = len(before) + one.text.casefold().index(name.casefold())
            found.append(LevelTokens(offset, name, _of_names(one.likeliest, wanted)))
        position += len(one.encoded)
    return tuple(found)


def _of_names(likeliest: Sequence[tuple[str, float]], wanted: Mapping[str, str]) -> dict[str, float]:
    logprobs: dict[str, float] = {}
    for token, logprob in likeliest:
        name = wanted.get(_bare(token))
        if name is not None:
            logprobs[name] = float(np.logaddexp(logprobs.get(name, -np.inf), logprob))
    return logprobs


def _bare(token: str) -> str:
    return token.strip(" \t\n\r\"'").casefold()
