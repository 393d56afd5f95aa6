"""A committee in TorchSim: `RungModel("committee.safetensors")`, for many systems at once."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_sim.models.interface import ModelInterface
from torch_sim.state import SimState

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray
from model.protocol import Committee
from model.simulation.potential import SimulatedPotential, SimulatedSystems
from model.systems import Precision


class RungModel(ModelInterface):  # type: ignore[misc]  # TorchSim's own types are not checked
    """Mean energies and forces of a committee, for TorchSim's integrators and optimizers.

    What it returns also has `rho_kcal_mol` (n_systems,), the disagreement of the members as in
    `Prediction.rho_kcal_mol`. Stress is of periodic systems.

    Parameters
    ----------
    potential : Committee, or path of a checkpoint
    device : torch.device or str
    dtype : torch.float64 or torch.float32
        Of the state and of the results.
    precision, max_disagreement_kcal_mol
        As `SimulatedPotential.read` has them; precision None: that of the checkpoint.
    compute_stress : bool
    charge, multiplicity : int
        Of each system as a whole.

    Raises
    ------
    InputError
        The potential cannot be read, or a state has an element that it does not know, or a box
        less than twice as wide as its cutoff.
    """

    def __init__(
        self,
        potential: Committee | str | Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        precision: Precision | None = None,
        max_disagreement_kcal_mol: float | None = None,
        compute_stress: bool = False,
        charge: int = 0,
        multiplicity: int = 1,
    ) -> None:
        super().__init__()
        self._device = torch.device(device)
        self._dtype = dtype
        self._compute_forces = True
        self._compute_stress = compute_stress
        self._state = {"charge": charge, "multiplicity": multiplicity}
        self._potential = SimulatedPotential.read(
            potential,
            precision=precision,
            device=str(self._device),
            max_disagreement_kcal_mol=max_disagreement_kcal_mol,
        )
        self._known: tuple[bytes, SimulatedSystems] | None = None

    def forward(self, state: SimState | dict[str, Any], **_others: Any) -> dict[str, Tensor]:
        """Return energy (n_systems,) eV, forces (n_atoms, 3) eV/Å, rho_kcal_mol and stress."""
        if isinstance(state, dict):
            state = SimState(**state, masses=torch.ones_like(state["atomic_numbers"]))
        cells = _numpy(state.row_vector_cell) if state.pbc else None
        found = self._systems(state).predict(_numpy(state.positions), cells)
        results = {
            "energy": found.energies,
            "forces": found.forces,
            "rho_kcal_mol": found.rho_kcal_mol,
        }
        if self._compute_stress:
            results["stress"] = _stress(found.strain_derivatives, cells)
        return {name: self._tensor(values) for name, values in results.items()}

    def _systems(self, state: SimState) -> SimulatedSystems:
        """Return what computes the systems of a state: the same as long as they are the same."""
        numbers = state.atomic_numbers.cpu().numpy().astype(np.int64)
        sizes = state.n_atoms_per_system.cpu().numpy()
        key = numbers.tobytes() + sizes.tobytes()
        if self._known is None or self._known[0] != key:
            each = np.split(numbers, np.cumsum(sizes)[:-1])
            self._known = key, self._potential.systems(each, **self._state)
        return self._known[1]

    def _tensor(self, values: FloatArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device, self._dtype)


def _numpy(values: Tensor) -> FloatArray:
    return values.detach().cpu().numpy().astype(np.float64)


def _stress(strain_derivatives: FloatArray | None, cells: FloatArray | None) -> FloatArray:
    """Return the stress (n_systems, 3, 3) in eV/Å^3."""
    if strain_derivatives is None or cells is None:
        raise InputError("there is no stress without a periodic box: set compute_stress=False")
    volumes = np.abs(np.linalg.det(cells))
    return np.asarray(strain_derivatives / volumes[:, None, None])
