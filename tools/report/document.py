"""report.json as typed records: what a discovery hands over, and all that terminal, Markdown and HTML may show.

Keys may be added to it, never changed; readers keep keys they do not know. A number that could not be computed
is null and `warnings` says why. Numbers are plain fractions: a share of 0.42, never 42.
"""

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from probes.errors import InputError
from probes.scale import Scale, ScaleKind
from tools.report.record import ControlValue, Record, Split, Text
from tools.report.record import Interval as Interval
from tools.report.sweep_document import DecompositionPoint, LevelPoint, ParameterPoint
from tools.report.sweep_document import Transition as Transition

FORMAT = 1

EXAMPLE_LIMIT = 1200
"""Characters of one text that a report keeps; the builder cuts the rest with `cut_text`."""


def cut_text(text: str, limit: int = EXAMPLE_LIMIT) -> str:
    """The text, or its first `limit` characters and a visible mark that says how many were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} [... {len(text) - limit:,} more characters]"


class BySide(Record):
    """Counts on the two sides."""

    before: int = 0
    after: int = 0


class Control(Record):
    """The control parameter and the values that make up the two sides."""

    name: Text
    unit: Text = ""
    before: tuple[ControlValue, ...]
    after: tuple[ControlValue, ...]


class Scored(Record):
    """What the likelihoods come from. precision: of the model's layers. band: farthest checkpoint, counted from a
    sample's own, that it was scored under; null: all."""

    engine: Text
    precision: Text
    device: Text = ""
    temperature: float | None = None
    band: int | None = None


class Total(Record):
    """How different the two sides are. `bound` is "lower" where no likelihoods exist.

    `discriminator`: what gave the lower bound: "text", "scores", "both" (held-out discriminators) or "set" (the
    dissimilarity of the chosen set was larger). `unseen_prompts`: the lower bound with folds by prompt.
    """

    linear: Interval
    js: Interval
    tv: Interval
    bound: Literal["exact", "lower"]
    discriminator: Literal["text", "scores", "both", "set"] | None = None
    unseen_prompts: Interval | None = None


class Shown(Record):
    """One answer in an example, already cut by `cut_text`. `level` is the name of the level it was scored on.

    token_evidence: what each token adds to the log-likelihood ratio of before to after, in nats, of those that end
    within the response; token_ends: characters of it that stand after each. Empty where a run holds no
    log-likelihoods token by token.
    """

    sample_id: Text
    response: Text
    level: Text | None = None
    evidence: float | None = None  # signed evidence, -1 (after) to 1 (before)
    residual: float | None = None  # what the set leaves of it
    quote: Text | None = None  # the words by which a judge decided
    token_ends: tuple[int, ...] = ()
    token_evidence: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _tokens_lie_in_the_response(self) -> Self:
        ends = (0, *self.token_ends, len(self.response))
        if len(self.token_ends) != len(self.token_evidence) or list(ends) != sorted(ends):
            raise ValueError("token_ends must rise within the response, one for each of token_evidence")
        return self


class Example(Record):
    """Answers to one prompt: a pair, or one side only."""

    prompt_id: Text
    prompt: Text
    domain: Text = ""
    before: Shown | None = None
    after: Shown | None = None


class Unexplained(Record):
    """What the set does not capture: `value` = total - set (a dissimilarity, at least 0), `share` of the total.

    low, high: what the limits of total and set leave room for; with a total known by a lower bound, high reaches
    to what a total of 1 would leave.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    share: float | None = None
    examples: tuple[Example, ...] = ()


class SetOfParameters(Record):
    """The chosen set taken together. `parameters` are ids in greedy order; `tv` as in `Parameter`.

    `samples`: complete cases, those with a level on each parameter, which the set's numbers come from.
    """

    parameters: tuple[Text, ...] = ()
    share: Interval
    dissimilarity: Interval
    beyond_length: Interval | None = None
    estimator: Literal["table", "regression"] = "table"
    tv: float | None = None
    js: float | None = None
    samples: BySide | None = None
    unexplained: Unexplained


class LevelRecord(Record):
    """A level of a scale. `values` are the raw labels that were put on it, for scores that came with the data."""

    name: Text
    description: Text = ""
    values: tuple[Text | float, ...] = ()


class ScaleRecord(Record):
    """A scale as it was used, cut points included, so that the same scale can measure other data."""

    kind: ScaleKind
    levels: tuple[LevelRecord, ...]
    cuts: tuple[float, ...] = ()
    unit: Text = ""

    @classmethod
    def of(cls, scale: Scale) -> Self:
        levels = tuple(LevelRecord(name=level.name, description=level.description) for level in scale.levels)
        return cls(kind=scale.kind, levels=levels, cuts=scale.cuts, unit=scale.unit)


class Judged(Record):
    """Samples that have a level, by side, and why the others have none.

    rare: their score, which came with the data, is too rare for a level of its own.
    """

    before: int
    after: int
    refused: BySide = BySide()
    failed: BySide = BySide()
    missing: BySide = BySide()
    rare: BySide = BySide()


class Quotes(Record):
    """The words that a judge quoted. unsound: those that do not stand in the answer, or are more than eight."""

    given: int = 0
    unsound: int = 0


class Parameter(Record):
    """A chosen order parameter.

    `share` is alone, `gain` (a dissimilarity) is what it added in greedy order, `shapley` sums to the set's
    share. `tv`: it alone tells before from after in (1 + tv) / 2 of cases. `before` and `after` give the
    probability of each level by its name, and `before_limits` and `after_limits` its 95% limits; a level without
    samples may be absent. `curve` and `levels`: along the sweep, at its places between checkpoints and at its
    checkpoints; `shown` says what `levels` are. `chosen_by`: a person's choice was held to no stopping rule.
    """

    id: Text
    name: Text
    question: Text
    scale: ScaleRecord
    judge: Text
    round: int = 1
    origin: Text = ""
    chosen_by: Literal["search", "person"] = "search"
    dissimilarity: Interval
    share: Interval
    gain: Interval
    shapley: float | None = None
    tv: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    judged: Judged
    quotes: Quotes | None = None
    before: dict[Text, float]
    after: dict[Text, float]
    before_limits: dict[Text, tuple[float, float]] = Field(default_factory=dict)
    after_limits: dict[Text, tuple[float, float]] = Field(default_factory=dict)
    curve: tuple[ParameterPoint, ...] = ()
    levels: tuple[LevelPoint, ...] = ()
    shown: Text = ""
    examples: tuple[Example, ...] = ()


class Candidate(Record):
    """One that was tried. `dropped` says why it is not in the set, null if it was chosen.

    `share` is of the split named by `split`, never of the report split. `calls`: of this discovery, to a language
    model that judged it; `calls_shared`: its part of them, a call that judged several being parted evenly.
    `control`: a trait that its proposer expected unchanged.
    """

    id: Text
    name: Text
    question: Text
    judge: Text
    round: int = 1
    origin: Text = ""
    share: Interval | None = None
    split: Split | None = None
    calls: int = 0
    calls_shared: float = 0.0
    p_value: float | None = None
    q_value: float | None = None
    dropped: Text | None = None
    control: bool = False


class Splits(Record):
    """Samples in each split, and whether whole prompts or samples within prompts were dealt out."""

    read: int
    select: int
    report: int
    by: Literal["sample", "prompt"] | None = None


class Prompts(Record):
    """Prompts that enter the numbers, and those left out because they have samples on one side only."""

    used: int
    left_out: int = 0
    claim: Literal["fixed", "random"]
    left_out_names: tuple[Text, ...] = ()


class Usage(Record):
    """What model calls took. `cost` in US dollars; null where a price is unknown.

    calls: paid for, `unusable` ones included; failed: came to nothing. racing: calls that judged
    candidates on read and select; without_racing: those that judging every one on all of both would have taken.
    """

    calls: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    unusable: int = 0
    failed: int = 0
    racing: int | None = None
    without_racing: int | None = None


class Source(Record):
    """Where the samples came from, as a person would name it, and what the import decided."""

    before: Text = ""
    after: Text = ""
    notes: tuple[Text, ...] = ()


class Guided(Record):
    """What a person did to the search: every act that changed it, as typed, undone ones included; what proposers
    were told in the person's words; and the person's notes."""

    acts: tuple[Text, ...]
    guidance: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()


class Report(Record):
    """The whole of report.json.

    `measured_on`: the rows the final numbers come from ("report" split, or "all" rows where a set fixed
    beforehand was measured). `samples`: counts of those rows by side. `alerts`: those of `warnings` that must
    be read before any number. `judge_template`: the text, with its variables, of what a judge was sent.
    """

    format: Literal[1] = 1
    version: str
    run: Text
    name: Text
    seed: int
    mode: Literal["likelihood", "black-box"]
    control: Control
    transition: Transition | None = None
    decomposition: tuple[DecompositionPoint, ...] = ()
    scored: Scored | None = None
    total: Total
    set: SetOfParameters
    parameters: tuple[Parameter, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    splits: Splits
    reports_seen: int = 1
    smallest_visible: float | None = None
    prompts: Prompts
    stopped_because: Text
    guided: Guided | None = None
    usage: Usage = Usage()
    models: dict[str, JsonValue] = Field(default_factory=dict)
    judge_template: Text | None = None
    warnings: tuple[Text, ...] = ()
    alerts: tuple[Text, ...] = ()
    measured_on: Literal["report", "all"] = "report"
    samples: BySide | None = None
    input: Source = Source()
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        unknown = set(self.set.parameters) - {parameter.id for parameter in self.parameters}
        if unknown:
            raise ValueError(f"set.parameters names {sorted(unknown)}, which are not among the parameters")
        if set(self.alerts) - set(self.warnings):
            raise ValueError("every alert must stand among the warnings")
        return self

    def to_json(self) -> str:
        """The text of report.json: two spaces of indent, keys in order of declaration, ASCII only."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "report.json") -> Self:
        """Raises InputError, naming `source`, for anything that is not a report of this format."""
        try:
            data: Any = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError(f"{source}: not JSON; a report.json written by orderparam is needed") from None
        if not isinstance(data, dict) or "format" not in data:
            raise InputError(f"{source}: not a report; it should be the report.json of a discovery")
        if data["format"] != FORMAT:
            raise InputError(
                f"{source}: format {str(data['format'])[:20]!r}; this version of orderparam reads format {FORMAT}"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise InputError(f"{source}: {place[:200]!r}: {first['msg'][:200]}") from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read report.json, or the one in the folder `path`. Raises InputError."""
        file = path / "report.json" if path.is_dir() else path
        try:
            content = file.read_bytes()
        except OSError as error:
            raise InputError(f"{str(file)!r}: cannot be read ({error.strerror}); name a report.json") from None
        return cls.from_json(content, repr(str(file)))
