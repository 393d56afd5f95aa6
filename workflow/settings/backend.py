"""The backend file: where the work of a campaign runs, as strict pydantic models.

Nothing here changes a number that a campaign computes; `workflow/work/pools/`
turns it into Parsl's configuration.
"""

import math
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import Field, StringConstraints, model_validator

from chemistry.engines.teacher.program import TeacherProgram
from chemistry.names import nearest
from chemistry.records.level import LevelOfTheory
from workflow.settings.pools import Pool
from workflow.settings.pools.base import ClusterPool
from workflow.settings.pools.local import LocalPool
from workflow.settings.pools.python import PythonPool
from workflow.settings.teachers import TeacherSettings, teacher_name
from workflow.settings.walltime import Walltime, walltime_seconds
from workflow.settings.yaml_file import StrictModel, read_yaml_model

Role: TypeAlias = Literal["label", "large_label", "explore", "judge", "train"]
"""What a task is for: quantum chemistry, that which needs more than usual, sampling, the
committee's opinion of what waits, training."""

JOB_MARGIN_SECONDS = 30.0
"""Of a cluster job's walltime, what is left to its workers to start and to end."""

PoolName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]

TeacherName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Roles(StrictModel):
    """Which pool does what; a role that is left out goes to the only pool."""

    label: str | None = Field(default=None, description="Pool of the quantum chemistry.")
    large_label: str | None = Field(
        default=None,
        description="Pool that tries labels once more which label's gave too little time or "
        "memory; default: none does.",
    )
    explore: str | None = Field(default=None, description="Pool of the sampling.")
    judge: str | None = Field(
        default=None, description="Pool that judges candidates; default: explore's."
    )
    train: str | None = Field(default=None, description="Pool of the trainings.")


class WalltimeLimits(StrictModel):
    """After how long a task is ended; write walltimes in quotes: "1:30:00"."""

    label_walltime: Walltime = "1:00:00"
    large_label_walltime: Walltime = "4:00:00"
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
    teachers: dict[TeacherName, TeacherSettings] = Field(
        default={}, description="Potentials that are levels of theory, teacher:NAME."
    )

    @model_validator(mode="after")
    def _every_task_has_a_place(self) -> Self:
        for role in self.roles_in_use:
            self.pool_name(role)
        for name, pool in self.pools.items():
            if isinstance(pool, ClusterPool) and self.last_start_seconds(name) <= 0:
                role = max(self.roles_of(name), key=self.limits.seconds)
                raise ValueError(
                    f"limits.{role}_walltime does not fit into the walltime of pool `{name}` "
                    f"({pool.walltime}): shorten the one or lengthen the other"
                )
        return self

    @property
    def roles_in_use(self) -> tuple[Role, ...]:
        """All roles; `large_label` only where it is given to a pool."""
        roles: tuple[Role, ...] = get_args(Role)
        return tuple(r for r in roles if r != "large_label" or self.roles.large_label is not None)

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

    def teacher_of(self, level: LevelOfTheory) -> TeacherProgram | None:
        """Return the potential that is a level of theory; None for other levels.

        Raises InputError for one that is neither known nor configured.
        """
        name = teacher_name(level)
        if name is None:
            return None
        return self.teachers.get(name, TeacherSettings()).program(name)

    def last_start_seconds(self, name: str) -> float:
        """Return until when a job of a cluster starts tasks, in seconds from its start.

        Later ones could not finish within the job's walltime.
        """
        pool = self.pools[name]
        if not isinstance(pool, ClusterPool):
            return math.inf
        longest = max(map(self.limits.seconds, self.roles_of(name)), default=0.0)
        return walltime_seconds(pool.walltime) - longest - JOB_MARGIN_SECONDS

    def smallest(self) -> "Backend":
        """Return this backend with as little of each pool as can be, to try it."""
        pools = {name: pool.smallest() for name, pool in self.pools.items()}
        return self.model_copy(update={"pools": pools})

    def roles_of(self, name: str) -> list[Role]:
        """Return what a pool does."""
        return [role for role in self.roles_in_use if self.pool_name(role) == name]

    @property
    def python_files(self) -> list[Path]:
        """The files that run as code when the workers are started."""
        return [pool.file for pool in self.pools.values() if isinstance(pool, PythonPool)]

    @property
    def slots(self) -> int:
        """How many tasks the pools run at once, without one that only large labels need."""
        names = {self.pool_name(role) for role in self.roles_in_use if role != "large_label"}
        return sum(self.pools[name].slots for name in names)


def read_backend(path: Path | None) -> Backend:
    """Read a backend file; without one, all cores of this machine do everything.

    Raises
    ------
    InputError
        One sentence that names the file, the field, what is wrong and what to do.
    """
    if path is None:
        return Backend()
    backend = read_yaml_model(path, Backend)
    pools = {name: _from_here(pool, path.parent) for name, pool in backend.pools.items()}
    teachers = {name: found.from_folder(path.parent) for name, found in backend.teachers.items()}
    return backend.model_copy(update={"pools": pools, "teachers": teachers})


def _from_here(pool: Pool, folder: Path) -> Pool:
    """Resolve the path in a pool relative to the backend file."""
    if not isinstance(pool, PythonPool):
        return pool
    return pool.model_copy(update={"file": (folder / pool.file).resolve()})
