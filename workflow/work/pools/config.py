"""From the machine file to Parsl's configuration."""

import math
import shlex
import socket
import sys
from pathlib import Path
from typing import Any

from parsl.config import Config
from parsl.dataflow.taskrecord import TaskRecord
from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.providers import LocalProvider

from chemistry.errors import InputError
from workflow.settings.backend import Backend, Role
from workflow.settings.pools.base import ClusterPool, TaskPool
from workflow.settings.pools.local import LocalPool
from workflow.settings.pools.python import PythonPool
from workflow.work.lost_tries import LOSSES_OF_A_POISON_TASK
from workflow.work.pools.providers import ThisMachine, cluster_provider
from workflow.work.pools.python_file import executor_of_file
from workflow.work.pools.supervision import NOBODY, this_process

_LOOPBACK = "127.0.0.1"
_PARSL = "parsl.executors.high_throughput"
_URGENCY: tuple[Role, ...] = ("train", "judge", "explore", "large_label", "label")
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
    """Return Parsl's configuration of the pools that a backend's roles need.

    The path to the run folder is one that a shell takes as it is (`shell_safe`).
    """
    names = dict.fromkeys(map(backend.pool_name, backend.roles_in_use))
    return Config(
        executors=[_executor(name, backend, run_folder) for name in names],
        retries=LOSSES_OF_A_POISON_TASK - 1,
        retry_handler=_retry_cost,
        run_dir=str(run_folder.absolute() / "logs" / "parsl"),
        # "htex_auto_scale" cancels queued jobs whenever there are fewer tasks than slots.
        strategy="simple",
        strategy_period=0.1,
        initialize_logging=False,
    )


def worker_environment(pool: TaskPool) -> str:
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
    """Return Parsl's executor of a pool, its interchange and its workers, supervised."""
    pool = backend.pools[name]
    environment = worker_environment(pool)
    if isinstance(pool, PythonPool):
        executor = executor_of_file(name, pool)
        provider = executor.provider
        provider.worker_init = f"{getattr(provider, 'worker_init', '')}\n{environment}\n"
        executor.interchange_launch_cmd = _interchange_command()
        executor.launch_cmd = _worker_command(is_here=isinstance(provider, LocalProvider))
        return executor
    if isinstance(pool, LocalPool):
        own = _on_this_machine(pool, environment)
    elif isinstance(pool, ClusterPool):
        own = _on_cluster(name, pool, backend, environment, run_folder)
    else:
        raise TypeError(f"nothing says how workers of kind {pool.kind} are started")
    return HighThroughputExecutor(
        label=name,
        encrypted=True,  # else other users could send the workers something to run
        cores_per_worker=pool.cores_per_task,
        # The default gives up for good after one lost block.
        block_error_handler=windowed_error_handler,
        interchange_launch_cmd=_interchange_command(),
        launch_cmd=_worker_command(is_here=isinstance(pool, LocalPool)),
        **own,
    )


def _python() -> list[str]:
    """Return how Python is started: no PYTHONPATH, nothing of the current folder."""
    return [sys.executable, "-E", "-P", "-m"]


def _interchange_command() -> list[str]:
    supervisor = [*_python(), "workflow.work.pools.supervision", "tie", this_process()]
    return [*supervisor, *_python(), f"{_PARSL}.interchange"]


def _worker_command(*, is_here: bool) -> str:
    # A driver on another machine cannot be watched: there, workers miss its heartbeat.
    supervisor = [
        *_python(),
        "workflow.work.pools.supervision",
        "hold",
        this_process() if is_here else NOBODY,
    ]
    hold = shlex.join([*supervisor, *_python(), f"{_PARSL}.process_worker_pool"])
    # Parsl fills in the command's fields in two rounds: a brace in the path of Python is no field.
    for brace in "{}":
        hold = hold.replace(brace, 4 * brace)
    return str(DEFAULT_LAUNCH_CMD).replace("process_worker_pool.py", hold, 1)


def _on_this_machine(pool: LocalPool, environment: str) -> dict[str, Any]:
    """Return what is particular to workers on this machine: loopback alone, one block for all."""
    return {
        "address": _LOOPBACK,
        "max_workers_per_node": pool.slots,
        "heartbeat_period": 2,
        "heartbeat_threshold": 10,
        "provider": ThisMachine(init_blocks=1, min_blocks=1, max_blocks=1, worker_init=environment),
    }


def _on_cluster(
    name: str, pool: ClusterPool, backend: Backend, environment: str, run_folder: Path
) -> dict[str, Any]:
    """Return what is particular to workers in jobs of a cluster."""
    _require_own_address(name, pool.address)
    provider = cluster_provider(
        name, pool, f"{pool.worker_init}\n{environment}", job_file(run_folder)
    )
    if backend.roles_of(name) == ["large_label"]:
        provider.init_blocks = 0  # often nothing needs it
    return {
        "address": pool.address,
        "max_workers_per_node": pool.workers_per_node,
        "available_accelerators": [str(gpu) for gpu in range(pool.gpus_per_node)],
        "heartbeat_period": 15,
        "heartbeat_threshold": 60,
        "drain_period": int(backend.last_start_seconds(name)),
        "provider": provider,
    }


def _require_own_address(name: str, address: str | None) -> None:
    """Refuse an address that is not this machine's: Parsl would try it for two minutes."""
    if address is None:
        return
    try:
        family, *_, where = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as trial:
            trial.bind(where)
    except OSError as error:
        raise InputError(
            f"pools.{name}.address: {address} is not an address of this machine "
            f"({error.strerror}): name one that `ip address` shows, or leave it out"
        ) from error


def job_file(run_folder: Path) -> Path:
    """Return the file that notes the jobs of a run on clusters."""
    return run_folder.resolve() / "logs" / "jobs.txt"


def _retry_cost(error: Exception, _record: TaskRecord) -> float:
    """Try a task again where its worker was lost, never where it raised an exception of its own.

    The loss of a whole pool may be the fault of another task: it counts half.
    """
    if isinstance(error, WorkerLost):
        return 1.0
    return 0.5 if isinstance(error, ManagerLost) else math.inf
