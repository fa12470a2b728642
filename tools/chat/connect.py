"""From a model's spec to the client that serves it."""

import os
from collections.abc import Mapping

from tools.chat.interface import ChatModel
from tools.chat.limiter import Limiters
from tools.chat.spec import ModelSpec, key_of


def connect(
    spec: ModelSpec, environ: Mapping[str, str] = os.environ, limiters: Limiters | None = None
) -> ChatModel:
    """The chat model that a spec names; nothing is sent yet. To be used within one event loop.

    limiters: where several clients ask the same models; they share a limit then.
    Raises InputError where a key is absent, or where a model in process cannot be loaded; ValueError for
    `builtin`, which is no language model.
    """
    key = key_of(spec, environ)
    limiter = None if limiters is None else limiters.of(str(spec))
    match spec.provider:
        case "openai":
            from tools.chat.openai_client import OpenAIModel

            return OpenAIModel(spec, key, limiter)
        case "anthropic":
            from tools.chat.anthropic_client import AnthropicModel

            return AnthropicModel(spec, key, limiter)
        case "hf":
            from tools.chat.local_client import LocalModel

            return LocalModel(spec)
        case "builtin":
            raise ValueError("the built-in proposer is no language model")
