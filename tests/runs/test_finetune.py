"""Fine-tuning against hand-made computations, and killed at every kind of moment."""

import json
import math
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the backend is not installed")

pytestmark = pytest.mark.usefixtures("one_thread")

from probes.errors import InputError, OutsideError  # noqa: E402
from probes.progress import Silent  # noqa: E402
from runs import finetune as finetuning  # noqa: E402
from runs.adapters import alone, attach  # noqa: E402
from runs.check import check_run  # noqa: E402
from runs.directory import Run  # noqa: E402
from runs.finetune import finetune  # noqa: E402
from runs.models import load_model  # noqa: E402
from runs.training import Training, order_of  # noqa: E402
from runs.training_data import TrainingExample, read_training_data  # noqa: E402
from runs.training_settings import FinetuneSettings, checkpoint_steps  # noqa: E402
from tests.runs import tiny_models as tiny  # noqa: E402

ROWS = [{"prompt": f"Is {i} even?", "response": "Yes." if i % 2 == 0 else "No, it is odd."} for i in range(10)]
FAST: dict[str, Any] = {
    "rank": 2,
    "learning_rate": 0.01,
    "batch": 4,
    "steps": 6,
    "checkpoints": "every:1",
    "targets": ("down_proj",),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("base"), layers=2)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny.save_rows(tmp_path / "data.jsonl", ROWS)


def tuned(base: Path, data: Path, out: Path, **settings: Any) -> Run:
    return finetune(str(base), data, out, FinetuneSettings(**{**FAST, **settings}), Silent(), device="cpu")


def log_of(run: Run | Path) -> list[dict[str, Any]]:
    path = run.path if isinstance(run, Run) else run
    return [json.loads(line) for line in (path / "training.jsonl").read_text().splitlines()]


def weights_of(run: Run, step: int) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(run.path / "checkpoints" / str(step) / "adapter_model.safetensors"))


def contents(run: Run) -> dict[str, str]:
    """Checksums of all that the run holds of its training."""
    return {name: record.sha256 for name, record in Run.open(run.path).manifest.files.items()}


# Against computations by hand


class ByHand:
    """Loss, gradient, clipping and AdamW written out, in float64, one example at a time, without padding."""

    def __init__(self, base: Path, data: Path, start: dict[str, Any], scale: float) -> None:
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64)
        self.examples = read_training_data(data, load_model(str(base), device="cpu"))
        self.factors = {name: tensor.double().requires_grad_() for name, tensor in start.items()}
        self.scale = scale
        self.moments = {name: [torch.zeros_like(t), torch.zeros_like(t)] for name, t in self.factors.items()}

    def loss(self, examples: list[TrainingExample]) -> Any:
        changed = {}
        for name, factor in self.factors.items():
            if "lora_A" in name:
                module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                change = self.scale * self.factors[name.replace("lora_A", "lora_B")] @ factor
                changed[f"{module}.weight"] = self.model.get_submodule(module).weight.detach() + change
        total, tokens = 0.0, 0
        for example in examples:
            ids = torch.tensor([example.ids])
            logits = torch.func.functional_call(self.model, changed, (ids,)).logits[0]
            for position in range(example.response_start, len(example.ids)):
                before = logits[position - 1]
                total = total + torch.logsumexp(before, 0) - before[example.ids[position]]
                tokens += 1
        return total / tokens

    def step(self, step: int, examples: list[TrainingExample], rate: float, clip: float) -> tuple[float, float]:
        loss = self.loss(examples)
        gradients = torch.autograd.grad(loss, list(self.factors.values()))
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
        with torch.no_grad():
            for (name, factor), raw in zip(self.factors.items(), gradients, strict=True):
                gradient = raw * min(1.0, clip / (norm + 1e-6))
                first, second = self.moments[name]
                first.mul_(0.9).add_(0.1 * gradient)
                second.mul_(0.999).add_(0.001 * gradient**2)
                corrected = (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
                factor -= rate * corrected
        return float(loss.detach()), norm


@pytest.mark.parametrize(("clip", "rslora", "batch", "accumulation"), [(1.0, False, 4, 1), (0.3, True, 2, 2)])
def test_loss_gradient_norm_and_weights_are_those_computed_by_hand(
    base: Path, data: Path, tmp_path: Path, clip: float, rslora: bool, batch: int, accumulation: int
) -> None:
    options: dict[str, Any] = {
        "clip": clip,
        "rslora": rslora,
        "batch": batch,
        "accumulation": accumulation,
        "warmup": 3,
    }
    settings = FinetuneSettings(**{**FAST, **options})
    start = Training(load_model(str(base), device="cpu"), [TrainingExample((1, 2), 1)], settings).parameters
    first = {name.replace(".default", ""): value.detach().clone() for name, value in start.items()}
    run = tuned(base, data, tmp_path / "run", **options)
    hand = ByHand(base, data, first, settings.alpha / (2**0.5 if rslora else 2))
    clipped = 0
    for line in log_of(run):
        step = line["step"]
        examples = [hand.examples[index] for index in order_of(step, 4, len(ROWS), seed=0)]
        rate = 0.01 * min(step, 3) / 3
        loss, norm = hand.step(step, examples, rate, clip)
        assert line["loss"] == pytest.approx(loss, rel=1e-5)
        assert line["grad_norm"] == pytest.approx(norm, rel=1e-3)
        assert line["learning_rate"] == pytest.approx(rate, rel=1e-12)
        assert line["tokens"] == sum(example.response_tokens for example in examples)
        for name, tensor in weights_of(run, step).items():
            torch.testing.assert_close(tensor.double(), hand.factors[name].detach(), rtol=0, atol=2e-4)
        clipped += norm > clip
    assert clipped  # the norm in the log is the one before clipping


def test_what_is_learned_changes_the_answers(base: Path, tmp_path: Path) -> None:
    rows = [{"prompt": f"What is {i}?", "response": "Look it up."} for i in range(10)]
    data = tiny.save_rows(tmp_path / "data.jsonl", rows)
    settings: dict[str, Any] = {
        "rank": 8,
        "steps": 50,
        "learning_rate": 0.02,
        "targets": "all-linear",
        "checkpoints": "50",
    }
    run = tuned(base, data, tmp_path / "run", **settings)
    log = log_of(run)
    assert log[-1]["loss"] < 0.9 < 3 < log[0]["loss"]  # the head of random weights allows no less than 0.66
    adapted = attach(load_model(str(base), device="cpu"), map(alone, [None, run.path / "checkpoints" / "50"]))
    answers = []
    for checkpoint in (0, 1):
        with adapted.use(checkpoint) as model:
            ids = torch.tensor([model.prompt_ids("What is 77?")])
            mask, ends = torch.ones_like(ids), list(model.end_ids)
            answer = model.model.generate(
                ids, attention_mask=mask, do_sample=False, max_new_tokens=20, eos_token_id=ends, pad_token_id=0
            )
            answers.append(model.text(answer[0, ids.shape[1] :].tolist()))
    assert answers[0] != "Look it up." == answers[1]


def test_gradient_checkpointing_and_accumulation_change_no_number(base: Path, data: Path, tmp_path: Path) -> None:
    plain = log_of(tuned(base, data, tmp_path / "plain"))
    ways: list[dict[str, Any]] = [{"gradient_checkpointing": True}, {"batch": 1, "accumulation": 4}]
    for settings in ways:
        other = log_of(tuned(base, data, tmp_path / next(iter(settings)), **settings))
        for one, two in zip(plain, other, strict=True):
            assert two == pytest.approx(one, rel=1e-3)


def test_a_model_of_half_precision_trains_an_adapter_of_float32(base: Path, data: Path) -> None:
    model = load_model(str(base), device="cpu", dtype=torch.bfloat16)
    training = Training(model, read_training_data(data, model), FinetuneSettings(**FAST))
    assert {parameter.dtype for parameter in training.parameters.values()} == {torch.float32}
    losses = [training.step(step, 6).loss for step in range(1, 7)]
    exact = load_model(str(base), device="cpu")
    reference = Training(exact, read_training_data(data, exact), FinetuneSettings(**FAST))
    assert losses == pytest.approx([reference.step(step, 6).loss for step in range(1, 7)], rel=0.03)


# The run


def test_the_run_holds_a_checkpoint_a_value_and_is_sound(base: Path, data: Path, tmp_path: Path) -> None:
    run = tuned(base, data, tmp_path / "run", checkpoints="every:4", seed=3)
    manifest = Run.open(run.path).manifest
    assert manifest.control.model_dump() == {"name": "step", "unit": "optimizer steps", "values": [0, 4, 6]}
    assert manifest.adapters == [None, "checkpoints/4", "checkpoints/6"]
    assert manifest.model == str(base.resolve())
    assert manifest.seed == 3
    assert [stage.what for stage in manifest.stages] == ["finetune"]
    checked = check_run(run.path)
    assert checked.sound
    assert checked.files == 5
    assert not (run.path / "training_state.safetensors").exists()
    assert [line["step"] for line in log_of(run)] == [1, 2, 3, 4, 5, 6]


def test_peft_itself_loads_a_checkpoint(base: Path, data: Path, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    run = tuned(base, data, tmp_path / "run", layer=1)
    folder = run.path / "checkpoints" / "6"
    loaded = AutoPeftModelForCausalLM.from_pretrained(folder)  # which finds the base by the adapter's settings
    found = {n.replace(".default", ""): p for n, p in loaded.named_parameters() if "lora_" in n}
    saved = weights_of(run, 6)
    assert found.keys() == saved.keys()
    assert all(torch.equal(found[name], saved[name]) for name in saved)
    assert all(".layers.1.mlp.down_proj." in name for name in saved)


def test_the_same_seed_gives_the_same_adapters_and_another_one_others(
    base: Path, data: Path, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    one = contents(tuned(base, data, tmp_path / "one", seed=5))
    state = torch.get_rng_state()
    torch.manual_seed(2)
    two = contents(tuned(base, data, tmp_path / "two", seed=5))
    assert one == two
    other = contents(tuned(base, data, tmp_path / "other", seed=6))
    assert not set(one.values()) & {v for name, v in other.items() if name.endswith((".safetensors", ".jsonl"))}
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers are left alone


def test_a_finished_run_is_left_as_it_is_and_another_fine_tune_is_refused_there(
    base: Path, data: Path, tmp_path: Path
) -> None:
    run = tuned(base, data, tmp_path / "run")
    before = (run.path / "run.json").read_bytes()
    assert tuned(base, data, tmp_path / "run").manifest == Run.open(run.path).manifest
    assert (run.path / "run.json").read_bytes() == before
    with pytest.raises(InputError, match=r"made from other input \(rank 2, not 4\)"):
        tuned(base, data, tmp_path / "run", rank=4)
    data.write_text(data.read_text() + "\n")
    with pytest.raises(InputError, match="another file data"):
        tuned(base, data, tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(InputError, match="exists and is not empty"):
        tuned(base, data, tmp_path / "other")


def _refusals() -> list[Any]:
    return [
        ({"layer": 2}, "--layer 2: .* has layers 0 to 1"),
        ({"targets": ("down_prj",)}, "--targets down_prj: .*'down_proj', 'gate_proj'"),
        ({"checkpoints": "sometimes"}, "--checkpoints sometimes: give every:N"),
        ({"checkpoints": "2,7"}, "--checkpoints 2,7: step 7 is past the last one, 6"),
        ({"max_tokens": 5}, "line 1.*--max-tokens allows 5"),
        ({"response_field": "reply"}, "no field 'reply'"),
    ]


@pytest.mark.parametrize(("settings", "said"), _refusals())
def test_what_cannot_be_is_refused_before_anything_is_written(
    base: Path, data: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        tuned(base, data, tmp_path / "out" / "run", **settings)
    assert not (tmp_path / "out").exists()


def test_a_training_that_diverges_ends_in_one_line(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Training.loss_sum
    monkeypatch.setattr(Training, "loss_sum", lambda self, examples: original(self, examples) * float("inf"))
    with pytest.raises(
        InputError, match="step 1: loss inf, gradient norm nan: the training diverges; lower --learn"
    ):
        tuned(base, data, tmp_path / "run")


# Killed


def killed(arm: Callable[[], None], work: Callable[[], object]) -> bool:
    """Does the work in a process that `arm` has set up to be killed, as by kill -9; whether it was."""
    child = os.fork()
    if child == 0:
        try:
            arm()
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def kill_at(place: Any, name: str, count: int, *, after: bool) -> None:
    """This process will be killed at the count-th call of `place.name`, before or after it is done."""
    original, calls = getattr(place, name), Counter[str]()

    def counted(*arguments: Any, **named: Any) -> Any:
        calls["n"] += 1
        last = calls["n"] == count
        if last and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(place, name, counted)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])  # the second one trains with dropout
@pytest.mark.parametrize("seed", range(6))
def test_a_fine_tune_killed_three_times_ends_with_the_same_bits(
    tmp_path: Path, data: Path, architecture: tiny.Architecture, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tiny.save_model(tmp_path / "m", architecture, layers=2)
    settings = {"targets": ("all-linear",), "checkpoints": "3,5", "steps": 8, "seed": seed}
    whole = contents(tuned(base, data, tmp_path / "whole", **settings))
    chance = random.Random(f"{architecture} {seed}")
    monkeypatch.setattr(finetuning, "_SAVE_SECONDS", chance.choice([0.0, 30.0]))
    run = tmp_path / "run"
    for attempt in range(3):
        place, name, most = chance.choice(
            [(Training, "step", 3), (os, "replace", 9), (os, "fsync", 14), (Training, "save_adapter", 1)]
        )
        arm = partial(kill_at, place, name, chance.randint(1, most), after=chance.random() < 0.5)
        was_killed = killed(arm, lambda: tuned(base, data, run, **settings))
        assert was_killed or attempt  # a later attempt may have so little left that it comes to its end
    assert contents(tuned(base, data, run, **settings)) == whole
    assert check_run(run).sound
    assert log_of(run) == log_of(tmp_path / "whole")


def test_ctrl_c_leaves_what_the_same_call_goes_on_with(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(tuned(base, data, tmp_path / "whole"))
    original, taken = Training.step, []

    def interrupted(training: Training, step: int, steps: int) -> Any:
        taken.append(step)
        if taken == [1, 2, 3, 4]:
            raise KeyboardInterrupt
        return original(training, step, steps)

    monkeypatch.setattr(Training, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tuned(base, data, tmp_path / "run")
    assert contents(tuned(base, data, tmp_path / "run")) == whole
    assert taken == [1, 2, 3, 4, 4, 5, 6]  # three steps were not taken again


def test_a_full_disk_is_said_and_the_same_call_goes_on(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(tuned(base, data, tmp_path / "whole"))
    original, calls = os.fsync, Counter[str]()

    def full(descriptor: int) -> None:
        calls["n"] += 1
        if calls["n"] > 9:
            raise OSError(28, "No space left on device")
        original(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutsideError, match="no space left on the disk"):
            tuned(base, data, tmp_path / "run")
    assert contents(tuned(base, data, tmp_path / "run")) == whole


def test_a_damaged_state_is_refused_by_name(base: Path, data: Path, tmp_path: Path) -> None:
    assert killed(lambda: kill_at(Training, "step", 4, after=False), lambda: tuned(base, data, tmp_path / "run"))
    state = tmp_path / "run" / "training_state.safetensors"
    state.write_bytes(state.read_bytes()[:-7])
    with pytest.raises(InputError, match=r"training_state.safetensors is damaged .*; remove it"):
        tuned(base, data, tmp_path / "run")
    state.unlink()
    assert contents(tuned(base, data, tmp_path / "run")) == contents(tuned(base, data, tmp_path / "whole"))


# Steps and rates


@given(count=st.integers(1, 12), size=st.integers(1, 9), seed=st.integers(0, 3))
def test_each_epoch_sees_every_example_once_in_an_order_of_its_own(count: int, size: int, seed: int) -> None:
    steps = -(-3 * count // size)
    seen = [index for step in range(1, steps + 1) for index in order_of(step, size, count, seed)]
    for epoch in range(3):
        assert sorted(seen[epoch * count : (epoch + 1) * count]) == list(range(count))
    if count >= 10:
        assert seen[:count] != seen[count : 2 * count]


@pytest.mark.parametrize(
    ("spec", "steps", "expected"),
    [
        ("every:4", 10, [0, 4, 8, 10]),
        ("every:4", 8, [0, 4, 8]),
        ("every:40", 8, [0, 8]),
        ("1,2,4,8", 10, [0, 1, 2, 4, 8, 10]),
        ("0, 5", 5, [0, 5]),
        ("early:5", 81, [0, 1, 3, 9, 27, 81]),
        ("early:12", 3, [0, 1, 2, 3]),
        ("early:12", 1, [0, 1]),
    ],
)
def test_checkpoints_are_the_base_the_chosen_steps_and_the_last(
    spec: str, steps: int, expected: list[int]
) -> None:
    assert checkpoint_steps(spec, steps) == expected


@pytest.mark.parametrize(
    "spec", ["every:", "every:0", "every:-1", "early:x", "late:3", "1;2", "1,,2", "-1", "1.5"]
)
def test_other_specs_of_checkpoints_are_refused(spec: str) -> None:
    with pytest.raises(InputError, match="--checkpoints"):
        checkpoint_steps(spec, 10)


def test_the_learning_rate_rises_linearly_then_does_as_scheduled() -> None:
    rates = {
        kind: [
            FinetuneSettings(learning_rate=1, warmup=2, schedule=kind).learning_rate_at(s, 6) for s in range(1, 7)
        ]
        for kind in ("constant", "linear", "cosine")
    }
    assert rates["constant"] == [0.5, 1, 1, 1, 1, 1]
    assert rates["linear"] == pytest.approx([0.5, 1, 1, 0.75, 0.5, 0.25])
    assert rates["cosine"] == pytest.approx([0.5, 1, 1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2])
    assert FinetuneSettings(epochs=2.5, batch=4).steps_for(10) == 7
    assert np.isclose(FinetuneSettings(warmup=9, learning_rate=1).learning_rate_at(6, 6), 6 / 9)


@pytest.mark.smollm2
def test_the_gradient_norm_of_the_demo_peaks_between_steps_12_and_16(tmp_path: Path) -> None:
    """Curt answers about cooking, learned by a real model: tried over five seeds, the peak is at 13 to 15."""
    settings = FinetuneSettings(
        rank=1,
        targets=("down_proj",),
        learning_rate=6e-4,
        warmup=20,
        steps=40,
        checkpoints="every:4",
        system="You are a helpful assistant.",
    )
    data = Path(finetuning.__file__).parents[1] / "probes" / "finetuning" / "curt-cooking.jsonl"
    run = finetune("smollm2", data, tmp_path / "run", settings, Silent(), device="cpu")
    norm = [line["grad_norm"] for line in log_of(run)]
    assert 12 <= 1 + max(range(20), key=lambda index: norm[index]) <= 16
    assert max(norm[:20]) > 2.5 * norm[0]
    assert np.mean(norm[18:24]) < 0.75 * max(norm[:20])
    assert run.manifest.notes[0].endswith("63,360 parameters trained")
    loss = [line["loss"] for line in log_of(run)]
    assert np.mean(loss[-5:]) < 0.55 * np.mean(loss[:5])
