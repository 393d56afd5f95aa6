"""Workers: the started pools of a backend, which run functions and promise their results."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from parsl.dataflow.dflow import DataFlowKernel
from parsl.executors import HighThroughputExecutor
from parsl.executors.errors import BadStateException
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.jobs.errors import TooManyJobFailuresError

from chemistry.errors import CampaignFailed, PoisonTask, RungError
from workflow.settings.backend import Backend, Role
from workflow.settings.pools.base import ClusterPool
from workflow.work.pools.config import job_file, parsl_config, priority
from workflow.work.pools.interchange import InterchangeLost, expect_interchange, watch_interchange
from workflow.work.pools.providers import is_running
from workflow.work.pools.schedulers import cancel_left_over_jobs, explained, scheduler_of
from workflow.work.pools.shell_safe import shell_safe
from workflow.work.pools.supervision import end_left_behind, run_supervised
from workflow.work.pools.watch_start import watch_start

T = TypeVar("T")

_SHUT_DOWN_SECONDS = 15.0
_LOOK_SECONDS = 0.05


class ParslWorkers:
    """The started pools; made by `start_workers`."""

    def __init__(self, kernel: DataFlowKernel, backend: Backend) -> None:
        self._kernel = kernel
        self._backend = backend

    def slots(self, role: Role) -> int:
        """Return how many tasks of a role run at once."""
        return self._backend.pool(role).slots

    def submit(
        self,
        role: Role,
        function: Callable[..., T],
        *arguments: Any,
        expected_seconds: float = 0.0,
    ) -> "Future[T]":
        """Queue `function(*arguments)`, importable and picklable, and promise its result.

        Trainings go before judgements, explorations and labels; within a role the longest goes
        first. The future raises what the function raised, PoisonTask if the task lost its worker
        again and again, CampaignFailed if the pool cannot run anything any more. Its callbacks run
        in a thread of Parsl's: they should only put it on a queue.
        """
        promise: Future[T] = Future()
        promise.set_running_or_notify_cancel()
        resources = {"priority": priority(role, expected_seconds)}
        pool = self._backend.pool_name(role)
        executor = self._kernel.executors[pool]
        future = self._kernel.submit(
            run_supervised,
            app_args=(function, arguments),
            executors=[pool],
            cache=False,
            ignore_for_cache=None,
            app_kwargs={"parsl_resource_specification": resources},
        )
        future.add_done_callback(lambda done: _keep_promise(promise, done, executor))
        return promise

    def explained(self, role: Role) -> str:
        """Return what a scheduler says of the jobs of a role's pool; nothing where there is none.

        Each is written " (job 17: PENDING Resources)".
        """
        pool = self._backend.pool_name(role)
        scheduler = scheduler_of(self._backend.pools[pool].kind)
        if scheduler is None:
            return ""
        jobs = list(self._kernel.executors[pool].job_ids_to_block)
        return "".join(f" (job {job}: {explained(scheduler, job)})" for job in jobs)


def _to_stderr(text: str) -> None:
    print(f"rung: {text}", file=sys.stderr)


@contextmanager
def start_workers(
    backend: Backend, run_folder: Path, report: Callable[[str], None] = _to_stderr
) -> Iterator[ParslWorkers]:
    """Start the pools of a backend; on leaving, however that happens, end all their processes.

    Where no worker of a pool answers, `report` is called once, in another thread, with the reason.
    Call it from the main thread: the kernel ends them when the thread that started them ends. To
    leave on SIGTERM, let a handler of it raise SystemExit.

    Raises
    ------
    InputError
        A pool needs a scheduler that this machine does not have.
    CampaignFailed
        Parsl cannot be started.
    """
    is_shared = any(isinstance(pool, ClusterPool) for pool in backend.pools.values())
    with shell_safe(run_folder, is_shared=is_shared) as safe_folder:
        yield from _started(backend, safe_folder, report)


def _started(
    backend: Backend, run_folder: Path, report: Callable[[str], None]
) -> Iterator[ParslWorkers]:
    cancel_left_over_jobs(job_file(run_folder))
    try:
        config = parsl_config(backend, run_folder)
        for executor in config.executors:
            expect_interchange(executor)
        kernel = DataFlowKernel(config)
    except RungError:
        raise
    except Exception as error:
        raise CampaignFailed(f"the workers cannot be started: {error}") from error
    executors = [e for e in kernel.executors.values() if isinstance(e, HighThroughputExecutor)]
    is_closing = threading.Event()
    for executor in executors:
        threading.Thread(target=watch_interchange, args=(executor, is_closing), daemon=True).start()
        threading.Thread(
            target=watch_start, args=(executor, is_closing, report), daemon=True
        ).start()
    try:
        yield ParslWorkers(kernel, backend)
    finally:
        is_closing.set()
        _shut_down(kernel, executors)
        end_left_behind()


def _keep_promise(
    promise: "Future[Any]", done: "Future[Any]", executor: HighThroughputExecutor
) -> None:
    error = done.exception()
    if error is None:
        promise.set_result(done.result())
        return
    told: BaseException = error
    if isinstance(error, (ManagerLost, WorkerLost)):
        told = PoisonTask(f"lost its worker again and again ({error})")
    elif isinstance(error, (BadStateException, TooManyJobFailuresError, InterchangeLost)):
        told = CampaignFailed(_why_unusable(executor))
    if told is not error:
        told.__cause__ = error
    promise.set_exception(told)


def _why_unusable(executor: HighThroughputExecutor) -> str:
    """Say why a pool can run nothing any more, with the last words of what failed."""
    pool = f"the workers of pool `{executor.label}`"
    if isinstance(executor.executor_exception, InterchangeLost):
        return f"{pool} are lost, for Parsl's interchange was killed: launch again to go on"
    newest_first = reversed(list(executor.status_facade.values()))
    # What a job wrote says more than what Parsl says of it, which may come first.
    for status in sorted(newest_first, key=lambda status: not status.stderr_summary):
        words = (status.stderr_summary or status.message or "").strip().splitlines()
        if words:
            where = f" (more in {status.stderr_path})" if status.stderr_path else ""
            return f"{pool} cannot be started, the last attempt said: {words[-1]}{where}"
    return f"{pool} cannot be started: {executor.executor_exception}"


def _shut_down(kernel: DataFlowKernel, executors: Sequence[HighThroughputExecutor]) -> None:
    """End all processes of the pools, even where Parsl hangs because one of them was killed."""
    clean_up = threading.Thread(target=kernel.cleanup, daemon=True)
    clean_up.start()
    clean_up.join(_SHUT_DOWN_SECONDS)
    deadline = time.monotonic() + _SHUT_DOWN_SECONDS
    for executor in executors:
        if executor.interchange_proc.poll() is None:
            executor.interchange_proc.kill()
        executor.interchange_proc.wait()
        jobs = list(executor.job_ids_to_block)
        executor.provider.cancel(jobs)
        while any(is_running(executor.provider, job) for job in jobs):
            if time.monotonic() > deadline:
                break
            time.sleep(_LOOK_SECONDS)
