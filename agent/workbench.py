"""What the nodes of the graph work with and never store: the opened run, its arrays, the settings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.comparison import Comparison
from agent.progress import Progress
from agent.scoring import Scores
from agent.settings import DiscoverSettings
from agent.state import CandidateState
from probes.scale import IntArray
from runs.directory import Run

if TYPE_CHECKING:
    from agent.judgments import Judgments


@dataclass(frozen=True, eq=False)
class Workbench:
    """Handed to the graph as its context; opened by the discovery. `name`: the discovery's, its folder's too."""

    run: Run
    comparison: Comparison
    scores: Scores
    settings: DiscoverSettings
    progress: Progress
    name: str = ""

    def named(self, name: str) -> "Workbench":
        return replace(self, name=name)

    def judged_by(self, judgments: "Judgments") -> "Workbench":
        """The same with a language model as judge."""
        return replace(self, scores=replace(self.scores, judgments=judgments))

    @property
    def judgments(self) -> "Judgments | None":
        """What a language model judges; None where none does."""
        return self.scores.judgments

    def levels(self, candidates: Sequence[CandidateState], row_R: IntArray | None = None) -> IntArray:
        """Levels [R, J] of the candidates on these rows of the comparison, or on all."""
        return self.scores.levels(candidates, row_R)
