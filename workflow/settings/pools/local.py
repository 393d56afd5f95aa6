"""The kind `local`: workers on this machine."""

import os
from typing import Annotated, Literal, Self

import psutil
from pydantic import Field

from chemistry.units import BYTES_PER_GB
from workflow.settings.pools.base import TaskPool


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
        total_gb = psutil.virtual_memory().total / BYTES_PER_GB
        return max(1, min(by_cores, int(total_gb / self.memory_per_task_gb)))

    def smallest(self) -> Self:
        """Return this pool with one worker, to try it."""
        return self.model_copy(update={"workers": 1})
