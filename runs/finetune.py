"""Fine-tuning of a base model by LoRA into a run with one adapter a checkpoint, resumable from any kill.

    RUN/checkpoints/STEP/  PEFT adapters    RUN/training.jsonl  one line a step

The same seed gives the same adapters, and so does a run that was killed and gone on with: bit by bit on a CPU with
as many threads.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from probes.progress import Progress
from probes.words import count
from runs.adapters import CONFIG_FILE, WEIGHTS_FILE
from runs.backend import require_backend
from runs.directory import Run
from runs.files import explained
from runs.formats.source import open_source
from runs.manifest import Control, InputRecord, file_record
from runs.models import LanguageModel, load_model, named_for_good
from runs.training import Training
from runs.training_data import TrainingExample, read_training_data
from runs.training_settings import FinetuneSettings, checkpoint_steps
from runs.training_state import (
    LOG_FILE,
    STATE_FILE,
    TrainingLog,
    TrainingStep,
    load_state,
    recover_log,
    save_state,
    saved_step,
)

STAGE = "finetune"
CHECKPOINTS_FOLDER = "checkpoints"

_SAVE_SECONDS = 30.0
"""The state is saved at checkpoints, and whenever this long has passed: what a kill may cost."""


def finetune(
    model: str,
    data: Path,
    out: Path,
    settings: FinetuneSettings,
    progress: Progress,
    *,
    name: str | None = None,
    device: str | None = None,
) -> Run:
    """Fine-tunes `model` on `data` into a run at `out`; what is there of the same fine-tune is gone on with.

    Raises InputError, before the first step and before anything is written, for data that cannot be learned from
    (by line and field), settings that do not fit the model, and an `out` that holds anything else; OutsideError
    where the disk is full. A KeyboardInterrupt leaves a run that the same call goes on with.
    """
    require_backend()
    open_source(data)
    model = named_for_good(model)
    options = {"model": model, **settings.model_dump(mode="json")}
    fingerprint = InputRecord(files={"data": file_record(data)}, options=options)
    run = Run.of_input(out, fingerprint)
    if run is not None and run.manifest.has_done(STAGE):
        return run
    progress.stage(f"load {model}")
    language_model = load_model(model, device=device)
    examples = read_training_data(
        data,
        language_model,
        prompt_field=settings.prompt_field,
        response_field=settings.response_field,
        system=settings.system,
        max_tokens=settings.max_tokens,
    )
    steps = settings.steps_for(len(examples))
    values = checkpoint_steps(settings.checkpoints, steps)
    with _own_random_numbers(language_model):
        training = Training(language_model, examples, settings)
        run = run or Run.begin(
            out,
            control=Control(name="step", unit="optimizer steps", values=list(values)),
            seed=settings.seed,
            name=name or out.resolve().name,
            model=model,
            adapters=[_folder(step) if step else None for step in values],
            tokenizer=model,
            input_fingerprint=fingerprint,
            notes=[_said(examples, training, steps)],
        )
        with run.locked():
            if not run.manifest.has_done(STAGE):
                _train(run, training, values, progress)
    return run


def _said(examples: Sequence[TrainingExample], training: "Training", steps: int) -> str:
    learned = sum(example.response_tokens for example in examples)
    trained = sum(parameter.numel() for parameter in training.parameters.values())
    return (
        f"{count(len(examples), 'example')} with {count(learned, 'token')} of responses; "
        f"{count(steps, 'step')} of {count(training.size, 'example')}; {trained:,} parameters trained"
    )


# The loop


def _train(run: Run, training: "Training", values: Sequence[int], progress: Progress) -> None:
    """From the last saved state to the last step; then the run holds its checkpoints."""
    log_path, state_path = run.path / LOG_FILE, run.path / STATE_FILE
    steps = values[-1]
    done = saved_step(state_path)
    if not recover_log(log_path, done):
        done = 0
    if done:
        load_state(state_path, training.parameters, training.optimizer)
    progress.stage("fine-tune", steps)
    progress.advance(done)
    begun = saved = time.monotonic()
    with closing(TrainingLog(log_path)) as log:
        for step in range(done + 1, steps + 1):
            record = training.step(step, steps)
            log.write(record)
            kept = step in values
            if kept:
                training.save_adapter(run.path / _folder(step))
                left = (time.monotonic() - begun) / (step - done) * (steps - step)
                progress.note(_noted(record, steps, left))
            if step < steps and (kept or time.monotonic() - saved > _SAVE_SECONDS):
                log.sync()
                save_state(state_path, step, training.parameters, training.optimizer)
                saved = time.monotonic()
            progress.advance()
        log.sync()
    folders = [_folder(step) for step in values if step]
    files = [f"{folder}/{file}" for folder in folders for file in (CONFIG_FILE, WEIGHTS_FILE)]
    run.record_stage(STAGE, [LOG_FILE, *files])
    with explained(state_path, "remove"):
        state_path.unlink(missing_ok=True)


def _folder(step: int) -> str:
    return f"{CHECKPOINTS_FOLDER}/{step}"


def _noted(record: TrainingStep, steps: int, seconds_left: float) -> str:
    left = f", {seconds_left:.0f} s left" if record.step < steps else ""
    return (
        f"step {record.step} of {steps}: loss {record.loss:.3f}, gradient norm {record.grad_norm:.2f}, "
        f"learning rate {record.learning_rate:.2g}{left}"
    )


@contextmanager
def _own_random_numbers(language_model: LanguageModel) -> Iterator[None]:
    """The caller's random numbers go on as if nothing had happened here."""
    import torch

    device = language_model.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
