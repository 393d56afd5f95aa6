"""Committees that have not seen some of the molecules, for what their errors there are."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chemistry.records.label import LabelledStructure
from model.architectures import find_architecture
from model.intervals import Scores, scores_by_molecule
from model.protocol import Committee, TrainingRequest


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """How the committee of one rung came about.

    Attributes
    ----------
    request : TrainingRequest
        What it learned.
    way : str or None
        How it climbed from the rung below; None: it did not, it was trained.
    """

    request: TrainingRequest
    way: str | None


def left_out_scores(
    steps: Sequence[Step],
    *,
    folds: int,
    on_training: Callable[[int, int], None] = lambda _fold, _rung: None,
) -> list[Scores]:
    """Train committees without a part of the molecules and score them on that part.

    All rungs leave the same molecules out, so that what climbs has not seen them on the way
    either: Barber et al., doi:10.1214/20-AOS1965, with molecules for structures, and the mean of
    each committee for all of them. A molecule with an element that no other part has is not
    scored: nothing can be learned of it.

    Parameters
    ----------
    steps : sequence of Step
        From the lowest rung up.
    folds : int
        Parts that the molecules are dealt into, at most one each.
    on_training : callable
        Called with the fold and the rung, counted from 0, before each training.

    Returns
    -------
    list of Scores
        Of each step, one group a molecule.
    """
    molecules = {row.structure.molecule_id for step in steps for row in step.request.data}
    folds = min(folds, len(molecules))
    fold_of = {m: i % folds for i, m in enumerate(sorted(molecules, key=_shuffled))}
    scores = [Scores(energy=(), relative_energy=(), force=()) for _ in steps]
    for fold in range(folds):
        committee: Committee | None = None
        for rung, step in enumerate(steps):
            on_training(fold, rung)
            data = step.request.data
            learned = [row for row in data if fold_of[row.structure.molecule_id] != fold]
            left_out = [row for row in data if fold_of[row.structure.molecule_id] == fold]
            if not learned:
                break
            committee = _trained(
                replace(step, request=replace(step.request, data=learned)), committee
            )
            judged = _of_known_elements(left_out, learned)
            predictions = committee.predict([row.structure for row in judged])
            scores[rung] += scores_by_molecule(judged, predictions)
    return scores


def _trained(step: Step, below: Committee | None) -> Committee:
    architecture = find_architecture(step.request.settings.architecture)
    if step.way is None or below is None:
        return architecture.train(step.request).committee
    return architecture.climb(step.request, below, step.way).committee


def _of_known_elements(
    rows: Sequence[LabelledStructure], learned: Sequence[LabelledStructure]
) -> list[LabelledStructure]:
    known = {z for row in learned for z in row.structure.atomic_numbers.tolist()}
    return [row for row in rows if known.issuperset(row.structure.atomic_numbers.tolist())]


def _shuffled(molecule_id: str) -> str:
    """Return what orders molecules at random, but always alike."""
    return hashlib.sha256(molecule_id.encode()).hexdigest()
