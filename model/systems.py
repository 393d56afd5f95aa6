"""Systems whose atoms move: what programs that simulate ask of a committee at each step.

A system is a molecule, or several of them, in the open or in a periodic box. Many systems are
computed at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np

from chemistry.errors import InputError
from chemistry.records.potential import disagreements_kcal_mol
from chemistry.records.structure import FloatArray, Structure
from model.protocol import Committee

Precision: TypeAlias = Literal["single", "double"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SystemsPrediction:
    """Energies of B systems by every member, and the mean of their forces.

    Attributes
    ----------
    member_energies : (B, M) float64, eV
    forces : (A, 3) float64, eV/Å
        Of the atoms of all systems, laid end to end.
    strain_derivatives : (B, 3, 3) float64, eV, or None
        Of the mean energies, by a strain of positions and box; over the volume it is the stress.
        None where there is no box.
    sizes : (B,) int
        Atoms of each system.
    """

    member_energies: FloatArray
    forces: FloatArray
    strain_derivatives: FloatArray | None
    sizes: tuple[int, ...]

    @property
    def energies(self) -> FloatArray:
        """Mean energies of the members, (B,) eV."""
        return np.asarray(self.member_energies.mean(axis=1))

    @property
    def rho_kcal_mol(self) -> FloatArray:
        """Disagreement on each energy over sqrt(atoms), (B,); zeros of a single member."""
        if self.member_energies.shape[1] < 2:
            return np.zeros(len(self.sizes))
        per_system = [
            disagreements_kcal_mol(energies, size)
            for energies, size in zip(self.member_energies, self.sizes, strict=True)
        ]
        return np.array(per_system, dtype=np.float64)


class Systems(Protocol):
    """Energies and mean forces of systems whose atoms and boxes move."""

    def check_cells(self, cells: FloatArray) -> None:
        """Raise InputError for boxes (B, 3, 3) Å that cannot be computed."""
        ...

    def predict_mean(
        self, positions: FloatArray, cells: FloatArray | None = None
    ) -> SystemsPrediction:
        """Return energies and forces at positions (A, 3) Å in boxes (B, 3, 3) Å, or in none.

        Rows of a box are its vectors. Raises InputError for positions that are not finite,
        coinciding atoms, and a box that is less than twice as wide as the cutoff.
        """
        ...


@runtime_checkable
class SystemsPotential(Protocol):
    """A committee that has a fast way to systems that move, in a precision that is asked for."""

    def in_precision(self, precision: Precision) -> Self:
        """Return the same committee computing in single or double precision."""
        ...

    def systems(self, structures: Sequence[Structure]) -> Systems:
        """Return what computes systems of which each structure is one geometry."""
        ...


def systems_of(committee: Committee, structures: Sequence[Structure]) -> Systems:
    """Return the fastest way that a committee has to systems that move.

    Raises InputError for an element that it does not know.
    """
    if isinstance(committee, SystemsPotential):
        return committee.systems(structures)
    committee.predict_mean(structures[:1])
    return _PredictedSystems(committee, tuple(structures))


def in_precision(committee: Committee, precision: Precision | None) -> Committee:
    """Return a committee computing in a precision; None: as it is.

    Raises
    ------
    InputError
        Its architecture has one precision alone.
    """
    if precision is None:
        return committee
    if precision not in ("single", "double"):
        raise InputError(f"precision is single or double, not {precision!r}")
    if not isinstance(committee, SystemsPotential):
        raise InputError("this potential's architecture computes in one precision: name none")
    return committee.in_precision(precision)


def check_cells(cells: FloatArray, cutoff_angstrom: float) -> None:
    """Refuse boxes (B, 3, 3) Å in which an atom may see another one twice, or itself.

    Raises
    ------
    InputError
        A box is flat, or less than twice as wide as the cutoff along one direction.
    """
    with np.errstate(divide="ignore"):
        volumes = np.abs(np.linalg.det(cells))
        faces = np.linalg.norm(np.cross(cells[:, [1, 2, 0]], cells[:, [2, 0, 1]]), axis=2)
    if not (volumes > 0).all():
        raise InputError("a periodic box has no volume: give it three box vectors")
    least = float((volumes[:, None] / faces).min())
    if least < 2 * cutoff_angstrom:
        raise InputError(
            f"a periodic box is {least:.2f} Å wide, and this potential sees {cutoff_angstrom:g} Å "
            f"far: make it at least {2 * cutoff_angstrom:g} Å wide, or not periodic"
        )


class _PredictedSystems:
    """Systems of a committee that knows `predict_mean` alone, and no boxes."""

    def __init__(self, committee: Committee, structures: tuple[Structure, ...]) -> None:
        self._committee = committee
        self._structures = structures

    def check_cells(self, cells: FloatArray) -> None:  # noqa: ARG002 (none can)
        raise InputError("this potential's architecture knows no periodic boxes")

    def predict_mean(
        self, positions: FloatArray, cells: FloatArray | None = None
    ) -> SystemsPrediction:
        if cells is not None:
            self.check_cells(cells)
        sizes = tuple(map(len, self._structures))
        parts = np.split(positions, np.cumsum(sizes)[:-1])
        found = self._committee.predict_mean(
            [
                structure.moved_to(part, structure.origin)
                for structure, part in zip(self._structures, parts, strict=True)
            ]
        )
        return SystemsPrediction(
            member_energies=np.array([one.member_energies for one in found]),
            forces=np.concatenate([one.forces for one in found]),
            strain_derivatives=None,
            sizes=sizes,
        )
