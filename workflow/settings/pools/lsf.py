"""The kind `lsf`."""

from typing import Any, Literal

from workflow.settings.pools.base import ClusterPool, Scheduler


class LsfPool(ClusterPool):
    """Workers in jobs of LSF, one node each."""

    directive = "#BSUB"
    provider = "parsl.providers:LSFProvider"
    scheduler = Scheduler(
        submit="bsub",
        cancel="bkill",
        queued=("bjobs", "-noheader", "-o", "jobid"),
        explain=("bjobs", "-p"),
    )
    template_lines = ("# queue: …", "# project: …")

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
