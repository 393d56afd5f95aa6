"""Committee: a potential whose members disagree where they have not been taught."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from chemistry.errors import InputError
from chemistry.potential import Prediction
from chemistry.structure import FloatArray, Structure
from model.architecture import Architecture
from model.batch import AtomBatch, check_structures
from model.descriptor import environments
from model.forces import energies_and_forces
from model.network import StackedNetworks
from model.self_energies import element_counts

_ATOMS_AT_ONCE = 512  # bounds memory, and keeps intermediate arrays within the processor's caches


@dataclass(frozen=True, kw_only=True, eq=False)
class Committee:
    """Members that share descriptor and self-energies; a `chemistry.potential.Potential`.

    Attributes
    ----------
    networks : StackedNetworks
    self_energies_ev : (n_elements,) float64, eV
    level_id, level_name : str
        The level of theory that it was trained on.
    record : mapping
        How it came about (seed, settings, data, calibration), as JSON; nothing depends on it.
    """

    networks: StackedNetworks
    self_energies_ev: FloatArray
    level_id: str
    level_name: str
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def architecture(self) -> Architecture:
        """Elements, symmetry functions and layer sizes."""
        return self.networks.architecture

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that it knows."""
        return self.architecture.elements

    @property
    def n_members(self) -> int:
        """Number of members."""
        return self.networks.n_members

    def to(self, dtype: torch.dtype) -> "Committee":
        """Return the same committee computing in another precision."""
        return replace(self, networks=self.networks.to(dtype))

    def first(self, members: int) -> "Committee":
        """Return the committee of the first members alone."""
        weights = self.networks.weights[:members].clone()
        return replace(self, networks=replace(self.networks, weights=weights))

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        """Return energies and forces of every member for structures of any sizes, in order.

        Raises
        ------
        InputError
            A structure has an element that the committee does not know, positions that are not
            finite, coinciding atoms, or an energy that is not finite.
        """
        check_structures(structures, self.elements)
        return [p for chunk in chunks(structures) for p in self._predict(chunk)]

    def _predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        batch = AtomBatch.of(structures, self.elements)
        with torch.no_grad():
            surroundings = environments(batch, self.architecture, self.networks.weights.dtype)
            energies, forces = energies_and_forces(self.networks, batch, surroundings)
        forces = forces[:, batch.place]
        shifts = element_counts(structures, self.elements) @ self.self_energies_ev
        members = energies.numpy() + shifts
        by_structure = np.split(forces.double().numpy(), np.cumsum(batch.sizes)[:-1], axis=1)
        for index, structure_forces in enumerate(by_structure):
            if not (np.isfinite(members[:, index]).all() and np.isfinite(structure_forces).all()):
                raise InputError(
                    f"the committee has no finite energy or forces for structure "
                    f"{structures[index].structure_id}: do two atoms coincide?"
                )
        return [
            Prediction(member_energies=members[:, index].copy(), member_forces=structure_forces)
            for index, structure_forces in enumerate(by_structure)
        ]


def chunks(structures: Sequence[Structure]) -> Iterator[Sequence[Structure]]:
    """Cut structures into runs of about as many atoms as are best computed at once."""
    start, atoms = 0, 0
    for index, structure in enumerate(structures):
        if atoms and atoms + len(structure) > _ATOMS_AT_ONCE:
            yield structures[start:index]
            start, atoms = index, 0
        atoms += len(structure)
    if start < len(structures):
        yield structures[start:]
