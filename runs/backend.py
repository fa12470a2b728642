"""The heavy half: whether torch, transformers and peft are there, and which device and precision they use.

Nothing heavy is imported with this module. Callers call `require_backend` first, so that the light install says in
one line what is missing.
"""

import importlib.util
from typing import TYPE_CHECKING

from probes.errors import InputError

if TYPE_CHECKING:
    import torch

_NEEDED = ("torch", "transformers", "peft", "safetensors")


def require_backend() -> None:
    """Raises InputError, with the command that installs it, unless the backend is installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"this needs the backend ({', '.join(missing)} not installed): pip install 'orderparam[backend]'"
        )


def default_device() -> "torch.device":
    """The first CUDA device where there is one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def default_dtype(device: "torch.device") -> "torch.dtype":
    """float32 on a CPU, where bfloat16 is off by up to 0.9 in log-likelihood; bfloat16 elsewhere."""
    import torch

    return torch.float32 if device.type == "cpu" else torch.bfloat16
