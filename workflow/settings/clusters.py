"""Make the clusters that a campaign asks for."""

from collections.abc import Sequence
from itertools import chain
from math import comb

import numpy as np

from chemistry.errors import InputError
from chemistry.geometries.clusters import cluster_of
from chemistry.geometries.embedding import embedded
from chemistry.names import nearest
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Origin, Structure
from workflow.settings.campaign import ClusterSettings

_GEOMETRIES_OF_ONE = 5


def clusters(
    settings: ClusterSettings,
    molecules: Sequence[tuple[Molecule, bool]],
    *,
    geometries: int,
    seed: int,
) -> list[Molecule]:
    """Return clusters of molecules that are trained on, each with some geometries.

    None contains a molecule that is only tested on: that would teach what the test asks.

    Parameters
    ----------
    settings : ClusterSettings
    molecules : sequence of (Molecule, bool)
        Those of the campaign, each with whether it is only tested on.
    geometries : int
        Of each cluster.
    seed : int

    Raises
    ------
    InputError
        A name is that of no molecule or of one that is only tested on, or of a molecule no
        geometry can be made.
    """
    parts = _parts(settings, molecules)
    drawn = _drawn(len(parts), settings, seed)
    geometries_of = {i: _geometries(parts[i], seed) for i in sorted({*chain(*drawn)})}
    made = [
        cluster_of(
            [parts[i] for i in chosen],
            [geometries_of[i] for i in chosen],
            count=geometries,
            contact=settings.contact,
            seed=seed,
        )
        for chosen in drawn
    ]
    known = {molecule.molecule_id for molecule, _ in molecules}
    return [m for m in {m.molecule_id: m for m in made}.values() if m.molecule_id not in known]


def _parts(settings: ClusterSettings, molecules: Sequence[tuple[Molecule, bool]]) -> list[Molecule]:
    trained_on = {molecule.name: molecule for molecule, held_out in molecules if not held_out}
    if settings.of is None:
        return list(trained_on.values())
    for name in settings.of:
        if name in trained_on:
            continue
        if name in [molecule.name for molecule, _ in molecules]:
            raise InputError(
                f"clusters.of: {name} is in held_out.molecules: a cluster of it would be learned "
                "from; leave it out of one of the two"
            )
        raise InputError(
            f"clusters.of: there is no molecule `{name}`: {nearest(name, list(trained_on))}"
        )
    return [trained_on[name] for name in dict.fromkeys(settings.of)]


def _drawn(n_parts: int, settings: ClusterSettings, seed: int) -> list[tuple[int, ...]]:
    """Draw different combinations of molecules, in which one may stand more than once."""
    wanted = min(settings.count, comb(n_parts + settings.size - 1, settings.size))
    generator = np.random.default_rng(seed)
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < wanted:
        chosen = sorted(generator.integers(n_parts, size=settings.size).tolist())
        drawn[tuple(chosen)] = None
    return list(drawn)


def _geometries(molecule: Molecule, seed: int) -> Sequence[Structure]:
    origin = Origin(sampler="embedding", seed=seed)
    found = molecule.geometries or embedded(molecule, _GEOMETRIES_OF_ONE, origin)
    if not found or molecule.mol_block is None:
        raise InputError(
            f"clusters: {molecule.name} has no bonds or no geometry, so nothing can be made of it: "
            "name the others under clusters.of"
        )
    return found
