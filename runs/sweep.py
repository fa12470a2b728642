"""A run in which a control parameter moves: the temperature, adapters or prompt of a model, or the whole model.

What decides a value is linked into the run (adapters, models) or kept in run.json, so that `sample` and `score` go
on with it as with any run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from probes.errors import InputError
from probes.progress import Progress
from probes.prompt import Prompt
from runs import sampling, scoring
from runs.adapters import CONFIG_FILE, WEIGHTS_FILE, read_adapter, require_factors, require_fit
from runs.backend import require_backend
from runs.controls import control_named, number_or_name, ordered_values, parsed_values
from runs.directory import Run
from runs.files import shown
from runs.finetune import CHECKPOINTS_FOLDER
from runs.linking import linked
from runs.loading import loading, quiet, require_hub
from runs.manifest import Control, ControlValue, InputRecord, SweepRecord, file_record
from runs.models import model_folder, named_for_good
from runs.sampling_settings import SampleSettings, ScoreSettings
from runs.weights import architecture_of, finite_shapes, weight_files

STAGE = "sweep"
WHOLE_MODELS = "model"
"""What the control parameter is called where whole models stand side by side, unless told otherwise."""


@dataclass(frozen=True)
class Sweep:
    """What is to be swept. control: its kind, None for whole models. adapters: by the name of their folder in the
    run. models: a folder each value. said: what a person should know."""

    model: str
    name: str
    values: Sequence[ControlValue]
    control: str | None
    adapters: Mapping[str, Path]
    models: Sequence[Path]
    said: Sequence[str]


def sweep_of_control(
    model: str, control: str, adapters: Sequence[Path], progress: Progress, *, name: str | None = None
) -> Sweep:
    """A sweep of one model. control: NAME=VALUES. name: what the control parameter is called in the run.

    Raises InputError, in one line: no such control parameter, values that it cannot have, too few or too many
    adapters, adapters that do not fit the model or cannot be scaled, a model that is not there.
    """
    require_backend()
    kind, equals, text = control.partition("=")
    chosen = control_named(kind.strip())
    if not equals:
        raise InputError(
            f"--control {chosen.name}: name its values too: {chosen.name}=START:STOP:STEP or V1,V2,..."
        )
    written = parsed_values(chosen, text)
    values = ordered_values(written, f"--control {chosen.name}")
    fewest, most = chosen.adapters
    if not fewest <= len(adapters) <= most:
        wanted = str(most) if fewest == most else f"at most {most}"
        raise InputError(f"--adapter: {chosen.name} works with {wanted}, and {len(adapters)} are named")
    if len({folder.resolve() for folder in adapters}) < len(adapters):
        raise InputError(f"--adapter {shown(adapters[0])}: the same adapter twice, so that nothing would change")
    _require_model(model)
    _require_adapters(adapters, model, progress, scaled=fewest > 0)
    inside = {f"{CHECKPOINTS_FOLDER}/adapter{number}": path for number, path in enumerate(adapters, 1)}
    said = [chosen.describe([str(folder) for folder in adapters]), *_sorted(written, values)]
    return Sweep(named_for_good(model), name or chosen.name, values, chosen.name, inside, (), said)


def sweep_of_models(
    models: Sequence[str], values: Sequence[str], progress: Progress, *, name: str | None = None
) -> Sweep:
    """A sweep of whole models, made elsewhere: a value each, numbers or names.

    Raises InputError, in one line: no folder, weights that lack, are pickled or hold NaN, other tokens than the
    first one's, not a value each.
    """
    require_backend()
    if len(values) != len(models):
        raise InputError(f"--values: {len(values)} values for {len(models)} models")
    written = [number_or_name(value) for value in values]
    ordered = ordered_values(written, "--values")
    if isinstance(ordered[0], str):
        written = [str(value) for value in written]
    folders = [Path(model_folder(models[written.index(value)])) for value in ordered]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("--models: the same folder twice, so that nothing would change")
    _require_models(folders, progress)
    said = [f"{value} is {shown(folder)}" for value, folder in zip(ordered, folders, strict=True)]
    said += _sorted(written, ordered)
    first = str(folders[0].resolve())
    return Sweep(first, name or WHOLE_MODELS, ordered, None, {}, [one.resolve() for one in folders], said)


def begin_sweep(sweep: Sweep, out: Path, progress: Progress, *, seed: int = 0) -> Run:
    """Makes a run at `out` that `sample` and `score` go on with; what was begun is gone on with.

    seed: of the splits. Raises InputError: `out` holds anything else; InputError and OutsideError as `files`.
    """
    fingerprint = _fingerprint(sweep, progress)
    run = Run.of_input(out, fingerprint)
    if run is not None and run.manifest.has_done(STAGE):
        return run
    inside = [f"{CHECKPOINTS_FOLDER}/{number}" for number in range(len(sweep.models))]
    run = run or Run.begin(
        out,
        control=Control(name=sweep.name, values=list(sweep.values)),
        seed=seed,
        name=out.resolve().name,
        model=sweep.model,
        models=inside or None,
        sweep=None if sweep.control is None else SweepRecord(kind=sweep.control, adapters=list(sweep.adapters)),
        tokenizer=sweep.model,
        input_fingerprint=fingerprint,
        notes=sweep.said,
    )
    with run.locked():
        if not run.manifest.has_done(STAGE):
            files = linked(run, {name: (path, _ADAPTER_FILES) for name, path in sweep.adapters.items()})
            files += linked(
                run, {one: (path, weight_files(path)) for one, path in zip(inside, sweep.models, strict=True)}
            )
            run.record_stage(STAGE, files)
    return run


def run_sweep(
    sweep: Sweep,
    prompts: Sequence[Prompt],
    settings: SampleSettings,
    score_settings: ScoreSettings,
    out: Path,
    progress: Progress,
) -> Run:
    """The whole of it: begun, sampled and scored; each goes on where it was stopped.

    Raises as `begin_sweep`, `sample` and `score`; settings and prompts that do not fit are refused before anything
    is written.
    """
    control = None if sweep.control is None else control_named(sweep.control)
    if control is not None:
        setups = [control.at(value, list(sweep.adapters)) for value in sweep.values]
        sampling.require_fit(setups, sweep.name, sampling.prompts_table(prompts, settings.system), settings)
    run = begin_sweep(sweep, out, progress, seed=settings.seed)
    sampling.sample(run, prompts, settings, progress)
    scoring.score(run, score_settings, progress)
    return run


_ADAPTER_FILES = (CONFIG_FILE, WEIGHTS_FILE)


def _sorted(written: Sequence[ControlValue], ordered: Sequence[ControlValue]) -> list[str]:
    return [] if list(written) == list(ordered) else ["the values were not in order: they are sorted"]


# Whether it can be trusted


def _require_model(model: str) -> None:
    """InputError where there is none of this name, here or at the hub, before a run of it begins."""
    from transformers import AutoConfig

    folder = model_folder(model)
    with loading(model), quiet():
        try:
            AutoConfig.from_pretrained(folder, local_files_only=True)
        except OSError:
            if Path(folder).is_dir():
                raise
            require_hub(model)
            AutoConfig.from_pretrained(folder)


def _require_adapters(folders: Sequence[Path], model: str, progress: Progress, *, scaled: bool) -> None:
    """Reads the adapters through. InputError: NaN, damage, another base, or not to be scaled."""
    if not folders:
        return
    progress.stage("read the adapters through", len(folders))
    shape = architecture_of(model)
    for folder in folders:
        adapter = read_adapter(folder)
        if shape is not None:
            require_fit(adapter, shape, model)
        if scaled:
            require_factors(adapter)
        progress.advance()


def _require_models(folders: Sequence[Path], progress: Progress) -> None:
    """Reads the models through. InputError: no folder here, weights that lack, NaN, other tokens."""
    from transformers import AutoTokenizer

    progress.stage("read the models through", len(folders))
    words: dict[str, int] | None = None
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"--models {shown(folder)}: there is no such folder")
        for file in weight_files(folder):
            if file.endswith(".safetensors"):
                finite_shapes(folder / file)
        with loading(str(folder)), quiet():
            mine = AutoTokenizer.from_pretrained(folder, local_files_only=True).get_vocab()
        if words is not None and mine != words:
            raise InputError(
                f"--models {shown(folder)}: its tokens are not those of {shown(folders[0])}, so that neither can "
                "score what the other said"
            )
        words = mine
        progress.advance()


def _fingerprint(sweep: Sweep, progress: Progress) -> InputRecord:
    progress.stage("take checksums", len(sweep.adapters) + len(sweep.models))
    files = {}
    parts: list[tuple[str, Path, Sequence[str]]] = [
        *((name, path, _ADAPTER_FILES) for name, path in sweep.adapters.items()),
        *((f"model {number}", path, weight_files(path)) for number, path in enumerate(sweep.models)),
    ]
    for name, path, names in parts:
        files.update({f"{name}/{file}": file_record(path / file) for file in names})
        progress.advance()
    return InputRecord(
        files=files,
        options={
            "model": sweep.model,
            "control": sweep.control,
            "name": sweep.name,
            "values": list(sweep.values),
        },
    )
