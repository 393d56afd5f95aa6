"""A sampler: each atom is moved a little, at random."""

from typing import Literal

import numpy as np
from pydantic import Field

from chemistry.records.structure import Origin
from chemistry.sampling.base import SamplerSettings
from chemistry.sampling.judging import judge_sane, merge


class Shaken(SamplerSettings):
    kind: Literal["shaken"] = "shaken"
    size_angstrom: float = Field(default=0.05, gt=0, description="Standard deviation.")
    made_per_start: int = Field(default=8, ge=1, description="Structures made of each start.")

    def sample(self, molecule, starts, potential, *, seed, threshold=None):
        from chemistry.geometries.rdkit_bridge import geometry_rules

        generator = np.random.default_rng(seed)
        parts = []
        for start in starts:
            origin = Origin(sampler=self.kind, parent_id=start.structure_id, seed=seed)
            moves = generator.normal(
                scale=self.size_angstrom, size=(self.made_per_start, *start.positions.shape)
            )
            made = [start.moved_to(start.positions + move, origin) for move in moves]
            parts.append(
                judge_sane(
                    geometry_rules(molecule),
                    start,
                    made,
                    potential,
                    threshold,
                    max_energy_ev_per_atom=5.0,
                    what="shaken",
                )
            )
        return merge(parts)
