"""The kind `slurm`."""

from typing import Any, Literal

from pydantic import Field

from workflow.settings.pools.base import ClusterPool, Scheduler


class SlurmPool(ClusterPool):
    """Workers in jobs of a Slurm cluster."""

    directive = "#SBATCH"
    provider = "parsl.providers:SlurmProvider"
    scheduler = Scheduler(
        submit="sbatch",
        cancel="scancel",
        queued=("squeue", "--me", "--noheader", "--format=%i"),
        explain=("squeue", "--noheader", "--format=%T %r", "--jobs"),
    )
    template_lines = ("partition: $partition", "# account: …", "# qos: …")

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
