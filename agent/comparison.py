"""The comparison a discovery makes: the samples of the two sides, their prompts, splits and values, as arrays.

Source: Method, sections 3 (values and weights), 5 (splits and claims).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agent.alerts import alerts_of, left_out_warning, sampling_warnings
from agent.locating import Located, locate, no_transition_warning, sides_of
from agent.settings import shown
from probes.errors import InputError
from probes.scale import FloatArray, IntArray
from probes.words import count
from runs.columns import places_of
from runs.directory import Run
from runs.schema import SPLITS
from runs.texts import HeldTexts, TextFacts, Texts
from tools.evidence import has_evidence, side_mixtures, signed_evidence
from tools.layout import AFTER, BEFORE, FEWEST_PROMPTS, BoolArray, Claim, Layout, layout_of

Mode = Literal["likelihood", "black-box"]

READ, SELECT, REPORT = range(3)
RANDOM_FROM_PROMPTS = 20
"""From this many prompts on, the claim is about prompts like these unless told otherwise (Method, section 5)."""


@dataclass(frozen=True)
class Part:
    """Rows of a comparison whose prompt has samples on both sides among them.

    row_N: index into the comparison's rows. value_N: signed evidence, or +1 before and -1 after.
    """

    row_N: IntArray
    layout: Layout
    value_N: FloatArray

    def where(self, keep_N: BoolArray) -> "Part":
        """The rows kept whose prompt still has both sides."""
        layout, mask_N = self.layout.rows(keep_N)
        return Part(self.row_N[mask_N], layout, self.value_N[mask_N])


@dataclass(frozen=True)
class Comparison:
    """N samples of Q prompts that have samples on both sides, in the order of the run's samples.

    run_row_N: row in the run's samples. split_N: 0 read, 1 select, 2 report. before, after: indices of the
    control parameter's values. located: where the sweep changes most, None where there is no curve to see it on.
    responses: read from the run's file as they are needed; length_N: their characters. left_out: ids of prompts
    with one side only. alerts: what must be read before any number; warnings: what else must be known of the
    samples.
    """

    mode: Mode
    claim: Claim
    before: tuple[int, ...]
    after: tuple[int, ...]
    located: Located | None
    run_row_N: IntArray
    sample_ids: HeldTexts
    prompt_ids_Q: Sequence[str]
    prompts_Q: Sequence[str]
    responses: Texts
    length_N: IntArray
    split_N: IntArray
    layout: Layout
    value_N: FloatArray
    left_out: tuple[str, ...]
    alerts: tuple[str, ...]
    warnings: tuple[str, ...]

    def part(self, *splits: int) -> Part:
        """The rows of these splits; without any, all rows."""
        keep_N = np.isin(self.split_N, splits) if splits else np.ones(len(self.split_N), dtype=bool)
        return Part(np.arange(len(self.split_N)), self.layout, self.value_N).where(keep_N)

    @cached_property
    def read(self) -> Part:
        return self.part(READ)

    @cached_property
    def select(self) -> Part:
        return self.part(SELECT)

    @cached_property
    def report(self) -> Part:
        return self.part(REPORT)

    @cached_property
    def prompt_of_row(self) -> list[str]:
        """Prompt text of every row."""
        return [self.prompts_Q[q] for q in self.layout.prompt_N]


def comparison_of(
    run: Run,
    before: str | None,
    after: str | None,
    claim: Literal["auto", "fixed", "random"] = "auto",
    domain: str | None = None,
) -> Comparison:
    """The comparison of two groups of checkpoints of a run.

    before, after: values of the control parameter (`0,2`, or `20:40` with both ends), optional where it has two
    values, or a curve whose peak has two sides. claim: `auto` chooses by the number of prompts. domain: whose
    prompts alone are compared, all by default. InputError: values that are not the control parameter's or are on
    both sides, a domain that no prompt has, or sides without a common prompt.
    """
    located = locate(run, claim_of(claim, run.manifest.prompts))
    before_K, after_K = sides_of(tuple(run.manifest.control.values), before, after, located)
    samples = run.samples(["sample_id", "prompt_id", "checkpoint", "split", "finish_reason"])
    checkpoint_M = samples["checkpoint"].to_numpy().astype(np.int64)
    wanted_M = np.isin(checkpoint_M, before_K + after_K)
    if domain is not None:
        wanted_M &= np.asarray(pc.is_in(samples["prompt_id"], pa.array(prompts_of_domain(run, domain))))
    row_M = np.flatnonzero(wanted_M)
    samples = samples.take(row_M)
    checkpoint_M = checkpoint_M[row_M]
    side_M = np.where(np.isin(checkpoint_M, before_K), BEFORE, AFTER).astype(np.int64)

    prompts = run.prompts()
    prompt_ids = prompts["prompt_id"].to_pylist()
    prompt_texts = prompts["prompt"].to_pylist()
    prompt_M = places_of(samples["prompt_id"], prompts["prompt_id"].combine_chunks())

    facts = TextFacts.of(run.responses(row_M))
    alerts = alerts_of(prompt_M, side_M, facts)
    finish_M = (reason for chunk in samples["finish_reason"].chunks for reason in chunk.to_pylist())
    warnings = list(sampling_warnings(run, prompt_M, side_M, facts, finish_M))
    if domain is not None:
        warnings.append(f"only answers to the prompts of the domain {shown(domain)} were compared")
    if before is None and after is None and located is not None and not located.transitions.peaks:
        warnings.append(no_transition_warning(run, located))

    layout, kept_M = layout_of(prompt_M, side_M, checkpoint_M)
    if not layout.samples:
        raise InputError(_no_common_prompt(run.path, before_K, after_K, side_M))
    used_Q = np.unique(prompt_M[kept_M])
    left_out = np.setdiff1d(np.unique(prompt_M), used_Q)
    if len(left_out):
        names = [prompt_ids[q] for q in left_out]
        warnings.append(left_out_warning(names, int((~kept_M).sum()), layout.prompts))
    samples = samples.filter(kept_M)
    row_N = row_M[kept_M]
    mode, value_N, unscored = _values(run, row_N, layout, before_K, after_K)
    comparison = Comparison(
        mode=mode,
        claim=claim_of(claim, layout.prompts),
        before=before_K,
        after=after_K,
        located=located,
        run_row_N=row_N,
        sample_ids=HeldTexts(samples["sample_id"]),
        prompt_ids_Q=[prompt_ids[q] for q in used_Q],
        prompts_Q=[prompt_texts[q] for q in used_Q],
        responses=run.responses(row_N),
        length_N=facts.length_N[kept_M],
        split_N=places_of(samples["split"], pa.array(SPLITS)),
        layout=layout,
        value_N=value_N,
        left_out=tuple(prompt_ids[q] for q in left_out),
        alerts=alerts,
        warnings=(*warnings, *unscored),
    )
    _require_splits(comparison)
    return comparison


def prompts_of_domain(run: Run, domain: str) -> list[str]:
    """Ids of the prompts of a domain. InputError where none is of it."""
    prompts = run.prompts()
    domains = prompts["domain"].to_pylist()
    ids = [one for one, own in zip(prompts["prompt_id"].to_pylist(), domains, strict=True) if own == domain]
    if not ids:
        known = ", ".join(shown(one) for one in sorted({one for one in domains if one})[:12]) or "none"
        raise InputError(f"--domain: no prompt of {run.path} is of {shown(domain)}; domains are {known}")
    return ids


def claim_of(claim: Literal["auto", "fixed", "random"], prompts: int) -> Claim:
    """`auto` chooses by the number of prompts."""
    if claim == "auto":
        return "random" if prompts >= RANDOM_FROM_PROMPTS else "fixed"
    return claim


def _no_common_prompt(path: object, before_K: Sequence[int], after_K: Sequence[int], side_M: IntArray) -> str:
    counts = np.bincount(side_M, minlength=2)
    if not counts.all():
        side = "before" if not counts[BEFORE] else "after"
        return f"{path}: no samples on the side {side!r}"
    return f"{path}: the two sides have no prompt in common"


def _values(
    run: Run, row_N: IntArray, layout: Layout, before_K: tuple[int, ...], after_K: tuple[int, ...]
) -> tuple[Mode, FloatArray, tuple[str, ...]]:
    """Signed evidence where every sample is scored under every checkpoint of both sides, labels otherwise."""
    loglik = run.loglik()
    if loglik is None:
        return "black-box", layout.label_N, ()
    loglik_NK = np.asarray(loglik[row_N], dtype=np.float64)
    scored_N = has_evidence(loglik_NK[:, before_K + after_K])
    if not scored_N.all():
        warning = (
            f"{int((~scored_N).sum())} of {len(row_N)} samples have no log-likelihood under every checkpoint "
            "compared: the log-likelihoods were not used"
        )
        return "black-box", layout.label_N, (warning,)
    return "likelihood", signed_evidence(*side_mixtures(loglik_NK, before_K, after_K)), ()


def _require_splits(comparison: Comparison) -> None:
    """InputError where a split has too few prompts with samples on both sides for any number."""
    needed = FEWEST_PROMPTS[comparison.claim]
    for name, part in zip(SPLITS, (comparison.read, comparison.select, comparison.report), strict=True):
        if part.layout.prompts < needed or part.layout.samples < 4:
            counts = Counter(SPLITS[split] for split in comparison.split_N.tolist())
            raise InputError(
                f"too few samples: the split {name!r} holds {count(part.layout.prompts, 'prompt')} with samples "
                f"on both sides (samples: {', '.join(f'{split} {counts[split]}' for split in SPLITS)}); at least "
                f"{count(needed, 'prompt')} and 4 samples are needed in each: bring more prompts or more "
                "responses a prompt"
            )
