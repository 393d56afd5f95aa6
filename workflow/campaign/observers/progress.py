"""How a launch shows itself: a live line in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from chemistry.records.level import LevelOfTheory
from workflow.planning.keys import TaskKind
from workflow.planning.state import RungState
from workflow.settings.campaign import Campaign

_PLAIN_LINE_EVERY_SECONDS = 30.0


class Progress:
    """Shows how a campaign goes; a `with` block holds the live line."""

    def __init__(self, console: Console, campaign: Campaign) -> None:
        self._console = console
        self._campaign = campaign
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._started = time.monotonic()
        self._last_line = self._started

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def said(self, text: str) -> None:
        """Print something that happened, with the time since the launch."""
        self._console.print(f"{self._clock()}  {text}", markup=False)

    def saw(self, state: RungState, level: LevelOfTheory) -> None:
        """Show where the rung stands."""
        if self._console.is_terminal:
            self._live.update(self._table(state, level))
            return
        now = time.monotonic()
        if now - self._last_line >= _PLAIN_LINE_EVERY_SECONDS:
            self._last_line = now
            self.said(f"{level.name}: {self._labels(state)}; {_under_way(state)}")

    def _table(self, state: RungState, level: LevelOfTheory) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_row(f"[dim]{self._clock()}[/]", f"[bold cyan]{level.name}[/]", self._labels(state))
        grid.add_row("", "[dim]under way[/]", _under_way(state))
        grid.add_row("", "[dim]waiting[/]", f"{state.n_waiting} candidates")
        return grid

    def _labels(self, state: RungState) -> str:
        budget = self._campaign.rungs[state.index].budget.labels
        held_out = state.n_labels - state.n_training_labels
        text = f"{state.n_training_labels} of {budget} labels to train on, {held_out} held out"
        unusable = {"failed": state.n_failures, "refused": state.n_quarantined}
        return ", ".join([text, *(f"{n} {what}" for what, n in unusable.items() if n)])

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes:3d}:{seconds:02d}"


_SINGLE: Mapping[TaskKind, str] = {
    "train": "training",
    "evaluate": "evaluating the start",
    "judge": "judging",
    "grow": "looking for molecules",
}
_COUNTED: Mapping[TaskKind, str] = {
    "label": "labels",
    "check": "second opinions",
    "sample": "explorations",
}


def _under_way(state: RungState) -> str:
    n = state.in_flight
    counted = [f"{n[kind]} {name}" for kind, name in _COUNTED.items() if n[kind]]
    single = [name for kind, name in _SINGLE.items() if n[kind]]
    return ", ".join([*counted, *single]) or "nothing"
