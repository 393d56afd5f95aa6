"""The machine file: where the work of a campaign runs, as strict pydantic models.

Nothing here changes a number that a campaign computes; `workflow/workers.py` turns it into Parsl's
configuration.
"""

import math
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias, get_args

import psutil
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from workflow.yaml_file import StrictModel, nearest, read_yaml_model

Role: TypeAlias = Literal["label", "explore", "judge", "train"]
"""What a task is for: quantum chemistry, sampling, the committee's opinion of what waits, training.
"""

JOB_MARGIN_SECONDS = 30.0
"""Of a cluster job's walltime, what is left to its workers to start and to end."""

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


class SlurmPool(_Tasks):
    """Workers in jobs of a Slurm cluster, whose machines see the run folder and this Python."""

    kind: Literal["slurm"] = "slurm"
    walltime: Walltime = Field(description="Of one job; write it in quotes.")
    jobs: int = Field(default=1, ge=1, description="Jobs at once, at most.")
    nodes_per_job: int = Field(default=1, ge=1)
    cores_per_node: int = Field(ge=1, description="Cores that a job takes of each node.")
    memory_per_node_gb: int | None = Field(
        default=None, ge=1, description="Memory of each node; default: what its tasks need."
    )
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclusive: bool = Field(default=False, description="Whole nodes, shared with nobody.")
    address: str | None = Field(
        default=None,
        description="Of this machine, as the nodes reach it; default: each one it has is tried.",
    )
    worker_init: str = Field(
        default="", description="Shell lines that run first in a job: module load, …"
    )
    scheduler_options: tuple[str, ...] = Field(
        default=(), description="More options of sbatch: --mail-type=END, --gres=gpu:1, …"
    )

    @model_validator(mode="after")
    def _room_for_a_task(self) -> Self:
        if self.cores_per_task > self.cores_per_node:
            raise ValueError("cores_per_task must not exceed cores_per_node")
        if self.workers_per_node == 0:
            raise ValueError("memory_per_task_gb must not exceed memory_per_node_gb")
        return self

    @property
    def workers_per_node(self) -> int:
        """How many tasks run at once on a node."""
        by_cores = self.cores_per_node // self.cores_per_task
        if self.memory_per_node_gb is None:
            return by_cores
        return min(by_cores, int(self.memory_per_node_gb / self.memory_per_task_gb))

    @property
    def slots(self) -> int:
        """How many tasks run at once when all jobs run."""
        return self.workers_per_node * self.nodes_per_job * self.jobs


Pool: TypeAlias = Annotated[LocalPool | SlurmPool, Field(discriminator="kind")]
PoolName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


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

    pools: dict[PoolName, Pool] = Field(default={"main": LocalPool()}, min_length=1)
    roles: Roles = Roles()
    limits: WalltimeLimits = WalltimeLimits()

    @model_validator(mode="after")
    def _every_task_has_a_place(self) -> Self:
        for role in get_args(Role):
            self.pool_name(role)
        for name, pool in self.pools.items():
            if isinstance(pool, SlurmPool) and self.last_start_seconds(name) <= 0:
                role = max(self._roles_of(name), key=self.limits.seconds)
                raise ValueError(
                    f"limits.{role}_walltime does not fit into the walltime of pool `{name}` "
                    f"({pool.walltime}): shorten the one or lengthen the other"
                )
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

    def last_start_seconds(self, name: str) -> float:
        """Return until when a job of a Slurm pool starts tasks, in seconds from its start.

        Later ones could not finish within the job's walltime.
        """
        pool = self.pools[name]
        if not isinstance(pool, SlurmPool):
            return math.inf
        longest = max(map(self.limits.seconds, self._roles_of(name)), default=0.0)
        return walltime_seconds(pool.walltime) - longest - JOB_MARGIN_SECONDS

    def _roles_of(self, name: str) -> list[Role]:
        return [role for role in get_args(Role) if self.pool_name(role) == name]

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
