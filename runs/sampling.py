"""Drawing the samples of a run: K checkpoints x prompts x draws, in parts that outlive a kill.

Source: Method, section 1: outputs are sampled at the full distribution, whose temperature is part of it.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from probes.errors import InputError
from probes.progress import Progress
from probes.prompt import Prompt
from runs.checkpoints import adapter_folders, open_checkpoints, outline_of
from runs.columns import WITHOUT_SPLIT
from runs.controls import PLACEHOLDER, Setup, setups_of, single_adapters, temperatures_of
from runs.directory import SAMPLES_STAGE, Run
from runs.engines import Drawn, Engine, Request
from runs.files import shown, write_table_whole
from runs.likelihood import require_numbers
from runs.manifest import Sampling, prompts_hash
from runs.models import LanguageModel
from runs.parts import Parts, read_part
from runs.sampling_settings import SampleSettings
from runs.schema import PROMPTS_SCHEMA

_PART_TOKENS = 32_768  # of a part, which a kill may cost
_PART_REQUESTS = (256, 1024)  # fewest and most of a part


def sample(run: Run, prompts: Sequence[Prompt], settings: SampleSettings, progress: Progress) -> None:
    """Draws the samples of a run that has none yet, and assigns their splits; after a kill it goes on.

    Raises InputError: no prompts, an id twice, a prompt too long for the model, a run without a model or with
    other samples; whatever the engine raises; InputError and OutsideError as `files`.
    """
    table = prompts_table(prompts, settings.system)
    setups = setups_of(run.manifest)
    require_fit(setups, run.manifest.control.name, table, settings)
    swept = any(setup.temperature is not None for setup in setups)
    sampling = Sampling(
        temperature=None if swept else settings.temperature,
        max_new_tokens=settings.max_new_tokens,
        seed=settings.seed,
        engine=settings.engine,
    )
    with run.locked():
        if run.manifest.has_done(SAMPLES_STAGE):
            _require_same(run, sampling, table, settings.draws)
            Parts(run, "samples", {}, "").remove()  # of a process that was killed after it had joined them
            progress.note("the samples are there already")
            return
        outline = outline_of(run)
        ids_KP = prompt_ids_each(table, outline, setups)
        _require_room(table, ids_KP, outline, settings.max_new_tokens)
        sampler = _Sampler(run, table, ids_KP, outline, settings)
        sampler.sample(progress)
        run.add_samples(table, sampler.tables(), sampling)
        sampler.remove_parts()


class Summary(TypedDict):
    """mean_tokens: of a response. cut: share of the responses that reached the length limit."""

    samples: int
    prompts: int
    checkpoints: int
    mean_tokens: float
    cut: float


def summary(run: Run) -> Summary:
    """What was drawn, for a run that has its samples."""
    samples = run.samples(["token_ids", "finish_reason"])
    return Summary(
        samples=samples.num_rows,
        prompts=run.manifest.prompts,
        checkpoints=len(run.manifest.control.values),
        mean_tokens=pc.mean(pc.list_value_length(samples["token_ids"])).as_py(),
        cut=pc.mean(pc.equal(samples["finish_reason"], "length")).as_py(),
    )


class _Sampler:
    """Parts are numbered checkpoint by checkpoint; within one, a sample is prompt x draws + draw."""

    def __init__(
        self,
        run: Run,
        prompts: pa.Table,
        ids_KP: Sequence[Sequence[tuple[int, ...]]],
        outline: LanguageModel,
        settings: SampleSettings,
    ) -> None:
        self._run, self._prompts, self._ids_KP = run, prompts, ids_KP
        self._outline, self._settings = outline, settings
        self._prompt_ids: list[str] = prompts["prompt_id"].to_pylist()
        fewest, most = _PART_REQUESTS
        self._part_size = min(most, max(fewest, _PART_TOKENS // settings.max_new_tokens))
        self._each = prompts.num_rows * settings.draws  # samples of a checkpoint
        self._parts_each = -(-self._each // self._part_size)
        self._parts = Parts(run, "samples", self._asked(), ".parquet")
        self.part_count = len(run.manifest.control.values) * self._parts_each

    def _asked(self) -> dict[str, object]:
        manifest = self._run.manifest
        return {
            **self._settings.model_dump(),
            "prompts": prompts_hash(self._prompts),
            "model": manifest.model,
            "checkpoints": [manifest.adapters, manifest.models, manifest.sweep, manifest.control.values],
            "files": {name: record.sha256 for name, record in manifest.files.items()},
            "part": self._part_size,
        }

    def sample(self, progress: Progress) -> None:
        """Draws the parts that are missing."""
        if self._parts.remove_others():
            progress.note("samples that were begun with other settings are dropped")
        missing = [number for number in range(self.part_count) if not self._parts.has(number)]
        if not missing:
            return
        progress.stage("load the model")
        engine = _engine(self._run, self._outline, self._settings)
        warnings = engine.start(list(dict.fromkeys(ids for ids_P in self._ids_KP for ids in ids_P)))
        for line in warnings:
            progress.note(line)
        if warnings:
            known = self._run.manifest.warnings
            new = [line for line in warnings if line not in known]
            self._run.record_stage("engine tried", warnings=[*known, *new])
        progress.stage("sample", len(self._run.manifest.control.values) * self._each)
        progress.advance(
            sum(len(self._rows(number)) for number in range(self.part_count) if number not in missing)
        )
        for number in missing:
            checkpoint, rows = number // self._parts_each, self._rows(number)
            drawn = engine.sample(checkpoint, [self._request(checkpoint, row) for row in rows])
            write_table_whole(self._parts.path(number), self._table(checkpoint, rows, drawn))
            progress.advance(len(rows))

    def tables(self) -> Iterator[pa.Table]:
        """The samples of all parts, in order."""
        for number in range(self.part_count):
            yield read_part(self._parts.path(number))

    def remove_parts(self) -> None:
        self._parts.remove()

    def _rows(self, number: int) -> range:
        start = number % self._parts_each * self._part_size
        return range(start, min(start + self._part_size, self._each))

    def _request(self, checkpoint: int, row: int) -> Request:
        prompt, draw = divmod(row, self._settings.draws)
        key = json.dumps([self._settings.seed, checkpoint, self._prompt_ids[prompt], draw])
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1
        return Request(self._ids_KP[checkpoint][prompt], seed)

    def _table(self, checkpoint: int, rows: Sequence[int], drawn: Sequence[Drawn]) -> pa.Table:
        records = []
        control = self._run.manifest.control
        for row, one in zip(rows, drawn, strict=True):
            require_numbers(one.logprob, f"{shown(control.name)} {shown(control.values[checkpoint])}")
            prompt, draw = divmod(row, self._settings.draws)
            records.append(
                {
                    "sample_id": f"{self._prompt_ids[prompt]}-{checkpoint}-{draw}",
                    "prompt_id": self._prompt_ids[prompt],
                    "checkpoint": checkpoint,
                    "draw": draw,
                    "response": self._outline.text(one.token_ids),
                    "token_ids": one.token_ids,
                    "finish_reason": one.finish_reason,
                    "logprob": one.logprob,
                }
            )
        return pa.Table.from_pylist(records, schema=WITHOUT_SPLIT)


def _engine(run: Run, outline: LanguageModel, settings: SampleSettings) -> Engine:
    temperature_K = temperatures_of(setups_of(run.manifest), settings.temperature)
    if settings.engine == "vllm":
        from runs.engines.vllm_engine import VllmEngine

        if run.manifest.models is not None:
            raise InputError(
                "--engine vllm serves adapters of one model; this run has whole models: use transformers"
            )
        return VllmEngine(outline, adapter_folders(run), temperature_K, settings.max_new_tokens)
    from runs.engines.transformers_engine import TransformersEngine

    return TransformersEngine(open_checkpoints(run, settings.device), temperature_K, settings.max_new_tokens)


# Prompts


def prompts_table(prompts: Sequence[Prompt], system: str | None) -> pa.Table:
    """The prompts as a run keeps them, the system prompt put before those that bring none of their own.

    Raises InputError for no prompts and for an id twice.
    """
    rows = []
    seen: set[str] = set()
    for prompt in prompts:
        if prompt.id in seen:
            raise InputError(f"the prompt id {shown(repr(prompt.id), 60)} stands there twice (--prompts)")
        seen.add(prompt.id)
        turns = list(prompt.messages) if prompt.messages else None
        if system is not None and not (turns and turns[0]["role"] == "system"):
            turns = [{"role": "system", "content": system}, *(turns or [{"role": "user", "content": prompt.text}])]
        messages = None if turns is None else json.dumps(turns, ensure_ascii=False)
        domain = prompt.domain or None
        rows.append({"prompt_id": prompt.id, "domain": domain, "prompt": prompt.text, "messages": messages})
    if not rows:
        raise InputError("there are no prompts to sample from (--prompts)")
    return pa.Table.from_pylist(rows, schema=PROMPTS_SCHEMA)


def prompt_ids_each(
    prompts: pa.Table, outline: LanguageModel, setups: Sequence[Setup]
) -> list[list[tuple[int, ...]]]:
    """Token ids of each prompt of a run at each checkpoint [K][P], up to where the response begins."""
    ids_P = {filled: prompt_token_ids(prompts, outline, filled) for filled in {one.filled for one in setups}}
    return [ids_P[setup.filled] for setup in setups]


def prompt_token_ids(
    prompts: pa.Table, outline: LanguageModel, filled: str | None = None
) -> list[tuple[int, ...]]:
    """Token ids of each prompt [P]. filled: stands in the place of PLACEHOLDER."""
    ids = []
    for row in prompts.to_pylist():
        text, messages = row["prompt"], None if row["messages"] is None else json.loads(row["messages"])
        if filled is not None:
            text = text.replace(PLACEHOLDER, filled)
            messages = messages and [
                {**turn, "content": turn["content"].replace(PLACEHOLDER, filled)} for turn in messages
            ]
        ids.append(tuple(outline.prompt_ids(text, messages)))
    return ids


# Refusals


def require_fit(setups: Sequence[Setup], name: str, prompts: pa.Table, settings: SampleSettings) -> None:
    """Raises InputError where the sampling is told a temperature that the control parameter (its name) is to
    decide, the engine cannot mix adapters, or a prompt has no place for the value that is filled in."""
    if settings.engine == "vllm":
        single_adapters(setups, name)
    if settings.temperature != 1 and any(setup.temperature is not None for setup in setups):
        raise InputError(
            f"--temperature {settings.temperature:g}: in this run the temperature is the control parameter"
        )
    if all(setup.filled is None for setup in setups):
        return
    for row in prompts.to_pylist():
        turns = [row["prompt"]] if row["messages"] is None else [t["content"] for t in json.loads(row["messages"])]
        if not any(PLACEHOLDER in text for text in turns):
            raise InputError(
                f"the prompt {shown(repr(row['prompt_id']), 60)} has no {PLACEHOLDER} to be filled in; write it "
                "into each prompt (--prompts FILE), or into the system prompt of all (--system)"
            )


def _require_room(
    prompts: pa.Table, ids_KP: Sequence[Sequence[tuple[int, ...]]], outline: LanguageModel, max_new_tokens: int
) -> None:
    length_P = [max(map(len, ids_K)) for ids_K in zip(*ids_KP, strict=True)]
    longest = max(range(len(length_P)), key=length_P.__getitem__)
    room = outline.context_length
    if room is not None and length_P[longest] + max_new_tokens > room:
        prompt_id = prompts["prompt_id"][longest].as_py()
        raise InputError(
            f"the prompt {shown(repr(prompt_id), 60)} has {length_P[longest]} tokens; with "
            f"{max_new_tokens} of the response (--max-new-tokens) that is more than the {room} the model can hold"
        )


def _require_same(run: Run, sampling: Sampling, prompts: pa.Table, draws: int) -> None:
    """Samples are drawn once: their splits are fixed, and reports were made from them."""
    manifest = run.manifest
    count = len(manifest.control.values) * prompts.num_rows * draws
    same_prompts = manifest.prompts_hash == prompts_hash(prompts)
    if not same_prompts or (manifest.sampling, manifest.samples) != (sampling, count):
        what = "settings" if same_prompts else "prompts"
        raise InputError(f"{shown(run.path)} holds samples already, drawn with other {what}; begin another run")
