"""From the machine file to Parsl's configuration."""

import math
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from parsl.config import Config
from parsl.dataflow.taskrecord import TaskRecord
from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.providers import LocalProvider

from workflow.backend import Backend, LocalPool, Pool, Role, SlurmPool
from workflow.leash import NOBODY, this_process
from workflow.slurm import SlurmJobs, require_slurm

_LOSSES_OF_A_POISON_TASK = 3
_LOOPBACK = "127.0.0.1"
_PARSL = "parsl.executors.high_throughput"
_URGENCY: tuple[Role, ...] = ("train", "judge", "explore", "label")
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
)


def priority(role: Role, expected_seconds: float) -> float:
    """Return Parsl's priority of a task, the lowest first: by role, then the longest task."""
    return _URGENCY.index(role) + 1.0 / (1.0 + max(0.0, expected_seconds))


def parsl_config(backend: Backend, run_folder: Path) -> Config:
    """Return Parsl's configuration of the pools that a backend's roles need."""
    names = dict.fromkeys(backend.pool_name(role) for role in get_args(Role))
    return Config(
        executors=[_executor(name, backend, run_folder) for name in names],
        retries=_LOSSES_OF_A_POISON_TASK - 1,
        retry_handler=_retry_cost,
        run_dir=str((run_folder / "logs" / "parsl").resolve()),
        # "htex_auto_scale" cancels queued jobs whenever there are fewer tasks than slots.
        strategy="simple",
        strategy_period=0.1,
        initialize_logging=False,
    )


def worker_environment(pool: Pool) -> str:
    """Return the shell lines that run before a pool's workers.

    They see the packages of this environment and nothing of the current folder or PYTHONPATH. The
    OpenBLAS in PySCF's wheel does not know new processors and would fall back to a kernel 2.5 times
    slower: it is told which one to take, where the processor has AVX2 and nobody has chosen.
    """
    return "\n".join(
        [
            f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
            "export PYTHONSAFEPATH=1",
            "unset PYTHONPATH PYTHONHOME",
            *(f"export {name}={pool.cores_per_task}" for name in _THREADS),
            # Parsl never starts more workers than this divided by the cores of one.
            *(
                [f"export PARSL_CORES={pool.slots * pool.cores_per_task}"]
                if isinstance(pool, LocalPool)
                else []
            ),
            "if grep -qw avx2 /proc/cpuinfo; then",
            '  export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-Haswell}"',
            "fi",
        ]
    )


def _executor(name: str, backend: Backend, run_folder: Path) -> HighThroughputExecutor:
    """Return Parsl's executor of a pool, its interchange and its workers on a leash."""
    pool = backend.pools[name]
    python = [sys.executable, "-E", "-P", "-m"]  # no PYTHONPATH, nothing of the current folder
    leash = [*python, "workflow.leash"]
    # A driver on another machine cannot be watched: there, workers miss its heartbeat.
    watched = this_process() if isinstance(pool, LocalPool) else NOBODY
    hold = shlex.join([*leash, "hold", watched, *python, f"{_PARSL}.process_worker_pool"])
    return HighThroughputExecutor(
        label=name,
        encrypted=True,  # else other users could send the workers something to run
        cores_per_worker=pool.cores_per_task,
        # The default gives up for good after one lost block.
        block_error_handler=windowed_error_handler,
        interchange_launch_cmd=[*leash, "tie", this_process(), *python, f"{_PARSL}.interchange"],
        launch_cmd=DEFAULT_LAUNCH_CMD.replace("process_worker_pool.py", hold, 1),
        **(
            _on_this_machine(pool)
            if isinstance(pool, LocalPool)
            else _on_slurm(name, pool, backend, run_folder)
        ),
    )


def _on_this_machine(pool: LocalPool) -> dict[str, Any]:
    """Return what is particular to workers on this machine: loopback alone, one block for all."""
    return {
        "address": _LOOPBACK,
        "max_workers_per_node": pool.slots,
        "heartbeat_period": 2,
        "heartbeat_threshold": 10,
        "provider": ThisMachine(
            init_blocks=1, min_blocks=1, max_blocks=1, worker_init=worker_environment(pool)
        ),
    }


def _on_slurm(name: str, pool: SlurmPool, backend: Backend, run_folder: Path) -> dict[str, Any]:
    """Return what is particular to workers in Slurm jobs."""
    require_slurm(name)
    return {
        "address": pool.address,
        "max_workers_per_node": pool.workers_per_node,
        "heartbeat_period": 15,
        "heartbeat_threshold": 60,
        "drain_period": int(backend.last_start_seconds(name)),
        "provider": SlurmJobs(
            pool,
            worker_init=f"{pool.worker_init}\n{worker_environment(pool)}",
            noted=slurm_job_file(run_folder),
        ),
    }


def slurm_job_file(run_folder: Path) -> Path:
    """Return the file that notes the Slurm jobs of a run."""
    return run_folder.resolve() / "logs" / "slurm-jobs.txt"


class ThisMachine(LocalProvider):  # type: ignore[misc] # Parsl has no types
    """LocalProvider that notices a lost pool within a second and needs no `ps` to end one."""

    def submit(self, command: str, tasks_per_node: int, job_name: str = "rung") -> str:
        """Start a pool's processes, in a process group of their own."""
        job_id = str(super().submit(command, tasks_per_node, job_name))
        with suppress(ProcessLookupError):
            self.resources[job_id]["process_group"] = os.getpgid(int(job_id))
        return job_id

    def cancel(self, job_ids: Sequence[str]) -> list[bool]:
        """Tell the processes of pools to end; `is_running` says when they have."""
        for job_id in job_ids:
            self.resources[job_id]["cancelled"] = True
            self._signal(job_id, signal.SIGTERM)
        return [True for _ in job_ids]

    def is_running(self, job_id: str) -> bool:
        """Return whether any process of a pool is left."""
        return self._signal(job_id, 0)

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two looks at the pools."""
        return 1

    def _signal(self, job_id: str, number: int) -> bool:
        try:
            os.killpg(self.resources[job_id]["process_group"], number)
        except (KeyError, ProcessLookupError):
            return False
        return True


def _retry_cost(error: Exception, _record: TaskRecord) -> float:
    """Try a task again where its worker was lost, never where it raised an exception of its own.

    The loss of a whole pool may be the fault of another task: it counts half.
    """
    if isinstance(error, WorkerLost):
        return 1.0
    return 0.5 if isinstance(error, ManagerLost) else math.inf
