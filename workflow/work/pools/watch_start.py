"""Say within a minute why no worker answers, in the words of what should have started one."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from parsl.executors import HighThroughputExecutor
from parsl.jobs.states import JobState, JobStatus

PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 1.0
_WAITING = (JobState.PENDING, JobState.HELD)
_WORDS = 300


def watch_start(
    executor: HighThroughputExecutor, is_closing: threading.Event, report: Callable[[str], None]
) -> None:
    """Wait until a pool's first worker answers; report it once where that takes too long.

    A job that its scheduler has not started is no trouble: only the time since then counts.
    """
    silent_since = time.monotonic()
    while not is_closing.wait(_LOOK_SECONDS):
        if executor.bad_state_is_set or executor.connected_managers():
            return
        statuses = list(executor.status_facade.values())
        if statuses and all(status.state in _WAITING for status in statuses):
            silent_since = time.monotonic()
        elif time.monotonic() - silent_since > PATIENCE_SECONDS:
            report(
                f"no worker of pool `{executor.label}` has answered for "
                f"{PATIENCE_SECONDS:.0f} s: {_words(executor, statuses)}"
            )
            return


def _words(executor: HighThroughputExecutor, statuses: Iterable[JobStatus]) -> str:
    """Return the last words of the newest start of workers, and where there are more."""
    for status in reversed(list(statuses)):
        words = (status.stderr_summary or status.message or "").split()
        if words:
            return f"the last start said: {' '.join(words)[-_WORDS:]}"
    logs, scripts = Path(executor.logdir), Path(executor.provider.script_dir or executor.logdir)
    # Of a start that still runs Parsl names no file: `.err` beside the script, `.stderr` of jobs.
    for file in [*_newest_first(scripts, "*err"), *_newest_first(logs, "manager.log")]:
        lines = [line for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
        if lines:
            return f"the last start said: {lines[-1][-_WORDS:]} (more in {file})"
    return (
        f"what should start it has written nothing; see {logs}, and whether a firewall keeps "
        "processes of this machine from each other"
    )


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.rglob(pattern), key=lambda path: -path.stat().st_mtime)
