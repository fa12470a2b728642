"""What every command works with: the session, the screen, and the person's word on what an act may cost."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.repl.acts import found
from agent.repl.reading_views import View, told
from agent.repl.screen import Screen
from agent.repl.session import Session
from agent.settings import ReplSettings
from agent.state import CandidateState, DiscoveryState
from agent.workbench import Workbench
from probes.errors import InputError
from probes.words import count

if TYPE_CHECKING:
    from agent.repl.prices import Expense

Ask = Callable[[str], bool]
"""Asks a person yes or no."""


@dataclass(frozen=True, eq=False)
class Desk:
    """ask: None where nobody can be asked. yes: everything is confirmed beforehand."""

    session: Session
    screen: Screen
    settings: ReplSettings
    ask: Ask | None = None
    yes: bool = False

    @property
    def state(self) -> DiscoveryState:
        return self.session.state

    @property
    def bench(self) -> Workbench:
        return self.session.bench

    def show(self, view: View) -> None:
        self.screen.show(view)

    def say(self, *sentences: str) -> None:
        self.screen.show(told(*sentences))

    def greet(self) -> None:
        """Says what is guided, where it stands, and what must be known before any number."""
        bench, state = self.bench, self.state
        layout, size = bench.comparison.layout, len(state.get("chosen", []))
        self.say(
            f"{bench.name} of run {bench.run.manifest.name}: {count(layout.samples, 'sample')} of "
            f"{count(layout.prompts, 'prompt')}; {size} in the set, round {state['round']}",
            *bench.comparison.alerts,
            *bench.comparison.warnings,
        )

    def named(self, wanted: str, usage: str) -> CandidateState:
        """The candidate that was named. InputError where none was."""
        if not wanted:
            raise InputError(f"which one? {usage}")
        return found(self.state, wanted)

    def require_word(self, expense: "Expense") -> None:
        """Raises InputError unless what an act may cost is small, or confirmed."""
        if self.yes or not expense.needs_a_word(self.settings.confirm_above):
            return
        if self.ask is None:
            raise InputError(f"{expense}: more than --confirm-above lets pass; --yes confirms it")
        with self.waiting():
            confirmed = self.ask(f"{expense}. Go on?")
        if not confirmed:
            raise InputError("not done")

    def waiting(self) -> AbstractContextManager[None]:
        """Around what waits for a person: that takes none of the budget of minutes."""
        judgments = self.bench.judgments
        return nullcontext() if judgments is None else judgments.models.budget.waiting()

    def paid(self) -> str:
        """What language models took by now, in a few words; nothing where there are none."""
        judgments = self.bench.judgments
        if judgments is None:
            return ""
        spent = judgments.models.budget.spent
        cost = "cost unknown" if spent.cost is None else f"${spent.cost:,.4f}"
        return f"{spent.calls:,} calls, {cost}"
