"""Conformers by distance geometry, relaxed with a force field."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from chemistry.errors import InputError
from chemistry.geometries.geometry import distance_fingerprints, distinct_rows
from chemistry.geometries.relaxation import relax
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Threshold, replicas_of
from chemistry.records.structure import Origin, Structure
from chemistry.sampling.base import Sample, SamplerSettings
from chemistry.sampling.judging import judge

_RELAXATION_STEPS = 200


class Conformers(SamplerSettings):
    """Distinct geometries: those of the molecule's file, and then the most stable embedded ones.

    ETKDGv3 embeds and MMFF94 relaxes, or the potential where MMFF94 does not cover the molecule.
    Where nothing can be embedded (bonds are not known, several fragments) those of the file are
    all. The structures to start from are ignored.
    """

    kind: Literal["conformers"] = "conformers"
    max_conformers: int = Field(default=10, ge=1, description="Conformers at most.")
    embeddings: int = Field(
        default=50, ge=1, description="Geometries that are embedded, relaxed and compared."
    )
    min_rmsd_angstrom: float = Field(
        default=0.05,
        gt=0,
        description="Geometries closer than this are one conformer: RMSD of their interatomic "
        "distances, in which mirror images and exchanges of equivalent atoms do not count.",
    )

    def sample(
        self,
        molecule: Molecule,
        starts: Sequence[Structure],  # noqa: ARG002
        potential: Potential,
        *,
        seed: int,
        threshold: Threshold | None = None,
    ) -> Sample:
        """Return conformers; see `chemistry.sampling.base.Sampler`.

        Raises InputError where no geometry can be made and none was given.
        """
        conformers, rejected = self._conformers(molecule, potential, seed)
        if not conformers and not rejected:
            raise InputError(
                f"no geometry of {molecule.name} can be made from its bonds: "
                "give one in an .sdf or .xyz file"
            )
        predictions = None if threshold is None else potential.predict(conformers)
        return judge(conformers, predictions, threshold, what="conformer", rejected=rejected)

    def _conformers(
        self, molecule: Molecule, potential: Potential, seed: int
    ) -> tuple[list[Structure], Counter[str]]:
        # RDKit is loaded here: whoever only reads settings need not wait for it.
        from chemistry.geometries.force_field import mmff94_covers

        given, embedded = self._given(molecule, seed), self._embedded(molecule, seed)
        if embedded and not mmff94_covers(molecule):
            # The potential is dear beside a force field: only what is distinct is relaxed.
            embedded, _ = self._distinct(molecule, embedded)
            embedded = _relaxed(embedded, potential)
        return self._distinct(molecule, [*given, *embedded])

    def _distinct(
        self, molecule: Molecule, found: Sequence[Structure]
    ) -> tuple[list[Structure], Counter[str]]:
        """Return the first structures that are sane and distinct, and count the others."""
        from chemistry.geometries.rdkit_bridge import atom_classes, geometry_rules

        if not found:
            return [], Counter()
        positions = np.array([structure.positions for structure in found])
        faults = geometry_rules(molecule).faults(positions)
        rejected = Counter(str(fault.reason) for fault in faults if fault)
        sane = [row for row, fault in enumerate(faults) if fault is None]
        fingerprints = distance_fingerprints(positions[sane], atom_classes(molecule))
        distinct = distinct_rows(fingerprints, self.min_rmsd_angstrom)
        if len(distinct) < len(sane):
            rejected["duplicate"] = len(sane) - len(distinct)
        return [found[sane[row]] for row in distinct[: self.max_conformers]], rejected

    def _given(self, molecule: Molecule, seed: int) -> list[Structure]:
        return [
            geometry.moved_to(
                geometry.positions,
                Origin(sampler=self.kind, parent_id=geometry.structure_id, seed=seed),
            )
            for geometry in molecule.geometries
        ]

    def _embedded(self, molecule: Molecule, seed: int) -> list[Structure]:
        from chemistry.geometries.embedding import embedded

        return embedded(molecule, self.embeddings, Origin(sampler=self.kind, seed=seed))


def _relaxed(structures: Sequence[Structure], potential: Potential) -> list[Structure]:
    """Relax structures by the potential, the most stable first; without those it cannot compute."""
    if not structures:
        return []
    found = relax(
        replicas_of(potential, structures[0]),
        np.array([structure.positions for structure in structures]),
        max_steps=_RELAXATION_STEPS,
    )
    return [
        structures[row].moved_to(found.positions[row], structures[row].origin)
        for row in np.argsort(found.energies, kind="stable")
        if np.isfinite(found.energies[row])
    ]
