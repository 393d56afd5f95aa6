"""Displacements along normal modes, as large as the classical oscillator's are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from chemistry.geometries.geometry import distance_fingerprints, farthest_rows
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Threshold
from chemistry.records.structure import FloatArray, Origin, Structure
from chemistry.sampling.base import Sample, SamplerSettings
from chemistry.sampling.judging import judge_sane, merge
from chemistry.sampling.modes import Vibrations, hessians, vibrations
from chemistry.units import (
    BOLTZMANN_EV_PER_K,
    EV_PER_DALTON_ANGSTROM2_PER_FS2,
    PER_FS_PER_INVERSE_CM,
)


class AlongModes(SamplerSettings):
    """Geometries around each start, displaced along all its modes by random amplitudes.

    The mass-weighted coordinate of a mode is normal, with the mean square that belongs to its mean
    potential energy. Of the geometries over the threshold around one start, the most different are
    offered (MaxMin, as in ANI-1x); without a threshold all are, as they are distributed.
    """

    kind: str
    temperature_k: float = Field(default=600.0, gt=0, description="Temperature of the vibrations.")
    made_per_start: int = Field(default=10, ge=1, description="Geometries drawn around each start.")
    kept_per_start: int = Field(
        default=2,
        ge=1,
        description="Geometries offered of those over the threshold, as different as can be.",
    )
    softest_mode_per_cm: float = Field(
        default=200.0,
        gt=0,
        description="Softer and imaginary modes move as if they had this wavenumber: a straight "
        "line is no good path for a soft torsion.",
    )
    hessian_step_angstrom: float = Field(
        default=0.01, gt=0, description="Step of the finite differences of forces."
    )
    max_energy_ev_per_atom: float = Field(
        default=0.5, gt=0, description="Geometries higher above their start are refused."
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
        # RDKit is loaded here: whoever only reads settings need not wait for it.
        from chemistry.geometries.rdkit_bridge import geometry_rules

        rules = geometry_rules(molecule)
        generator = np.random.default_rng(seed)
        parts = []
        for start, modes in zip(starts, self._modes(starts, potential), strict=True):
            if modes is None:
                parts.append(Sample(offers=(), rejected={"not_computed": self.made_per_start}))
                continue
            if not len(modes.curvatures):  # an atom does not vibrate
                continue
            origin = Origin(sampler=self.kind, parent_id=start.structure_id, seed=seed)
            drawn = start.positions + self._draw(modes, generator)
            judged = judge_sane(
                rules,
                start,
                [start.moved_to(positions, origin) for positions in drawn],
                potential,
                threshold,
                max_energy_ev_per_atom=self.max_energy_ev_per_atom,
                what=f"normal modes at {self.temperature_k:g} K",
            )
            parts.append(judged if threshold is None else self._most_different(start, judged))
        return merge(parts)

    def _most_different(self, start: Structure, judged: Sample) -> Sample:
        """Keep of what is offered around one start the most different."""
        every_atom = np.arange(len(start))
        geometries = [start.positions, *(offer.structure.positions for offer in judged.offers)]
        known, *others = distance_fingerprints(np.array(geometries), every_atom)
        if not others:
            return judged
        kept = farthest_rows(np.array(others), self.kept_per_start, known[None])
        return replace(judged, offers=tuple(judged.offers[row] for row in kept))

    def _modes(self, starts: Sequence[Structure], potential: Potential) -> list[Vibrations | None]:
        return [
            None if np.isnan(hessian).any() else vibrations(hessian, start.positions, start.masses)
            for hessian, start in zip(
                hessians(starts, potential, self.hessian_step_angstrom), starts, strict=True
            )
        ]

    def _twice_potential_ev(self, curvatures: FloatArray) -> FloatArray:
        """Return twice the mean potential energy of modes of curvatures (V,) eV/(Da Å²)."""
        raise NotImplementedError

    def _draw(self, modes: Vibrations, generator: np.random.Generator) -> FloatArray:
        """Draw displacements, (made_per_start, N, 3) Å, along all modes."""
        spread = self._spread(modes)
        amplitudes = spread * generator.standard_normal((self.made_per_start, len(spread)))
        return np.asarray(np.einsum("rv,vna->rna", amplitudes, modes.displacements))

    def _spread(self, modes: Vibrations) -> FloatArray:
        """Return the root mean square of each mode's coordinate, (V,) sqrt(Da) Å."""
        softest = (
            self.softest_mode_per_cm * PER_FS_PER_INVERSE_CM
        ) ** 2 * EV_PER_DALTON_ANGSTROM2_PER_FS2
        curvatures = np.maximum(modes.curvatures, softest)
        return np.asarray(np.sqrt(self._twice_potential_ev(curvatures) / curvatures))


class NormalModes(AlongModes):
    """Geometries drawn from the classical thermal distribution of harmonic vibrations.

    Normal-mode sampling as in ANI-1 (Smith, Isayev and Roitberg, doi:10.1039/C6SC05720A), but for
    the amplitudes. ANI-1 shares out at most 3/2 N kT among the modes by random numbers; here the
    mass-weighted coordinate of each mode has variance kT / omega², the Boltzmann distribution of a
    classical oscillator, so that each mode has kT/2 on average.
    """

    kind: Literal["normal_modes"] = "normal_modes"

    def _twice_potential_ev(self, curvatures: FloatArray) -> FloatArray:
        return np.full(len(curvatures), BOLTZMANN_EV_PER_K * self.temperature_k)
