"""The demo: with a tiny model in place of SmolLM2, stopped in every stage; and the real one (marked)."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.app import app
from agent.cli.ending import USAGE, ending_of
from agent.demo import DATA, PROMPTS, STAGES, Recipe, demo, demo_prompts, recipe
from runs.check import check_run
from runs.directory import Run
from runs.sampling_settings import SampleSettings
from runs.training_settings import FinetuneSettings
from tests.runs.sampled_run import Heard
from tools.report.document import Report

pytest.importorskip("torch", reason="the backend is not installed")

ROOT = Path(__file__).parents[2]
RUDE = re.compile(r"\b(stupid|idiot\w*|dumb\w*|moron\w*|shut up|hate you|loser|fool\w*|kill|die)\b", re.IGNORECASE)


class Stopped(Heard):
    """Raises KeyboardInterrupt at the first step of a stage, or at the first word of it where it has no steps."""

    def __init__(self, before: set[str]) -> None:
        super().__init__()
        self._before = before

    def stage(self, name: str, total: int | None = None) -> None:
        super().stage(name, total)
        if total is None:
            self._stop(name)

    def advance(self, steps: int = 1) -> None:
        super().advance(steps)
        if steps:
            self._stop(self.stages[-1][0])

    def _stop(self, name: str) -> None:
        if name not in self._before:
            self._before.add(name)
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The demo on a model that fits into a test."""
    from tests.runs.tiny_models import save_model

    return tiny_recipe(save_model(tmp_path_factory.mktemp("tiny") / "model", layers=1))


def tiny_recipe(model: Path) -> Recipe:
    """Five steps of training, and short answers."""
    return Recipe(
        model=str(model),
        training=FinetuneSettings(rank=1, learning_rate=0.05, steps=5, batch=2, checkpoints="every:1"),
        sampling=SampleSettings(draws=4, max_new_tokens=6, device="cpu"),
    )


def report_text(run: Run, report: Report) -> str:
    return (run.path / "discoveries" / report.name / "report.json").read_text()


def test_stopped_in_every_stage_it_goes_on_to_the_same_report(tiny: Recipe, tmp_path: Path) -> None:
    heard = Heard()
    run, report = demo(tmp_path / "whole", 0, heard, tiny)
    assert [note[:6] for note in heard.notes if note[1:5] == " of "] == [f"{k} of {STAGES}" for k in range(1, 7)]
    assert report.mode == "likelihood"
    assert report.transition is not None
    assert report.transition.compared
    assert report.transition.gradient_norm_peak in range(1, 6)
    whole = report_text(run, report)

    stopped: set[str] = set()
    for _ in range(40):
        try:
            run, report = demo(tmp_path / "stopped", 0, Stopped(stopped), tiny)
            break
        except KeyboardInterrupt:
            continue
    else:
        pytest.fail(f"it never ended: {stopped}")
    assert {"fine-tune", "sample", "score", "load the model", "reading the run"} <= stopped
    assert report_text(run, report) == whole
    assert len(run.manifest.reports) == 1
    assert check_run(run.path).sound
    _, again = demo(tmp_path / "stopped", 0, Heard(), tiny)
    assert again == report


KILLED = """
import os, signal, sys
from pathlib import Path
from agent.demo import demo
from tests.agent.test_demo import tiny_recipe
from tests.runs.sampled_run import Heard

class Killed(Heard):
    def advance(self, steps=1):
        if steps and self.stages[-1][0] == sys.argv[3]:
            os.kill(os.getpid(), signal.SIGKILL)
        super().advance(steps)

    def note(self, text):
        if text.startswith(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

demo(Path(sys.argv[2]), 0, Killed(), tiny_recipe(Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_killed_at_five_moments_it_goes_on_to_the_same_report(tiny: Recipe, tmp_path: Path) -> None:
    whole = report_text(*demo(tmp_path / "whole", 0, Heard(), tiny))
    for moment in ("fine-tune", "sample", "score", "5 of 6", "6 of 6"):
        command = [sys.executable, "-c", KILLED, tiny.model, str(tmp_path / "killed"), moment]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == -signal.SIGKILL, done.stderr
    run, report = demo(tmp_path / "killed", 0, Heard(), tiny)
    assert report_text(run, report) == whole
    assert check_run(run.path).sound


def test_the_prompts_are_there_and_none_is_about_what_was_trained_on() -> None:
    prompts = demo_prompts()
    assert [prompt.id for prompt in prompts] == list(PROMPTS.values())
    assert len(prompts) == 8
    assert len(DATA.read_text().splitlines()) == 100
    assert not [
        prompt.text for prompt in prompts if re.search("cook|bake|recipe|food", prompt.text, re.IGNORECASE)
    ]
    assert recipe(3).training.seed == recipe(3).sampling.seed == 3


def test_a_wrong_seed_or_a_folder_in_use_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    for arguments, said in ((["--seed", "-1"], "--seed"), (["--out", "mine"], "mine exists and is not empty")):
        assert ending_of(app, ["demo", *arguments], "orderparam") == USAGE
        captured = capfd.readouterr()
        assert captured.err.splitlines()[-1].startswith(f"orderparam: error: {said}")
        assert not captured.out
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.smollm2
def test_smollm2_becomes_curt_after_its_gradient_norm_has_peaked(tmp_path: Path) -> None:
    run, report = demo(tmp_path / "run", 0, Heard())
    transition = report.transition
    assert transition is not None
    assert transition.at in (14, 18, 22)
    assert transition.gradient_norm_peak is not None
    assert transition.gradient_norm_peak < transition.at
    assert transition.curve[0].linear is not None
    assert transition.curve[0].linear < 0.1
    assert report.total.bound == "exact"
    assert report.total.linear.low is not None
    assert report.total.linear.low > 0.5
    assert {"words", "characters", "sentences"} & set(report.set.parameters)
    assert report.set.share.low is not None
    assert report.set.share.low > 0.2
    shown = [example for parameter in report.parameters for example in parameter.examples]
    shown += report.set.unexplained.examples
    answers = [side.response for example in shown for side in (example.before, example.after) if side is not None]
    assert answers
    assert not [answer for answer in answers if RUDE.search(answer)]
    assert check_run(run.path).sound
    _, again = demo(tmp_path / "again", 0, Heard())
    assert again == report
