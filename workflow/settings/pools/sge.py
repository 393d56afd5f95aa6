"""The kind `sge`: Grid Engine."""

import math
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from workflow.settings.pools.base import ClusterPool, Scheduler


class SgePool(ClusterPool):
    """Workers in jobs of Grid Engine, one node each.

    What a core, memory or a GPU is called differs between clusters: `qconf -spl` and `qconf -sc`
    list the names.
    """

    directive = "#$"
    provider = "parsl.providers:GridEngineProvider"
    scheduler = Scheduler(
        submit="qsub", cancel="qdel", queued=("qstat",), explain=("qstat", "-s", "a", "-j")
    )
    template_lines = (
        "# queue: …",
        "parallel_environment: smp  # of jobs with several cores: `qconf -spl` lists them",
        "# memory_resource: h_vmem  # what a core's memory is called: `qconf -sc` lists them",
        "# gpu_resource: gpu",
    )

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
