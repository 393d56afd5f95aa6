"""Energies and mean forces of systems whose atoms move: what does not change is found out once.

Which pairs are near is found anew each time, which is 5 % of the time of a call; the triples that
they form are kept until another pair is near. A list of pairs kept from step to step would need a
skin; one of 0.2 Å has 13 % more triples in a molecule of 24 atoms, and computing their functions
would take back most of what it saves.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray, Structure
from model.architectures.ani.descriptor.batch import (
    ATOMS_AT_ONCE_FOR_MEANS,
    AtomBatch,
    chunks,
)
from model.architectures.ani.descriptor.environments import environments
from model.architectures.ani.descriptor.neighbours import Blocks
from model.architectures.ani.forces import energies_and_mean_gradient
from model.architectures.ani.network import StackedNetworks
from model.systems import SystemsPrediction, check_cells


@dataclass(frozen=True, kw_only=True, eq=False)
class CommitteeSystems:
    """A `model.systems.Systems` by a committee.

    Attributes
    ----------
    networks : StackedNetworks
        Most work is saved with ones that know no elements but those of the systems.
    own_energies_ev : (1, B) or (M, B) float64, eV
        What elements and state contribute to the energy of each system.
    structures : tuple of Structure
        One geometry of each system.
    """

    networks: StackedNetworks
    own_energies_ev: FloatArray
    structures: tuple[Structure, ...]

    def check_cells(self, cells: FloatArray) -> None:
        """Raise InputError for boxes (B, 3, 3) Å that are less than twice as wide as the cutoff."""
        check_cells(cells, self.networks.shape.symmetry_functions.radial_cutoff_angstrom)

    def predict_mean(
        self, positions: FloatArray, cells: FloatArray | None = None
    ) -> SystemsPrediction:
        """Return energies and mean forces; as `model.systems.Systems.predict_mean`."""
        if not np.isfinite(positions).all():
            raise InputError("a system has positions that are not finite numbers: has it exploded?")
        if cells is not None:
            self.check_cells(cells)
        found = [self._predict_part(part, positions, cells) for part in self._parts]
        energies, forces, strain = (np.concatenate(values) for values in zip(*found, strict=True))
        if not (np.isfinite(energies).all() and np.isfinite(forces).all()):
            raise InputError(
                "the committee has no finite energy or forces for a system: do two atoms coincide?"
            )
        return SystemsPrediction(
            member_energies=energies + self.own_energies_ev.T,
            forces=forces,
            strain_derivatives=None if cells is None else strain,
            sizes=self._sizes,
        )

    def _predict_part(
        self, part: "_Part", positions: FloatArray, cells: FloatArray | None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return energies (B, M) without self-energies, forces; strain derivatives of boxes."""
        boxes = None if cells is None else torch.from_numpy(np.ascontiguousarray(cells[part.rows]))
        batch = part.layout.moved(positions[part.atoms], boxes)
        with torch.no_grad():
            surroundings = environments(
                batch, self.networks.shape, self.networks.weights.dtype, part.blocks
            )
            part.blocks = surroundings.triples.blocks
            energies, gradient = energies_and_mean_gradient(self.networks, batch, surroundings)
            pulls = surroundings.pulls(gradient)
            forces = surroundings.forces_by_pulls(pulls)[batch.place, 0]
            strain = np.empty((0, 3, 3))
            if boxes is not None:
                strain = surroundings.strain_derivatives(pulls, batch).cpu().numpy()
        return energies.T.cpu().numpy(), forces.double().cpu().numpy(), strain

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(map(len, self.structures))

    @cached_property
    def _parts(self) -> tuple["_Part", ...]:
        parts, row, atom = [], 0, 0
        for structures in chunks(self.structures, ATOMS_AT_ONCE_FOR_MEANS):
            size = sum(map(len, structures))
            layout = AtomBatch.of(structures, self.networks.shape.elements, self.networks.device)
            parts.append(
                _Part(
                    rows=slice(row, row + len(structures)),
                    atoms=slice(atom, atom + size),
                    layout=layout,
                )
            )
            row, atom = row + len(structures), atom + size
        return tuple(parts)


@dataclass(kw_only=True, eq=False)
class _Part:
    """Systems that are computed at once, which they are, and who was near whom at last."""

    rows: slice
    atoms: slice
    layout: AtomBatch
    blocks: Blocks | None = None
