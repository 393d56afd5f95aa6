"""The commands of batch systems: which jobs are left, what becomes of them, and their end."""

import getpass
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chemistry.errors import InputError

COMMAND_SECONDS = 30
"""After which a scheduler that does not answer is given up."""

_WORDS = 300


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    """The commands of a batch system.

    Attributes
    ----------
    submit, cancel : str
        Submits a script; cancels the jobs whose ids follow.
    queued : tuple of str
        Lists this user's jobs that wait, run or are about to end, an id first in each line.
    explain : tuple of str
        Says what the scheduler thinks of the job whose id follows.
    """

    submit: str
    cancel: str
    queued: tuple[str, ...]
    explain: tuple[str, ...]

    def queued_jobs(self) -> set[str]:
        """Return the ids of this user's jobs that wait, run or are about to end."""
        lines = _run(*self.queued).splitlines()
        return {line.split()[0] for line in lines if line.strip()}

    def explained(self, job_id: str) -> str:
        """Return the scheduler's own words about a job, on one line."""
        words = " ".join(_run(*self.explain, job_id).split())
        return words if len(words) <= _WORDS else f"{words[:_WORDS]} …"


SCHEDULERS = {
    "slurm": Scheduler(
        submit="sbatch",
        cancel="scancel",
        queued=("squeue", "--me", "--noheader", "--format=%i"),
        explain=("squeue", "--noheader", "--format=%T %r", "--jobs"),
    ),
    "pbs": Scheduler(
        submit="qsub",
        cancel="qdel",
        queued=("qselect", "-u", getpass.getuser()),
        explain=("qstat", "-s"),
    ),
    "lsf": Scheduler(
        submit="bsub",
        cancel="bkill",
        queued=("bjobs", "-noheader", "-o", "jobid"),
        explain=("bjobs", "-p"),
    ),
    "sge": Scheduler(
        submit="qsub", cancel="qdel", queued=("qstat",), explain=("qstat", "-s", "a", "-j")
    ),
    "htcondor": Scheduler(
        submit="condor_submit",
        cancel="condor_rm",
        queued=("condor_q", "-autoformat:j", "JobStatus"),
        explain=("condor_q", "-better-analyze"),
    ),
}
"""By the kind of the pool; Kubernetes has no commands of this sort."""


def require_scheduler(name: str, kind: str) -> None:
    """Raise InputError where pool `name` wants a scheduler that this machine does not have."""
    command = SCHEDULERS[kind].submit
    if shutil.which(command) is None:
        raise InputError(
            f"pool `{name}` is of kind {kind}, but there is no {command} here: launch on a machine "
            f"that may submit jobs, or use a pool of kind local"
        )


def note_job(noted: Path, kind: str, job_id: str) -> None:
    """Note a job in a file, for `cancel_left_over_jobs`."""
    with noted.open("a") as file:
        file.write(f"{kind} {job_id}\n")


def cancel_left_over_jobs(noted: Path) -> None:
    """Cancel the jobs that an earlier launch noted in a file and could not cancel."""
    with suppress(FileNotFoundError):
        jobs = _noted_jobs(noted.read_text().splitlines())
        for kind, job_ids in jobs.items():
            scheduler = SCHEDULERS[kind]
            left = scheduler.queued_jobs() & job_ids
            if left:
                _run(scheduler.cancel, *sorted(left))
        noted.unlink()


def _noted_jobs(lines: Iterable[str]) -> dict[str, set[str]]:
    jobs: dict[str, set[str]] = {}
    for line in lines:
        kind, _, job_id = line.partition(" ")
        if kind in SCHEDULERS and job_id:  # the last line of a killed driver may be cut short
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
