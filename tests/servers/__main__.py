"""Serves the simulated reader until it is interrupted, so that `orderparam` can be tried against it by hand.

    python -m tests.servers [--port N] [--delay SECONDS] [--faults SHARE]

Prints a model spec of each protocol first, and at its end how many requests came in and how many of them differed.
"""

import argparse
import signal
import threading

from tests.servers.chat import ChatServer
from tests.servers.faults import Faults
from tests.servers.reader import ReaderWithControl


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description="Serve the simulated reader.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that are answered wrongly")
    given = parser.parse_args()
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    faults = Faults(given.faults)
    with ChatServer(ReaderWithControl(), faults=faults, delay=given.delay, port=given.port) as server:
        print(f"openai:reader@{server.openai}", flush=True)
        print(f"anthropic:reader@{server.anthropic}", flush=True)
        ended.wait()
        requests, distinct = sum(server.distinct.values()), len(server.distinct)
        print(f"{requests} requests, {distinct} of them different; wrong on purpose: {dict(faults.done)}")


if __name__ == "__main__":
    main()
