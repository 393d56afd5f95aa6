"""Are the bonds of a geometry as long as its atoms' valences ask for?

What is told by distances alone, without a Lewis structure: a bond order from each distance, and
whether the orders at an atom add up to its valence.
"""

import numpy as np

from chemistry.geometries.geometry import sums_of_covalent_radii
from chemistry.records.structure import FloatArray, IntArray, Structure, interatomic_distances

_DECAY_ANGSTROM = 0.3
_MISSING_ORDER = 0.5
"""An atom lacks a bond where its orders add up to less than its valence by more than this: a bond
of hydrogen stretched by 20 %, C=C or C=O by 0.1 Å, N-N in N2 by 0.05 Å. At rest butadiene, benzene,
pyridine, acids, amides, nitro groups and peroxides lack at most 0.35."""

_DOUBLE_BOND = 1.5
_TWIST_DEGREES = 20.0

_NOBLE_GASES = (0, 2, 10, 18, 36, 54, 86)
_VALENCES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 3, 6: 2, 7: 1}
"""Bonds by number of valence electrons, of the main groups."""


def has_weak_bond(structure: Structure) -> bool:
    """Whether a bond is stretched, or a double bond twisted: electrons may want to unpair."""
    return has_stretched_bond(structure) or has_twisted_bond(structure)


def has_twisted_bond(structure: Structure) -> bool:
    """Whether two atoms with a double bond hold their other two neighbours in different planes."""
    orders, positions = bond_orders(structure), structure.positions
    for i, j in np.argwhere(np.triu(orders > _DOUBLE_BOND)):
        normals = []
        for one, other in ((i, j), (j, i)):
            neighbours = [k for k in np.flatnonzero(orders[one] > _MISSING_ORDER) if k != other]
            if len(neighbours) == 2:
                arms = positions[neighbours] - positions[one]
                normal = np.cross(arms[0], arms[1])
                normals.append(normal / np.linalg.norm(normal))
        if len(normals) == 2:
            cosine = abs(float(normals[0] @ normals[1]))
            if cosine < np.cos(np.radians(_TWIST_DEGREES)):
                return True
    return False


def has_stretched_bond(structure: Structure) -> bool:
    """Whether some atom has fewer bonds, counted by their lengths, than its valence.

    True for radicals, carbenes and some ions at rest, too: what lacks is a partner.
    """
    missing = main_group_valences(structure.atomic_numbers) - bond_orders(structure).sum(axis=1)
    return bool((missing > _MISSING_ORDER).any())


def bond_orders(structure: Structure) -> FloatArray:
    """Return Pauling's bond orders exp((r1 - r) / 0.3 Å), (N, N), doi:10.1021/ja01195a024.

    r1 is the sum of covalent radii. With 0.3 Å the double and triple bonds of carbon, nitrogen and
    oxygen get 1.8 to 2.1 and 2.6 to 2.9.
    """
    distances = interatomic_distances(structure.positions)
    np.fill_diagonal(distances, np.inf)
    longer = distances - sums_of_covalent_radii(structure.atomic_numbers)
    return np.asarray(np.exp(-longer / _DECAY_ANGSTROM))


def main_group_valences(atomic_numbers: IntArray) -> IntArray:
    """Return how many bonds a neutral atom forms, (N,); 0 for noble gases and d and f elements."""
    return np.array([_valence(int(z)) for z in atomic_numbers], dtype=np.int64)


def _valence(atomic_number: int) -> int:
    if atomic_number == 1:
        return 1
    start = max(z for z in _NOBLE_GASES if z < atomic_number)
    stop = min((z for z in _NOBLE_GASES if z >= atomic_number), default=118)
    before_p_block = stop - 6
    electrons = atomic_number - start
    if atomic_number > before_p_block:
        electrons = 2 + atomic_number - before_p_block
    elif electrons > 2:
        return 0
    return _VALENCES.get(electrons, 0)
