"""A real browser for tests of pages: Debian's or any other Chromium, spoken to over its own debugging protocol.

Tests that ask for the fixture `browser` (tests/tools/report/test_page.py) skip where there is none, and say so.
"""

import itertools
import json
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.request import ProxyHandler, Request, build_opener

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_PATIENCE = 30.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-port=0",
)


def chromium() -> str | None:
    """Where a Chromium lies; None without one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page of a headless Chromium. errors: all that its console, its policy or a script complained of."""

    def __init__(self, program: str, folder: Path) -> None:
        self.errors: list[str] = []
        self._numbers = itertools.count(1)
        self._process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._closing = ExitStack()
        self._socket = self._connected(folder / "DevToolsActivePort")
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        self._process.terminate()
        self._process.wait(_PATIENCE)

    def _connected(self, file: Path) -> ClientConnection:
        end = time.monotonic() + _PATIENCE
        while not (file.is_file() and "\n" in file.read_text()):
            assert time.monotonic() < end, "the browser did not start"
            time.sleep(0.05)
        port = file.read_text().splitlines()[0]
        request = Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")
        with build_opener(ProxyHandler({})).open(request, timeout=_PATIENCE) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        return self._closing.enter_context(connect(address, max_size=None, proxy=None))

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command; events that came before it are kept as errors where they are some."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=_PATIENCE))
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"])[:1000])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"][:1000])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(str(params["args"])[:1000])
        elif method in ("Page.javascriptDialogOpening", "Page.windowOpen", "Page.frameRequestedNavigation"):
            self.errors.append(f"{method}: {params}"[:1000])
        return message

    def goto(self, page: Path, *, width: int = 1100, height: int = 900, dark: bool = False) -> None:
        """Opens a file at a window's width, and waits until it is there."""
        self.errors.clear()
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Page.navigate", url=page.resolve().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, which may be a promise. An exception of it fails the test."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")
