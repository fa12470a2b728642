"""What a benchmark ran on, for its result."""

import os
import platform
from pathlib import Path

import numpy as np
import scipy


def machine() -> dict[str, object]:
    """Processor, cores this process may use, versions, and the load at this moment."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "load": [round(one, 1) for one in os.getloadavg()],
    }
