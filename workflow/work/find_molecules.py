"""What a worker does for growth: draw molecules from the pool, judge them, keep the worst."""

from collections.abc import Iterable

from chemistry.errors import InputError
from chemistry.geometries.embedding import embedded
from chemistry.geometries.rdkit_bridge import elements
from chemistry.readers.files.smiles_pool import PoolEntry, draw_by_size, pool_entries
from chemistry.readers.molecules import merge_molecules
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential
from chemistry.records.structure import Origin
from workflow.work.orders import GrowOrder
from workflow.work.results import Grown, NewMolecule

_EMBEDDINGS = 3
"""Conformers by which a molecule is judged."""


def find_molecules(order: GrowOrder, committee: Potential) -> Grown:
    """Return the molecules of a pool on which the committee disagrees most, of the least size.

    A size on whose molecules the committee agrees is left for the next; nothing is returned when
    that holds for all.

    Raises
    ------
    InputError
        The pool cannot be read.
    """
    growth = order.growth
    drawn = draw_by_size(
        pool_entries(growth.pool),
        heavy_atoms=growth.heavy_atoms,
        # Molecules that are known already are drawn as well.
        each=growth.judged + len(order.known),
        seed=order.seed,
    )
    judged, skipped = 0, 0
    for size, entries in drawn.items():
        found, bad = _usable(entries, order)
        skipped += bad
        worst = []
        for molecule in found[: growth.judged]:
            structures = embedded(molecule, _EMBEDDINGS, Origin(sampler="pool", seed=order.seed))
            if structures:
                judged += 1
                predictions = committee.predict(structures)
                worst.append((max(order.threshold.excess_of(p) for p in predictions), molecule))
        over = sorted(
            ((ratio, m) for ratio, m in worst if ratio > 1.0),
            key=lambda item: (-item[0], item[1].molecule_id),
        )
        if over:
            return Grown(
                molecules=tuple(
                    NewMolecule(
                        molecule=molecule,
                        reason=f"from {molecule.source}, {size} heavy atoms, "
                        f"{ratio:.1f} x the threshold",
                    )
                    for ratio, molecule in over[: growth.molecules]
                ),
                heavy_atoms=size,
                judged=judged,
                skipped=skipped,
            )
    return Grown(molecules=(), heavy_atoms=None, judged=judged, skipped=skipped)


def _usable(entries: Iterable[PoolEntry], order: GrowOrder) -> tuple[list[Molecule], int]:
    """Return new molecules of elements and states that are allowed, and how many lines are none."""
    molecules, bad = [], 0
    for entry in entries:
        try:
            molecule = entry.molecule()
        except InputError:
            bad += 1
            continue
        state = molecule.charge, molecule.multiplicity
        if (
            molecule.molecule_id not in order.known
            and elements(molecule) <= set(order.elements)
            and (not order.states or state in order.states)
        ):
            molecules.append(molecule)
    return merge_molecules(molecules), bad
