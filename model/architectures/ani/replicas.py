"""Energies and forces of one molecule at many geometries, summed over members, for dynamics.

Nothing is made for each geometry: positions come as one array and forces leave as one. What does
not change while the atoms move, which element's networks see which atoms, is found out once.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from chemistry.errors import InputError
from chemistry.records.potential import MemberWeights
from chemistry.records.structure import FloatArray, Structure
from model.architectures.ani.descriptor.batch import ATOMS_AT_ONCE_FOR_MEANS, AtomBatch
from model.architectures.ani.descriptor.environments import environments
from model.architectures.ani.forces import energies_and_mean_forces, energies_and_weighted_forces
from model.architectures.ani.network import StackedNetworks


@dataclass(frozen=True, kw_only=True, eq=False)
class CommitteeReplicas:
    """A `chemistry.records.potential.Replicas` by a committee.

    Attributes
    ----------
    networks : StackedNetworks
        Most work is saved with ones that know no elements but the molecule's.
    own_energies_ev : (1,) or (M,) float64, eV
        What elements and state contribute to the molecule's energy.
    structure : Structure
        One geometry of the molecule.
    """

    networks: StackedNetworks
    own_energies_ev: FloatArray
    structure: Structure
    _layouts: dict[int, AtomBatch] = field(default_factory=dict, init=False)  # by geometries

    def predict_mean(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return members' energies (R, M) eV and mean forces (R, N, 3) eV/Å at (R, N, 3) Å.

        NaN for a geometry whose energies or forces are not finite (coinciding atoms, a committee
        beyond the range of its numbers), so that one trajectory does not end the others. Raises
        InputError for positions that are not finite.
        """
        return self._predict(positions, None)

    def predict_weighted(
        self, positions: FloatArray, weigh: MemberWeights
    ) -> tuple[FloatArray, FloatArray]:
        """Return what `predict_mean` does with the weighted sum of the members' forces."""
        return self._predict(positions, weigh)

    def _predict(
        self, positions: FloatArray, weigh: MemberWeights | None
    ) -> tuple[FloatArray, FloatArray]:
        if not np.isfinite(positions).all():
            raise InputError("a geometry has positions that are not finite numbers")
        energies = np.empty((len(positions), self.networks.n_members))
        forces = np.empty(positions.shape)
        rows = max(1, ATOMS_AT_ONCE_FOR_MEANS // len(self.structure))
        for start in range(0, len(positions), rows):
            part = slice(start, start + rows)
            energies[part], forces[part] = self._predict_part(positions[part], weigh)
        known = np.isfinite(energies).all(axis=1) & np.isfinite(forces).all(axis=(1, 2))
        energies[~known], forces[~known] = np.nan, np.nan
        return energies, forces

    def _predict_part(
        self, positions: FloatArray, weigh: MemberWeights | None
    ) -> tuple[FloatArray, FloatArray]:
        networks, device = self.networks, self.networks.device
        batch = self._layout(len(positions)).moved(positions.reshape(-1, 3))
        with torch.no_grad():
            surroundings = environments(batch, networks.shape, networks.weights.dtype)
            if weigh is None:
                energies, forces = energies_and_mean_forces(networks, batch, surroundings)
            else:
                energies, forces = energies_and_weighted_forces(
                    networks,
                    batch,
                    surroundings,
                    lambda own: torch.from_numpy(
                        weigh(own.T.cpu().numpy() + self.own_energies_ev).T
                    ).to(device),
                )
        ordered = forces[0, batch.place].double().cpu().numpy()
        return energies.T.cpu().numpy() + self.own_energies_ev, ordered.reshape(positions.shape)

    def _layout(self, count: int) -> AtomBatch:
        if count not in self._layouts:
            self._layouts[count] = AtomBatch.of(
                [self.structure] * count, self.networks.shape.elements, self.networks.device
            )
        return self._layouts[count]
