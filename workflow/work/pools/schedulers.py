"""The commands of batch systems: which jobs are left, what becomes of them, and their end."""

import getpass
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from chemistry.errors import InputError
from workflow.settings.pools import POOLS
from workflow.settings.pools.base import ClusterPool, Scheduler

COMMAND_SECONDS = 30
"""After which a scheduler that does not answer is given up."""

_WORDS = 300


def queued_jobs(scheduler: Scheduler) -> set[str]:
    """Return the ids of this user's jobs that wait, run or are about to end."""
    user = getpass.getuser()
    lines = _run(*(part.replace("{user}", user) for part in scheduler.queued)).splitlines()
    return {line.split()[0] for line in lines if line.strip()}


def explained(scheduler: Scheduler, job_id: str) -> str:
    """Return the scheduler's own words about a job, on one line."""
    words = " ".join(_run(*scheduler.explain, job_id).split())
    return words if len(words) <= _WORDS else f"{words[:_WORDS]} …"


def scheduler_of(kind: str) -> Scheduler | None:
    """Return the commands of a kind of pool; None where it has none, or there is no such kind."""
    pool = POOLS.get(kind)
    return pool.scheduler if pool is not None and issubclass(pool, ClusterPool) else None


def require_scheduler(name: str, kind: str, scheduler: Scheduler) -> None:
    """Raise InputError where pool `name` wants a scheduler that this machine does not have."""
    if shutil.which(scheduler.submit) is None:
        raise InputError(
            f"pool `{name}` is of kind {kind}, but there is no {scheduler.submit} here: launch on "
            "a machine that may submit jobs, or use a pool of kind local"
        )


def note_job(noted: Path, kind: str, job_id: str) -> None:
    """Note a job in a file, for `cancel_left_over_jobs`."""
    with noted.open("a") as file:
        file.write(f"{kind} {job_id}\n")


def cancel_left_over_jobs(noted: Path) -> None:
    """Cancel the jobs that an earlier launch noted in a file and could not cancel."""
    with suppress(FileNotFoundError):
        for kind, job_ids in _noted_jobs(noted.read_text().splitlines()).items():
            scheduler = scheduler_of(kind)
            if scheduler is None:  # the last line of a killed driver may be cut short
                continue
            left = queued_jobs(scheduler) & job_ids
            if left:
                _run(scheduler.cancel, *sorted(left))
        noted.unlink()


def _noted_jobs(lines: Iterable[str]) -> dict[str, set[str]]:
    jobs: dict[str, set[str]] = {}
    for line in lines:
        kind, _, job_id = line.partition(" ")
        if job_id:
            jobs.setdefault(kind, set()).add(job_id)
    return jobs


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout or done.stderr
