"""The public Python API: `import orderparam`; `python -m orderparam` is the command line.

report = orderparam.discover("before.jsonl", "after.jsonl", use_scores=True)
report.to_pandas()
"""

if __name__ == "__main__":
    from agent.cli import main

    main()  # ends the process: a command imports what it needs, when it needs it

from agent.api import DiscoveryReport, discover, measure
from probes.errors import InputError, OrderparamError, OutsideError
from runs.directory import Run

__all__ = ["DiscoveryReport", "InputError", "OrderparamError", "OutsideError", "Run", "discover", "measure"]
