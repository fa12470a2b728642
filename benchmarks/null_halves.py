"""How often `discover` finds something where nothing changed: one file of responses, split in halves at random.

    python -m benchmarks.null_halves FILE [--seeds 400] [--claim auto]

Half of each prompt's responses become "before", half "after", anew for each seed, and the whole discovery runs on
them. Counted are the seeds in which some order parameter is chosen and those in which the lower limit of the total
lies above 0. Finished seeds are kept in build/; after a kill the same command goes on.
"""

import argparse
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from agent.discovery import discover_run
from agent.scoring import scores_key
from agent.settings import DiscoverSettings, load
from benchmarks.blocks import Block, Result, run_blocks
from probes.measures.catalogue import CATALOGUE
from probes.scale import FloatArray
from runs.directory import Run
from runs.importing import import_rows
from runs.storing import ImportOptions
from tools.measuring import measure_texts

Claim = Literal["auto", "fixed", "random"]
FEWEST_RESPONSES = 2


@dataclass(frozen=True)
class Halves:
    """The work of one block: the discovery on the halves that the block's seed draws."""

    rows: tuple[tuple[str, str], ...]  # prompt and response
    values_NM: FloatArray  # of the measures of the catalogue, which need not be measured anew for each seed
    claim: Claim

    def __call__(self, block: Block) -> Result:
        before, after = self._split(np.random.default_rng(block.index))
        settings = load(DiscoverSettings, {"claim": self.claim, "seed": block.index, "processes": 1}, {})
        with tempfile.TemporaryDirectory() as folder:
            run = import_rows(before, after, Path(folder) / "run", ImportOptions(seed=block.index)).run
            self._store_values(run)
            report = discover_run(run, settings)
        chosen = [parameter.id for parameter in report.parameters]
        return {"chosen": chosen, "total_low": report.total.linear.low}

    def _store_values(self, run: Run) -> None:
        row_of = {response: n for n, (_, response) in enumerate(self.rows)}
        order_N = [row_of[response] for response in run.samples(["response"])["response"].to_pylist()]
        with run.locked():
            for measure, values_N in zip(CATALOGUE, self.values_NM[order_N].T, strict=True):
                run.store_scores(scores_key(f"code:{measure.id}", measure), values_N)

    def _split(self, generator: np.random.Generator) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        halves: tuple[list[dict[str, str]], list[dict[str, str]]] = ([], [])
        responses_of: dict[str, list[str]] = {}
        for prompt, response in self.rows:
            responses_of.setdefault(prompt, []).append(response)
        for prompt, responses in responses_of.items():
            shuffled = [responses[i] for i in generator.permutation(len(responses))]
            for i, response in enumerate(shuffled):
                halves[i % 2].append({"prompt": prompt, "response": response})
        return halves


def rows_of(file: Path) -> tuple[tuple[str, str], ...]:
    """Prompt and response of each row of a JSONL file whose prompt has at least two responses."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    pairs = [(row["prompt"], row["response"]) for row in rows]
    prompts = [prompt for prompt, _ in pairs]
    return tuple(pair for pair in pairs if prompts.count(pair[0]) >= FEWEST_RESPONSES)


def values_of(rows: Sequence[tuple[str, str]]) -> FloatArray:
    """Values [N, M] of all measures. A response that stands under two prompts would be ambiguous: refused."""
    prompts, responses = [prompt for prompt, _ in rows], [response for _, response in rows]
    if len(set(responses)) < len(set(rows)):
        raise SystemExit("the same response stands under two prompts: this study cannot tell them apart")
    return measure_texts(CATALOGUE, prompts, responses, processes=len(os.sched_getaffinity(0)))


def summary(results: dict[str, Result]) -> dict[str, Any]:
    """Counts over the seeds, and which parameters were chosen how often."""
    chosen: dict[str, int] = {}
    for result in results.values():
        for one in result["chosen"]:
            chosen[one] = chosen.get(one, 0) + 1
    return {
        "seeds": len(results),
        "something chosen": sum(bool(result["chosen"]) for result in results.values()),
        "lower limit of the total above 0": sum(result["total_low"] > 0 for result in results.values()),
        "chosen": dict(sorted(chosen.items(), key=lambda item: (-item[1], item[0]))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSONL with `prompt` and `response`, several responses a prompt")
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--claim", choices=("auto", "fixed", "random"), default="auto")
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    rows = rows_of(arguments.file)
    study = {"rows": hashlib.sha256(json.dumps(rows).encode()).hexdigest(), "claim": arguments.claim}
    journal = Path("build") / f"null_halves-{arguments.claim}-{study['rows'][:12]}.jsonl"
    blocks = [Block("halves", arguments.claim, seed) for seed in range(arguments.seeds)]
    results = run_blocks(
        blocks, Halves(rows, values_of(rows), arguments.claim), journal, study, expected_seconds={"halves": 4.0}
    )
    found = {"claim": arguments.claim, **summary({block.key: results[block.key] for block in blocks})}
    print(json.dumps(found, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
