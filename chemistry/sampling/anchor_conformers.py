"""Conformers at rest in the potential at hand: what relative energies are taken from."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from chemistry.geometries.geometry import distance_fingerprints, distinct_rows
from chemistry.geometries.relaxation import relax
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Threshold, replicas_of
from chemistry.records.structure import Origin, Structure
from chemistry.sampling.base import Sample, SamplerSettings
from chemistry.sampling.judging import judge_sane, merge


class AnchorConformers(SamplerSettings):
    """The starts, relaxed with the potential: the distinct ones, the lowest first."""

    kind: Literal["anchor_conformers"] = "anchor_conformers"
    repeats_itself: ClassVar[bool] = True
    max_conformers: int = Field(default=8, ge=1, description="Conformers at most.")
    max_force_ev_per_angstrom: float = Field(
        default=0.05, gt=0, description="At rest no force on an atom is larger."
    )
    max_steps: int = Field(default=300, ge=1, description="Steps of a relaxation, at most.")
    min_rmsd_angstrom: float = Field(
        default=0.05,
        gt=0,
        description="Conformers closer than this are one: RMSD of their interatomic distances.",
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
        """Return relaxed conformers; see `chemistry.sampling.base.Sampler`."""
        # RDKit is loaded here: whoever only reads settings need not wait for it.
        from chemistry.geometries.rdkit_bridge import atom_classes, geometry_rules

        if not starts or len(starts[0]) == 1:  # an atom has one geometry only
            return Sample(offers=())
        found = relax(
            replicas_of(potential, starts[0]),
            np.array([start.positions for start in starts]),
            max_force_ev_per_angstrom=self.max_force_ev_per_angstrom,
            max_steps=self.max_steps,
        )
        computed = np.isfinite(found.energies)
        at_rest = np.flatnonzero(found.converged & computed)
        order = at_rest[np.argsort(found.energies[at_rest], kind="stable")]
        fingerprints = distance_fingerprints(found.positions[order], atom_classes(molecule))
        distinct = distinct_rows(fingerprints, self.min_rmsd_angstrom)
        rules = geometry_rules(molecule)
        parts = [
            judge_sane(
                rules,
                starts[row],
                [
                    starts[row].moved_to(
                        found.positions[row],
                        Origin(sampler=self.kind, parent_id=starts[row].structure_id, seed=seed),
                    )
                ],
                potential,
                threshold,
                max_energy_ev_per_atom=self.max_energy_ev_per_atom,
                what="relaxed conformer",
            )
            for row in order[distinct[: self.max_conformers]]
        ]
        lost = {
            "not_computed": int((~computed).sum()),
            "not_at_rest": int(computed.sum()) - len(at_rest),
            "duplicate": len(order) - len(distinct),
        }
        rejected = {reason: count for reason, count in lost.items() if count}
        return merge([*parts, Sample(offers=(), rejected=rejected)])
