"""How a launch shows itself: a live line in a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from chemistry.records.level import LevelOfTheory
from workflow.planning.keys import TaskKind
from workflow.planning.state import RungState
from workflow.planning.to_go import to_go
from workflow.report.time_spent import duration, to_go_text
from workflow.report.waits import said_if_long
from workflow.settings.campaign import Campaign

_PLAIN_LINE_EVERY_SECONDS = 30.0


class Progress:
    """Shows how a campaign goes; a `with` block holds the live line."""

    def __init__(self, console: Console, campaign: Campaign, *, slots: int = 1) -> None:
        self._console = console
        self._campaign = campaign
        self._slots = slots
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

    @contextmanager
    def during(self, text: str) -> Iterator[None]:
        """Show what is done inside, where there are no tasks to be shown."""
        if self._console.is_terminal:
            self._live.update(_Lasting(text))
            yield
            self._live.update("")
            return
        with said_if_long(self.said, f"{text} …"):
            yield

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
            text = f"{level.name}: {self._labels(state)}; {_under_way(state)}"
            self.said("; ".join(part for part in (text, self._to_go(state)) if part))

    def _table(self, state: RungState, level: LevelOfTheory) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_row(f"[dim]{self._clock()}[/]", f"[bold cyan]{level.name}[/]", self._labels(state))
        grid.add_row("", "[dim]under way[/]", _under_way(state))
        grid.add_row("", "[dim]waiting[/]", f"{state.n_waiting} candidates")
        grid.add_row(
            "", "[dim]forecast[/]", self._to_go(state) or "not known before there are labels"
        )
        return grid

    def _to_go(self, state: RungState) -> str:
        left = to_go(state, self._campaign, slots=self._slots)
        return "" if left is None else to_go_text(left, self._slots)

    def _labels(self, state: RungState) -> str:
        budget = self._campaign.rungs[state.index].budget.labels
        held_out = state.n_labels - state.n_training_labels
        text = f"{state.n_training_labels} of {budget} labels to train on, {held_out} held out"
        unusable = {"failed": state.n_failures, "refused": state.n_quarantined}
        return ", ".join([text, *(f"{n} {what}" for what, n in unusable.items() if n)])

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes:3d}:{seconds:02d}"


class _Lasting:
    """A text with the time since it was first shown, at each look at it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._began = time.monotonic()

    def __rich__(self) -> str:
        return f"[dim]{self._text} … {duration(time.monotonic() - self._began)}[/]"


_SINGLE: Mapping[TaskKind, str] = {
    "train": "training",
    "evaluate": "evaluating the start",
    "judge": "judging",
    "design": "designing the first labels",
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
