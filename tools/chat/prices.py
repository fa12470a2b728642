"""What tokens cost. A price that is in no table is unknown (None), never zero."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from probes.errors import InputError
from runs.files import explained, shown
from tools.chat.interface import Answer
from tools.chat.spec import ModelSpec

_OURS = Path(__file__).with_name("prices.yaml")
_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$")

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(BaseModel):
    """US dollars for a million tokens; cached: of input that the provider reads from its cache."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Dollars
    output: Dollars
    cached: Dollars | None = None

    def cost(self, answer: Answer) -> float | None:
        """Dollars that an answer cost, None where the server did not tell the tokens."""
        if answer.input_tokens is None or answer.output_tokens is None:
            return None
        cached = self.input if self.cached is None else self.cached
        full = answer.input_tokens - answer.cached_tokens
        return (full * self.input + answer.cached_tokens * cached + answer.output_tokens * self.output) / 1e6

    def most(self, input_tokens: int, output_tokens: int) -> float:
        """Dollars that a call of at most so many tokens can cost."""
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


FREE = Price(input=0.0, output=0.0)
"""Of a model in this process."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: object = None
    prices: dict[str, Price]


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model spec."""

    by_spec: Mapping[str, Price]

    def of(self, spec: ModelSpec) -> Price | None:
        """The price of a model where it is served; a dated version costs what the model costs.

        A server named by address is priced only under its whole spec, address included.
        """
        if spec.provider in {"hf", "builtin"}:
            return FREE
        name = str(spec)
        if spec.address and not spec.is_providers_own:
            return self.by_spec.get(name)
        bare = f"{spec.provider}:{spec.model}"
        return self.by_spec.get(name) or self.by_spec.get(bare) or self.by_spec.get(_DATED.sub("", bare))


def load_prices(users: Path | None = None) -> Prices:
    """Our table, overridden by a user's file of the same form: `prices:` with a line a model spec.

    Raises InputError that names the file and what is wrong with it.
    """
    prices = _read(_OURS)
    if users is not None:
        prices |= _read(users)
    return Prices(prices)


def _read(path: Path) -> dict[str, Price]:
    with explained(path, "read"):
        content = path.read_bytes()
    try:
        return _Table.model_validate(yaml.safe_load(content)).prices
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"{shown(path)}{where}: not a YAML file") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{shown(path)}: {shown(where, 80)}: {first['msg'].lower()}; a price file holds lines like "
            "prices: {openai:MODEL: {input: 0.5, output: 2.0}} in dollars for a million tokens"
        ) from error
