"""Several molecules as one: a dimer or a small cluster."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
from rdkit import Chem

from chemistry.geometries.placement import placed
from chemistry.geometries.rdkit_bridge import from_rdkit, to_rdkit
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Origin, Structure


def cluster_of(
    molecules: Sequence[Molecule],
    geometries: Sequence[Sequence[Structure]],
    *,
    count: int,
    contact: tuple[float, float],
    seed: int,
) -> Molecule:
    """Make a molecule of several fragments, with geometries of them beside each other.

    Charges add up, and so do unpaired electrons: the multiplicity is that of parallel spins. Its
    name is theirs, joined by dots as in a SMILES.

    Parameters
    ----------
    molecules : sequence of Molecule
        With bonds; one may stand there twice.
    geometries : sequence of sequence of Structure
        Of each of them, at least one; of these one is drawn each time.
    count : int
        Geometries of the cluster.
    contact : (float, float)
        See `chemistry.geometries.placement.placed`.
    seed : int
    """
    cluster = from_rdkit(
        reduce(Chem.CombineMols, [to_rdkit(molecule) for molecule in molecules]),
        name=".".join(molecule.name for molecule in molecules),
        charge=sum(molecule.charge for molecule in molecules),
        multiplicity=1 + sum(molecule.multiplicity - 1 for molecule in molecules),
        source="clusters",
    )
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        drawn = [of_one[int(generator.integers(len(of_one)))] for of_one in geometries]
        parts = [(structure.atomic_numbers, structure.positions) for structure in drawn]
        found.append(
            Structure(
                atomic_numbers=np.concatenate([numbers for numbers, _ in parts]),
                positions=placed(parts, contact, generator),
                charge=cluster.charge,
                multiplicity=cluster.multiplicity,
                molecule_id=cluster.molecule_id,
                origin=Origin(sampler="clusters", seed=seed),
            )
        )
    return replace(cluster, geometries=tuple(found))
