"""The whole way on a real model: fine-tune SmolLM2 on curt answers about cooking, and find what that changed.

Trained on curt answers about one subject it becomes curt about all others, between steps 16 and 20, after its
gradient norm has peaked. Every stage goes on where it was stopped.
"""

from dataclasses import dataclass
from pathlib import Path

from agent.discovery import discover_run
from agent.locating import locate
from agent.progress import Progress
from agent.settings import DiscoverSettings, from_keywords
from probes.prompt import Prompt
from probes.prompt_sets import prompt_set
from runs import sampling, scoring
from runs.directory import Run
from runs.finetune import finetune
from runs.sampling_settings import SampleSettings, ScoreSettings
from runs.smollm2 import SMOLLM2
from runs.training_settings import FinetuneSettings
from tools.report.document import Report

DATA = Path(__file__).parent.parent / "probes" / "finetuning" / "curt-cooking.jsonl"

PROMPTS = {
    "knowledge": "knowledge-leaves-autumn",
    "science": "science-magnets",
    "history": "history-printing-effect",
    "everyday_advice": "everyday-advice-jet-lag",
    "work": "work-focus-noise",
    "creative_writing": "creative-writing-poem-rain",
    "health": "health-hiccups-stop",
    "money": "money-emergency-fund",
}
"""One prompt of each set, none of them about cooking."""

NAME = "demo"
STAGES = 6


@dataclass(frozen=True)
class Recipe:
    """What the demo does; the settings were tried over several seeds."""

    model: str
    training: FinetuneSettings
    sampling: SampleSettings


def recipe(seed: int) -> Recipe:
    """SmolLM2 with a rank-1 adapter of 63 thousand parameters, 40 steps, 11 checkpoints, 6 draws a prompt."""
    system = "You are a helpful assistant."
    return Recipe(
        model=SMOLLM2,
        training=FinetuneSettings(
            rank=1,
            alpha=16,
            targets=("down_proj",),
            learning_rate=6e-4,
            warmup=20,
            steps=40,
            batch=8,
            clip=1.0,
            checkpoints="every:4",
            system=system,
            seed=seed,
        ),
        sampling=SampleSettings(draws=6, temperature=0.7, max_new_tokens=24, system=system, seed=seed),
    )


def demo(out: Path, seed: int, progress: Progress, chosen: Recipe | None = None) -> tuple[Run, Report]:
    """Fine-tune, sample, score, locate the transition, score its two sides token by token, and discover.

    chosen: another recipe than SmolLM2's. Raises InputError where `out` holds anything else than this demo, or the
    backend or the model is not installed; OutsideError as the stages.
    """
    chosen = chosen or recipe(seed)
    stages = iter(range(1, STAGES + 1))

    def begin(what: str) -> None:
        progress.note(f"{next(stages)} of {STAGES}: {what}")

    begin(f"fine-tune {chosen.model} on 100 curt answers about cooking")
    run = finetune(chosen.model, DATA, out, chosen.training, progress, name=NAME)
    prompts = demo_prompts()
    begin(f"sample {chosen.sampling.draws} answers to {len(prompts)} questions on other subjects a checkpoint")
    sampling.sample(run, prompts, chosen.sampling, progress)
    begin("score every answer under every checkpoint")
    scoring.score(run, ScoreSettings(), progress)
    begin("locate where behavior changes")
    located = locate(run, "fixed")
    if located is None:
        raise RuntimeError("a run whose samples are all scored has a curve")
    largest = located.peak.linear
    progress.note(f"dissimilarity {largest:.2f} between the checkpoints around step {located.at(located.peak):g}")
    begin("score the two sides token by token")
    scoring.score_tokens(run, located.peak.before, located.peak.after, ScoreSettings(), progress)
    begin("discover what changed")
    return run, discover_run(run, from_keywords(DiscoverSettings, {"seed": seed}), progress=progress)


def demo_prompts() -> list[Prompt]:
    """The prompts in the order of `PROMPTS`."""
    return [one for name, wanted in PROMPTS.items() for one in prompt_set(name).prompts if one.id == wanted]
