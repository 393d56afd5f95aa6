"""Pools of workers as a machine file describes them: one small class for each kind of machine.

A kind of cluster is its fields and `provider_options`, what they mean to Parsl's provider of that
kind. Nothing here imports Parsl: `workflow/providers.py` makes the providers.
"""

import math
import os
import re
from abc import abstractmethod
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

import psutil
from pydantic import AfterValidator, Field, JsonValue, model_validator

from workflow.yaml_file import StrictModel

_WALLTIME = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")
_BYTES_PER_GB = 1e9


def walltime_seconds(walltime: str) -> float:
    """Return the seconds in "1:30:00" or "2-12:00:00" (days-hours:minutes:seconds).

    Raises
    ------
    ValueError
        Anything else, zero included.
    """
    match = _WALLTIME.fullmatch(walltime.strip())
    if match is None:
        raise ValueError(f'a walltime is written "hours:minutes:seconds", not `{walltime}`')
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    if total == 0:
        raise ValueError("a walltime of zero leaves no time for anything")
    return total


def hours_minutes_seconds(walltime: str) -> str:
    """Write "2-12:00:00" as "60:00:00", which is all that Parsl reads."""
    minutes, seconds = divmod(int(walltime_seconds(walltime)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _checked_walltime(walltime: str) -> str:
    walltime_seconds(walltime)
    return walltime


def _one_line(text: str) -> str:
    if not text.strip() or "\n" in text:
        raise ValueError("each option is one line")
    return text


Walltime: TypeAlias = Annotated[str, AfterValidator(_checked_walltime)]
Line: TypeAlias = Annotated[str, AfterValidator(_one_line)]


class _Tasks(StrictModel):
    """What one task of a pool gets."""

    cores_per_task: int = Field(default=1, ge=1, description="Threads of one task.")
    memory_per_task_gb: float = Field(default=4.0, gt=0, description="Hard limit of one task.")


class LocalPool(_Tasks):
    """Workers on the machine that `rung launch` runs on."""

    kind: Literal["local"] = "local"
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto", description="Tasks at once; auto: as many as cores and memory allow."
    )

    @property
    def slots(self) -> int:
        """How many tasks run at once."""
        if self.workers != "auto":
            return self.workers
        by_cores = len(os.sched_getaffinity(0)) // self.cores_per_task
        total_gb = psutil.virtual_memory().total / _BYTES_PER_GB
        return max(1, min(by_cores, int(total_gb / self.memory_per_task_gb)))

    def smallest(self) -> Self:
        """Return this pool with one worker, to try it."""
        return self.model_copy(update={"workers": 1})


class ClusterPool(_Tasks):
    """Workers in jobs of a cluster, whose machines see the run folder and this Python."""

    directive: ClassVar[str]
    """What begins a line with an option in the scheduler's job script."""

    walltime: Walltime = Field(description="Of one job; write it in quotes.")
    jobs: int = Field(default=1, ge=1, description="Jobs at once, at most.")
    cores_per_node: int = Field(ge=1, description="Cores that a job takes of each node.")
    memory_per_node_gb: int | None = Field(
        default=None, ge=1, description="Memory of each node; default: what its tasks need."
    )
    gpus_per_node: int = Field(
        default=0, ge=0, description="GPUs of each node; each task then sees one of its own."
    )
    address: str | None = Field(
        default=None,
        description="Of this machine, as the nodes reach it; default: each one it has is tried.",
    )
    worker_init: str = Field(
        default="", description="Shell lines that run first in a job: module load, …"
    )
    scheduler_options: tuple[Line, ...] = Field(
        default=(), description="More lines of options for the scheduler: --mail-type=END, …"
    )
    provider_options: dict[str, JsonValue] = Field(
        default={}, description="More options of Parsl's provider of this kind, handed on as is."
    )

    @model_validator(mode="after")
    def _room_for_a_task(self) -> Self:
        if self.cores_per_task > self.cores_per_node:
            raise ValueError("cores_per_task must not exceed cores_per_node")
        if self.workers_per_node == 0:
            raise ValueError("memory_per_task_gb must not exceed memory_per_node_gb")
        return self

    @property
    def nodes(self) -> int:
        """How many nodes a job takes."""
        return 1

    @property
    def workers_per_node(self) -> int:
        """How many tasks run at once on a node."""
        most = self.cores_per_node // self.cores_per_task
        if self.memory_per_node_gb is not None:
            most = min(most, int(self.memory_per_node_gb / self.memory_per_task_gb))
        return min(most, self.gpus_per_node or most)

    @property
    def slots(self) -> int:
        """How many tasks run at once when all jobs run."""
        return self.workers_per_node * self.nodes * self.jobs

    @property
    def node_memory_gb(self) -> int:
        """What a job asks for on each node."""
        return self.memory_per_node_gb or math.ceil(self.workers_per_node * self.memory_per_task_gb)

    def smallest(self) -> Self:
        """Return this pool with one job, to try it."""
        return self.model_copy(update={"jobs": 1})

    @property
    @abstractmethod
    def own_options(self) -> dict[str, Any]:
        """What the fields of this kind alone mean to Parsl's provider."""

    def own_lines(self) -> list[str]:
        """Return the scheduler's options for which Parsl's provider has no parameter."""
        return []

    def option_lines(self) -> str:
        """Return the options of the job script, this kind's and the person's."""
        lines = [*self.own_lines(), *self.scheduler_options]
        return "".join(f"{self.directive} {line}\n".lstrip() for line in lines)


class SlurmPool(ClusterPool):
    """Workers in jobs of a Slurm cluster."""

    directive = "#SBATCH"

    kind: Literal["slurm"] = "slurm"
    nodes_per_job: int = Field(default=1, ge=1)
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclusive: bool = Field(default=False, description="Whole nodes, shared with nobody.")

    @property
    def nodes(self) -> int:
        """How many nodes a job takes."""
        return self.nodes_per_job

    @property
    def own_options(self) -> dict[str, Any]:
        """What these fields mean to parsl.providers.SlurmProvider."""
        return {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "exclusive": self.exclusive,
            "cores_per_node": self.cores_per_node,
            "mem_per_node": self.node_memory_gb,
            "gpus_per_node": self.gpus_per_node or None,
        }


class PbsPool(ClusterPool):
    """Workers in jobs of PBS Pro or OpenPBS, one node each."""

    directive = "#PBS"

    kind: Literal["pbs"] = "pbs"
    queue: str | None = None
    account: str | None = None

    @property
    def own_options(self) -> dict[str, Any]:
        """What these fields mean to parsl.providers.PBSProProvider."""
        gpus = f":ngpus={self.gpus_per_node}" if self.gpus_per_node else ""
        return {
            "queue": self.queue,
            "account": self.account,
            "cpus_per_node": self.cores_per_node,
            "select_options": f"mem={self.node_memory_gb}gb{gpus}",
        }


class LsfPool(ClusterPool):
    """Workers in jobs of LSF, one node each."""

    directive = "#BSUB"

    kind: Literal["lsf"] = "lsf"
    queue: str | None = None
    project: str | None = None

    @property
    def own_options(self) -> dict[str, Any]:
        """What these fields mean to parsl.providers.LSFProvider."""
        return {
            "queue": self.queue,
            "project": self.project,
            "request_by_nodes": False,  # else only clusters with whole nodes understand it
            "cores_per_block": self.cores_per_node,
            "cores_per_node": self.cores_per_node,
            "bsub_redirection": True,  # else bsub does not read the options in the script
        }

    def own_lines(self) -> list[str]:
        """Return the memory of the job and its GPUs."""
        gpus = [f"-gpu num={self.gpus_per_node}"] if self.gpus_per_node else []
        return [f'-R "rusage[mem={self.node_memory_gb}GB]"', *gpus]


class SgePool(ClusterPool):
    """Workers in jobs of Grid Engine, one node each.

    What a core, memory or a GPU is called differs between clusters: `qconf -spl` and `qconf -sc`
    list the names.
    """

    directive = "#$"

    kind: Literal["sge"] = "sge"
    queue: str | None = None
    parallel_environment: str | None = Field(
        default=None, description="Of jobs with several cores on one node: smp, …"
    )
    memory_resource: str | None = Field(
        default=None, description="Resource that is the memory of one core: h_vmem, mem_free, …"
    )
    gpu_resource: str | None = Field(default=None, description="Resource that counts GPUs: gpu, …")

    @model_validator(mode="after")
    def _names_what_it_needs(self) -> Self:
        if self.cores_per_node > 1 and self.parallel_environment is None:
            raise ValueError("parallel_environment is missing for jobs of several cores")
        if self.gpus_per_node and self.gpu_resource is None:
            raise ValueError("gpu_resource is missing for jobs with GPUs")
        return self

    @property
    def own_options(self) -> dict[str, Any]:
        """What these fields mean to parsl.providers.GridEngineProvider."""
        return {"queue": self.queue}

    def own_lines(self) -> list[str]:
        """Return the job's cores, memory and GPUs."""
        lines = []
        if self.parallel_environment is not None:
            lines.append(f"-pe {self.parallel_environment} {self.cores_per_node}")
        if self.memory_resource is not None:
            per_core = math.ceil(1000 * self.node_memory_gb / self.cores_per_node)
            lines.append(f"-l {self.memory_resource}={per_core}M")
        if self.gpus_per_node:
            lines.append(f"-l {self.gpu_resource}={self.gpus_per_node}")
        return lines


class HTCondorPool(ClusterPool):
    """Workers in jobs of HTCondor, one slot each, on machines that share a file system."""

    directive = ""

    kind: Literal["htcondor"] = "htcondor"
    project: str = ""
    requirements: str = Field(default="", description="Of the machine, as in a submit file.")

    @property
    def own_options(self) -> dict[str, Any]:
        """What these fields mean to parsl.providers.CondorProvider."""
        return {
            "project": self.project,
            "requirements": self.requirements,
            "cores_per_slot": self.cores_per_node,
            "mem_per_slot": float(self.node_memory_gb),
        }

    def own_lines(self) -> list[str]:
        """Return the time limit of the job, which Parsl's provider leaves out, and its GPUs."""
        gpus = [f"request_gpus = {self.gpus_per_node}"] if self.gpus_per_node else []
        return [f"allowed_job_duration = {walltime_seconds(self.walltime):.0f}", *gpus]


class KubernetesPool(ClusterPool):
    """Workers in pods, whose image holds this Python and whose volumes hold the run folder."""

    directive = ""

    kind: Literal["kubernetes"] = "kubernetes"
    image: str = Field(description="With rung installed at the same path as here.")
    namespace: str = "default"
    volumes: dict[str, str] = Field(
        default={}, description="Persistent volume claim: the path where it is mounted."
    )
    service_account: str | None = None

    @model_validator(mode="after")
    def _has_no_script(self) -> Self:
        if self.scheduler_options:
            raise ValueError("scheduler_options has no meaning in Kubernetes: leave it out")
        return self

    @property
    def own_options(self) -> dict[str, Any]:
        """What these fields mean to parsl.providers.KubernetesProvider."""
        memory = f"{1000 * self.node_memory_gb}M"
        gpus = {"nvidia.com/gpu": str(self.gpus_per_node)} if self.gpus_per_node else {}
        return {
            "image": self.image,
            "namespace": self.namespace,
            "persistent_volumes": list(self.volumes.items()),
            "service_account_name": self.service_account,
            "init_cpu": float(self.cores_per_node),
            "max_cpu": float(self.cores_per_node),
            "init_mem": memory,
            "max_mem": memory,
            "extra_limits": gpus,
            "extra_requests": gpus,
        }


class PythonPool(_Tasks):
    """Workers of an executor that a Python file configures: what no other kind can say."""

    kind: Literal["python"] = "python"
    file: Path = Field(description="Runs at each launch; its `config` is a parsl.Config.")
    workers: int = Field(ge=1, description="How many tasks run at once when all blocks run.")

    @property
    def slots(self) -> int:
        """How many tasks run at once."""
        return self.workers

    def smallest(self) -> Self:
        """Return this pool: only its file can make it smaller."""
        return self


Pool: TypeAlias = Annotated[
    LocalPool
    | SlurmPool
    | PbsPool
    | LsfPool
    | SgePool
    | HTCondorPool
    | KubernetesPool
    | PythonPool,
    Field(discriminator="kind"),
]
