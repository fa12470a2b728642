"""Adopting what a Trainer wrote, made here by the Trainer itself on a tiny model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the backend is not installed")

from probes.errors import InputError  # noqa: E402
from probes.progress import Silent  # noqa: E402
from runs.adopt import adopt  # noqa: E402
from runs.check import check_run  # noqa: E402
from runs.checkpoints import open_checkpoints  # noqa: E402
from runs.directory import Run  # noqa: E402
from tests.runs import tiny_models as tiny  # noqa: E402

IDS = [[1, 87, 85, 71, 84, 201, 74]]


def trained(folder: Path, base: Path, *, lora: bool) -> Path:
    """The output folder of a short training by transformers' own Trainer."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if lora:
        model = get_peft_model(model, LoraConfig(r=2, target_modules=["down_proj"], task_type="CAUSAL_LM"))
    rows = [{"input_ids": [5 + i, 7, 9, 30], "labels": [-100, -100, 9, 30]} for i in range(8)]
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=12,
        save_steps=3,
        logging_steps=1,
        learning_rate=0.01,
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        seed=0,
    )
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.eos_token
    Trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer).train()  # type: ignore[arg-type, unused-ignore]
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base, and the folders that two trainings of it left: `base`, `lora`, `whole`."""
    place = tmp_path_factory.mktemp("made")
    base = tiny.save_model(place / "base", layers=2)
    trained(place / "lora", base, lora=True)
    trained(place / "whole", base, lora=False)
    return place


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of one of the folders, to be damaged."""
    return lambda name: Path(shutil.copytree(made / name, tmp_path / name))


def adopted(folder: Path, out: Path, **options: Any) -> Run:
    return adopt(folder, out, Silent(), **options)


def logits(model: Any) -> Any:
    with torch.no_grad():
        return model(torch.tensor(IDS)).logits


def test_adapters_of_a_trainer_become_a_run_that_gives_their_logits(made: Path, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    run = adopted(made / "lora", tmp_path / "run")
    manifest = Run.open(run.path).manifest
    assert manifest.control.model_dump() == {"name": "step", "unit": "optimizer steps", "values": [0, 3, 6, 9, 12]}
    assert manifest.adapters == [None, *(f"checkpoints/{step}" for step in (3, 6, 9, 12))]
    assert manifest.model == str(made / "base")
    checkpoints = open_checkpoints(run, device="cpu")
    assert len(checkpoints) == 5
    with checkpoints.use(0) as model:
        bare = AutoModelForCausalLM.from_pretrained(made / "base", dtype=torch.float32)
        torch.testing.assert_close(logits(model.model), logits(bare))
    for index, step in enumerate((3, 6, 9, 12), 1):
        theirs = AutoPeftModelForCausalLM.from_pretrained(
            made / "lora" / f"checkpoint-{step}", dtype=torch.float32
        )
        with checkpoints.use(index) as model:
            torch.testing.assert_close(logits(model.model), logits(theirs))
    assert not torch.allclose(logits(theirs), logits(bare), atol=0.01)


def test_checkpoints_are_linked_and_a_change_in_them_is_seen(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied("lora")
    run = adopted(folder, tmp_path / "run")
    link = run.path / "checkpoints" / "6"
    assert link.is_symlink()
    assert link.resolve() == (folder / "checkpoint-6").resolve()
    assert check_run(run.path).sound
    settings = folder / "checkpoint-6" / "adapter_config.json"
    settings.write_text(settings.read_text() + " ")
    assert [finding.where for finding in check_run(run.path).findings if finding.severity == "damaged"] == [
        "checkpoints/6/adapter_config.json"
    ]


def test_the_log_is_that_of_the_trainer(made: Path, tmp_path: Path) -> None:
    run = adopted(made / "lora", tmp_path / "run")
    lines = [json.loads(line) for line in (run.path / "training.jsonl").read_text().splitlines()]
    history = json.loads((made / "lora" / "checkpoint-12" / "trainer_state.json").read_text())["log_history"]
    assert [line["step"] for line in lines] == list(range(1, 13))
    for line, entry in zip(lines, history, strict=False):
        assert line == {key: entry[key] for key in ("step", "loss", "grad_norm", "learning_rate")}
    assert all(line["grad_norm"] > 0 for line in lines)


def test_a_log_with_evaluations_and_nan_gives_its_training_lines(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied("lora")
    history = [
        {"step": 1, "loss": 2.0, "grad_norm": float("nan"), "learning_rate": 0.1, "epoch": 0.1},
        {"step": 1, "eval_loss": 3.0},
        {"step": 2, "loss": "1.5", "grad_norm": 4, "learning_rate": 0.05},
        {"step": 2, "train_runtime": 3.0, "train_loss": 1.7},
    ]
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 99, "log_history": history}))
    run = adopted(folder, tmp_path / "run")
    assert [json.loads(line) for line in (run.path / "training.jsonl").read_text().splitlines()] == [
        {"step": 1, "loss": 2.0, "grad_norm": None, "learning_rate": 0.1},
        {"step": 2, "loss": 1.5, "grad_norm": 4.0, "learning_rate": 0.05},
    ]


def test_without_a_log_the_run_says_so(copied: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copied("lora")
    for state in folder.rglob("trainer_state.json"):
        state.unlink()
    run = adopted(folder, tmp_path / "run")
    assert not (run.path / "training.jsonl").exists()
    assert run.manifest.notes == ["no log of the training (trainer_state.json): its gradient norm is not known"]
    assert check_run(run.path).sound


@pytest.mark.parametrize("with_base", [True, False])
def test_whole_models_become_a_run_that_gives_their_logits(made: Path, tmp_path: Path, with_base: bool) -> None:
    from transformers import AutoModelForCausalLM

    run = adopted(made / "whole", tmp_path / "run", base=str(made / "base") if with_base else None)
    manifest = Run.open(run.path).manifest
    first = ["base"] if with_base else []
    assert manifest.control.values == [0, 3, 6, 9, 12][1 - len(first) :]
    assert manifest.adapters is None
    expected = [made / "base"] if with_base else []
    expected += [made / "whole" / f"checkpoint-{step}" for step in (3, 6, 9, 12)]
    checkpoints = open_checkpoints(run, device="cpu")
    for index, folder in enumerate(expected):
        theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        with checkpoints.use(index) as model:
            torch.testing.assert_close(logits(model.model), logits(theirs))
    assert check_run(run.path).sound
    assert with_base or any("not known" in note for note in manifest.notes)


def test_adopting_again_leaves_the_run_and_other_checkpoints_are_refused_there(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied("lora")
    before = adopted(folder, tmp_path / "run").manifest
    assert adopted(folder, tmp_path / "run").manifest == before
    shutil.rmtree(folder / "checkpoint-12")
    with pytest.raises(InputError, match="made from other input"):
        adopted(folder, tmp_path / "run")


def test_what_a_kill_left_half_linked_is_gone_on_with(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = adopted(made / "lora", tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "record_stage", lambda *arguments, **named: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            adopted(made / "lora", tmp_path / "run")
    assert [one.severity for one in check_run(tmp_path / "run").findings] == ["unfinished", "note"]
    assert adopted(made / "lora", tmp_path / "run").manifest.files == whole.manifest.files


# Refused


def _no_checkpoints(folder: Path) -> None:
    for entry in folder.glob("checkpoint-*"):
        shutil.rmtree(entry)


def _another_base(folder: Path) -> None:
    path = folder / "checkpoint-9" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": "somebody/else"}))


def _base_elsewhere(folder: Path) -> None:
    for path in folder.glob("*/adapter_config.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": "/gone/model"}))


def _without_base(folder: Path) -> None:
    for path in folder.glob("*/adapter_config.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": None}))


def _pickled(folder: Path) -> None:
    (folder / "checkpoint-6" / "adapter_model.safetensors").rename(folder / "checkpoint-6" / "adapter_model.bin")


def _empty(folder: Path) -> None:
    (folder / "checkpoint-6" / "adapter_model.safetensors").unlink()


def _nan(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    (path,) = (folder / "checkpoint-6").glob("*model.safetensors")
    weights = load_file(path)
    weights[min(weights)].view(-1)[0] = float("nan")
    save_file(weights, path, metadata={"format": "pt"})


def _one_whole(folder: Path) -> None:
    shutil.rmtree(folder / "checkpoint-6")
    shutil.copytree(folder.parent / "whole", folder / "checkpoint-6")


def _bad_state(folder: Path) -> None:
    (folder / "checkpoint-6" / "trainer_state.json").write_text('{"global_step": 6}')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_no_checkpoints, "holds no checkpoint-STEP folders"),
        (_another_base, "checkpoint-9 one of somebody/else: a run has one base"),
        (_base_elsewhere, "the base model /gone/model is not here; .* --model"),
        (_without_base, "name no base model; name it with --model"),
        (_pickled, "checkpoint-6: its weights are pickled"),
        (_empty, "checkpoint-6 holds neither an adapter nor a model"),
        (_nan, "checkpoint-6/adapter_model.safetensors: .* holds NaN"),
        (_bad_state, "checkpoint-6/trainer_state.json: not the state of a Trainer"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_written(
    copied: Callable[[str], Path], tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    folder = copied("lora")
    damage(folder)
    with pytest.raises(InputError, match=said) as refusal:
        adopted(folder, tmp_path / "run")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()


def test_adapters_beside_whole_models_are_refused(copied: Callable[[str], Path], tmp_path: Path) -> None:
    folder, whole = copied("lora"), copied("whole")
    shutil.copytree(whole / "checkpoint-12", folder / "checkpoint-15")
    with pytest.raises(InputError, match=r"checkpoint-(3|6|9|12) is an adapter and checkpoint-15 a whole model"):
        adopted(folder, tmp_path / "run")


def test_a_whole_model_with_nan_is_refused(copied: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copied("whole")
    _nan(folder)
    with pytest.raises(InputError, match=r"checkpoint-6/model.safetensors: .* holds NaN"):
        adopted(folder, tmp_path / "run")


def test_a_base_that_the_adapters_do_not_fit_is_refused(made: Path, tmp_path: Path) -> None:
    other = tiny.save_model(tmp_path / "other", width=48)
    with pytest.raises(InputError, match=r"checkpoint-3 was made for another base model than .*other"):
        adopted(made / "lora", tmp_path / "run", base=str(other))


def test_a_checkpoint_itself_is_pointed_to_the_folder_above(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no checkpoint-STEP folders; name the folder above, .*/lora"):
        adopted(made / "lora" / "checkpoint-3", tmp_path / "run")
    with pytest.raises(InputError, match="there is no such folder"):
        adopted(made / "nothing", tmp_path / "run")


def test_a_run_is_not_used_before_its_checkpoints_are_there_nor_with_others(
    made: Path, copied: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Run, "record_stage", lambda *arguments, **named: None)
        run = adopted(made / "lora", tmp_path / "unfinished")
    with pytest.raises(InputError, match="its checkpoints are not all there yet; run the command that began it"):
        open_checkpoints(run, device="cpu")
    folder = copied("lora")
    run = adopted(folder, tmp_path / "run")
    tiny.save_adapter(folder / "checkpoint-6", made / "base", seed=9, targets=["down_proj"])
    with pytest.raises(InputError, match=r"checkpoints/6/adapter_.* is damaged"):
        open_checkpoints(run, device="cpu")
