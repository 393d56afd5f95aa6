"""What a molecule at rest really moves through: vibrations with their zero-point motion."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Threshold
from chemistry.records.structure import FloatArray, Structure
from chemistry.sampling.anchor_conformers import AnchorConformers
from chemistry.sampling.base import Sample
from chemistry.sampling.judging import merge
from chemistry.sampling.modes import Vibrations
from chemistry.sampling.normal_modes import AlongModes
from chemistry.units import BOLTZMANN_EV_PER_K, EV_PER_DALTON_ANGSTROM2_PER_FS2, HBAR_EV_FS


class AnchorVibrations(AlongModes):
    """Geometries around relaxed conformers, as the quantum harmonic oscillator is distributed.

    A classical bond to hydrogen hardly stretches at room temperature: at 300 K it holds a tenth of
    its zero-point energy, so that labels of classical geometries do not say how stiff it is. Here
    the mass-weighted coordinate of a mode has variance hbar coth(hbar omega / 2 kT) / 2 omega
    (Bloch, doi:10.1007/BF01337791). Conformers are relaxed with the potential at hand, so that a
    rung that climbs finds the minima of its own level.
    """

    kind: Literal["anchor_vibrations"] = "anchor_vibrations"
    temperature_k: float = Field(default=300.0, gt=0, description="Temperature of the vibrations.")
    max_conformers: int = Field(default=4, ge=1, description="Conformers at most, the lowest.")
    each_mode: bool = Field(
        default=False,
        description="Offer also each mode alone, forth and back by the root mean square of its "
        "coordinate: what a level without forces needs for harmonic wavenumbers.",
    )

    def sample(
        self,
        molecule: Molecule,
        starts: Sequence[Structure],
        potential: Potential,
        *,
        seed: int,
        threshold: Threshold | None = None,
    ) -> Sample:
        """Return displaced geometries; see `chemistry.sampling.base.Sampler`."""
        relax = AnchorConformers(max_conformers=self.max_conformers)
        found = relax.sample(molecule, starts, potential, seed=seed)
        at_rest = [offer.structure for offer in found.offers]
        displaced = super().sample(molecule, at_rest, potential, seed=seed, threshold=threshold)
        return merge([Sample(offers=(), rejected=found.rejected), displaced])

    def _draw(self, modes: Vibrations, generator: np.random.Generator) -> FloatArray:
        drawn = super()._draw(modes, generator)
        if not self.each_mode:
            return drawn
        alone = self._spread(modes)[:, None, None] * modes.displacements
        return np.concatenate(
            [np.stack([alone, -alone], axis=1).reshape(-1, *alone.shape[1:]), drawn]
        )

    def _twice_potential_ev(self, curvatures: FloatArray) -> FloatArray:
        quanta = HBAR_EV_FS * np.sqrt(curvatures / EV_PER_DALTON_ANGSTROM2_PER_FS2)
        thermal = np.tanh(quanta / (2.0 * BOLTZMANN_EV_PER_K * self.temperature_k))
        return np.asarray(0.5 * quanta / thermal)
