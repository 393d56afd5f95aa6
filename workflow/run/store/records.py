"""What the store keeps of a campaign beside molecules, structures and labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from chemistry.records.label import FailureKind, Label
from chemistry.records.structure import Structure
from workflow.planning.keys import SamplePurpose, TaskKind
from workflow.work.results import Cost

Split: TypeAlias = Literal["train", "validation", "test"]
"""Part of a data set."""

CandidateStatus: TypeAlias = Literal["waiting", "chosen", "labelled", "failed", "quarantined"]
"""`chosen` until there is an answer: a label that is trained on, none, or one that a quality gate
refused."""


@dataclass(frozen=True, kw_only=True)
class GrownMolecules:
    """What came of looking for new molecules.

    Attributes
    ----------
    molecule_ids : frozenset of str
        Molecules that were found in the pool.
    exhausted_by : int or None
        The last version of the committee that was certain of all that it looked at.
    """

    molecule_ids: frozenset[str]
    exhausted_by: int | None


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """What one kind of task has cost."""

    tasks: int
    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """A label that could not be made, or that a quality gate refused.

    Attributes
    ----------
    kind : str
        A FailureKind; "suspect" for what was refused.
    attempts : tuple of str
        Steps of the convergence ladder that were taken.
    tries : int
        How many times it was begun.
    """

    structure_id: str
    level_id: str
    level_name: str
    molecule_name: str
    kind: str
    message: str
    attempts: tuple[str, ...]
    tries: int


@dataclass(frozen=True, kw_only=True)
class SecondOpinion:
    """What a second computation of a label has said of the first."""

    structure_id: str
    said: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportRow:
    """One label of one structure, and which part of the data set it belongs to.

    Attributes
    ----------
    structure : Structure
    label : Label
        In eV and eV/Å.
    level_name : str
    molecule_name : str
    split : Split
        As the store gives it, "test" is the held-out set, which the campaign never trains on.
    purpose : str
        Why it was labelled: initial, active, random or held_out.
    """

    structure: Structure
    label: Label
    level_name: str
    molecule_name: str
    split: Split
    purpose: str


@dataclass(frozen=True, kw_only=True)
class NoDetail:
    """Nothing is kept of a task but that it is finished: a second opinion, an inheritance."""

    version: ClassVar[int] = 0


@dataclass(frozen=True, kw_only=True)
class LabelDetail:
    """What came of the computation of a label.

    Attributes
    ----------
    failed : FailureKind or None
        Why there is no label.
    """

    version: ClassVar[int] = 0
    failed: FailureKind | None = None


@dataclass(frozen=True, kw_only=True)
class SampleDetail:
    """What came of one call of a sampler.

    Attributes
    ----------
    version : int
        Of the exploring committee; 0 for none.
    judged, over_threshold : int
        Independent structures held against the threshold, and how many exceeded it.
    rejected : mapping of str to int
        How many structures were dropped, by reason.
    is_broken : bool
        Whether it could not be carried out.
    """

    purpose: SamplePurpose
    rung: int
    version: int
    sweep: int
    judged: int
    over_threshold: int
    rejected: Mapping[str, int]
    is_broken: bool


@dataclass(frozen=True, kw_only=True)
class TrainDetail:
    """Which committee was trained."""

    version: int


@dataclass(frozen=True, kw_only=True)
class JudgeDetail:
    """What a committee has said of all that waited: of how many, and over the threshold."""

    rung: int
    version: int
    judged: int
    over_threshold: int
    is_broken: bool


@dataclass(frozen=True, kw_only=True)
class GrowDetail:
    """What came of a search for molecules.

    Attributes
    ----------
    version : int
        Of the committee.
    molecule_ids : tuple of str
        Of those that were found; empty where the committee is certain of all.
    heavy_atoms : int or None
        What they have of them.
    judged, skipped : int
        Molecules that the committee judged, and entries that are no molecule.
    reasons : tuple of str
        Why each was taken.
    is_broken : bool
        Whether the search could not be carried out.
    """

    version: int
    molecule_ids: tuple[str, ...]
    heavy_atoms: int | None
    judged: int
    skipped: int
    reasons: tuple[str, ...]
    is_broken: bool


TaskDetail: TypeAlias = (
    NoDetail | LabelDetail | SampleDetail | TrainDetail | JudgeDetail | GrowDetail
)
"""What a finished task leaves behind beside its result. `version` is of the committee that took
part, 0 for none."""


@dataclass(frozen=True, kw_only=True)
class FinishedTask:
    """A task that has ended with an answer."""

    key: str
    kind: TaskKind
    detail: TaskDetail
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """What the finished explorations of one sweep have found together.

    Attributes
    ----------
    tasks, broken : int
        Finished explorations, and how many of them could not be carried out.
    judged, over_threshold : int
        Independent structures held against the threshold, and how many exceeded it.
    """

    rung: int
    version: int
    number: int
    tasks: int
    broken: int
    judged: int
    over_threshold: int
