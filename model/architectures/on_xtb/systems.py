"""Systems that move, by networks on top of GFN2-xTB."""

from dataclasses import dataclass, replace

import numpy as np

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray, Structure
from model.architectures.on_xtb.baseline import beneath_at
from model.systems import Systems, SystemsPrediction


@dataclass(frozen=True, kw_only=True, eq=False)
class OnXtbSystems:
    """A `model.systems.Systems`; in the open, for GFN2-xTB knows no boxes here.

    Attributes
    ----------
    above : Systems
        By the networks.
    structures : tuple of Structure
        One geometry of each system.
    """

    above: Systems
    structures: tuple[Structure, ...]

    def check_cells(self, cells: FloatArray) -> None:  # noqa: ARG002 (none can)
        """Raise InputError: it computes no boxes."""
        raise InputError(
            "a potential on top of GFN2-xTB knows no periodic boxes: take one of architecture ani"
        )

    def predict_mean(
        self, positions: FloatArray, cells: FloatArray | None = None
    ) -> SystemsPrediction:
        """Return energies and mean forces; as `model.systems.Systems.predict_mean`.

        Raises
        ------
        InputError
            Also where GFN2-xTB does not converge.
        """
        if cells is not None:
            self.check_cells(cells)
        found = self.above.predict_mean(positions)
        ends = np.cumsum([len(structure) for structure in self.structures])[:-1]
        parts = [
            beneath_at(structure, own[None])
            for structure, own in zip(self.structures, np.split(positions, ends), strict=True)
        ]
        energies = np.concatenate([energy for energy, _ in parts])  # (B,)
        if not np.isfinite(energies).all():
            number = int(np.flatnonzero(~np.isfinite(energies))[0])
            raise InputError(
                f"GFN2-xTB, on which this potential stands, does not converge for system {number}: "
                f"has it fallen apart?"
            )
        return replace(
            found,
            member_energies=found.member_energies + energies[:, None],
            forces=found.forces + np.concatenate([forces[0] for _, forces in parts]),
        )
