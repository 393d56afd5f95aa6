"""Which waiting structures are labelled next: pure functions, deterministic for a given seed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from chemistry.records.potential import Threshold
from chemistry.records.structure import FloatArray, Structure, interatomic_distances
from workflow.planning.records import Candidate, Purpose

CostModel: TypeAlias = Callable[[Structure], float]
"""Predicted CPU seconds of a structure's label."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A structure to label, and why: the reason is kept in the store."""

    structure_id: str
    purpose: Purpose
    reason: str


def choose_even(
    waiting: Iterable[Candidate], purpose: Purpose, quota: int, *, seed: int
) -> list[Choice]:
    """Choose `quota` structures of one molecule, evenly over the samplers that offered them.

    Within a sampler the order is random: its offers come in order of time or temperature.
    """
    by_sampler: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in waiting:
        by_sampler[candidate.structure.origin.sampler].append(candidate)
    generator = np.random.default_rng(seed)
    shuffled = [
        [offers[i] for i in generator.permutation(len(offers))]
        for _, offers in sorted(by_sampler.items())
    ]
    depth = max((len(offers) for offers in shuffled), default=0)
    in_turn = [offers[i] for i in range(depth) for offers in shuffled if i < len(offers)]
    return [_choice(candidate, purpose, candidate.reason) for candidate in in_turn[:quota]]


def choose_diverse(
    waiting: Sequence[Candidate], purpose: Purpose, quota: int, *, seed: int
) -> list[Choice]:
    """Choose `quota` structures of one molecule: the first by lot, then always the farthest."""
    order = np.random.default_rng(seed).permutation(len(waiting))
    shuffled = [waiting[i] for i in order]
    return [
        _choice(shuffled[i], purpose, "random and diverse")
        for i in _farthest_points(shuffled, quota)
    ]


def choose_random(waiting: Sequence[Candidate], n: int, *, seed: int) -> list[Choice]:
    """Choose up to `n` structures by lot."""
    generator = np.random.default_rng(seed)
    picks = generator.permutation(len(waiting))[:n]
    return [_choice(waiting[i], "random", "picked at random, against blind spots") for i in picks]


def choose_uncertain(
    waiting: Iterable[Candidate],
    n: int,
    *,
    threshold: Threshold,
    cost: CostModel,
    already_chosen: Counter[str],
    molecule_cap: int,
) -> list[Choice]:
    """Choose up to `n` structures on which the committee disagrees.

    Query by committee: candidates over the threshold are ranked by their excess over it per
    predicted CPU second, capped per molecule, and those that remain of three times `n` are thinned
    to `n` by farthest-point sampling, so that one uncertain well does not fill a batch.

    Parameters
    ----------
    waiting : iterable of Candidate
        Those that no committee has judged are passed over.
    n : int
    threshold : Threshold
    cost : CostModel
    already_chosen : Counter of molecule_id
        Chosen since the last training; counts against the cap.
    molecule_cap : int
        Structures of one molecule between two trainings.
    """
    over = [(excess(c, threshold), c) for c in waiting if c.judged_by is not None]
    ranked = sorted(
        ((ratio / cost(c.structure), ratio, c) for ratio, c in over if ratio > 1.0),
        key=lambda item: (-item[0], item[2].structure.structure_id),
    )
    taken = Counter(already_chosen)
    shortlist: list[tuple[float, Candidate]] = []
    for _, ratio, candidate in ranked:
        if len(shortlist) == 3 * n:
            break
        if taken[candidate.structure.molecule_id] < molecule_cap:
            taken[candidate.structure.molecule_id] += 1
            shortlist.append((ratio, candidate))
    thinned = _farthest_points([candidate for _, candidate in shortlist], n)
    return [
        _choice(candidate, "active", f"{candidate.reason}; {ratio:.1f} x the threshold")
        for ratio, candidate in (shortlist[i] for i in thinned)
    ]


def excess(candidate: Candidate, threshold: Threshold) -> float:
    """Return how many times the threshold the disagreement on a candidate is."""
    return threshold.times_over(
        candidate.rho_kcal_mol or 0.0, candidate.force_sigma_kcal_mol_angstrom or 0.0
    )


def _farthest_points(ranked: Sequence[Candidate], n: int) -> list[int]:
    """Thin to `n` places: the best, then each time the one farthest from all that are taken.

    The distance between two geometries of a molecule is the root mean square difference of their
    sorted interatomic distances; different molecules are infinitely far apart.
    """
    if len(ranked) <= n:
        return list(range(len(ranked)))
    prints = [_fingerprint(candidate.structure) for candidate in ranked]
    molecules = np.array([candidate.structure.molecule_id for candidate in ranked])
    nearest = np.full(len(ranked), np.inf)
    taken: list[int] = []
    for _ in range(n):
        # argmax takes the first of equals, so untouched molecules come in order of rank.
        pick = int(np.argmax(nearest))
        taken.append(pick)
        for i in np.flatnonzero(molecules == molecules[pick]):
            distance = float(np.sqrt(np.mean((prints[i] - prints[pick]) ** 2)))
            nearest[i] = min(nearest[i], distance)
        nearest[taken] = -1.0
    return taken


def _fingerprint(structure: Structure) -> FloatArray:
    upper = np.triu_indices(len(structure), k=1)
    return np.sort(interatomic_distances(structure.positions)[upper])


def _choice(candidate: Candidate, purpose: Purpose, reason: str) -> Choice:
    return Choice(structure_id=candidate.structure.structure_id, purpose=purpose, reason=reason)
