"""What the plan knows of a rung."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from chemistry.records.structure import Structure
from workflow.planning.cost import RungCosts
from workflow.planning.keys import EvaluateKey, JudgeKey, TaskKind, TrainKey, kind_of
from workflow.planning.records import Candidate, Purpose, Sweep, Training


class Waiting(Protocol):
    """Waiting candidates of a rung. "Trainable" are all but those of held-out trajectories."""

    def offers(self, purpose: Purpose, molecule_id: str) -> Sequence[Candidate]:
        """Return all that was sampled of a molecule for a purpose, by structure_id."""

    def drawn(self, n: int, *, seed: int) -> Sequence[Candidate]:
        """Return up to `n` trainable candidates, at random."""

    def uncertain(
        self,
        n: int,
        *,
        most_of_a_molecule: int,
        already: Mapping[str, int],
        least_excess: float = 1.0,
    ) -> Sequence[Candidate]:
        """Return up to `n` trainable candidates over the threshold, the farthest over it first.

        Of a molecule at most `most_of_a_molecule`, what was chosen `already` included. "Over" means
        more than `least_excess` times the threshold.
        """

    def has_unjudged(self, version: int) -> bool:
        """Say whether there are trainable candidates that `version` has not judged."""

    def to_judge(self, n: int, version: int) -> Sequence[Candidate]:
        """Return up to `n` trainable ones that `version` has not judged.

        First those that nobody has judged, then the most uncertain.
        """

    def count_over(self) -> int:
        """Count the trainable candidates over the threshold."""


@dataclass(frozen=True, kw_only=True)
class MoleculeState:
    """A molecule as the plan sees it.

    Attributes
    ----------
    held_out : bool
        Whether it is only tested on.
    has_starts : bool
        Whether it has conformers.
    has_grown : bool
        Whether it came from the pool: then it is explored, but has no part in the first sets.
    in_start : bool
        Whether the committee that the run began with knows it.
    """

    molecule_id: str
    held_out: bool
    has_starts: bool
    has_grown: bool = False
    in_start: bool = False


def is_explored(molecule: MoleculeState, *, at_start: bool) -> bool:
    """Say whether a committee explores a molecule; one from elsewhere, only those it knows."""
    is_known = molecule.in_start or molecule.has_grown or not at_start
    return molecule.has_starts and not molecule.held_out and is_known


@dataclass(frozen=True, kw_only=True, eq=False)
class RungState:
    """What the store knows of a rung, and what is under way.

    Attributes
    ----------
    index : int
        Of the rung in the campaign. All but the first climb: their first candidates are what the
        rung below has labelled.
    has_inherited : bool
        Whether a climbing rung has taken its candidates over.
    molecules : tuple of MoleculeState
    finished_tasks, tasks_in_flight : frozenset of str
        Keys of sampling, training and judging tasks; of finished ones, those with no committee,
        those with the newest, and those of the members of the next.
    labels_in_flight, checks_in_flight : frozenset of str
        structure_ids of labels and of second opinions.
    n_large_in_flight : int
        How many of these are in the larger pool and take no slot of the others.
    waiting : Counter of (purpose, molecule_id)
        Candidates that nobody has chosen.
    candidates : Waiting
        They themselves.
    chosen : Counter of (purpose, molecule_id)
        Structures chosen for labelling so far, labelled or not.
    chosen_by_newest : Counter of molecule_id
        Of the active and random ones, those chosen since the last training.
    to_label : tuple of Structure
        Chosen, with neither label nor failure; those in flight included.
    to_check : tuple of Structure
        Their labels wait for a second opinion; those in flight included.
    first_to_label : Counter of purpose
        How many of them are of the initial and of the held-out set.
    n_training_labels : int
        Labels that a training started now would see.
    n_labels, n_failures, n_quarantined : int
        Labels that are used, that could not be made, and that a quality gate refused, for any
        purpose.
    n_lost : int
        Tasks that this launch has lost with their processes and tried again.
    label_cpu_hours : float
    costs : RungCosts
    trainings : tuple of Training
        In order of version; version 0 is what the run began with, if it did.
    sweeps : tuple of Sweep
        In order of version and number.
    below : int or None
        Version of the newest committee of the rung below; None where there is none.
    may_grow : bool
        Whether there may be molecules in the pool of which the newest committee is not certain.
    """

    index: int
    has_inherited: bool
    molecules: tuple[MoleculeState, ...]
    finished_tasks: frozenset[str]
    tasks_in_flight: frozenset[str]
    labels_in_flight: frozenset[str]
    checks_in_flight: frozenset[str]
    n_large_in_flight: int
    waiting: Counter[tuple[Purpose, str]]
    candidates: Waiting
    chosen: Counter[tuple[Purpose, str]]
    chosen_by_newest: Counter[str]
    to_label: tuple[Structure, ...]
    to_check: tuple[Structure, ...]
    first_to_label: Counter[Purpose]
    n_training_labels: int
    n_labels: int
    n_failures: int
    n_quarantined: int
    n_lost: int
    label_cpu_hours: float
    trainings: tuple[Training, ...]
    sweeps: tuple[Sweep, ...]
    below: int | None = None
    may_grow: bool = False
    costs: RungCosts = field(default_factory=RungCosts)

    @property
    def climbs(self) -> bool:
        """Whether there is a rung below."""
        return self.index > 0

    @property
    def newest(self) -> Training | None:
        """The last training, if there was one."""
        return self.trainings[-1] if self.trainings else None

    @property
    def next_version(self) -> int:
        """Of the training that comes next."""
        return self.newest.version + 1 if self.newest else 1

    @property
    def n_trainings(self) -> int:
        """Trainings so far; what the committee began with is none."""
        return self.next_version - 1

    @property
    def is_at_start(self) -> bool:
        """Whether the committee is still what the run began with, from elsewhere."""
        return self.newest is not None and self.newest.version == 0

    @property
    def has_start_to_evaluate(self) -> bool:
        """Whether held-out labels will say how good what the run began with is."""
        is_done = EvaluateKey(rung=self.index, version=0).key in self.finished_tasks
        return (self.is_at_start and not is_done) and any(
            n for (purpose, _), n in self.chosen.items() if purpose == "held_out"
        )

    @property
    def explored(self) -> tuple[MoleculeState, ...]:
        """Molecules that the newest committee explores."""
        return tuple(m for m in self.molecules if is_explored(m, at_start=self.is_at_start))

    @property
    def n_new_labels(self) -> int:
        """Labels that the newest committee has not seen."""
        return self.n_training_labels - (self.newest.n_labels if self.newest else 0)

    @property
    def n_chosen(self) -> int:
        """Structures chosen to be trained on: what the label budget counts."""
        return sum(n for (purpose, _), n in self.chosen.items() if purpose != "held_out")

    @property
    def n_waiting(self) -> int:
        """Candidates that nobody has chosen."""
        return self.waiting.total()

    @property
    def n_under_way(self) -> int:
        """Labels and second opinions that are being computed, but in the larger pool."""
        return len(self.labels_in_flight) + len(self.checks_in_flight) - self.n_large_in_flight

    @property
    def n_unanswered(self) -> int:
        """Labels and second opinions that are wanted and not there yet."""
        return len(self.to_label) + len(self.to_check)

    @cached_property
    def in_flight(self) -> Counter[TaskKind]:
        """How many tasks of each kind are under way."""
        return Counter(kind_of(key) for key in self.tasks_in_flight)

    def is_open(self, key: str) -> bool:
        """Say whether a task is neither finished nor under way."""
        return key not in self.finished_tasks and key not in self.tasks_in_flight

    @property
    def is_judged(self) -> bool:
        """Whether the newest committee has judged what waits, or there is nothing to judge."""
        if self.newest is None:
            return False
        judging = JudgeKey(rung=self.index, version=self.newest.version)
        if judging.key in self.finished_tasks:
            return True
        return not self.candidates.has_unjudged(self.newest.version)

    def is_training(self) -> bool:
        """Say whether a training is under way."""
        return self.in_flight["train"] > 0

    @property
    def has_begun_training(self) -> bool:
        """Whether some members of the next committee are trained already."""
        next_one = TrainKey(rung=self.index, version=self.next_version).key
        return any(key.startswith(f"{next_one}-") for key in self.finished_tasks)
