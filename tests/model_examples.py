"""Structures, committees and labels for the tests of model/: no quantum chemistry."""

import numpy as np

from chemistry.records.label import Label, LabelledStructure, Provenance
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.structure import FloatArray, Origin, Structure
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.shape import AniShape

ELEMENTS = (1, 6, 7, 8)
LEVEL: LevelOfTheory = find_level("gfn2-xtb")
SMALL = {"H": (12, 8), "C": (12, 8), "N": (10, 8), "O": (10, 8)}
PROVENANCE = Provenance(
    program="toy",
    version="1",
    host="here",
    cpu_seconds=0.0,
    wall_seconds=0.0,
    attempts=("plain",),
    finished_at=0.0,
)


def cluster(n_atoms: int, seed: int) -> Structure:
    """Atoms of random elements near the points of a lattice of 1.3 Å."""
    rng = np.random.default_rng(seed)
    lattice = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3) * 1.3
    positions = rng.permutation(lattice)[:n_atoms] + rng.normal(0, 0.12, (n_atoms, 3))
    return Structure(atomic_numbers=rng.choice(ELEMENTS, n_atoms), positions=positions)


def committee(members: int = 3, seed: int = 0, precision: str = "float64") -> AniCommittee:
    """A committee with random weights of the published architecture."""
    import torch

    networks = StackedNetworks.random(
        AniShape.published(ELEMENTS), range(seed, seed + members), getattr(torch, precision)
    )
    return AniCommittee(
        networks=networks,
        self_energies_ev=np.array([-10.0, -1000.0, -1500.0, -2000.0]),
        level_id=LEVEL.level_id,
        level_name=LEVEL.name,
    )


def toy_label(structure: Structure, *, forces: bool = True) -> LabelledStructure:
    """A label by Morse potentials between all atoms, plus an energy for each element."""
    shifts = {1: -13.0, 6: -1030.0, 7: -1480.0, 8: -2040.0}
    energy = sum(shifts[z] for z in structure.atomic_numbers.tolist())
    gradient: FloatArray = np.zeros((len(structure), 3))
    for i in range(len(structure)):
        for j in range(i):
            vector = structure.positions[i] - structure.positions[j]
            r = float(np.linalg.norm(vector))
            decay = np.exp(-1.5 * (r - 1.3))
            energy += 0.8 * (decay**2 - 2 * decay)
            slope = 0.8 * -3.0 * (decay**2 - decay) * vector / r
            gradient[i] += slope
            gradient[j] -= slope
    return LabelledStructure(
        structure=structure,
        label=Label(
            structure_id=structure.structure_id,
            level_id=LEVEL.level_id,
            energy=energy,
            forces=-gradient if forces else None,
            provenance=PROVENANCE,
        ),
    )


def toy_data(n: int, *, seed: int = 0, blocks: int = 20) -> list[LabelledStructure]:
    """n labelled geometries of two molecules, each in that many blocks."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(n):
        rest = cluster(4 + index % 2, seed=41 + index % 2)
        moved = rest.positions + rng.normal(0, 0.08, rest.positions.shape)
        origin = Origin(sampler="toy", parent_id="p", seed=(index // 2) % blocks)
        structure = Structure(
            atomic_numbers=rest.atomic_numbers,
            positions=moved,
            molecule_id=f"m{index % 2}",
            origin=origin,
        )
        rows.append(toy_label(structure))
    return rows
