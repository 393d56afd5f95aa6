"""Relaxed scans of bonds that turn, and the saddle points on top of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from chemistry.geometries.relaxation import Relaxed, relax
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Threshold, replicas_of
from chemistry.records.structure import FloatArray, IntArray, Origin, Structure
from chemistry.sampling.base import Sample, SamplerSettings
from chemistry.sampling.judging import judge_sane, merge

_FORCE_FIELD_STEPS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scan:
    """Where the scan of one bond begins: its torsion (4,), and positions (A, N, 3) at A angles."""

    start: Structure
    torsion: IntArray
    angles_degree: FloatArray
    positions: FloatArray


class AnchorTorsions(SamplerSettings):
    """Turns about single bonds, everything else relaxed by the potential at each angle.

    The angles of a scan are evenly spaced from a random one on, so that each call has others. From
    the highest point of each scan the saddle point near it is sought, up along the turn and down
    in all else; where that does not come to rest there is none.
    """

    kind: Literal["anchor_torsions"] = "anchor_torsions"
    bonds: int = Field(
        default=6, ge=1, description="Bonds that are turned, at random, each from a random start."
    )
    angles: int = Field(
        default=5, ge=1, description="Angles of one scan; 5 differ for rotors of any symmetry."
    )
    saddle_points: bool = Field(default=True, description="Whether saddle points are sought.")
    max_force_ev_per_angstrom: float = Field(
        default=0.05, gt=0, description="At rest no force on an atom is larger."
    )
    max_steps: int = Field(default=200, ge=1, description="Steps of a relaxation, at most.")
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
        """Return relaxed scans and saddle points; see `chemistry.sampling.base.Sampler`."""
        # RDKit is loaded here: whoever only reads settings need not wait for it.
        from chemistry.geometries.rdkit_bridge import geometry_rules

        scans = self._scans(molecule, starts, np.random.default_rng(seed)) if starts else []
        if not scans:
            return Sample(offers=())
        rules = geometry_rules(molecule)
        held = self._held(scans, potential)
        found = [("relaxed torsion", held)]
        if self.saddle_points and rules.bonds is not None:
            found.append(("saddle point", self._saddle_points(scans, held, rules.bonds, potential)))
        parts = []
        for what, relaxed in found:
            for rows, scan in zip(_shares(relaxed, len(scans)), scans, strict=True):
                origin = Origin(sampler=self.kind, parent_id=scan.start.structure_id, seed=seed)
                parts.append(
                    judge_sane(
                        rules,
                        scan.start,
                        [scan.start.moved_to(relaxed.positions[row], origin) for row in rows],
                        potential,
                        threshold,
                        max_energy_ev_per_atom=self.max_energy_ev_per_atom,
                        what=what,
                    )
                )
        return merge([*parts, Sample(offers=(), rejected=_lost(held))])

    def _scans(
        self, molecule: Molecule, starts: Sequence[Structure], generator: np.random.Generator
    ) -> list[_Scan]:
        """Turn each of some bonds from one start; MMFF94 opens the way, so that nothing clashes."""
        from chemistry.geometries.torsions import rotatable_torsions, turned

        torsions, scans = rotatable_torsions(molecule), []
        for row in generator.permutation(len(torsions))[: self.bonds]:
            start = starts[int(generator.integers(len(starts)))]
            angles = generator.uniform(0.0, 360.0) + 360.0 * np.arange(self.angles) / self.angles
            positions = turned(
                molecule,
                start.positions,
                torsions[row],
                angles,
                relaxation_steps=_FORCE_FIELD_STEPS,
            )
            scans.append(
                _Scan(start=start, torsion=torsions[row], angles_degree=angles, positions=positions)
            )
        return scans

    def _held(self, scans: Sequence[_Scan], potential: Potential) -> Relaxed:
        """Relax all angles of all scans at once, the torsions held."""
        from chemistry.geometries.held_torsions import relax_held

        return relax_held(
            replicas_of(potential, scans[0].start),
            np.concatenate([scan.positions for scan in scans]),
            np.repeat([scan.torsion for scan in scans], self.angles, axis=0),
            np.concatenate([scan.angles_degree for scan in scans]),
            max_force_ev_per_angstrom=self.max_force_ev_per_angstrom,
            max_steps=self.max_steps,
        )

    def _saddle_points(
        self, scans: Sequence[_Scan], held: Relaxed, bonds: IntArray, potential: Potential
    ) -> Relaxed:
        """Follow each scan's turn up from its highest point, to where all forces vanish."""
        from chemistry.geometries.held_torsions import OverBarriers, beyond_bond

        energies = np.where(np.isfinite(held.energies), held.energies, -np.inf)
        tops = energies.reshape(len(scans), self.angles).argmax(axis=1)
        torsions = np.array([scan.torsion for scan in scans])
        n_atoms = len(scans[0].start)
        return relax(
            replicas_of(potential, scans[0].start),
            held.positions[tops + self.angles * np.arange(len(scans))],
            max_force_ev_per_angstrom=self.max_force_ev_per_angstrom,
            max_steps=self.max_steps,
            constraint=OverBarriers(
                torsions=torsions,
                beyond=np.array([beyond_bond(bonds, n_atoms, j, k) for _, j, k, _ in torsions]),
            ),
        )


def _shares(found: Relaxed, count: int) -> list[list[int]]:
    """Return the rows at rest of each of `count` scans, which have equally many."""
    at_rest = (found.converged & np.isfinite(found.energies)).reshape(count, -1)
    size = at_rest.shape[1]
    return [[i * size + int(row) for row in np.flatnonzero(at_rest[i])] for i in range(count)]


def _lost(found: Relaxed) -> dict[str, int]:
    """Count what was not computed or not at rest."""
    computed = np.isfinite(found.energies)
    lost = {
        "not_computed": int((~computed).sum()),
        "not_at_rest": int((computed & ~found.converged).sum()),
    }
    return {reason: count for reason, count in lost.items() if count}
