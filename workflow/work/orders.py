"""What workers are asked to do, as picklable records.

An order holds all that it needs; big things (a training set, a committee) come as paths. How it is
carried out stands in `compute.py`, so that the driver loads none of the heavy libraries.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from chemistry.engines.teacher.program import TeacherProgram
from chemistry.records.level import LevelOfTheory
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Threshold
from chemistry.records.structure import Structure
from chemistry.sampling import AnySampler
from model.settings import TrainingSettings
from model.states import State
from workflow.settings.growth import GrowSettings


@dataclass(frozen=True, kw_only=True)
class SavedCommittee:
    """A committee where workers find it.

    Attributes
    ----------
    checkpoint : Path
    architecture : str
        Its name: what is imported before the checkpoint is read.
    """

    checkpoint: Path
    architecture: str


Bootstrap: TypeAlias = Literal["gfn2-xtb", "mmff94"]
"""A potential that explores before there is a committee, by name."""

PotentialSource: TypeAlias = Bootstrap | SavedCommittee
"""A bootstrap potential by name, or a committee."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelOrder:
    """Compute one label.

    Attributes
    ----------
    is_second : bool
        Whether it is a second opinion: from another initial guess, looking for lower solutions.
    is_large : bool
        Whether an earlier try has shown that it needs the larger pool.
    teacher : TeacherProgram or None
        Of a level that is a potential.
    """

    structure: Structure
    level: LevelOfTheory
    engine: str
    is_second: bool = False
    is_large: bool = False
    teacher: TeacherProgram | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleOrder:
    """Let one sampler look for structures of one molecule; `device` is where a committee computes.

    So it is of the other orders. `otherwise` takes the place of a committee from elsewhere where
    that is lost among the molecule's geometries.
    """

    molecule: Molecule
    starts: tuple[Structure, ...]
    sampler: AnySampler
    potential: PotentialSource
    threshold: Threshold | None
    seed: int
    device: str = "cpu"
    otherwise: Bootstrap | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluateOrder:
    """Hold a committee that was not trained here against held-out labels.

    Attributes
    ----------
    held_out : Path
        File of `workflow.work.training_set`.
    committee : SavedCommittee
        Its checkpoint is written anew, with how its errors go with its disagreement.
    """

    held_out: Path
    committee: SavedCommittee
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainOrder:
    """Train a committee, or some of its members, or put it together of such parts.

    Attributes
    ----------
    training_set, held_out : Path
        Files of `workflow.work.training_set`.
    start : Path or None
        Checkpoint of the committee to start from.
    transfer : str or None
        How, if `start` is of another level, as `model.climb` has it; None if it is of the same.
    checkpoint : Path
        Where the new committee is written.
    elements : tuple of int
        Atomic numbers that the committee shall know, whether or not the data have them yet.
    license : str or None
        Of the campaign's data set, for the record of the checkpoint.
    members : range or None
        Those that are to be trained; None: all of them.
    parts : tuple of Path
        Checkpoints of all members, where they are trained already: only to be put together.
    states : tuple of (int, int)
        Charge and multiplicity that it shall know, likewise.
    """

    training_set: Path
    held_out: Path
    settings: TrainingSettings
    level: LevelOfTheory
    elements: tuple[int, ...]
    seed: int
    start: Path | None
    transfer: str | None
    checkpoint: Path
    device: str = "cpu"
    license: str | None = None
    members: range | None = None
    parts: tuple[Path, ...] = ()
    states: tuple[State, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgeOrder:
    """Ask a committee how much it disagrees on structures."""

    structures: tuple[Structure, ...]
    committee: SavedCommittee
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True, eq=False)
class MoleculeDesign:
    """What a first set of one molecule is chosen from.

    Attributes
    ----------
    structures : tuple of Structure
    n_known : int
        The first so many are in it in any case.
    n : int
        How many others are wanted.
    """

    structures: tuple[Structure, ...]
    n_known: int
    n: int


@dataclass(frozen=True, kw_only=True, eq=False)
class DesignOrder:
    """Choose the structures that a committee has most to learn from, of each molecule."""

    molecules: tuple[MoleculeDesign, ...]
    committee: SavedCommittee
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True, eq=False)
class GrowOrder:
    """Look for new molecules in a pool.

    Attributes
    ----------
    growth : GrowSettings
    elements : tuple of int
        Atomic numbers that new molecules may have.
    states : tuple of (int, int)
        Charge and multiplicity that they may have; empty: any.
    known : frozenset of molecule_id
        Molecules that the campaign has.
    committee : SavedCommittee
        Which judges.
    threshold : Threshold
    """

    growth: GrowSettings
    elements: tuple[int, ...]
    known: frozenset[str]
    committee: SavedCommittee
    threshold: Threshold
    seed: int
    device: str = "cpu"
    states: tuple[State, ...] = ()


Order: TypeAlias = (
    LabelOrder | SampleOrder | TrainOrder | EvaluateOrder | JudgeOrder | DesignOrder | GrowOrder
)


def on_device(order: Order, device: str) -> Order:
    """Return the order for a pool whose committees compute on a device; labels do not care."""
    return order if isinstance(order, LabelOrder) else replace(order, device=device)
