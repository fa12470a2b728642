"""Scoring the samples of a run: each under a band of checkpoints, in parts that outlive a kill.

Source: Method, section 1 (cross log-likelihoods over the sampled token ids).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from probes.errors import InputError
from probes.progress import Progress
from probes.scale import IntArray
from runs.backend import default_device, default_dtype, require_backend
from runs.checkpoints import open_checkpoints, outline_of
from runs.controls import setups_of, temperatures_of
from runs.directory import SAMPLES_STAGE, Run
from runs.files import explained, shown, table_writer, whole_file, write_array_whole, write_table_whole
from runs.likelihood import (
    BATCH_TOKENS,
    Likelihoods,
    Response,
    TokenArray,
    checked_likelihoods,
    require_numbers,
)
from runs.manifest import Scoring
from runs.parts import Parts, read_part
from runs.sampling import prompt_ids_each
from runs.sampling_settings import ScoreSettings
from runs.schema import LOGLIK_FILE, SAMPLES_FILE, TOKEN_LOGLIK_FILE

SCORE_STAGE = "score"
TOKEN_LOGLIK_STAGE = "score tokens"

TOKEN_LOGLIK_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("checkpoint", pa.int32(), nullable=False),  # that the sample was scored under
        pa.field("loglik", pa.list_(pa.float32()), nullable=False),  # of each of its token_ids, natural logarithm
    ]
)

_FEW_CHECKPOINTS = 32  # up to here every sample is scored under all
_BAND = 8  # beyond, under so many on either side of its own
_GROUP_BATCHES = 8  # a part is about so many full batches
_TRIED_PROMPTS = 4
_FAR_APART = 0.5  # nats a sample, on average, that two engines should not differ by


def score(run: Run, settings: ScoreSettings, progress: Progress) -> Scoring:
    """Writes `loglik.npy`, float32 [samples, checkpoints] in nats, NaN outside the band; after a kill it goes on.

    Returns how they came to be, as the manifest keeps it. Raises InputError: a run without a model, without
    samples, or whose samples have no token ids or temperature; what `checked_likelihoods` raises; InputError and
    OutsideError as `files`.
    """
    with run.locked():
        count = len(run.manifest.control.values)
        band = settings.band or (count if count <= _FEW_CHECKPOINTS else _BAND)
        how = _scoring(run, settings.device, None if band >= count - 1 else band)
        if run.manifest.has_done(SCORE_STAGE) and run.manifest.scoring == how:
            Parts(run, "loglik", {}, "").remove()  # of a process that was killed after it had joined them
            progress.note("the likelihoods are there already")
            return how
        if how.band is not None:
            progress.note(f"each sample is scored under the {band} checkpoints on either side of its own")
        samples = run.samples(["sample_id", "prompt_id", "checkpoint", "token_ids", "logprob"])
        wanted_KK = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) <= band
        scorer = _Scorer(run, samples, wanted_KK, how, "loglik", ".npy")
        scorer.write_parts(settings.device, progress)
        difference_S = scorer.join_matrix()
        warnings = list(run.manifest.warnings)
        if len(difference_S):
            said = f"by {difference_S.mean():.2g} nats a sample on average, {difference_S.max():.2g} at most"
            progress.note(f"likelihoods when sampled and when scored differ {said}")
            if difference_S.mean() > _FAR_APART:
                warnings.append(
                    f"likelihoods when sampled ({run.manifest.sampling.engine}) and scored differ {said}"
                )
        run.record_stage(SCORE_STAGE, [LOGLIK_FILE], scoring=how, warnings=warnings)
        scorer.remove_parts()
    return how


def score_tokens(
    run: Run, before: Sequence[int], after: Sequence[int], settings: ScoreSettings, progress: Progress
) -> None:
    """Writes `token_loglik.parquet`, columns as `TOKEN_LOGLIK_SCHEMA`: samples of the two sides' checkpoints
    (indices), each under every checkpoint of both, token by token. After a kill it goes on.

    Raises as `score`.
    """
    sides = sorted({*before, *after})
    with run.locked():
        how = _scoring(run, settings.device, None)
        name = json.dumps([sides, how.model_dump()], sort_keys=True)
        if _holds(run, name):
            Parts(run, "token_loglik", {}, "").remove()
            return
        samples = run.samples(["sample_id", "prompt_id", "checkpoint", "token_ids", "logprob"])
        samples = samples.filter(pc.is_in(samples["checkpoint"], pa.array(sides, pa.int32())))
        count = len(run.manifest.control.values)
        wanted_KK = np.zeros((count, count), dtype=np.bool_)
        wanted_KK[np.ix_(sides, sides)] = True
        scorer = _Scorer(run, samples, wanted_KK, how, "token_loglik", ".parquet")
        scorer.write_parts(settings.device, progress)
        scorer.join_tables(name)
        run.record_stage(TOKEN_LOGLIK_STAGE, [TOKEN_LOGLIK_FILE])
        scorer.remove_parts()


def _scoring(run: Run, device: str | None, band: int | None) -> Scoring:
    require_backend()
    import torch

    if not run.manifest.has_done(SAMPLES_STAGE):
        raise InputError(f"{shown(run.path)} holds no samples yet; `orderparam sample` draws them")
    temperature = run.manifest.sampling.temperature
    if temperature is None and any(setup.temperature is None for setup in setups_of(run.manifest)):
        raise InputError(
            f"{shown(run.path)} does not say at what temperature its samples were drawn, which is part of their "
            "likelihoods; score a run whose samples `orderparam sample` drew"
        )
    place = torch.device(device) if device is not None else default_device()
    precision = str(default_dtype(place)).removeprefix("torch.")
    return Scoring(
        engine="transformers", precision=precision, device=place.type, temperature=temperature, band=band
    )


def _holds(run: Run, name: str) -> bool:
    """Whether the token log-likelihoods that the run has are those of this name."""
    path = run.path / TOKEN_LOGLIK_FILE
    if TOKEN_LOGLIK_FILE not in run.manifest.files:
        return False
    with explained(path, "read"):
        if not path.is_file():
            return False
        with pq.ParquetFile(path) as file:
            return (file.schema_arrow.metadata or {}).get(b"scored") == name.encode()


@dataclass(frozen=True)
class _Part:
    """Samples (rows) under checkpoints that are at work together."""

    rows: IntArray
    checkpoints: tuple[int, ...]


class _Scorer:
    """Samples of a run under the checkpoints that `wanted_KK` (a sample's own x scored under) asks for."""

    def __init__(
        self, run: Run, samples: pa.Table, wanted_KK: NDArray[np.bool_], how: Scoring, what: str, suffix: str
    ) -> None:
        if samples["token_ids"].null_count:
            raise InputError(
                f"{shown(run.path)}: {samples['token_ids'].null_count} samples have no token ids, and text made "
                "into tokens anew may not be what was sampled; likelihoods need samples of `orderparam sample`"
            )
        self._run, self._samples, self._wanted_KK, self._how, self._what = run, samples, wanted_KK, how, what
        prompts = run.prompts()
        self._setups = setups_of(run.manifest)
        self._ids_KP = prompt_ids_each(prompts, outline_of(run), self._setups)
        index = pc.index_in(samples["prompt_id"], value_set=prompts["prompt_id"].combine_chunks())
        self._prompt_S = np.asarray(index.to_numpy(), dtype=np.int64)
        self._checkpoint_S = np.asarray(samples["checkpoint"].to_numpy(), dtype=np.int64)
        self._length_S = np.asarray(pc.list_value_length(samples["token_ids"]).to_numpy(), dtype=np.int64)
        self._plan = list(self._planned())
        manifest = run.manifest
        asked = {
            "how": how.model_dump(),
            "wanted": wanted_KK.tolist(),
            "samples": manifest.files[SAMPLES_FILE].sha256,
            "model": manifest.model,
            "checkpoints": [manifest.adapters, manifest.models, manifest.sweep],
            "parts": len(self._plan),
        }
        self._parts = Parts(run, what, asked, suffix)

    def _planned(self) -> Iterator[_Part]:
        """All parts of one whole model come together, so that it is loaded once; so do those of one filling of the
        prompts. Checkpoints of one model and one filling share their parts."""
        used = np.flatnonzero(self._wanted_KK[np.unique(self._checkpoint_S)].any(axis=0)).tolist()
        apart = self._run.manifest.models is not None or any(setup.filled is not None for setup in self._setups)
        together = [(k,) for k in used] if apart else [tuple(used)]
        groups = self._groups()
        for checkpoints in together:
            for rows in groups:
                kept = rows[self._wanted_KK[self._checkpoint_S[rows]][:, list(checkpoints)].any(axis=1)]
                if len(kept):
                    yield _Part(kept, checkpoints)

    def _groups(self) -> list[IntArray]:
        """Rows that are scored in one call: prompts of about one length, a few batches of tokens."""
        most = _GROUP_BATCHES * BATCH_TOKENS.get(self._how.device, BATCH_TOKENS["cuda"])
        length_P = np.array([[len(ids) for ids in ids_P] for ids_P in self._ids_KP]).max(axis=0)
        order = np.lexsort((np.arange(len(self._prompt_S)), self._prompt_S, length_P[self._prompt_S]))
        groups: list[list[int]] = []
        responses = prompts = 0
        last = -1
        for row in order.tolist():
            prompt = int(self._prompt_S[row])
            new = int(length_P[prompt]) if prompt != last else 0
            if not groups or responses + self._length_S[row] > most or prompts + new > most:
                groups.append([])
                responses, prompts, new = 0, 0, int(length_P[prompt])
            groups[-1].append(row)
            responses += int(self._length_S[row])
            prompts += new
            last = prompt
        return [np.array(rows, dtype=np.int64) for rows in groups]

    # Scoring

    def write_parts(self, device: str | None, progress: Progress) -> None:
        """Scores the parts that are missing."""
        if self._parts.remove_others():
            progress.note("likelihoods that were begun with other settings are dropped")
        missing = [number for number in range(len(self._plan)) if not self._parts.has(number)]
        if not missing:
            return
        progress.stage("load the model")
        checkpoints = open_checkpoints(self._run, device)
        tried = self._tried()
        likelihoods, notes = checked_likelihoods(
            checkpoints,
            temperatures_of(self._setups, self._how.temperature or 1.0),
            [self._ids_KP[self._checkpoint_S[row]][self._prompt_S[row]] for row in tried],
            [self._ids(row) for row in tried],
        )
        for line in notes:
            progress.note(line)
        sizes = [self._wanted(part).sum() for part in self._plan]
        progress.stage("score", int(sum(sizes)))
        progress.advance(int(sum(sizes) - sum(sizes[number] for number in missing)))
        for number in missing:
            part = self._plan[number]
            scored = self._scored(part, likelihoods, progress)
            if self._what == "loglik":
                write_array_whole(self._parts.path(number), self._matrix(part, scored))
            else:
                write_table_whole(self._parts.path(number), self._table(part, scored))

    def _tried(self) -> list[int]:
        """Rows of a few prompts, from the shortest to the longest, with a response each."""
        filled = np.flatnonzero(self._length_S)
        prompts, first = np.unique(self._prompt_S[filled], return_index=True)
        order = sorted(range(len(prompts)), key=lambda index: len(self._ids_KP[0][prompts[index]]))
        chosen = order[:: max(1, len(order) // _TRIED_PROMPTS)]
        return [int(filled[first[index]]) for index in chosen]

    def _ids(self, row: int) -> tuple[int, ...]:
        return tuple(self._samples["token_ids"][row].as_py())

    def _wanted(self, part: _Part) -> NDArray[np.bool_]:
        """Which of the part's checkpoints each of its rows is scored under."""
        return self._wanted_KK[self._checkpoint_S[part.rows]][:, list(part.checkpoints)]

    def _scored(
        self, part: _Part, likelihoods: Likelihoods, progress: Progress
    ) -> Iterator[tuple[int, int, TokenArray]]:
        """Position in the part's rows, position in its checkpoints, log-likelihood of each token."""
        prompts = list(dict.fromkeys(self._prompt_S[part.rows].tolist()))
        place = {prompt: index for index, prompt in enumerate(prompts)}
        responses = [
            Response(
                place[int(self._prompt_S[row])],
                self._ids(int(row)),
                tuple(k for k, is_wanted in zip(part.checkpoints, wanted, strict=True) if is_wanted),
            )
            for row, wanted in zip(part.rows, self._wanted(part), strict=True)
        ]
        ids_P = self._ids_KP[part.checkpoints[0]]
        control = self._run.manifest.control
        for index, checkpoint, loglik_T in likelihoods.score([ids_P[p] for p in prompts], responses):
            require_numbers(loglik_T, f"{shown(control.name)} {shown(control.values[checkpoint])}")
            yield index, part.checkpoints.index(checkpoint), loglik_T
            progress.advance(1)

    def _matrix(self, part: _Part, scored: Iterator[tuple[int, int, TokenArray]]) -> NDArray[np.float32]:
        loglik_RK = np.full((len(part.rows), len(part.checkpoints)), np.nan, dtype=np.float32)
        for index, column, loglik_T in scored:
            loglik_RK[index, column] = loglik_T.sum()
        return loglik_RK

    def _table(self, part: _Part, scored: Iterator[tuple[int, int, TokenArray]]) -> pa.Table:
        found = sorted(scored, key=lambda one: one[:2])
        columns = [
            self._samples["sample_id"].take(pa.array([part.rows[index] for index, _, _ in found])),
            pa.array([part.checkpoints[column] for _, column, _ in found], pa.int32()),
            pa.array([loglik_T.astype(np.float32) for _, _, loglik_T in found], TOKEN_LOGLIK_SCHEMA.field(2).type),
        ]
        return pa.table(columns, schema=TOKEN_LOGLIK_SCHEMA)

    # Joining

    def join_matrix(self) -> NDArray[np.float64]:
        """Writes the whole matrix, a part at a time, and returns by how much it differs from the log-likelihoods
        that sampling gave [samples that have one], in nats."""
        count = len(self._wanted_KK)
        logprob_S = np.asarray(self._samples["logprob"].to_numpy(), dtype=np.float64)
        differences = [np.zeros(0)]
        with whole_file(self._run.path / LOGLIK_FILE) as file:
            shape = (self._samples.num_rows, count)
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            start = file.tell()
            nothing = np.full((1, count), np.nan, dtype="<f4").tobytes()
            for _ in range(shape[0]):
                file.write(nothing)
            for number, part in enumerate(self._plan):
                loglik_RK = np.load(self._parts.path(number), allow_pickle=False)
                first = part.checkpoints[0]
                for row, values in zip(part.rows.tolist(), loglik_RK.astype("<f4"), strict=True):
                    file.seek(start + 4 * (row * count + first))
                    file.write(values.tobytes())
                own_R = self._checkpoint_S[part.rows]
                for column, checkpoint in enumerate(part.checkpoints):
                    rows = part.rows[own_R == checkpoint]
                    differences.append(np.abs(loglik_RK[own_R == checkpoint, column] - logprob_S[rows]))
        difference_S = np.concatenate(differences)
        return difference_S[~np.isnan(difference_S)]

    def join_tables(self, name: str) -> None:
        """Writes the table of token log-likelihoods under a name that says what it holds."""
        schema = TOKEN_LOGLIK_SCHEMA.with_metadata({"scored": name})
        with table_writer(self._run.path / TOKEN_LOGLIK_FILE, schema) as writer:
            for number in range(len(self._plan)):
                writer.write_table(read_part(self._parts.path(number)).replace_schema_metadata(schema.metadata))

    def remove_parts(self) -> None:
        self._parts.remove()
