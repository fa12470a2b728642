"""What lets a killed fine-tune go on bit for bit: the log by whole lines, and adapter and optimizer in one file.

Random numbers and the order of the data need no state: both are functions of the seed and the step.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.errors import InputError
from runs.files import explained, shown, write_bytes_whole, write_text_whole

if TYPE_CHECKING:
    import torch

LOG_FILE = "training.jsonl"
STATE_FILE = "training_state.safetensors"

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class TrainingStep:
    """One line of the log. step: from 1. loss: mean over the learned tokens, in nats. grad_norm: before clipping.
    tokens: how many were learned."""

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    tokens: int


class TrainingLog:
    """The log, growing by whole lines; they outlive a kill, and a power cut once synced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with explained(path, "write"):
            self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close())

    def write(self, record: TrainingStep) -> None:
        with explained(self._path, "write"):
            self._file.write(json.dumps(asdict(record)) + "\n")
            self._file.flush()

    def sync(self) -> None:
        with explained(self._path, "write"):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with suppress(OSError):  # what could not be written was said when it was
            self._file.close()


def training_records(folder: Path) -> list[dict[str, Any]]:
    """The lines of the log of a run, with `step`, `loss`, `grad_norm`, ... as far as they were logged; without a
    log none."""
    path = folder / LOG_FILE
    with explained(path, "read"):
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def gradient_norm_peak(folder: Path) -> int | None:
    """The step with the largest gradient norm in the log of a run, None where the log has none."""
    norms = {one["step"]: norm for one in training_records(folder) if (norm := one.get("grad_norm")) is not None}
    return max(norms, key=lambda step: norms[step]) if norms else None


def recover_log(path: Path, upto: int) -> bool:
    """Cuts the log after step `upto`, and says whether it holds all steps to there; else it is emptied."""
    with explained(path, "read"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [line for number, line in enumerate(lines[:upto], 1) if _is_step(line, number)]
    whole = len(kept) == upto
    write_text_whole(path, "".join(kept) if whole else "")
    return whole


def _is_step(line: str, number: int) -> bool:
    try:
        return line.endswith("\n") and json.loads(line)["step"] == number
    except (ValueError, KeyError, TypeError):
        return False


def save_state(
    path: Path, step: int, parameters: Mapping[str, "torch.nn.Parameter"], optimizer: "torch.optim.Optimizer"
) -> None:
    """Writes weights and optimizer after this step, whole or not at all."""
    from safetensors.torch import save

    tensors = {f"weight.{name}": parameter.detach() for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        tensors.update({f"{moment}.{name}": optimizer.state[parameter][moment] for moment in _MOMENTS})
    on_cpu = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes_whole(path, save(on_cpu, metadata={"step": str(step)}))


def saved_step(path: Path) -> int:
    """The step after which the state was saved, 0 where there is none. Raises InputError for a damaged file."""
    with explained(path, "read"):
        if not path.exists():
            return 0
    with _state(path) as file:
        return int(file.metadata()["step"])


def load_state(
    path: Path, parameters: Mapping[str, "torch.nn.Parameter"], optimizer: "torch.optim.Optimizer"
) -> None:
    """Puts weights and optimizer back. Raises InputError for a damaged file."""
    import torch

    with _state(path) as file, torch.no_grad():
        step = float(file.metadata()["step"])
        for name, parameter in parameters.items():
            parameter.copy_(file.get_tensor(f"weight.{name}"))
            moments = {moment: file.get_tensor(f"{moment}.{name}") for moment in _MOMENTS}
            on_device = {moment: tensor.to(parameter.device) for moment, tensor in moments.items()}
            optimizer.state[parameter] = {"step": torch.tensor(step), **on_device}


@contextmanager
def _state(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with explained(path, "read"), safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{shown(path)} is damaged ({shown(error, 100)}); remove it, then the same command begins anew"
        ) from error
