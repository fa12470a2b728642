"""The long versions of the attacks.

python -m tests.torture --jobs 2         all of them, two at a time
python -m tests.torture inputs --count 500 --seed 7
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.torture import disk, documents, files, inputs, kills, pairs, places, secrets
from tests.torture.tally import Tally


@dataclass(frozen=True)
class Attack:
    """run: with how many cases, which seed, and an empty folder. count: of the long version."""

    run: Callable[[int, int, Path], Tally]
    count: int


ATTACKS = {
    "kills": Attack(kills.attack, 200),
    "inputs": Attack(inputs.attack, 10_000),
    "inputs-by-command": Attack(inputs.attack_by_command, 200),
    "documents": Attack(documents.attack, 2_000),
    "files": Attack(files.attack, 500),
    "disk": Attack(disk.attack, 40),
    "secrets": Attack(secrets.attack, len(secrets.leaks())),
    "places": Attack(places.attack, len(list(places.places()))),
    "pairs": Attack(pairs.attack, 20),
}
"""The longest first."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "attacks", nargs="*", metavar="ATTACK", help=f"of {', '.join(ATTACKS)}; all, if none is named"
    )
    parser.add_argument("--count", type=int, help="cases, instead of those of the long version")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="attacks at a time, each in a process of its own")
    options = parser.parse_args(arguments)
    unknown = set(options.attacks) - set(ATTACKS)
    if unknown:
        parser.error(f"no such attack: {', '.join(sorted(unknown))}; there are {', '.join(ATTACKS)}")
    names = options.attacks or list(ATTACKS)
    if len(names) == 1:
        return attacked(names[0], options)
    with ThreadPoolExecutor(options.jobs) as pool:
        return int(any(list(pool.map(lambda name: by_itself(name, options), names))))


def by_itself(name: str, options: argparse.Namespace) -> int:
    """One attack in a process of its own: the time of a case is bounded by a signal, which only a process gets."""
    count = [] if options.count is None else ["--count", str(options.count)]
    return subprocess.call([sys.executable, "-m", "tests.torture", name, "--seed", str(options.seed), *count])


def attacked(name: str, options: argparse.Namespace) -> int:
    """One attack; what became of it is printed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        tally = ATTACKS[name].run(options.count or ATTACKS[name].count, options.seed, Path(folder))
    told = f"{tally.tried} tried, {tally.taken} taken, {tally.refused} refused, {len(tally.failures)} failures"
    print(f"{name}: {told}, {time.monotonic() - began:.0f} s", flush=True)
    for failure in tally.failures[:50]:
        print(f"  {failure}", flush=True)
    return int(bool(tally.failures))


if __name__ == "__main__":
    sys.exit(main())
