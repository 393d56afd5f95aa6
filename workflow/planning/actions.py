"""What the plan can ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from chemistry.records.structure import Structure
from workflow.planning.keys import SampleTask
from workflow.planning.selection import Choice


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Run a sampler on a molecule."""

    task: SampleTask


@dataclass(frozen=True, kw_only=True)
class Inheriting:
    """Take over, as candidates, what the rung below has labelled."""


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """Mark waiting structures for labelling."""

    choices: tuple[Choice, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelling:
    """Compute the label of a chosen structure, or a second opinion on it."""

    structure: Structure
    is_second: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainingNow:
    """Train the committee on all labels."""

    version: int


@dataclass(frozen=True, kw_only=True)
class EvaluatingStart:
    """Hold what the committee began with against the held-out labels."""


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Let the newest committee look again at all that waits."""

    version: int


@dataclass(frozen=True, kw_only=True)
class Designing:
    """Let the committee of the rung below say what the first set should be.

    Attributes
    ----------
    version : int
        Of that committee.
    quotas : mapping of molecule_id to int
        Structures of each molecule.
    """

    version: int
    quotas: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Growing:
    """Look for new molecules with the newest committee."""

    version: int


@dataclass(frozen=True, kw_only=True)
class Finishing:
    """The rung is done."""

    reason: str


Action: TypeAlias = (
    Inheriting
    | Sampling
    | Choosing
    | Labelling
    | TrainingNow
    | EvaluatingStart
    | Judging
    | Designing
    | Growing
    | Finishing
)
