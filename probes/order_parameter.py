"""An order parameter: a question about one answer read alone, and the scale on which it is answered."""

from dataclasses import dataclass

from probes.scale import Scale


@dataclass(frozen=True, slots=True)
class OrderParameter:
    """A candidate for what changed.

    `judge` says who answers: `code:MEASURE` (a measure of the catalogue), `pattern:KIND:TEXT` (a mention of a
    word, phrase or character pattern), `data:FIELD` (a score that came with the data) or a judge's model spec.
    `origin` is the proposer that named it; `examples` are the ids of the samples that inspired it.
    """

    id: str
    name: str
    question: str
    scale: Scale
    judge: str
    origin: str = "builtin"
    round: int = 1
    examples: tuple[str, ...] = ()
