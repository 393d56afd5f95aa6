"""What the store keeps of a campaign beside molecules, structures and labels."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from chemistry.records.label import Label
from chemistry.records.structure import Structure

Purpose: TypeAlias = Literal["initial", "held_out", "active", "random"]
"""Why a structure is labelled: before there is a committee, to judge it, because it disagrees,
or by lot. All but `held_out` are trained on."""

Split: TypeAlias = Literal["train", "validation", "test"]
"""Part of a data set."""

CandidateStatus: TypeAlias = Literal["waiting", "chosen", "labelled", "failed", "quarantined"]
"""`chosen` until there is an answer: a label that is trained on, none, or one that a quality gate
refused."""


@dataclass(frozen=True, kw_only=True)
class Growths:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A structure that may be labelled at one rung.

    Attributes
    ----------
    structure : Structure
    purpose : Purpose
        For a waiting candidate, the purpose that it was sampled for.
    rho_kcal_mol, force_sigma_kcal_mol_angstrom : float or None
        Disagreement of the committee `judged_by`; None before any committee judged it.
    energy_ev : float or None
        Mean energy that the committee predicted.
    judged_by : int or None
        Version of the committee.
    reason : str
        Why it was offered or chosen, for people.
    """

    structure: Structure
    purpose: Purpose
    rho_kcal_mol: float | None = None
    force_sigma_kcal_mol_angstrom: float | None = None
    energy_ev: float | None = None
    judged_by: int | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a committee says of a structure.

    Attributes
    ----------
    rho_kcal_mol, force_sigma : float
        Disagreement on the energy, and on the forces in kcal/mol/Å.
    energy_ev : float
        Mean of its members.
    """

    structure_id: str
    rho_kcal_mol: float
    force_sigma: float
    energy_ev: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a finished task took, for accounts and the timeline of workers.

    Attributes
    ----------
    worker : str
        host:pid of the worker process.
    started_at, finished_at : float
        Seconds since 1970-01-01 UTC.
    cpu_seconds : float
    """

    worker: str
    started_at: float
    finished_at: float
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """What one kind of task has cost."""

    tasks: int
    cpu_seconds: float
    wall_seconds: float


LOSSES_OF_A_POISON_TASK = 3
"""What loses its process or its worker so often will do so again."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A try of a task that ended without an answer; the task is tried again.

    Attributes
    ----------
    at : float
        Seconds since 1970-01-01 UTC.
    kind : "infrastructure" or "resource"
        Its process or its worker was lost; or it needs a larger pool.
    """

    at: float
    kind: str
    message: str
    worker: str


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


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of the committee.

    Attributes
    ----------
    version : int
        1, 2, … within a rung.
    checkpoint : str
        Path relative to the run folder.
    n_labels : int
        Labels that it was trained on.
    errors : mapping
        Held-out errors as `model.evaluation.Errors` writes them; None without a held-out set.
    history : mapping
        What the training says of itself (epochs, calibration), for the report.
    """

    version: int
    checkpoint: str
    n_labels: int
    errors: dict[str, Any] | None = None
    history: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One pass of all exploring samplers over all molecules with one committee.

    Attributes
    ----------
    version : int
        Of the committee.
    number : int
        0 for the first sweep with this committee.
    judged, over_threshold : int
        Independent structures held against the threshold, and how many exceeded it.
    is_complete : bool
        Whether all its tasks are finished.
    is_broken : bool
        Whether none of its tasks could be carried out.
    """

    version: int
    number: int
    judged: int
    over_threshold: int
    is_complete: bool
    is_broken: bool = False

    @property
    def uncertain_share(self) -> float:
        """Share of judged structures over the threshold; 0 where nothing was judged."""
        return self.over_threshold / self.judged if self.judged else 0.0


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
