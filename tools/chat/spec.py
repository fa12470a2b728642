"""Model specs: how a person names a model and who serves it, and the key that goes there and nowhere else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from probes.errors import InputError
from runs.files import shown

Provider = Literal["builtin", "openai", "anthropic", "hf"]

FORMS = (
    "builtin, openai:MODEL, anthropic:MODEL, openai:MODEL@http://HOST:PORT/v1, anthropic:MODEL@http://HOST:PORT "
    "or hf:PATH"
)
ENDPOINTS: Mapping[str, str] = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
KEY_VARIABLES: Mapping[str, str] = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
OWN_SERVER_KEY = "ORDERPARAM_API_KEY"

_SERVED = re.compile(r"(?P<model>.*?)@(?P<address>https?://.*)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model and who serves it. model: its name there, or a path. address: of a server named by the user."""

    provider: Provider
    model: str = ""
    address: str = ""

    def __str__(self) -> str:
        named = f"{self.provider}:{self.model}" if self.model else self.provider
        return f"{named}@{self.address}" if self.address else named

    @property
    def endpoint(self) -> str:
        """The base address of the server; empty for what needs none."""
        return self.address or ENDPOINTS.get(self.provider, "")

    @property
    def is_providers_own(self) -> bool:
        """Whether the provider itself serves it, so that the provider's own key may go there."""
        own = ENDPOINTS.get(self.provider)
        return own is not None and urlsplit(self.endpoint)[:2] == urlsplit(own)[:2]

    @property
    def is_on_this_machine(self) -> bool:
        """Whether what it is sent stays here: a model in process, or a server on a loopback address."""
        if self.provider not in ENDPOINTS:
            return True
        host = urlsplit(self.endpoint).hostname or ""
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False


def parse_spec(text: str) -> ModelSpec:
    """The model that a spec names. Raises ValueError that says what would be right, without the text itself.

    >>> parse_spec("openai:qwen:7b@http://localhost:8000/v1/")
    ModelSpec(provider='openai', model='qwen:7b', address='http://localhost:8000/v1')
    """
    provider, _, rest = text.strip().partition(":")
    if text.strip() == "builtin":
        return ModelSpec("builtin")
    if not rest.strip() or not rest.isprintable():
        raise ValueError(f"no model spec; one is {FORMS}")
    match provider:
        case "hf":
            return ModelSpec("hf", rest.strip())
        case "openai" | "anthropic" if " " not in rest:
            served = _SERVED.fullmatch(rest)
            if served is None:
                if "://" in rest:
                    raise ValueError(f"a server is named as {provider}:MODEL@http://HOST:PORT; specs are {FORMS}")
                return ModelSpec(provider, rest)
            if not served["model"]:
                raise ValueError(f"no model is named before the @; specs are {FORMS}")
            return ModelSpec(provider, served["model"], _address(provider, served["address"]))
        case _:
            raise ValueError(f"no model spec; one is {FORMS}")


def _address(provider: str, text: str) -> str:
    """A server's base address, without a slash at its end; Anthropic's client adds the version by itself."""
    try:
        parts = urlsplit(text)
        named = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named:
        raise ValueError("the server's address must be http://HOST:PORT or https://HOST, with a path or without")
    if "@" in parts.netloc:
        raise ValueError(f"an address holds no user or password; a key goes into {OWN_SERVER_KEY}")
    if parts.query or parts.fragment:
        raise ValueError("the address of a server has nothing after ? or #")
    path = parts.path.rstrip("/")
    if provider == "anthropic":
        path = path.removesuffix("/v1")
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}"


class Key:
    """A secret that shows itself only when asked to."""

    __slots__ = ("_secret", "variable")

    def __init__(self, variable: str, secret: str) -> None:
        self.variable = variable
        self._secret = secret

    def __repr__(self) -> str:
        return f"Key({self.variable})"

    def reveal(self) -> str:
        return self._secret

    def hidden_in(self, text: str) -> str:
        """The text with the key blotted out."""
        return text.replace(self._secret, f"[{self.variable}]")


def key_of(spec: ModelSpec, environ: Mapping[str, str]) -> Key | None:
    """The key that the spec's server gets: the provider's own to its own host, ours to a server named by address.

    None where a server named by address needs none, and for models in process. Raises InputError for a provider
    whose variable is not set, and for a key that no header can carry.
    """
    if spec.provider not in ENDPOINTS:
        return None
    variable = KEY_VARIABLES[spec.provider] if spec.is_providers_own else OWN_SERVER_KEY
    secret = environ.get(variable, "").strip()
    if not secret:
        if not spec.is_providers_own:
            return None
        raise InputError(
            f"{variable} is not set: {shown(str(spec), 80)} is served by {urlsplit(spec.endpoint).hostname}, "
            f"which wants a key; set the variable, or name a server of your own as {spec.provider}:MODEL@http://HOST:PORT"
        )
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise InputError(f"{variable} holds characters that no key has; set it anew")
    return Key(variable, secret)
