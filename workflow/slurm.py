"""Jobs of a Slurm cluster for Parsl: noticed soon, remembered, and cancelled when left over."""

import math
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from parsl.launchers import SingleNodeLauncher, SrunLauncher
from parsl.providers import SlurmProvider

from chemistry.errors import InputError
from workflow.backend import SlurmPool

_COMMAND_SECONDS = 30


class SlurmJobs(SlurmProvider):  # type: ignore[misc] # Parsl has no types
    """SlurmProvider that notes its jobs in a file, so that a later launch can cancel them.

    A driver that is killed cannot cancel its jobs; they end by themselves only when their workers
    miss the driver, and those that wait in the queue only after they have begun.
    """

    def __init__(self, pool: SlurmPool, worker_init: str, noted: Path) -> None:
        self._noted = noted
        memory_gb = pool.memory_per_node_gb
        if memory_gb is None:
            memory_gb = math.ceil(pool.workers_per_node * pool.memory_per_task_gb)
        super().__init__(
            partition=pool.partition,
            account=pool.account,
            qos=pool.qos,
            constraint=pool.constraint,
            nodes_per_block=pool.nodes_per_job,
            cores_per_node=pool.cores_per_node,
            mem_per_node=memory_gb,
            init_blocks=1,
            min_blocks=0,
            max_blocks=pool.jobs,
            walltime=_hours_minutes_seconds(pool.walltime),
            scheduler_options="".join(f"#SBATCH {line}\n" for line in pool.scheduler_options),
            worker_init=worker_init,
            cmd_timeout=_COMMAND_SECONDS,
            exclusive=pool.exclusive,
            launcher=SingleNodeLauncher() if pool.nodes_per_job == 1 else SrunLauncher(),
        )

    def submit(self, command: str, tasks_per_node: int, job_name: str = "rung") -> str:
        """Submit a job and note its id."""
        job_id = str(super().submit(command, tasks_per_node, job_name))
        with self._noted.open("a") as file:
            file.write(f"{job_id}\n")
        return job_id

    def is_running(self, job_id: str) -> bool:
        """Return whether Slurm still has a job in its queue."""
        return job_id in _queued()

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two looks at the queue; Parsl's own minute is long for a lost job."""
        return 10


def require_slurm(name: str) -> None:
    """Raise InputError where pool `name` wants Slurm and this machine has none."""
    if shutil.which("sbatch") is None:
        raise InputError(
            f"pool `{name}` is of kind slurm, but there is no sbatch here: launch on a machine "
            f"that may submit jobs, or use a pool of kind local"
        )


def cancel_left_over_jobs(noted: Path) -> None:
    """Cancel the jobs that an earlier launch noted in a file and could not cancel."""
    with suppress(FileNotFoundError):
        left = _queued() & set(noted.read_text().split())
        if left:
            _run("scancel", *sorted(left))
        noted.unlink()


def _queued() -> set[str]:
    """Return the ids of this user's jobs that wait, run or are about to end."""
    return set(_run("squeue", "--me", "--noheader", "--format=%i").split())


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _hours_minutes_seconds(walltime: str) -> str:
    """Write "2-12:00:00" as "60:00:00", which is all that Parsl reads."""
    days, _, rest = walltime.rpartition("-")
    hours, minutes, seconds = rest.split(":")
    return f"{int(days or 0) * 24 + int(hours)}:{minutes}:{seconds}"
