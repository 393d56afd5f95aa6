"""Committees that have not seen some of the molecules, for what their errors there are."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chemistry.records.label import LabelledStructure
from model.architectures import find_architecture
from model.conformal import Scores, scores_by_molecule
from model.protocol import Committee, TrainingRequest
from model.states import states_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """How the committee of one rung came about.

    Attributes
    ----------
    request : TrainingRequest
        What it learned.
    way : str or None
        How it climbed from the rung below; None: it did not, it was trained.
    start : Committee or None
        What the lowest rung climbed from, whatever that has seen.
    """

    request: TrainingRequest
    way: str | None
    start: Committee | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftOut:
    """A committee, and the structures whose molecules neither it nor those below it have seen.

    Attributes
    ----------
    fold, rung : int
        Counted from 0.
    committee : Committee
    learned, left_out : sequence of LabelledStructure
    """

    fold: int
    rung: int
    committee: Committee
    learned: Sequence[LabelledStructure]
    left_out: Sequence[LabelledStructure]

    def scores(self) -> Scores:
        """Return the scores of what was left out, one group a molecule."""
        predictions = self.committee.predict([row.structure for row in self.left_out])
        return scores_by_molecule(self.left_out, predictions)


def leave_molecules_out(steps: Sequence[Step], *, folds: int) -> Iterator[LeftOut]:
    """Train committees without a part of the molecules, for one part after the other.

    All rungs leave the same molecules out, so that what climbs has not seen them on the way
    either: Barber et al., doi:10.1214/20-AOS1965, with molecules for structures, and the mean of
    each committee for all of them. A molecule with an element or in a state that no
    other part has is not judged: nothing can be learned of it.

    Parameters
    ----------
    steps : sequence of Step
        From the lowest rung up.
    folds : int
        Parts that the molecules are dealt into, at most one each.
    """
    molecules = {row.structure.molecule_id for step in steps for row in step.request.data}
    folds = min(folds, len(molecules))
    fold_of = {m: i % folds for i, m in enumerate(sorted(molecules, key=_shuffled))}
    for fold in range(folds):
        committee: Committee | None = None
        for rung, step in enumerate(steps):
            data = step.request.data
            learned = [row for row in data if fold_of[row.structure.molecule_id] != fold]
            left_out = [row for row in data if fold_of[row.structure.molecule_id] == fold]
            if not learned:
                break
            committee = _trained(step, learned, committee or step.start)
            yield LeftOut(
                fold=fold,
                rung=rung,
                committee=committee,
                learned=learned,
                left_out=_judgeable(left_out, learned),
            )


def _trained(
    step: Step, learned: Sequence[LabelledStructure], below: Committee | None
) -> Committee:
    request = replace(step.request, data=learned)
    architecture = find_architecture(request.settings.architecture)
    if step.way is None or below is None:
        return architecture.train(request).committee
    return architecture.climb(request, below, step.way).committee


def _judgeable(
    rows: Sequence[LabelledStructure], learned: Sequence[LabelledStructure]
) -> list[LabelledStructure]:
    """Return the rows whose elements and states have been learned."""
    elements = {z for row in learned for z in row.structure.atomic_numbers.tolist()}
    states = states_of(row.structure for row in learned)
    return [
        row
        for row in rows
        if elements.issuperset(row.structure.atomic_numbers.tolist())
        and (row.structure.charge, row.structure.multiplicity) in states
    ]


def _shuffled(molecule_id: str) -> str:
    """Return what orders molecules at random, but always alike."""
    return hashlib.sha256(molecule_id.encode()).hexdigest()
