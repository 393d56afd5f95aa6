"""What a campaign decides upon: candidates, sweeps of exploration, trainings."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from chemistry.records.structure import Structure
from model.evaluation import Errors
from model.history import TrainingHistory

Purpose: TypeAlias = Literal["initial", "held_out", "active", "random"]
"""Why a structure is labelled: before there is a committee, to judge it, because it disagrees,
or at random. All but `held_out` are trained on."""


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
        Mean energy that the committee predicted. Before one has, that of the bootstrap potential
        or the label of the rung below.
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
class Training:
    """One training of the committee.

    Attributes
    ----------
    version : int
        1, 2, … within a rung; 0: no training, but what the run began with.
    checkpoint : str
        Path relative to the run folder.
    n_labels : int
        Labels that it was trained on.
    errors : Errors or None
        On held-out labels; None without any.
    history : TrainingHistory
        What the training says of itself.
    """

    version: int
    checkpoint: str
    n_labels: int
    errors: Errors | None = None
    history: TrainingHistory = field(default_factory=TrainingHistory)

    @property
    def title(self) -> str:
        """What people call it."""
        return f"training {self.version}" if self.version else "the start"


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
    of_waiting : bool
        Whether it is no exploration, but the judgement of all that waits on a rung that climbs.
    """

    version: int
    number: int
    judged: int
    over_threshold: int
    is_complete: bool
    is_broken: bool = False
    of_waiting: bool = False

    @property
    def uncertain_share(self) -> float:
        """Share of judged structures over the threshold; 0 where nothing was judged."""
        return self.over_threshold / self.judged if self.judged else 0.0
