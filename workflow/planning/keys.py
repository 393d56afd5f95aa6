"""Names of tasks. A key says what a task does; the same key is never computed twice."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, cast, get_args

from chemistry.sampling.base import Sampler
from workflow.settings.campaign import Campaign

TaskKind: TypeAlias = Literal[
    "sample", "label", "check", "train", "judge", "grow", "inherit", "design", "evaluate"
]
"""What a task does; the first word of its key."""
_KINDS = frozenset(get_args(TaskKind))

SamplePurpose: TypeAlias = Literal["start", "initial", "held_out", "explore"]


@dataclass(frozen=True, kw_only=True)
class LabelKey:
    """The computation of one label."""

    kind: ClassVar[TaskKind] = "label"
    structure_id: str
    level_id: str

    @property
    def key(self) -> str:
        """The name of the task."""
        return f"label-{self.structure_id}-{self.level_id}"


@dataclass(frozen=True, kw_only=True)
class CheckKey:
    """The second opinion on one label."""

    kind: ClassVar[TaskKind] = "check"
    structure_id: str
    level_id: str

    @property
    def key(self) -> str:
        """The name of the task."""
        return f"check-{self.structure_id}-{self.level_id}"


@dataclass(frozen=True, kw_only=True)
class SampleTask:
    """One call of one sampler on one molecule.

    Attributes
    ----------
    sampler : int
        Index into the campaign's list of samplers for the purpose.
    version : int
        Of the exploring committee; 0 for none.
    sweep : int
        How many times the same was done before: another sweep has other random numbers.
    """

    kind: ClassVar[TaskKind] = "sample"
    rung: int
    purpose: SamplePurpose
    molecule_id: str
    sampler: int = 0
    version: int = 0
    sweep: int = 0

    @property
    def key(self) -> str:
        """The name of the task."""
        return (
            f"sample-{self.rung}-{self.purpose}-{self.version}-{self.sweep}"
            f"-{self.molecule_id}-{self.sampler}"
        )


@dataclass(frozen=True, kw_only=True)
class TrainKey:
    """The training of one version of the committee, or of some of its members.

    Attributes
    ----------
    members : (int, int) or None
        The first and the last of those that are trained apart, counted from 1; None: the task
        that ends the training, by training all members or by putting them together.
    """

    kind: ClassVar[TaskKind] = "train"
    rung: int
    version: int
    members: tuple[int, int] | None = None

    @property
    def key(self) -> str:
        """The name of the task."""
        which = "" if self.members is None else f"-{self.members[0]}-{self.members[1]}"
        return f"train-{self.rung}-{self.version}{which}"


@dataclass(frozen=True, kw_only=True)
class JudgeKey:
    """The judgement of the waiting structures by one version of the committee."""

    kind: ClassVar[TaskKind] = "judge"
    rung: int
    version: int

    @property
    def key(self) -> str:
        """The name of the task."""
        return f"judge-{self.rung}-{self.version}"


@dataclass(frozen=True, kw_only=True)
class GrowKey:
    """The search for new molecules by one version of the committee."""

    kind: ClassVar[TaskKind] = "grow"
    rung: int
    version: int

    @property
    def key(self) -> str:
        """The name of the task."""
        return f"grow-{self.rung}-{self.version}"


@dataclass(frozen=True, kw_only=True)
class InheritKey:
    """The take-over of candidates from the rung below."""

    kind: ClassVar[TaskKind] = "inherit"
    rung: int

    @property
    def key(self) -> str:
        """The name of the task."""
        return f"inherit-{self.rung}"


@dataclass(frozen=True, kw_only=True)
class DesignKey:
    """The design of the first set of a rung that climbs, by the committee of the rung below."""

    kind: ClassVar[TaskKind] = "design"
    rung: int

    @property
    def key(self) -> str:
        """The name of the task."""
        return f"design-{self.rung}"


@dataclass(frozen=True, kw_only=True)
class EvaluateKey:
    """The comparison of a committee that was not trained here with the held-out labels."""

    kind: ClassVar[TaskKind] = "evaluate"
    rung: int
    version: int

    @property
    def key(self) -> str:
        """The name of the task."""
        return f"evaluate-{self.rung}-{self.version}"


TaskKey: TypeAlias = (
    LabelKey
    | CheckKey
    | SampleTask
    | TrainKey
    | JudgeKey
    | GrowKey
    | InheritKey
    | DesignKey
    | EvaluateKey
)


def parse_key(key: str) -> TaskKey:
    """Return the task that a key names.

    Raises
    ------
    ValueError
        It is the key of no task.
    """
    match key.split("-"):
        case ["label", structure_id, level_id]:
            return LabelKey(structure_id=structure_id, level_id=level_id)
        case ["check", structure_id, level_id]:
            return CheckKey(structure_id=structure_id, level_id=level_id)
        case ["sample", rung, purpose, version, sweep, molecule_id, sampler] if purpose in get_args(
            SamplePurpose
        ):
            return SampleTask(
                rung=int(rung),
                purpose=cast(SamplePurpose, purpose),
                molecule_id=molecule_id,
                sampler=int(sampler),
                version=int(version),
                sweep=int(sweep),
            )
        case ["train", rung, version]:
            return TrainKey(rung=int(rung), version=int(version))
        case ["train", rung, version, first, last]:
            members = int(first), int(last)
            return TrainKey(rung=int(rung), version=int(version), members=members)
        case ["judge", rung, version]:
            return JudgeKey(rung=int(rung), version=int(version))
        case ["grow", rung, version]:
            return GrowKey(rung=int(rung), version=int(version))
        case ["inherit", rung]:
            return InheritKey(rung=int(rung))
        case ["design", rung]:
            return DesignKey(rung=int(rung))
        case ["evaluate", rung, version]:
            return EvaluateKey(rung=int(rung), version=int(version))
    raise ValueError(f"{key!r} is the key of no task")


def kind_of(key: str) -> TaskKind:
    """Return what the task of a key does, without reading the rest of it."""
    kind = key.partition("-")[0]
    if kind not in _KINDS:
        raise ValueError(f"{key!r} is the key of no task")
    return cast(TaskKind, kind)


def derive_seed(campaign: Campaign, key: str) -> int:
    """Return the seed of a task: a hash of the campaign's seed and the task's key, 32 bits."""
    digest = hashlib.sha256(f"{campaign.seed}/{key}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def sample_tasks(
    campaign: Campaign,
    rung: int,
    purpose: SamplePurpose,
    molecule_id: str,
    *,
    version: int = 0,
    sweep: int = 0,
) -> tuple[SampleTask, ...]:
    """Return one task for each sampler that has a part in a sweep for a purpose."""
    return tuple(
        SampleTask(
            rung=rung,
            purpose=purpose,
            molecule_id=molecule_id,
            sampler=i,
            version=version,
            sweep=sweep,
        )
        for i in samplers_in(campaign, purpose, sweep)
    )


def samplers_in(campaign: Campaign, purpose: SamplePurpose, sweep: int) -> tuple[int, ...]:
    """Return which samplers take part: after the first sweep not those that repeat themselves."""
    samplers: dict[SamplePurpose, Sequence[Sampler]] = {
        "start": (campaign.conformers,),
        "initial": campaign.initial,
        "held_out": campaign.initial,
        "explore": campaign.explore,
    }
    return tuple(
        i
        for i, sampler in enumerate(samplers[purpose])
        if not (sweep > 0 and sampler.repeats_itself)
    )
