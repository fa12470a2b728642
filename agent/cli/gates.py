"""Gates for a pipeline: after the report, whether a lower limit is above what the user allows."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from agent.cli.ending import GATE, warn
from probes.errors import InputError

if TYPE_CHECKING:
    from agent.settings import Gate, OutputSettings
    from tools.report.document import Interval, Report


def require_below(report: "Report", output: "OutputSettings", dissimilarity: "Callable[[Gate], Interval]") -> None:
    """Ends the command with 3 where a limit is exceeded or could not be computed; every gate is looked at.

    dissimilarity: of what a gate names. Raises its InputError where no gate was exceeded and one could not be held
    to anything.
    """
    exceeded = False
    refused: list[InputError] = []
    if output.fail_above is not None:
        low = report.total.linear.low
        exceeded |= _is_above(f"--fail-above {output.fail_above:g}", "the total", low, output.fail_above)
    for gate in output.fail_if:
        try:
            low = dissimilarity(gate).low
        except InputError as error:
            refused.append(error)
        else:
            exceeded |= _is_above(str(gate), gate.name, low, gate.above)
    if exceeded:
        for one in refused:
            warn(str(one))
        raise typer.Exit(GATE)
    if refused:
        raise refused[0]


def _is_above(flag: str, what: str, low: float | None, most: float) -> bool:
    """Whether a lower limit is above `most`, or unknown; then says so."""
    if low is not None and low <= most:
        return False
    found = "could not be computed" if low is None else f"is {low:.3f}"
    warn(f"{flag}: the lower limit of the dissimilarity of {what} {found}")
    return True
