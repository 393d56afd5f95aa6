"""Molecules of several fragments, in other orientations and distances."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Threshold
from chemistry.records.structure import IntArray, Origin, Structure
from chemistry.sampling.base import PositiveRange, Sample, SamplerSettings
from chemistry.sampling.judging import judge_sane, merge

Contact: TypeAlias = Annotated[
    PositiveRange,
    Field(
        description="Nearest contact of two fragments, least and most, over the sum of van der "
        "Waals radii; a hydrogen bond is at 0.7."
    ),
]
"""How near fragments come to each other."""


class Clusters(SamplerSettings):
    """Fragments of a dimer or a cluster, turned at random and put beside each other anew.

    The fragments stay as they are in the start; each call costs one prediction of what was made,
    all at once. A molecule of one fragment has no other orientation, and nothing is offered.
    """

    kind: Literal["clusters"] = "clusters"
    made_per_start: int = Field(default=10, ge=1, description="Geometries made of each start.")
    contact: Contact = (0.7, 1.5)
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
        """Return other placements; see `chemistry.sampling.base.Sampler`."""
        # RDKit and SciPy are loaded here: whoever only reads settings need not wait for them.
        from chemistry.geometries.placement import fragments
        from chemistry.geometries.rdkit_bridge import geometry_rules

        rules = geometry_rules(molecule)
        parts = fragments(rules)
        if len(parts) == 1:
            return Sample(offers=())
        generator = np.random.default_rng(seed)
        return merge(
            judge_sane(
                rules,
                start,
                self._made(start, parts, seed, generator),
                potential,
                threshold,
                max_energy_ev_per_atom=self.max_energy_ev_per_atom,
                what="fragments placed at random",
            )
            for start in starts
        )

    def _made(
        self,
        start: Structure,
        parts: Sequence[IntArray],
        seed: int,
        generator: np.random.Generator,
    ) -> list[Structure]:
        from chemistry.geometries.placement import placed

        origin = Origin(sampler=self.kind, parent_id=start.structure_id, seed=seed)
        rigid = [(start.atomic_numbers[atoms], start.positions[atoms]) for atoms in parts]
        back = np.argsort(np.concatenate(parts))
        return [
            start.moved_to(placed(rigid, self.contact, generator)[back], origin)
            for _ in range(self.made_per_start)
        ]
