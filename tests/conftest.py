"""Fixtures shared by all rooms."""

import os
import warnings
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real responses around real transitions, named by ORDERPARAM_TEST_DATA; skips loudly without."""
    folder = os.environ.get("ORDERPARAM_TEST_DATA")
    if not folder:
        message = "ORDERPARAM_TEST_DATA is not set: tests against real responses are skipped"
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"ORDERPARAM_TEST_DATA names no folder: {folder}")
    return path
