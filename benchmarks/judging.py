"""What judging costs beside the model: throughput against a bare loop, memory, how fast a ledger is read again.

    python -m benchmarks.judging           about four minutes on two cores
    python -m benchmarks.judging --judgments 1000

Writes results/judging.json. A loopback server in a process of its own answers every call at once, so that all that
is left is the client's work. The bare loop keeps as many calls in flight through the same SDK, with texts made
beforehand, reads the JSON that comes back and keeps nothing. Both take turns in blocks; what counts is the median
of the blocks' ratios, of wall time and of the client's own CPU time, since other programs share the machine.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from probes.scale import YES_NO
from tests.servers.loopback import HttpReply, HttpRequest, LoopbackServer
from tools.chat.asking import Asker
from tools.chat.budget import Budget
from tools.chat.connect import connect
from tools.chat.interface import Request
from tools.chat.ledger import Ledger
from tools.chat.spec import parse_spec
from tools.judging.judge import WORKERS, Item, Judge
from tools.judging.template import load_template
from tools.judging.verdicts import Criterion

JUDGMENTS, BLOCKS = 10_000, 20
LEAST_THROUGHPUT = 0.8
PROVIDERS = ("openai", "anthropic")
CRITERIA = (1, 6)
SEED = 20250828
JUDGE_COMMAND = (sys.executable, "-m", "benchmarks.judging", "--judge")
"""What judges in a process of its own; followed by spec, folder and count."""
RESULTS = Path(__file__).parent / "results" / "judging.json"


# The server


def serve() -> None:
    """Answers every call at once, until standard input ends. Prints its address."""
    replies = {(provider, count): _reply(provider, count) for provider in PROVIDERS for count in CRITERIA}

    async def at_once(request: HttpRequest) -> HttpReply:
        provider = "anthropic" if request.path.startswith("/v1/messages") else "openai"
        return replies[provider, 6 if b'"c6"' in request.body else 1]

    with LoopbackServer(at_once) as server:
        print(server.address, flush=True)
        sys.stdin.read()


def _reply(provider: str, criteria: int) -> HttpReply:
    said = json.dumps({f"c{n + 1}": {"quote": "lorem ipsum dolor", "level": "yes"} for n in range(criteria)})
    body: dict[str, Any]
    if provider == "openai":
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 700, "completion_tokens": 40, "total_tokens": 740}
        body = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    else:
        usage = {"input_tokens": 700, "output_tokens": 40}
        body = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
        body |= {"content": [{"type": "text", "text": said}], "stop_sequence": None}
    return HttpReply(200, json.dumps({**body, "usage": usage}).encode())


class Server:
    """The server's process. Its model specs by provider."""

    def __enter__(self) -> dict[str, str]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.judging", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()
        return {"openai": f"openai:m@{address}/v1", "anthropic": f"anthropic:m@{address}"}

    def __exit__(self, *error: object) -> None:
        self._process.communicate()


# What is judged


def items_of(count: int, seed: int = SEED) -> list[Item]:
    """Answers of about 800 characters, all different."""
    rng = np.random.default_rng(seed)
    syllables = np.array(["ba", "ter", "mon", "li", "ca", "ro", "den", "su", "per ", "vi ", "tal ", "no "])
    return [
        Item(f"What about subject {n}?", f"{n} {''.join(rng.choice(syllables, size=300))}") for n in range(count)
    ]


def criteria_of(count: int) -> list[Criterion]:
    return [Criterion(f"Does the answer speak of subject {n}?", YES_NO) for n in range(count)]


# Two ways of judging


class Tool:
    """Judging as the program does it: ledger on disk, budget, checked verdicts."""

    def __init__(self, spec: str, folder: Path, criteria: int) -> None:
        self.ledger = Ledger.open(folder / "ledger.sqlite")
        self._asker = Asker(connect(parse_spec(spec), {}), self.ledger, Budget(self.ledger, "d1"), None)
        self._criteria = criteria_of(criteria)
        self.judge = Judge(self._asker, self.ledger, load_template(), salt="a run", per_call=criteria)

    async def __call__(self, items: Sequence[Item]) -> None:
        verdicts = await self.judge.judge(self._criteria, items)
        assert all(getattr(one, "level", None) == 1 for row in verdicts for one in row)

    def requests(self, items: Sequence[Item]) -> list[Request]:
        """What it sends, for the other way."""
        return [self.judge.request(self._criteria, item) for item in items]

    async def close(self) -> None:
        await self._asker.close()
        self.ledger.close()


class Bare:
    """The SDK's client and nothing else."""

    def __init__(self, spec: str) -> None:
        import anthropic
        import openai

        self._provider = parse_spec(spec).provider
        address = parse_spec(spec).endpoint
        self._openai = openai.AsyncOpenAI(api_key="none", base_url=address)
        self._anthropic = anthropic.AsyncAnthropic(api_key="none", base_url=address)

    async def __call__(self, requests: Sequence[Request]) -> None:
        waiting = list(requests)
        ask = self._ask_openai if self._provider == "openai" else self._ask_anthropic

        async def work() -> None:
            while waiting:
                request = waiting.pop()
                verdicts = json.loads(await ask(request))
                assert all(one["level"] == "yes" for one in verdicts.values())

        await asyncio.gather(*(work() for _ in range(WORKERS)))

    async def _ask_openai(self, request: Request) -> str:
        assert request.schema is not None
        wanted = {"name": "verdicts", "schema": request.schema.schema, "strict": True}
        completion = await self._openai.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": request.messages[0].text}],
            extra_body={
                "max_tokens": request.max_tokens,
                "temperature": 0.0,
                "logprobs": True,
                "top_logprobs": 20,
                "response_format": {"type": "json_schema", "json_schema": wanted},
            },
        )
        return completion.choices[0].message.content or ""

    async def _ask_anthropic(self, request: Request) -> str:
        assert request.schema is not None
        message = await self._anthropic.messages.create(
            model="m",
            max_tokens=request.max_tokens,
            messages=[{"role": "user", "content": request.messages[0].text}],
            extra_body={
                "temperature": 0.0,
                "output_config": {"format": {"type": "json_schema", "schema": request.schema.schema}},
            },
        )
        block = message.content[0]
        return block.text if block.type == "text" else ""

    async def close(self) -> None:
        await self._openai.close()
        await self._anthropic.close()


# Throughput


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """tool, bare: calls a second, by the median block. wall, cpu: the tool's throughput over the bare loop's,
    the median of the blocks' ratios, by wall time and by the client's CPU time; low, high: their quartiles."""

    provider: str
    criteria: int
    judgments: int
    calls: int
    tool: float
    bare: float
    wall: float
    wall_low: float
    wall_high: float
    cpu: float


async def timed(work: Awaitable[None]) -> Taken:
    gc.collect()
    began, used = time.perf_counter(), time.process_time()
    await work
    return Taken(time.perf_counter() - began, time.process_time() - used)


async def throughput(spec: str, criteria: int, judgments: int, folder: Path) -> Throughput:
    """Both ways in turns, over the same answers; the first block of each is not counted."""
    size = max(1, judgments // criteria // BLOCKS)
    items = items_of(size * (BLOCKS + 1))
    tool, bare = Tool(spec, folder, criteria), Bare(spec)
    pairs: list[tuple[Taken, Taken]] = []
    for block in range(BLOCKS + 1):
        part = items[block * size : (block + 1) * size]
        requests = tool.requests(part)
        if block % 2:
            ours = await timed(tool(part))
            plain = await timed(bare(requests))
        else:
            plain = await timed(bare(requests))
            ours = await timed(tool(part))
        pairs.append((ours, plain))
    del pairs[0]
    await tool.close()
    await bare.close()
    walls = [plain.wall / ours.wall for ours, plain in pairs]
    return Throughput(
        parse_spec(spec).provider,
        criteria,
        size * BLOCKS * criteria,
        size * BLOCKS,
        size / median(ours.wall for ours, _ in pairs),
        size / median(plain.wall for _, plain in pairs),
        median(walls),
        float(np.quantile(walls, 0.25)),
        float(np.quantile(walls, 0.75)),
        median(plain.cpu / ours.cpu for ours, plain in pairs),
    )


# Memory, and beginning again


@dataclass(frozen=True, slots=True)
class Memory:
    """resident: megabytes of a process after so many judgments. again: seconds until another process has all of
    them out of the ledger."""

    provider: str
    resident: dict[int, float]
    again: float


def remembered(spec: str, judgments: int) -> Memory:
    """What a process that judges reports, and then one that finds all of it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*JUDGE_COMMAND, spec, folder, str(judgments)]
        first, second = (json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in "ab")
    assert (first["sent"], second["sent"]) == (judgments, 0)
    resident = {int(count): size for count, size in first["resident"].items()}
    return Memory(parse_spec(spec).provider, resident, second["seconds"])


async def judged_alone(spec: str, folder: Path, judgments: int) -> dict[str, Any]:
    """Judges everything, a tenth at a time, and says what that took."""
    items = items_of(judgments)
    began = time.perf_counter()
    tool = Tool(spec, folder, 1)
    resident: dict[int, float] = {}
    step = judgments // 10
    for start in range(0, judgments, step):
        await tool(items[start : start + step])
        resident[start + step] = round(_resident(), 1)
    seconds = time.perf_counter() - began
    sent = tool.judge.asker.counts.done
    await tool.close()
    return {"resident": resident, "seconds": seconds, "sent": sent}


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


# Everything


def measured(judgments: int) -> tuple[list[Throughput], list[Memory]]:
    """All figures, each said as soon as it is there."""
    with Server() as specs:
        speeds, sizes = [], []
        for provider in PROVIDERS:
            for criteria in CRITERIA:
                with tempfile.TemporaryDirectory() as folder:
                    found = asyncio.run(throughput(specs[provider], criteria, judgments, Path(folder)))
                speeds.append(found)
                print(
                    f"{provider}, {criteria} criteria a call: {found.tool:.0f} calls a second, "
                    f"bare {found.bare:.0f}; ratio {found.wall:.2f} "
                    f"({found.wall_low:.2f} to {found.wall_high:.2f}), by CPU time {found.cpu:.2f}",
                    flush=True,
                )
            size = remembered(specs[provider], judgments)
            sizes.append(size)
            told = ", ".join(f"{one:.0f} MB after {count:,}" for count, one in size.resident.items())
            print(f"{provider}: {told}; all found again in {size.again:.2f} s", flush=True)
    return speeds, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judgments", type=int, default=JUDGMENTS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--judge", nargs=3, metavar=("SPEC", "FOLDER", "COUNT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
    elif given.judge:
        spec, folder, count = given.judge
        print(json.dumps(asyncio.run(judged_alone(spec, Path(folder), int(count)))))
    else:
        load = os.getloadavg()
        speeds, sizes = measured(given.judgments)
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
        versions = {name: version(name) for name in ("openai", "anthropic", "httpx2")}
        result = {
            "machine": {**machine, **versions, "load_before": load, "load_after": os.getloadavg()},
            "in_flight": WORKERS,
            "throughput": [asdict(one) for one in speeds],
            "memory": [asdict(one) for one in sizes],
        }
        given.out.write_text(json.dumps(result, indent=1) + "\n")
        if min(one.wall for one in speeds) < LEAST_THROUGHPUT:
            raise SystemExit(f"throughput is under {LEAST_THROUGHPUT:g} of a bare loop")


if __name__ == "__main__":
    main()
