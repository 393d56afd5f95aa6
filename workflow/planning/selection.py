"""Which waiting structures are labelled next: pure functions, deterministic for a given seed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from chemistry.records.potential import Threshold
from chemistry.records.structure import (
    FloatArray,
    Structure,
    StructureKind,
    interatomic_distances,
    kind_made_by,
)
from workflow.planning.records import Candidate, Purpose

RELAXED = "anchor_conformers"
"""The sampler of relaxed conformers."""

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

    Samplers of anchors and others take turns, so that a small quota has both. Within a sampler the
    order is random: its offers come in order of time or temperature. Only of relaxed conformers the
    lowest come first, where their energies are known: relative energies are taken from them.
    """
    by_sampler: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in waiting:
        by_sampler[candidate.structure.origin.sampler].append(candidate)
    generator = np.random.default_rng(seed)
    shuffled = [
        [offers[i] for i in generator.permutation(len(offers))]
        for offers in (by_sampler[sampler] for sampler in _kinds_in_turn(by_sampler))
    ]
    for offers in shuffled:
        if offers[0].structure.origin.sampler == RELAXED:
            offers.sort(key=lambda c: np.inf if c.energy_ev is None else c.energy_ev)
    depth = max((len(offers) for offers in shuffled), default=0)
    in_turn = [offers[i] for i in range(depth) for offers in shuffled if i < len(offers)]
    return [_choice(candidate, purpose, candidate.reason) for candidate in in_turn[:quota]]


def _kinds_in_turn(samplers: Iterable[str]) -> list[str]:
    """Return samplers by name, those of anchors and others in turn."""
    places: Counter[StructureKind] = Counter()
    order: list[tuple[int, str]] = []
    for sampler in sorted(samplers):
        kind = kind_made_by(sampler)
        order.append((places[kind], sampler))
        places[kind] += 1
    return [sampler for _, sampler in sorted(order)]


def choose_diverse(
    waiting: Sequence[Candidate], purpose: Purpose, quota: int, *, seed: int
) -> list[Choice]:
    """Choose `quota` structures of one molecule: the first at random, then always the farthest."""
    order = np.random.default_rng(seed).permutation(len(waiting))
    shuffled = [waiting[i] for i in order]
    return [
        _choice(shuffled[i], purpose, "random and diverse")
        for i in farthest_points(shuffled, quota)
    ]


def choose_random(waiting: Sequence[Candidate], n: int, *, seed: int) -> list[Choice]:
    """Choose up to `n` structures at random."""
    generator = np.random.default_rng(seed)
    picks = generator.permutation(len(waiting))[:n]
    return [_choice(waiting[i], "random", "picked at random, against blind spots") for i in picks]


def excess(candidate: Candidate, threshold: Threshold) -> float:
    """Return how many times the threshold the disagreement on a candidate is."""
    return threshold.on(candidate.structure.origin.kind).times_over(
        candidate.rho_kcal_mol or 0.0, candidate.force_sigma_kcal_mol_angstrom or 0.0
    )


def farthest_points(ranked: Sequence[Candidate], n: int) -> list[int]:
    """Thin to `n` places: the best, then each time the one farthest from all that are taken.

    The distance between two geometries of a molecule is the root mean square difference of their
    sorted interatomic distances; different molecules are infinitely far apart.
    """
    if len(ranked) <= n:
        return list(range(len(ranked)))
    prints = [fingerprint(candidate.structure) for candidate in ranked]
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


def fingerprint(structure: Structure) -> FloatArray:
    """Return the interatomic distances of a structure in order of size, (P,) Å."""
    upper = np.triu_indices(len(structure), k=1)
    return np.sort(interatomic_distances(structure.positions)[upper])


def _choice(candidate: Candidate, purpose: Purpose, reason: str) -> Choice:
    return Choice(structure_id=candidate.structure.structure_id, purpose=purpose, reason=reason)
