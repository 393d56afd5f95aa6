"""Scans of torsions: geometries over the barriers that dynamics seldom crosses."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Threshold
from chemistry.records.structure import FloatArray, IntArray, Origin, Structure
from chemistry.sampling.base import Sample, SamplerSettings
from chemistry.sampling.judging import judge_sane, merge


class TorsionScans(SamplerSettings):
    """Turns about single bonds, everything else relaxed by MMFF94 at each angle.

    The angles of a scan are evenly spaced from a random one on, so that each call has others. A
    molecule without a bond that turns has no scan.
    """

    kind: Literal["torsions"] = "torsions"
    angles: int = Field(default=12, ge=1, description="Angles of one scan.")
    bonds_per_start: int = Field(
        default=2, ge=1, description="Bonds that are turned, at random, one after the other."
    )
    relaxation_steps: int = Field(
        default=200, ge=0, description="Steps of MMFF94 at each angle; 0 turns rigidly."
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
        """Return turned geometries; see `chemistry.sampling.base.Sampler`."""
        # RDKit is loaded here: whoever only reads settings need not wait for it.
        from chemistry.geometries.rdkit_bridge import geometry_rules
        from chemistry.geometries.torsions import rotatable_torsions

        torsions = rotatable_torsions(molecule)
        if not len(torsions):
            return Sample(offers=())
        rules = geometry_rules(molecule)
        generator = np.random.default_rng(seed)
        parts = []
        for start in starts:
            for row in generator.permutation(len(torsions))[: self.bonds_per_start]:
                first = generator.uniform(0.0, 360.0)
                angles = first + 360.0 * np.arange(self.angles) / self.angles
                made = self._scan(molecule, start, torsions[row], angles, seed)
                parts.append(
                    judge_sane(
                        rules,
                        start,
                        made,
                        potential,
                        threshold,
                        max_energy_ev_per_atom=self.max_energy_ev_per_atom,
                        what="torsion scan",
                    )
                )
        return merge(parts)

    def _scan(
        self,
        molecule: Molecule,
        start: Structure,
        torsion: IntArray,
        angles: FloatArray,
        seed: int,
    ) -> list[Structure]:
        from chemistry.geometries.torsions import turned

        origin = Origin(sampler=self.kind, parent_id=start.structure_id, seed=seed)
        geometries = turned(
            molecule, start.positions, torsion, angles, relaxation_steps=self.relaxation_steps
        )
        return [start.moved_to(positions, origin) for positions in geometries]
