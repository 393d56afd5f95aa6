"""What all pools have, and all pools whose workers run in jobs of a cluster."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, JsonValue, model_validator

from workflow.settings.walltime import Walltime
from workflow.settings.yaml_file import StrictModel


def _one_line(text: str) -> str:
    if not text.strip() or "\n" in text:
        raise ValueError("each option is one line")
    return text


Line: TypeAlias = Annotated[str, AfterValidator(_one_line)]


class TaskPool(StrictModel):
    """What one task of a pool gets, and how many tasks there are at once."""

    kind: str
    cores_per_task: int = Field(default=1, ge=1, description="Threads of one task.")
    memory_per_task_gb: float = Field(
        default=4.0, gt=0, description="Hard limit of one task; not of one that uses a GPU."
    )
    device: Literal["cpu", "cuda"] = Field(
        default="cpu",
        description="Where trainings and explorations of this pool compute with a committee; only "
        "cpu is tested. A cluster's pool of cuda also needs gpus_per_node.",
    )

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many tasks run at once."""

    @abstractmethod
    def smallest(self) -> Self:
        """Return as little of this pool as can be, to try it."""


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    """The commands of a batch system.

    Attributes
    ----------
    submit, cancel : str
        Submits a script; cancels the jobs whose ids follow.
    queued : tuple of str
        Lists this user's jobs that wait, run or are about to end, an id first in each line;
        "{user}" stands for the user's name.
    explain : tuple of str
        Says what the scheduler thinks of the job whose id follows.
    """

    submit: str
    cancel: str
    queued: tuple[str, ...]
    explain: tuple[str, ...]


class ClusterPool(TaskPool):
    """Workers in jobs of a cluster, whose machines see the run folder and this Python."""

    directive: ClassVar[str]
    """What begins a line with an option in the scheduler's job script."""
    provider: ClassVar[str]
    """Where Parsl's provider of this kind is, "module:class"."""
    scheduler: ClassVar[Scheduler | None]
    """None: jobs are not scripts that commands submit."""
    template_lines: ClassVar[tuple[str, ...]] = ()
    """The kind's own fields in the backend file that `rung init` writes; $partition stands for the
    default partition of this machine's Slurm."""

    walltime: Walltime = Field(description="Of one job; write it in quotes.")
    jobs: int = Field(default=1, ge=1, description="Jobs at once, at most.")
    cores_per_node: int = Field(ge=1, description="Cores that a job takes of each node.")
    memory_per_node_gb: int | None = Field(
        default=None, ge=1, description="Memory of each node; default: what its tasks need."
    )
    gpus_per_node: int = Field(
        default=0, ge=0, description="GPUs of each node; each task then sees one of its own."
    )
    address: str | None = Field(
        default=None,
        description="Of this machine, as the nodes reach it; default: each one it has is tried.",
    )
    worker_init: str = Field(
        default="", description="Shell lines that run first in a job: module load, …"
    )
    scheduler_options: tuple[Line, ...] = Field(
        default=(), description="More lines of options for the scheduler: --mail-type=END, …"
    )
    provider_options: dict[str, JsonValue] = Field(
        default={}, description="More options of Parsl's provider of this kind, handed on as is."
    )

    @model_validator(mode="after")
    def _room_for_a_task(self) -> Self:
        if self.cores_per_task > self.cores_per_node:
            raise ValueError("cores_per_task must not exceed cores_per_node")
        if self.workers_per_node == 0:
            raise ValueError("memory_per_task_gb must not exceed memory_per_node_gb")
        return self

    @property
    def nodes(self) -> int:
        """How many nodes a job takes."""
        return 1

    @property
    def workers_per_node(self) -> int:
        """How many tasks run at once on a node."""
        most = self.cores_per_node // self.cores_per_task
        if self.memory_per_node_gb is not None:
            most = min(most, int(self.memory_per_node_gb / self.memory_per_task_gb))
        return min(most, self.gpus_per_node or most)

    @property
    def slots(self) -> int:
        """How many tasks run at once when all jobs run."""
        return self.workers_per_node * self.nodes * self.jobs

    @property
    def node_memory_gb(self) -> int:
        """What a job asks for on each node."""
        return self.memory_per_node_gb or math.ceil(self.workers_per_node * self.memory_per_task_gb)

    def smallest(self) -> Self:
        """Return this pool with one job, to try it."""
        return self.model_copy(update={"jobs": 1})

    @property
    @abstractmethod
    def own_options(self) -> dict[str, Any]:
        """What the fields of this kind alone mean to Parsl's provider."""

    def own_lines(self) -> list[str]:
        """Return the scheduler's options for which Parsl's provider has no parameter."""
        return []

    def option_lines(self) -> str:
        """Return the options of the job script, this kind's and the person's."""
        lines = [*self.own_lines(), *self.scheduler_options]
        return "".join(f"{self.directive} {line}\n".lstrip() for line in lines)
