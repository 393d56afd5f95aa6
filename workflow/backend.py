"""The machine file: where the work of a campaign runs, as strict pydantic models.

Nothing here changes a number that a campaign computes; `workflow/workers.py` turns it into Parsl's
configuration.
"""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias, get_args

import psutil
from pydantic import AfterValidator, Field, model_validator

from workflow.yaml_file import StrictModel, nearest, read_yaml_model

Role: TypeAlias = Literal["label", "explore", "judge", "train"]
"""What a task is for: quantum chemistry, sampling, the committee's opinion of what waits, training.
"""

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


def _checked_walltime(walltime: str) -> str:
    walltime_seconds(walltime)
    return walltime


Walltime: TypeAlias = Annotated[str, AfterValidator(_checked_walltime)]


class LocalPool(StrictModel):
    """Workers on the machine that `rung launch` runs on."""

    kind: Literal["local"] = "local"
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto", description="Tasks at once; auto: as many as cores and memory allow."
    )
    cores_per_task: int = Field(default=1, ge=1, description="Threads of one task.")
    memory_per_task_gb: float = Field(default=4.0, gt=0, description="Hard limit of one task.")

    @property
    def slots(self) -> int:
        """How many tasks run at once."""
        if self.workers != "auto":
            return self.workers
        by_cores = len(os.sched_getaffinity(0)) // self.cores_per_task
        total_gb = psutil.virtual_memory().total / _BYTES_PER_GB
        return max(1, min(by_cores, int(total_gb / self.memory_per_task_gb)))


Pool: TypeAlias = LocalPool


class Roles(StrictModel):
    """Which pool does what; a role that is left out goes to the only pool."""

    label: str | None = Field(default=None, description="Pool of the quantum chemistry.")
    explore: str | None = Field(default=None, description="Pool of the sampling.")
    judge: str | None = Field(
        default=None, description="Pool that judges candidates; default: explore's."
    )
    train: str | None = Field(default=None, description="Pool of the trainings.")


class WalltimeLimits(StrictModel):
    """After how long a task is ended; write walltimes in quotes: "1:30:00"."""

    label_walltime: Walltime = "1:00:00"
    explore_walltime: Walltime = "2:00:00"
    judge_walltime: Walltime = "1:00:00"
    train_walltime: Walltime = "12:00:00"

    def seconds(self, role: Role) -> float:
        """Return the limit of a role's tasks in seconds."""
        walltime: str = getattr(self, f"{role}_walltime")
        return walltime_seconds(walltime)


class Backend(StrictModel):
    """Pools of workers, what each of them does, and the limits of a task."""

    pools: dict[str, Pool] = Field(default={"main": LocalPool()}, min_length=1)
    roles: Roles = Roles()
    limits: WalltimeLimits = WalltimeLimits()

    @model_validator(mode="after")
    def _every_role_has_a_pool(self) -> Self:
        for role in get_args(Role):
            self.pool_name(role)
        return self

    def pool_name(self, role: Role) -> str:
        """Return the name of the pool that does `role`."""
        name: str | None = getattr(self.roles, role)
        if name is None and role == "judge":
            name = self.roles.explore
        if name is None and len(self.pools) == 1:
            return next(iter(self.pools))
        if name is None:
            raise ValueError(
                f"roles.{role} is missing: name one of the pools {', '.join(self.pools)}"
            )
        if name not in self.pools:
            raise ValueError(f"roles.{role} is no pool (`{name}`): {nearest(name, self.pools)}")
        return name

    def pool(self, role: Role) -> Pool:
        """Return the pool that does `role`."""
        return self.pools[self.pool_name(role)]

    @property
    def slots(self) -> int:
        """How many tasks all of the pools that have a role run at once."""
        names = {self.pool_name(role) for role in get_args(Role)}
        return sum(self.pools[name].slots for name in names)


def read_backend(path: Path | None) -> Backend:
    """Read a machine file; without one, all cores of this machine do everything.

    Raises
    ------
    InputError
        One sentence that names the file, the field, what is wrong and what to do.
    """
    return Backend() if path is None else read_yaml_model(path, Backend)
