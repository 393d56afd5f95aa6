"""Parsl's providers of the kinds of pools: they start the workers and end them.

Each is Parsl's own, whose jobs are also noted in a file (a driver that is killed cannot cancel
them), looked at more often than once a minute, and explained in the scheduler's own words.
"""

import inspect
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from parsl.jobs.states import JobStatus
from parsl.launchers import SingleNodeLauncher, SrunLauncher
from parsl.providers import KubernetesProvider, LocalProvider
from parsl.providers.base import ExecutionProvider
from parsl.providers.cluster_provider import ClusterProvider
from parsl.providers.errors import ExecutionProviderException

from chemistry.errors import InputError
from chemistry.names import nearest
from chemistry.registry import load
from workflow.settings.pools.base import ClusterPool, Scheduler
from workflow.settings.walltime import hours_minutes_seconds, walltime_seconds
from workflow.work.pools.schedulers import (
    COMMAND_SECONDS,
    note_job,
    queued_jobs,
    require_scheduler,
)

_POLLING_SECONDS = 10


class SubmissionRefused(Exception):
    """A job that could not be submitted, in the scheduler's own words."""


class _Words(ClusterProvider):  # type: ignore[misc] # Parsl has no types
    """Stands behind a provider of Parsl's and remembers what the scheduler complained of."""

    last_words = ""

    def execute_wait(self, cmd: str, timeout: float | None = None) -> tuple[int, str, str]:
        """Run a command of the scheduler's."""
        code, stdout, stderr = super().execute_wait(cmd, timeout)
        if code != 0:
            self.last_words = " ".join((stderr or stdout).split())
        return code, stdout, stderr


class _Jobs:
    """What is added to a provider of Parsl's that submits jobs of a pool of `kind`."""

    kind: str
    scheduler: Scheduler
    noted: Path
    resources: dict[str, dict[str, Any]]
    script_dir: str
    last_words: str

    def submit(self, command: str, tasks_per_node: int, job_name: str = "rung") -> str:
        """Submit a job and note its id; some of Parsl's providers only log a refusal."""
        self.last_words = ""
        try:
            job_id = super().submit(command, tasks_per_node, job_name)  # type: ignore[misc]
        except ExecutionProviderException as error:
            raise SubmissionRefused(self.last_words or str(error)) from error
        if not job_id:
            raise SubmissionRefused(self.last_words or "the scheduler named no job")
        note_job(self.noted, self.kind, job_id)
        self.resources[job_id]["name"] = job_name
        return str(job_id)

    def status(self, job_ids: Sequence[str]) -> list[JobStatus]:
        """Return what the scheduler says of jobs, and where their last words are."""
        statuses: list[JobStatus] = super().status(job_ids)  # type: ignore[misc]
        for job_id, status in zip(job_ids, statuses, strict=True):
            if status.stderr_path is None:
                name = self.resources[job_id]["name"]
                written = Path(self.script_dir).glob(f"*{name}.*stderr")
                status.stderr_path = next(map(str, written), None)
        return statuses

    def is_running(self, job_id: str) -> bool:
        """Return whether the scheduler still has a job in its queue."""
        return job_id in queued_jobs(self.scheduler)

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two looks at the queue; Parsl's own minute is long for a lost job."""
        return _POLLING_SECONDS


def _jobs_of(parsls: type[ClusterProvider]) -> type[ClusterProvider]:
    """Return Parsl's provider of a batch system with what `_Jobs` adds."""

    class Jobs(_Jobs, parsls, _Words):  # type: ignore[misc]
        """Jobs of one batch system."""

    return Jobs


class KubernetesPods(KubernetesProvider):  # type: ignore[misc]
    """Pods of Kubernetes that end: Parsl's are started again whenever they do, for ever."""

    active_seconds: int

    def _create_pod(self, *arguments: Any, **options: Any) -> None:
        create = self.kube_client.create_namespaced_pod

        def create_mortal(namespace: str, body: Any) -> Any:
            body.spec.restart_policy = "Never"
            body.spec.active_deadline_seconds = self.active_seconds
            return create(namespace=namespace, body=body)

        self.kube_client.create_namespaced_pod = create_mortal
        try:
            super()._create_pod(*arguments, **options)
        finally:
            self.kube_client.create_namespaced_pod = create

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two looks at the pods."""
        return _POLLING_SECONDS


class ThisMachine(LocalProvider):  # type: ignore[misc]
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


def cluster_provider(
    name: str, pool: ClusterPool, worker_init: str, noted: Path
) -> ExecutionProvider:
    """Return the provider of a pool whose jobs begin with `worker_init` and are noted in a file.

    Raises
    ------
    InputError
        This machine cannot submit such jobs, or an option is not one of Parsl's provider.
    """
    options = {
        "nodes_per_block": pool.nodes,
        "init_blocks": 1,
        "min_blocks": 0,
        "max_blocks": pool.jobs,
        "worker_init": worker_init,
    }
    parsls = load(pool.provider, f"Parsl's provider of pool `{name}`")
    if pool.scheduler is None:
        if parsls is not KubernetesProvider:
            return _construct(name, pool, parsls, parsls, options)
        _require_kubernetes(name)
        pods: KubernetesPods = _construct(name, pool, KubernetesPods, parsls, options)
        pods.active_seconds = int(walltime_seconds(pool.walltime))
        return pods
    require_scheduler(name, pool.kind, pool.scheduler)
    options |= {
        "walltime": hours_minutes_seconds(pool.walltime),
        "scheduler_options": pool.option_lines(),
        "cmd_timeout": COMMAND_SECONDS,
        "launcher": SingleNodeLauncher() if pool.nodes == 1 else SrunLauncher(),
    }
    jobs = _construct(name, pool, _jobs_of(parsls), parsls, options)
    jobs.kind, jobs.scheduler, jobs.noted = pool.kind, pool.scheduler, noted
    return jobs


def is_running(provider: ExecutionProvider, job_id: str) -> bool:
    """Return whether a job is known to be left; of other providers than these nothing is known."""
    return isinstance(provider, _Jobs | ThisMachine) and provider.is_running(job_id)


def _construct(
    name: str,
    pool: ClusterPool,
    kind: type[ExecutionProvider],
    parsls: type[ExecutionProvider],
    options: dict[str, Any],
) -> Any:
    """Make a provider from what all kinds share, what this one adds, and what a person adds."""
    place = f"pools.{name}.provider_options"
    known = set(inspect.signature(kind).parameters)
    for option in pool.provider_options:
        if option in options:
            raise InputError(f"{place}.{option}: rung sets this itself, from the pool's fields")
        if option not in known:
            free = sorted(known - options.keys())
            raise InputError(
                f"{place}.{option}: Parsl's {parsls.__name__} has no such option: "
                f"{nearest(option, free)}"
            )
    try:
        return kind(**options | pool.own_options | pool.provider_options)
    except Exception as error:  # of many types, and none that Parsl documents
        raise InputError(f"pools.{name}: Parsl does not take this: {error}") from error


def _require_kubernetes(name: str) -> None:
    try:
        import kubernetes  # noqa: F401
    except ImportError:
        raise InputError(
            f"pool `{name}` is of kind kubernetes, which needs a package that is not installed: "
            "pip install rung[kubernetes]"
        ) from None
