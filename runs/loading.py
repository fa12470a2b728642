"""What the model libraries say while they load, as people should see it: errors in one line, nothing besides."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from probes.errors import InputError, OrderparamError, OutsideError
from runs.files import shown

_HUB_PATIENCE = 5.0  # seconds in which the hub must say whether it has a model


@contextmanager
def loading(spec: str) -> Iterator[None]:
    """What transformers, tokenizers and safetensors raise about a model, as one line."""
    try:
        yield
    except OrderparamError:
        raise
    except Exception as error:  # these libraries raise whatever their parts raise, plain Exception included
        said = shown(re.sub(r"\s+", " ", str(error)).split(". ")[0] or type(error).__name__, 160)
        for sign, place in (("out of memory", "into memory"), ("No space left", "on the disk")):
            if sign in str(error):
                raise OutsideError(f"the model {shown(spec)} does not fit {place} ({said})") from error
        raise InputError(
            f"the model {shown(spec)} cannot be loaded ({said}); name the folder or the hub name of a causal "
            "language model with safetensors weights"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' own progress bars, notices (of a request that is tried again, for one) and warnings:
    what matters is said by us."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub_verbosity = hub_logging.get_verbosity()
    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        if bars:
            logging.enable_progress_bar()


def require_hub(spec: str) -> None:
    """Raises InputError, in seconds, unless the model hub says that it has this model for this user.

    Asked once: the libraries would ask again and again, for minutes, where there is no network.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    name = f"the model {shown(spec)}"
    try:
        HfApi().model_info(spec, timeout=_HUB_PATIENCE)
    except GatedRepoError as error:
        raise InputError(
            f"{name} is gated at the model hub: accept its terms there, then `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(f"{name} is neither a folder here nor at the model hub; check its name") from error
    except HFValidationError as error:
        raise InputError(f"{name} is neither a folder here nor a name that the model hub could have") from error
    except Exception as error:  # no network, a proxy that refuses, offline by setting: each client its own error
        raise InputError(
            f"{name} is no folder here, and the model hub cannot be reached ({shown(type(error).__name__)}); "
            "name the folder of a model, or go online"
        ) from error
