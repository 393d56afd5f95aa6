"""What every committee is and what every architecture does: all that others know of a model.

Nothing here loads torch, and neither may the module of an architecture: reading a campaign file
imports it for its settings. What trains and predicts is imported within its methods.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.level import LevelOfTheory
from chemistry.records.potential import Prediction, Replicas
from chemistry.records.structure import FloatArray, Structure
from model.calibration import Calibration
from model.checkpoint import Checkpoint
from model.forecast import Forecast
from model.history import MemberHistory
from model.settings import TrainingSettings
from model.states import State, states_of


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanPrediction:
    """Energies of one structure by every member, and the mean of their forces.

    Attributes
    ----------
    member_energies : (M,) float64, eV
    forces : (N, 3) float64, eV/Å
    """

    member_energies: FloatArray
    forces: FloatArray

    @property
    def energy(self) -> float:
        """Mean energy of the members, eV."""
        return float(self.member_energies.mean())


class Committee(Protocol):
    """M members that disagree where they have not been taught; also a `Potential`.

    It raises InputError for a structure with an element or a state that it does not know, positions
    that are not finite or coinciding atoms, and never returns a number that is not finite.
    """

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that it knows."""
        ...

    @property
    def states(self) -> tuple[State, ...]:
        """States that it knows, in order; empty: it takes any for the one that it has learned."""
        ...

    @property
    def n_members(self) -> int:
        """Number of members M."""
        ...

    @property
    def level_id(self) -> str:
        """The level of theory that it was trained on."""
        ...

    @property
    def level_name(self) -> str:
        """What people call that level."""
        ...

    @property
    def record(self) -> Mapping[str, Any]:
        """How it came about (seed, settings, data, calibration), as JSON."""
        ...

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        """Return energies and forces of every member for structures of any sizes, in order."""
        ...

    def predict_mean(self, structures: Sequence[Structure]) -> list[MeanPrediction]:
        """Return energies of every member but only the mean forces, which may take less time."""
        ...

    def replicas(self, structure: Structure) -> Replicas:
        """Return what computes energies and mean forces of one molecule's geometries."""
        ...

    def first(self, members: int) -> Self:
        """Return the committee of the first members alone."""
        ...

    def calibrated(self, calibration: Calibration | None) -> Self:
        """Return the same committee whose record says how its errors go with its disagreement."""
        ...

    def save(self, path: Path) -> None:
        """Write a checkpoint that `model.load_committee` reads (`model.checkpoint`)."""
        ...


CommitteeT = TypeVar("CommitteeT", bound=Committee, covariant=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingRequest:
    """What a committee shall learn.

    Attributes
    ----------
    data : sequence of LabelledStructure
        All at `level`; labels without forces teach energies alone.
    settings : TrainingSettings
        Of the architecture that is asked.
    elements : tuple of int
        Atomic numbers that the committee shall know, whether or not the data have them.
    level : LevelOfTheory
    seed : int
        The same data in any order, settings, seed and start give the same weights bit for bit on
        the same machine and number of threads, which the caller sets.
    device : str
        Where to compute: one of the architecture's devices.
    members : range or None
        One of the architecture's `groups`, which is to be trained alone; None: all of them.
    states : tuple of (int, int)
        Charge and multiplicity that the committee shall know beside those of the data.
    """

    data: Sequence[LabelledStructure]
    settings: TrainingSettings
    elements: tuple[int, ...]
    level: LevelOfTheory
    seed: int
    device: str = "cpu"
    members: range | None = None
    states: tuple[State, ...] = ()

    @property
    def all_states(self) -> tuple[State, ...]:
        """States that are asked for, and those of the data."""
        return tuple(sorted({*self.states, *states_of(row.structure for row in self.data)}))


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a committee from elsewhere shall become so that a campaign can begin with it.

    Attributes
    ----------
    members : int
        Fewer than it has: the first ones; more: some stand in it more than once, and differ from
        when each has learned without its own part of the data.
    elements : tuple of int
        Atomic numbers that it shall know, too.
    states : tuple of (int, int)
        Charge and multiplicity of each state that it shall take, too.
    level : LevelOfTheory
        Of the labels that it was trained on.
    seed : int
        Of what new elements start from.
    record : mapping
        What is added to its record, as JSON.
    """

    members: int
    elements: tuple[int, ...]
    states: tuple[State, ...]
    level: LevelOfTheory
    seed: int
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingResult(Generic[CommitteeT]):
    """A trained committee and how it came about.

    Attributes
    ----------
    committee : Committee
    members : tuple of MemberHistory
        Empty for an architecture that learns in one step.
    n_structures, n_with_forces : int
        Size of the training set.
    notes : tuple of str
        What a person should know, in sentences.
    seconds : float
        Wall time.
    forecast : Forecast or None
        What more labels would bring, where the way of learning knows.
    """

    committee: CommitteeT
    members: tuple[MemberHistory, ...]
    n_structures: int
    n_with_forces: int
    notes: tuple[str, ...]
    seconds: float
    forecast: Forecast | None = None


class Architecture(ABC):
    """A kind of potential: how its committees are set up, trained, carried over and read.

    Attributes
    ----------
    name : str
        As a campaign file and a checkpoint have it.
    settings : type of TrainingSettings
        What a person may write in `train:`.
    ways : mapping of str to str
        Ways to climb from one level of theory to the next, and what people call them.
    default_way : str
        Of a rung that names none and whose level gives energies alone.
    default_way_with_forces : str
        Of a rung that names none and whose level gives forces, too.
    devices : tuple of str
        Where its committees can compute; only cpu is tested.
    """

    name: ClassVar[str]
    settings: ClassVar[type[TrainingSettings]]
    ways: ClassVar[Mapping[str, str]]
    default_way: ClassVar[str]
    default_way_with_forces: ClassVar[str]
    devices: ClassVar[tuple[str, ...]] = ("cpu",)

    def refuse(self, level: LevelOfTheory) -> str | None:  # noqa: ARG002 (most learn any)
        """Say why a level of theory cannot be learned; None if it can."""
        return None

    @abstractmethod
    def train(
        self, request: TrainingRequest, start: Committee | None = None
    ) -> TrainingResult[Committee]:
        """Train a committee, starting from the weights of another of its level if there is one.

        Raises
        ------
        InputError
            No data, a label of another level, an element that is not among those asked for, or a
            start that does not fit.
        """

    @abstractmethod
    def climb(
        self, request: TrainingRequest, below: Committee, way: str
    ) -> TrainingResult[Committee]:
        """Teach a committee of the level below the labels of another, by one of `ways`.

        Raises InputError as `train` does.
        """

    def groups(
        self,
        settings: TrainingSettings,
        way: str | None,  # noqa: ARG002 (the default has one group whatever the way)
        device: str,  # noqa: ARG002 (and the device)
    ) -> tuple[range, ...]:
        """Return the groups of members that can be trained at the same time, each by a process.

        They do not depend on how many processes there are, so that neither do the weights.

        Parameters
        ----------
        settings : TrainingSettings
        way : str or None
            How the committee climbs; None: it is trained on labels of its own level.
        device : str
        """
        return (range(settings.members),)

    def joined(self, parts: Sequence[Committee]) -> TrainingResult[Committee]:
        """Put committees of all groups together, in order: what one training would have given.

        Raises
        ------
        InputError
            They have not learned the same.
        """
        raise NotImplementedError(f"{self.name} trains all of its {len(parts)} groups at once")

    def informative(
        self,
        below: Committee,  # noqa: ARG002 (most architectures cannot tell)
        structures: Sequence[Structure],  # noqa: ARG002
        known: Sequence[int],  # noqa: ARG002
        n: int,  # noqa: ARG002
    ) -> tuple[int, ...] | None:
        """Return the places of the structures whose energies a committee has most to learn from.

        None where the architecture cannot tell before they are known.

        Parameters
        ----------
        below : Committee
            Which will climb to another level with them.
        structures : sequence of Structure
            Of one molecule.
        known : sequence of int
            Places of those that it will learn in any case; the first is what energies will be
            taken relative to.
        n : int
            How many others are wanted.
        """
        return None

    @abstractmethod
    def shifted(self, request: TrainingRequest, below: Committee) -> Committee:
        """Return the committee below with nothing but its energies of elements refitted.

        What a potential of the level below says of the level above once the arbitrary energies of
        the atoms are out of the way: the least that a climb has to beat.
        """

    @abstractmethod
    def load(self, checkpoint: Checkpoint, device: str) -> Committee:
        """Return the committee of a checkpoint, on a device.

        Raises
        ------
        InputError
            The device is not there.
        KeyError, ValueError
            The checkpoint is not whole; `model.load_committee` names the file.
        """

    def is_published(self, folder: Path) -> bool:  # noqa: ARG002 (most know no other files)
        """Say whether a folder holds an ensemble in a format that others publish in."""
        return False

    def fitted(self, committee: Committee, fit: Fit) -> Committee:  # noqa: ARG002
        """Return a committee with other members, further elements and states, as a campaign needs.

        What it said of structures of the elements and states that it knew stays, to rounding, but
        for members that are cut.

        Raises
        ------
        InputError
            The committee is of another architecture, or this one can begin with none.
        """
        raise InputError(f"architecture {self.name} can begin with no committee: leave `start` out")

    def read_installed(self, name: str) -> tuple[Path, Committee] | None:  # noqa: ARG002
        """Read a model whose files another package keeps on this machine; None: not known here.

        Nothing is fetched.

        Raises
        ------
        InputError
            The package or the file is not there, or not what it should be.
        """
        return None

    def read_published(self, folder: Path) -> Committee:
        """Read an ensemble that others have published, on the CPU.

        Its record has `published` with name, license and doi, where it is one that is known.

        Raises
        ------
        InputError
            A file is missing or not what it should be.
        """
        raise NotImplementedError(f"{self.name} reads no published ensembles from {folder}")

    def preload(self) -> None:  # noqa: B027 (an architecture without heavy imports has none)
        """Import what trains and predicts, so that processes that are forked from here start soon.

        It must neither compute nor touch a device: threads and CUDA do not survive a fork.
        """
