"""`rung watch`: a running campaign, live in a terminal of its own.

It only reads, so it may start, stop or hang without the campaign's noticing.
"""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from workflow.report.screen import errors_shown, summary_screen, waiting_lines
from workflow.report.summary import RungSummary, RunSummary, summarize
from workflow.report.time_spent import STAGE_NAMES, duration, time_spent
from workflow.run.folder import RunFolder
from workflow.run.launches import is_over, was_killed
from workflow.run.store.records import FinishedTask
from workflow.run.store.store import StoreReader
from workflow.run.stored_campaign import stored_campaign
from workflow.settings.campaign import Campaign

KILLED: Final = "the launch was killed: launch the campaign again to resume it"

_REFRESH_SECONDS = 1.0
# A large store is read less often, so that watching takes a sixth of a core at most.
_REST_PER_READING = 5.0
_RECENT_TASKS = 8
_RATE_SECONDS = 600.0


def watch(folder: RunFolder, console: Console) -> None:
    """Show a campaign until its launch ends, or until q or Ctrl-C; in a pipe, show it once.

    Raises
    ------
    StoreError
        The folder has no readable store.
    """
    if console.is_terminal:
        with suppress(KeyboardInterrupt):
            _follow(folder, console)
    console.print(summary_screen(summarize(folder), folder))
    if was_killed(folder):
        console.print(KILLED)


def _follow(folder: RunFolder, console: Console) -> None:
    first = _look(folder)
    with (
        _single_keys() as has_keys,
        Live(first, console=console, screen=True, auto_refresh=False) as live,
    ):
        while not is_over(folder):
            began = time.monotonic()
            live.update(_look(folder), refresh=True)
            reading = time.monotonic() - began
            if _quits(max(_REFRESH_SECONDS, _REST_PER_READING * reading), has_keys=has_keys):
                return


def _look(folder: RunFolder) -> RenderableType:
    now = time.time()
    with StoreReader.open(folder.store) as store:
        campaign = stored_campaign(store)
        recent = store.tasks.recent(now - _RATE_SECONDS, at_least=_RECENT_TASKS)
    return watch_screen(summarize(folder), campaign, recent, now=now)


def watch_screen(
    summary: RunSummary,
    campaign: Campaign,
    tasks: Sequence[FinishedTask],
    *,
    now: float,
) -> RenderableType:
    """Return one frame: rungs, rate, and the tasks that ended last.

    Parameters
    ----------
    tasks : sequence of FinishedTask
        In order of their end: the last few, and all that the rate is of.
    now : float
        Seconds since 1970-01-01 UTC.
    """
    rungs = Table(box=box.SIMPLE_HEAD)
    rungs.add_column("level", style="bold cyan")
    for heading in ("labels to train on", "", "held out", "failed", "waiting", "trainings"):
        rungs.add_column(heading, justify="right")
    for heading in ("energy MAE\nkcal/mol", "force MAE\nkcal/mol/Å"):
        rungs.add_column(heading, justify="right")
    for rung, planned in zip(summary.rungs, campaign.rungs, strict=True):
        rungs.add_row(*_rung_cells(rung, planned.budget.labels))
    busy = "-" if summary.busy_share is None else f"{summary.busy_share:.0%}"
    return Group(
        Text.assemble(
            (summary.name, "bold"), f"  {time.strftime('%H:%M:%S', time.localtime(now))}"
        ),
        rungs,
        Text(f"{_rate(tasks, now)}; workers busy until the last label: {busy}"),
        Text(_shares(summary)),
        *waiting_lines(summary),
        _recent(tasks, now),
        Text("q or Ctrl-C ends watching, not the campaign", style="dim"),
    )


def _rung_cells(rung: RungSummary, budget: int) -> tuple[RenderableType, ...]:
    held_out = rung.labels["held_out"]
    made = rung.labels.total() - held_out
    errors = rung.trainings[-1].errors if rung.trainings else None
    energy, _, force, *_ = errors_shown(errors)
    return (
        rung.level.name,
        ProgressBar(total=budget, completed=made, width=24),
        f"{made} of {budget}",
        str(held_out),
        str(rung.failures.total()),
        str(rung.waiting),
        str(sum(training.version > 0 for training in rung.trainings)),
        energy,
        force,
    )


def _shares(summary: RunSummary) -> str:
    """Say how CPU time divides, and how long workers had nothing to do."""
    spent = time_spent(summary.stages, summary.idle)
    shares = [f"{row.name} {row.cpu_share:.0%}" for row in spent if row.cpu_share]
    idle = [f"{row.name} {duration(row.worker_seconds)}" for row in spent if row.tasks is None]
    return "; ".join(part for part in ("CPU time: " + ", ".join(shares), ", ".join(idle)) if part)


def _rate(tasks: Sequence[FinishedTask], now: float) -> str:
    """Say how fast labels come, over the last ten minutes."""
    labels = [task.cost for task in tasks if task.kind == "label"]
    recent = [cost for cost in labels if cost.finished_at > now - _RATE_SECONDS]
    if not recent:
        return "no label in the last ten minutes"
    since = now - min(c.started_at for c in recent)
    return f"{60.0 * len(recent) / max(since, 1.0):.1f} labels per minute"


def _recent(tasks: Sequence[FinishedTask], now: float) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("ended", "what", "took", "worker"):
        table.add_column(heading, justify="right" if heading in ("ended", "took") else "left")
    shown = [task for task in tasks if task.kind in STAGE_NAMES]
    for task in reversed(shown[-_RECENT_TASKS:]):
        table.add_row(
            f"{duration(max(0.0, now - task.cost.finished_at))} ago",
            STAGE_NAMES[task.kind],
            duration(task.cost.finished_at - task.cost.started_at),
            task.cost.worker,
        )
    return table


@contextmanager
def _single_keys() -> Iterator[bool]:
    """Let the terminal hand on each key at once; False where there is no keyboard."""
    if not sys.stdin.isatty():
        yield False
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    try:
        tty.setcbreak(keyboard)
        yield True
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _quits(seconds: float, *, has_keys: bool) -> bool:
    """Wait, and say whether q was pressed meanwhile."""
    if not has_keys:
        time.sleep(seconds)
        return False
    keyboard = sys.stdin.fileno()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([keyboard], [], [], left)[0]:
            pressed = os.read(keyboard, 64)
            # Nothing to read although ready: the terminal is gone.
            if not pressed or b"q" in pressed.lower():
                return True
    return False
