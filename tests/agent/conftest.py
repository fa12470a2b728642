"""Fixtures of the tests of the agent."""

import pytest

from tests.agent.in_process import Here


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """Commands in this process."""
    return Here(capfd, monkeypatch)
