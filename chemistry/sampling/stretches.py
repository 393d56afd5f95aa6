"""Stretched bonds and bent angles: geometries that thermal motion seldom reaches."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Threshold
from chemistry.records.structure import FloatArray, Origin, Structure
from chemistry.sampling.base import PositiveRange, Sample, SamplerSettings
from chemistry.sampling.judging import judge_sane, merge


class Stretches(SamplerSettings):
    """One bond stretched and compressed, one of its angles bent, what is beyond it moved rigidly.

    Bonds of rings are passed over, and what breaks or forms a bond is refused. Each call costs one
    prediction of what was made, all of a bond at once.
    """

    kind: Literal["stretches"] = "stretches"
    bonds_per_start: int = Field(default=3, ge=1, description="Bonds that are changed, at random.")
    lengths: int = Field(default=6, ge=0, description="Lengths that each of them gets.")
    length_factors: PositiveRange = Field(
        default=(0.8, 1.3), description="Least and largest length over that in the start."
    )
    angles: int = Field(default=4, ge=0, description="Widths that one angle at each of them gets.")
    angle_factors: PositiveRange = Field(
        default=(0.8, 1.2), description="Least and largest angle over that in the start."
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
        """Return changed geometries; see `chemistry.sampling.base.Sampler`."""
        # RDKit and SciPy are loaded here: whoever only reads settings need not wait for them.
        from chemistry.geometries.rdkit_bridge import geometry_rules
        from chemistry.geometries.stretches import hinges

        rules = geometry_rules(molecule)
        movable = hinges(rules)
        generator = np.random.default_rng(seed)
        parts = []
        for start in starts:
            origin = Origin(sampler=self.kind, parent_id=start.structure_id, seed=seed)
            for row in generator.permutation(len(movable))[: self.bonds_per_start]:
                hinge = movable[row]
                factors = _spread(self.length_factors, self.lengths, generator)
                made = {"stretched bond": hinge.stretched(start.positions, factors)}
                if hinge.arms:
                    arm = int(generator.choice(hinge.arms))
                    factors = _spread(self.angle_factors, self.angles, generator)
                    made["bent angle"] = hinge.bent(start.positions, arm, factors)
                parts += [
                    judge_sane(
                        rules,
                        start,
                        [start.moved_to(positions, origin) for positions in geometries],
                        potential,
                        threshold,
                        max_energy_ev_per_atom=self.max_energy_ev_per_atom,
                        what=what,
                    )
                    for what, geometries in made.items()
                ]
        return merge(parts)


def _spread(factors: tuple[float, float], count: int, generator: np.random.Generator) -> FloatArray:
    """Draw one factor from each of so many equal parts of the range, so that calls differ."""
    least, most = factors
    return np.asarray(least + (most - least) * (np.arange(count) + generator.random(count)) / count)
