"""All that samplers know of a model: the Potential protocol, its Prediction, and a threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray, Structure, StructureKind
from chemistry.units import KCAL_MOL_PER_EV


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Energies and forces of one structure by every member of a committee.

    Attributes
    ----------
    member_energies : (M,) float64, eV
    member_forces : (M, N, 3) float64, eV/Å
    """

    member_energies: FloatArray
    member_forces: FloatArray

    @classmethod
    def not_computed(cls, n_atoms: int) -> "Prediction":
        """Return what stands for a structure that defies the method: above every ceiling."""
        return cls(member_energies=np.array([np.inf]), member_forces=np.zeros((1, n_atoms, 3)))

    @property
    def is_computed(self) -> bool:
        """Whether there is an answer at all."""
        return bool(np.isfinite(self.member_energies).all())

    @property
    def energy(self) -> float:
        """Mean energy of the members, eV."""
        return float(self.member_energies.mean())

    @property
    def forces(self) -> FloatArray:
        """Mean forces of the members, (N, 3) eV/Å."""
        return np.asarray(self.member_forces.mean(axis=0), dtype=np.float64)

    @property
    def rho_kcal_mol(self) -> float:
        """Disagreement on the energy: sample standard deviation over sqrt(N), kcal/mol.

        Smith et al., doi:10.1063/1.5023802, eq. 2. Raises ValueError for fewer than two members.
        """
        self._require_members()
        return float(disagreements_kcal_mol(self.member_energies, self.member_forces.shape[1]))

    @property
    def force_sigma_kcal_mol_angstrom(self) -> float:
        """Disagreement on the forces: the largest of the atoms', kcal/mol/Å.

        Of an atom: sqrt(sum over members of |F_m - mean F|^2 / (M - 1)).
        Raises ValueError for fewer than two members.
        """
        self._require_members()
        squared = ((self.member_forces - self.forces) ** 2).sum(axis=2).sum(axis=0)
        per_atom = np.sqrt(squared / (len(self.member_energies) - 1))
        return float(per_atom.max()) * KCAL_MOL_PER_EV

    def _require_members(self) -> None:
        if len(self.member_energies) < 2:
            raise ValueError("one member cannot disagree: a committee needs at least two")


def disagreements_kcal_mol(member_energies: FloatArray, n_atoms: int) -> FloatArray:
    """Return `Prediction.rho_kcal_mol` (...,) of members' energies (..., M) in eV."""
    sigma = member_energies.std(axis=-1, ddof=1)
    return np.asarray(sigma / np.sqrt(n_atoms) * KCAL_MOL_PER_EV)


class Potential(Protocol):
    """Energies and forces of many structures at once, by a committee or by a single method.

    An implementation raises `chemistry.errors.InputError` for an element that it does not know
    and never returns a number that is not finite, but for `Prediction.not_computed` where it has
    no answer (a self-consistent field that does not converge).
    """

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        """Return one Prediction for each structure, in order."""
        ...


MemberWeights: TypeAlias = Callable[[FloatArray], FloatArray]
"""From members' energies (R, M) eV to the weight of each member's forces, (R, M).

The derivatives of a function of the energies are the weights that give its forces. Here that is
their mean and a function of how they differ: what all members add alike changes no weights, and
those of a geometry sum to one.
"""


class Replicas(Protocol):
    """Energies and mean forces of one molecule at many geometries: what dynamics follow."""

    def predict_mean(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return members' energies (R, M) eV, mean forces (R, N, 3) eV/Å at (R, N, 3) Å.

        NaN for a geometry where there is no answer.
        """
        ...

    def predict_weighted(
        self, positions: FloatArray, weigh: MemberWeights
    ) -> tuple[FloatArray, FloatArray]:
        """Return what `predict_mean` does with the weighted sum of the members' forces."""
        ...


@runtime_checkable
class ReplicaPotential(Protocol):
    """A potential that has a faster way to mean forces than through every member's."""

    def replicas(self, structure: Structure) -> Replicas:
        """Return what computes geometries of the molecule that a structure is one of."""
        ...


def replicas_of(potential: Potential, structure: Structure) -> Replicas:
    """Return the fastest way that a potential has to mean energies and forces of a molecule."""
    if isinstance(potential, ReplicaPotential):
        return potential.replicas(structure)
    return predicted_replicas(potential, structure)


def predicted_replicas(potential: Potential, structure: Structure) -> Replicas:
    """Return replicas by `predict`, the only way that every potential has."""
    return _PredictedReplicas(potential, structure)


class _PredictedReplicas:
    """Replicas of a potential that knows `predict` alone."""

    def __init__(self, potential: Potential, structure: Structure) -> None:
        self._potential = potential
        self._structure = structure

    def predict_mean(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.predict_weighted(
            positions, lambda energies: np.full_like(energies, 1.0 / energies.shape[1])
        )

    def predict_weighted(
        self, positions: FloatArray, weigh: MemberWeights
    ) -> tuple[FloatArray, FloatArray]:
        origin = self._structure.origin
        predictions = self._potential.predict(
            [self._structure.moved_to(row, origin) for row in positions]
        )
        energies = np.array([p.member_energies for p in predictions], dtype=np.float64)
        energies = energies.reshape(len(positions), -1)
        members = np.array([p.member_forces for p in predictions])
        members = members.reshape(*energies.shape, *positions.shape[1:])
        unknown = [not p.is_computed for p in predictions]
        energies[unknown], members[unknown] = np.nan, np.nan
        return energies, np.asarray(np.einsum("rm,rmnk->rnk", weigh(energies), members))


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The disagreement above which a structure deserves a label.

    Attributes
    ----------
    rho_kcal_mol : float
        On `Prediction.rho_kcal_mol`; 0.23 in ANI-1x.
    force_sigma_kcal_mol_angstrom : float or None
        On `Prediction.force_sigma_kcal_mol_angstrom`; None leaves forces out.
    anchor_rho_kcal_mol: float or None
        In the place of `rho_kcal_mol` for anchors; None: the same.
    """

    rho_kcal_mol: float
    force_sigma_kcal_mol_angstrom: float | None = None
    anchor_rho_kcal_mol: float | None = None

    def on(self, kind: StructureKind) -> "Threshold":
        """Return the threshold for structures of one kind."""
        if kind == "hot" or self.anchor_rho_kcal_mol is None:
            return replace(self, anchor_rho_kcal_mol=None)
        return replace(self, rho_kcal_mol=self.anchor_rho_kcal_mol, anchor_rho_kcal_mol=None)

    def times_over(self, rho_kcal_mol: float, force_sigma_kcal_mol_angstrom: float) -> float:
        """Return how many times the threshold a disagreement is: the larger of energy and force.

        Raises InputError for NaN, which is larger than nothing and would pass for certainty.
        """
        if np.isnan(rho_kcal_mol) or np.isnan(force_sigma_kcal_mol_angstrom):
            raise InputError(
                "a committee's disagreement is not a number: its energies or forces are not "
                "finite, so train it again"
            )
        ratio = rho_kcal_mol / self.rho_kcal_mol
        limit = self.force_sigma_kcal_mol_angstrom
        return ratio if limit is None else max(ratio, force_sigma_kcal_mol_angstrom / limit)

    def is_exceeded(self, rho_kcal_mol: float, force_sigma_kcal_mol_angstrom: float) -> bool:
        """Say whether so much disagreement is too much; raises as `times_over` does."""
        return self.times_over(rho_kcal_mol, force_sigma_kcal_mol_angstrom) > 1.0

    def excess_of(self, prediction: Prediction) -> float:
        """Return how many times the threshold the disagreement on a structure is."""
        return self.times_over(prediction.rho_kcal_mol, prediction.force_sigma_kcal_mol_angstrom)

    def exceeded_by(self, prediction: Prediction) -> bool:
        """Say whether the committee is uncertain of this structure."""
        return self.excess_of(prediction) > 1.0
