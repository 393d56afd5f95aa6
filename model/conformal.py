"""Factors of intervals by conformal prediction, from errors that have been seen.

Errors over the members' standard deviations are collected where the truth is known, and a factor is
what nine of ten of them do not exceed, with the correction for few of them (of normalised scores:
Papadopoulos et al., doi:10.1613/jair.3198). Geometries of one molecule are more alike than those of
two; so for molecules never seen the molecules are what is exchangeable, each with the same weight
however many geometries it has: hierarchical conformal prediction (Lee, Barber and Willett,
doi:10.1145/3786352).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chemistry.records.label import LabelledStructure
from chemistry.records.potential import Prediction
from chemistry.records.structure import FloatArray
from model.intervals import LEVEL, IntervalFactors, Intervals, Source


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Errors over the members' standard deviations, of one group each.

    Attributes
    ----------
    energy, relative_energy, force : sequence of (n,) float64
        Groups may be of different size, and those with nothing in them are left out.
    """

    energy: Sequence[FloatArray]
    relative_energy: Sequence[FloatArray]
    force: Sequence[FloatArray]

    def __add__(self, other: "Scores") -> "Scores":
        return Scores(
            energy=[*self.energy, *other.energy],
            relative_energy=[*self.relative_energy, *other.relative_energy],
            force=[*self.force, *other.force],
        )

    def factors(self, source: Source) -> IntervalFactors | None:
        """Return the factors that these scores support; None without a group."""
        if not self.energy:
            return None
        return IntervalFactors(
            n_groups=len(self.energy),
            source=source,
            energy=conformal_factor(self.energy),
            relative_energy=conformal_factor(self.relative_energy),
            force=conformal_factor(self.force),
        )


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The share of structures whose error their intervals hold, each group with the same weight.

    Attributes
    ----------
    n_groups : int
    energy, relative_energy, force : float or None
        None where there is no factor, or nothing to hold it against.
    """

    n_groups: int
    energy: float | None
    relative_energy: float | None
    force: float | None


def coverage(scores: Scores, factors: IntervalFactors | None) -> Coverage | None:
    """Return how often factors hold on scores that they were not taken from; None without any."""
    if factors is None or not scores.energy:
        return None
    return Coverage(
        n_groups=len(scores.energy),
        energy=_covered(scores.energy, factors.energy),
        relative_energy=_covered(scores.relative_energy, factors.relative_energy),
        force=_covered(scores.force, factors.force),
    )


def cross_coverage(scores: Scores) -> Coverage | None:
    """Return how often each group is held by the factors of the others; None without a group."""
    if not scores.energy:
        return None
    return Coverage(
        n_groups=len(scores.energy),
        energy=_cross_covered(scores.energy),
        relative_energy=_cross_covered(scores.relative_energy),
        force=_cross_covered(scores.force),
    )


def _cross_covered(groups: Sequence[FloatArray]) -> float | None:
    shares = []
    for row, group in enumerate(groups):
        factor = conformal_factor([*groups[:row], *groups[row + 1 :]])
        if factor is None:
            return None
        shares.append((group <= factor).mean())
    return float(np.mean(shares)) if shares else None


def _covered(groups: Sequence[FloatArray], factor: float | None) -> float | None:
    if factor is None or not groups:
        return None
    return float(np.mean([(group <= factor).mean() for group in groups]))


def conformal_factor(groups: Sequence[FloatArray], level: float = LEVEL) -> float | None:
    """Return what a score of a new group does not exceed at a level; None where that is open.

    The quantile of all scores, each of a group of n among G groups weighted by 1 / ((G + 1) n),
    and what is left at infinity: for a group that is exchangeable with the others, a score drawn
    from it is not larger with a probability of at least `level`.
    """
    if not groups:
        return None
    scores = np.concatenate(groups)
    weights = np.concatenate([np.full(len(g), 1.0 / ((len(groups) + 1) * len(g))) for g in groups])
    order = np.argsort(scores)
    row = int(np.searchsorted(np.cumsum(weights[order]), level - 1e-12))
    if row == len(scores) or not np.isfinite(scores[order[row]]):
        return None
    return float(scores[order[row]])


def scores_by_molecule(
    data: Sequence[LabelledStructure], predictions: Sequence[Prediction]
) -> Scores:
    """Return the scores of labelled structures, those of a molecule as one group."""
    rows_of: dict[str, list[int]] = {}
    for row, labelled in enumerate(data):
        rows_of.setdefault(labelled.structure.molecule_id, []).append(row)
    parts = [
        _molecule_scores([data[r] for r in rows], [predictions[r] for r in rows])
        for rows in rows_of.values()
    ]
    return Scores(
        energy=[energy for energy, _, _ in parts],
        relative_energy=[relative for _, relative, _ in parts if len(relative)],
        force=[np.concatenate(force) for _, _, force in parts if force],
    )


def scores_by_structure(
    data: Sequence[LabelledStructure], predictions: Sequence[Prediction]
) -> Scores:
    """Return the scores of labelled structures, each of them a group."""
    molecules = scores_by_molecule(data, predictions)
    rows = [[r] for r in data]
    found = [_molecule_scores(row, [p])[2] for row, p in zip(rows, predictions, strict=True)]
    return Scores(
        energy=[score for group in molecules.energy for score in group[:, None]],
        relative_energy=[score for group in molecules.relative_energy for score in group[:, None]],
        force=[force for of_one in found for force in of_one],
    )


def _molecule_scores(
    data: Sequence[LabelledStructure], predictions: Sequence[Prediction]
) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
    """Return scores of energies (S,), of relative energies (S - 1,) and of forces, S times (N,)."""
    members = np.array([p.member_energies for p in predictions])  # (S, M)
    labels = np.array([row.label.energy for row in data])
    lowest = int(members.mean(axis=1).argmin())
    others = np.arange(len(data)) != lowest
    relative = (members - members[lowest])[others]
    forces = [
        _ratio(
            np.linalg.norm(p.forces - row.label.forces, axis=1), force_deviations(p.member_forces)
        )
        for row, p in zip(data, predictions, strict=True)
        if row.label.forces is not None
    ]
    return (
        _ratio(members.mean(axis=1) - labels, members.std(axis=1, ddof=1)),
        _ratio(
            relative.mean(axis=1) - (labels - labels[lowest])[others], relative.std(axis=1, ddof=1)
        ),
        forces,
    )


def force_deviations(member_forces: FloatArray) -> FloatArray:
    """Return the standard deviation (N,) of each atom's force over the members (M, N, 3)."""
    return np.asarray(np.sqrt(member_forces.var(axis=0, ddof=1).sum(axis=1)))


def _ratio(errors: FloatArray, deviations: FloatArray) -> FloatArray:
    """Return the sizes of errors over deviations; no error is 0, whatever the deviation."""
    sizes = np.abs(errors)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sizes > 0, sizes / deviations, 0.0)


def held_out_intervals(
    learned: Sequence[LabelledStructure],
    held_out: Sequence[LabelledStructure],
    predictions: Sequence[Prediction],
) -> Intervals | None:
    """Return what held-out labels say of a committee; None for none, or for a single member.

    Those of molecules that it has learned give the factors of known molecules, those of others the
    factors of unseen ones.
    """
    if not held_out or any(len(p.member_energies) < 2 for p in predictions):
        return None
    molecules = {row.structure.molecule_id for row in learned}
    pairs = list(zip(held_out, predictions, strict=True))
    known = [pair for pair in pairs if pair[0].structure.molecule_id in molecules]
    unseen = [pair for pair in pairs if pair[0].structure.molecule_id not in molecules]
    return Intervals(
        molecules=tuple(sorted(molecules)),
        known=scores_by_structure(*_columns(known)).factors("held-out structures"),
        unseen=scores_by_molecule(*_columns(unseen)).factors("held-out molecules"),
    )


def _columns(
    pairs: Sequence[tuple[LabelledStructure, Prediction]],
) -> tuple[list[LabelledStructure], list[Prediction]]:
    return [row for row, _ in pairs], [prediction for _, prediction in pairs]
