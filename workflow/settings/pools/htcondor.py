"""The kind `htcondor`."""

from typing import Any, Literal

from pydantic import Field

from workflow.settings.pools.base import ClusterPool, Scheduler
from workflow.settings.walltime import walltime_seconds


class HTCondorPool(ClusterPool):
    """Workers in jobs of HTCondor, one slot each, on machines that share a file system."""

    directive = ""
    provider = "parsl.providers:CondorProvider"
    scheduler = Scheduler(
        submit="condor_submit",
        cancel="condor_rm",
        queued=("condor_q", "-autoformat:j", "JobStatus"),
        explain=("condor_q", "-better-analyze"),
    )
    template_lines = ('# requirements: Arch == "X86_64"', "# project: …")

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
