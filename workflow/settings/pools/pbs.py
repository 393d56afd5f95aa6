"""The kind `pbs`."""

from typing import Any, Literal

from workflow.settings.pools.base import ClusterPool, Scheduler


class PbsPool(ClusterPool):
    """Workers in jobs of PBS Pro or OpenPBS, one node each."""

    directive = "#PBS"
    provider = "parsl.providers:PBSProProvider"
    scheduler = Scheduler(
        submit="qsub",
        cancel="qdel",
        queued=("qselect", "-u", "{user}"),
        explain=("qstat", "-s"),
    )
    template_lines = ("# queue: …", "# account: …")

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
