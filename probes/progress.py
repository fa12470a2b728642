"""How long work says where it stands: the interface that computing code of any room is handed."""

from typing import Protocol


class Progress(Protocol):
    """What computing code may say. A stage ends where the next one begins; `total` is None when unknown."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A new stage of `total` steps begins."""

    def advance(self, steps: int = 1) -> None:
        """Steps of the present stage are done."""

    def status(self, text: str) -> None:
        """Where the present stage stands, in place of what was said of it before."""

    def note(self, text: str) -> None:
        """One line the user should read, beside the bars."""


class Silent:
    """Says nothing."""

    def stage(self, name: str, total: int | None = None) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        pass

    def status(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass
