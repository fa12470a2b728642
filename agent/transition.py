"""Where a run's sweep changes, on all of its samples: what the command `transition` shows.

With log-likelihoods the curve is exact. Without, it is a lower bound: at every boundary the held-out skill of a
discriminator that reads the responses. Source: Method, sections 2 and 5 ("Lower bound of D without likelihoods").
"""

from collections.abc import Sequence

import numpy as np

from agent.comparison import claim_of
from agent.locating import Located, locate, located_rows, rising, training_of
from agent.progress import Progress, Silent
from agent.settings import TransitionSettings
from agent.values import Value
from probes.errors import InputError
from probes.scale import FloatArray
from probes.words import count
from runs.directory import Run
from runs.files import shown
from runs.manifest import program_version
from tools.curve_sums import Windows
from tools.layout import FEWEST_PROMPTS, Claim
from tools.report.fine_print import cautions
from tools.report.sweep_document import SweepReport
from tools.transition import default_window, widest_window
from tools.windowed_curve import WindowedCurve

FEWEST_VALUES = 3
NAMED = 10
"""Gaps that a warning names; it counts them all."""


def transition_report(run: Run, settings: TransitionSettings, progress: Progress | None = None) -> SweepReport:
    """The curve of a run along its sweep and its transitions.

    InputError: fewer than three values of the control parameter, values that are not rising numbers, a window that
    is too wide, or no boundary that could be measured.
    """
    manifest = run.manifest
    control_K = _require_rising(run)
    window = _require_window(settings.window, len(control_K))
    claim = claim_of(settings.claim, manifest.prompts)
    located = locate(run, claim, rows="all", window=window, seed=settings.seed)
    if located is None and run.loglik() is not None:
        raise InputError(
            f"{shown(run.path)}: no place of the sweep has prompts with samples on both sides that are all scored "
            "under the checkpoints around it"
        )
    if located is None:
        located = by_text(run, claim, window, settings.seed, progress or Silent())
    return SweepReport(
        version=program_version(),
        run=manifest.name,
        seed=settings.seed,
        name=manifest.control.name,
        unit=manifest.control.unit,
        values=tuple(manifest.control.values),
        transition=located.record(),
        warnings=(
            *_gaps(run, located),
            *cautions(int(located.windowed.prompts_B.max()), claim, located.peak.linear),
        ),
    )


def by_text(run: Run, claim: Claim, window: int, seed: int, progress: Progress) -> Located:
    """The curve as a lower bound, by held-out discriminators. InputError where no boundary can be measured."""
    from tools.held_out_curve import sums_of_texts  # scikit-learn is slow to import

    control_K = np.array(run.manifest.control.values, dtype=np.float64)
    row_N, prompt_N, checkpoint_N = located_rows(run, "all")
    windows = Windows(len(control_K), window)
    progress.stage("telling neighbours apart", windows.boundaries)
    sums = sums_of_texts(run.responses(), prompt_N, checkpoint_N, windows, seed, progress.advance)
    windowed = WindowedCurve(sums, claim, lower_bound=True)
    if not windowed.measured_B.any():
        raise InputError(
            f"{shown(run.path)}: no two neighbouring checkpoints have {FEWEST_PROMPTS[claim]} or more prompts in "
            "common"
        )
    return Located(control_K, windowed, training_of(run, control_K), "all", len(row_N), seed)


def _require_rising(run: Run) -> FloatArray:
    control = run.manifest.control
    values: Sequence[Value] = control.values
    name = shown(repr(control.name))
    if len(values) < FEWEST_VALUES:
        raise InputError(
            f"{shown(run.path)}: {name} has {count(len(values), 'value')}: a transition is "
            f"looked for along {FEWEST_VALUES} or more; `orderparam discover` compares two"
        )
    if labels := [value for value in values if isinstance(value, str)]:
        raise InputError(
            f"{shown(run.path)}: {name} has the label {shown(repr(labels[0]))}: a transition is looked for along "
            "numbers"
        )
    control_K = rising(values)
    if control_K is None:
        falls = next(k for k in range(1, len(values)) if float(values[k]) <= float(values[k - 1]))
        raise InputError(
            f"{shown(run.path)}: the values of {name} do not rise ({values[falls]} comes after "
            f"{values[falls - 1]}): import or sample them in rising order"
        )
    return control_K


def _require_window(window: int | None, checkpoints: int) -> int:
    if window is None:
        return default_window(checkpoints)
    if window > widest_window(checkpoints):
        raise InputError(
            f"--window: {window} is too wide for {checkpoints} values: most places must have the whole window on "
            f"either side; at most {widest_window(checkpoints)}"
        )
    return window


def _gaps(run: Run, located: Located) -> list[str]:
    """A warning that names the places of the sweep that are not measured, and what would measure them."""
    gaps = [f"{located.at(one):g}" for one in located.curve if one.total is None]
    if not gaps:
        return []
    window = located.windowed.sums.windows.window
    needed = 2 * window - 1
    band = None if run.manifest.scoring is None else run.manifest.scoring.band
    why = (
        "their samples are not all scored under the checkpoints around them, or too few prompts are on both sides"
    )
    if band is not None and band < needed:
        narrower = "" if window == 1 else ", or take --window 1"
        why = (
            f"samples are scored up to {count(band, 'checkpoint')} from their own, and a window of {window} needs "
            f"{needed} (score with --band {needed}{narrower})"
        )
    places = ", ".join(gaps[:NAMED]) + (", ..." if len(gaps) > NAMED else "")
    return [f"{len(gaps)} of {len(located.curve)} places are gaps: {why}: {places}"]
