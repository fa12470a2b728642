"""Clients that do not wait as long as they would for real servers."""

import pytest


def hurry(monkeypatch: pytest.MonkeyPatch, read_seconds: float = 1.0) -> None:
    """For the length of a test: short waits before a retry, and so many seconds for an answer."""
    for provider in ("openai", "anthropic"):
        monkeypatch.setattr(f"{provider}._base_client.INITIAL_RETRY_DELAY", 0.01)
        monkeypatch.setattr(f"{provider}._base_client.MAX_RETRY_DELAY", 0.05)
    monkeypatch.setattr("tools.chat.sdk._READ_SECONDS", read_seconds)
