"""A kind of pool: a batch system whose commands are those of Grid Engine."""

from typing import Literal

from pydantic import Field

from workflow.settings.pools.base import ClusterPool, Scheduler


class QueuePool(ClusterPool):
    directive = "#$"
    provider = "parsl.providers:GridEngineProvider"
    scheduler = Scheduler(submit="qsub", cancel="qdel", queued=("qstat",), explain=("qstat", "-j"))
    template_lines = ("lane: fast",)

    kind: Literal["queue"] = "queue"
    lane: str = Field(description="Where jobs wait.")

    @property
    def own_options(self):
        return {"queue": self.lane}

    def own_lines(self):
        return [f"-l cores={self.cores_per_node}"]
