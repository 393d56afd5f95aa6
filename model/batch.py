"""AtomBatch: many structures laid end to end, as the descriptor and the networks want them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase.data import chemical_symbols
from torch import Tensor

from chemistry.errors import InputError
from chemistry.structure import Structure


@dataclass(frozen=True, kw_only=True, eq=False)
class AtomBatch:
    """Atoms of B structures, one after the other.

    Attributes
    ----------
    species : (A,) int64
        Index into the architecture's elements.
    positions : (A, 3) float64, Å
    owner : (A,) int64
        Index of the structure of each atom.
    sizes : tuple of int
        Atoms of each structure.
    """

    species: Tensor
    positions: Tensor
    owner: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, structures: Sequence[Structure], elements: Sequence[int]) -> "AtomBatch":
        """Lay structures end to end; they have passed `check_structures`."""
        sizes = tuple(len(structure) for structure in structures)
        index_of = np.full(len(chemical_symbols), -1, dtype=np.int64)
        index_of[list(elements)] = np.arange(len(elements))
        numbers = np.concatenate([structure.atomic_numbers for structure in structures])
        positions = np.concatenate([structure.positions for structure in structures])
        return cls(
            species=torch.from_numpy(index_of[numbers]),
            positions=torch.from_numpy(positions),
            owner=torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)),
            sizes=sizes,
        )


def check_structures(structures: Sequence[Structure], elements: Sequence[int]) -> None:
    """Refuse what a potential for these elements cannot judge.

    Raises
    ------
    InputError
        A structure has no atoms, an element outside `elements` or positions that are not finite.
    """
    known = set(elements)
    for index, structure in enumerate(structures):
        name = f"structure {index} (molecule {structure.molecule_id or '-'})"
        if len(structure) == 0:
            raise InputError(f"{name} has no atoms")
        if not np.isfinite(structure.positions).all():
            raise InputError(f"{name} has positions that are not finite numbers")
        unknown = sorted(set(structure.atomic_numbers.tolist()) - known)
        if unknown:
            raise InputError(
                f"{name} contains {', '.join(map(_symbol, unknown))}, which this potential does "
                f"not know: it was made for {', '.join(map(_symbol, elements))}"
            )


def _symbol(atomic_number: int) -> str:
    if 0 < atomic_number < len(chemical_symbols):
        return str(chemical_symbols[atomic_number])
    return f"an element of number {atomic_number}"
