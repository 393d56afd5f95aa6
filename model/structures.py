"""What no committee can judge, whichever its architecture."""

from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols

from chemistry.errors import InputError
from chemistry.records.structure import Structure
from model.states import State, state_name, states_text


def check_structures(
    structures: Sequence[Structure], elements: Sequence[int], states: Sequence[State] = ()
) -> None:
    """Refuse what a potential for these elements and states cannot judge.

    Any state passes where none are given: nobody knows for which the potential was made.

    Raises
    ------
    InputError
        A structure has no atoms, an element outside `elements`, a state outside `states` or
        positions that are not finite.
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
        state = structure.charge, structure.multiplicity
        if states and state not in states:
            raise InputError(
                f"{name} has {state_name(state)}, which this potential does not know: it was made "
                f"for {states_text(states)}"
            )


def _symbol(atomic_number: int) -> str:
    if 0 < atomic_number < len(chemical_symbols):
        return str(chemical_symbols[atomic_number])
    return f"an element of number {atomic_number}"
