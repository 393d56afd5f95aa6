"""What the store keeps of a campaign beside molecules, structures and labels."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from chemistry.records.label import Label
from chemistry.records.structure import Structure

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
