"""Pools of workers as a machine file describes them: one small class for each kind of machine.

A kind of cluster is its fields and `provider_options`, what they mean to Parsl's provider of that
kind. Nothing here imports Parsl: `workflow/work/pools/providers.py` makes the providers.
"""

import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import psutil
from pydantic import Field, model_validator

from workflow.settings.pools.base import ClusterPool, TaskPool
from workflow.settings.walltime import walltime_seconds

_BYTES_PER_GB = 1e9


class LocalPool(TaskPool):
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


class PythonPool(TaskPool):
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
