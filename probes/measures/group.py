"""How a group of the catalogue is declared: a measure stands where its function stands, or names a lexicon."""

from collections.abc import Callable
from dataclasses import dataclass, field

from probes.measures.measure import Measure, MeasureGroup, MeasureKind
from probes.measures.text_view import view_of

Score = Callable[[str, str], float]
Example = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Mentions:
    """1 if the answer holds a phrase of the lexicon, else 0. A class, so that other processes can be sent it."""

    lexicon: str

    def __call__(self, prompt: str, response: str) -> float:
        return float(self.lexicon in view_of(response).mentions)


@dataclass(frozen=True, slots=True)
class Rate:
    """Mentions of the lexicon per 100 words of the answer; 0 for an answer without words."""

    lexicon: str

    def __call__(self, prompt: str, response: str) -> float:
        view = view_of(response)
        return view.per_100_words(view.mentions.get(self.lexicon, 0))


@dataclass(slots=True)
class Group:
    """The measures of one group, in the order in which they are declared."""

    name: MeasureGroup
    measures: list[Measure] = field(default_factory=list)

    def yes_no(self, name: str, question: str, example: Example, version: int = 1) -> Callable[[Score], Score]:
        return self._declare("yes_no", name, question, example, "", version)

    def number(
        self, name: str, question: str, example: Example, unit: str, version: int = 1
    ) -> Callable[[Score], Score]:
        return self._declare("number", name, question, example, unit, version)

    def mention(self, lexicon: str, name: str, question: str, example: Example, version: int = 1) -> None:
        """Yes/no: does the answer hold a phrase of the lexicon? The measure's id is the lexicon's."""
        self._add(Measure(lexicon, name, question, self.name, "yes_no", Mentions(lexicon), example, "", version))

    def rate(self, lexicon: str, name: str, question: str, example: Example, version: int = 1) -> None:
        """Number: mentions of the lexicon per 100 words. The measure's id is the lexicon's."""
        unit = "per 100 words"
        self._add(Measure(lexicon, name, question, self.name, "number", Rate(lexicon), example, unit, version))

    def _declare(
        self, kind: MeasureKind, name: str, question: str, example: Example, unit: str, version: int
    ) -> Callable[[Score], Score]:
        def declare(score: Score) -> Score:
            self._add(Measure(score.__name__, name, question, self.name, kind, score, example, unit, version))
            return score

        return declare

    def _add(self, measure: Measure) -> None:
        self.measures.append(measure)
