"""Electronic states: what a potential that knows more than one is given beside the geometry."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from chemistry.records.structure import FloatArray, Structure

State: TypeAlias = tuple[int, int]
"""Total charge in e and multiplicity, 2S + 1."""

N_STATE_COLUMNS = 3


def states_of(structures: Iterable[Structure]) -> tuple[State, ...]:
    """Return the states that occur, each once, in order."""
    return tuple(sorted({(s.charge, s.multiplicity) for s in structures}))


def state_columns(structures: Sequence[Structure]) -> FloatArray:
    """Return charge, its size and the number of unpaired electrons of each structure, (B, 3).

    All are zero for a neutral singlet. A molecule, its cation, its anion and its triplet are
    independent in them: none has to lie between others.
    """
    rows = [(s.charge, abs(s.charge), s.multiplicity - 1) for s in structures]
    return np.array(rows, dtype=np.float64).reshape(len(rows), N_STATE_COLUMNS)


def state_name(state: State) -> str:
    """Return what people call a state: "charge +1, multiplicity 2"."""
    charge, multiplicity = state
    return f"charge {f'{charge:+d}' if charge else '0'}, multiplicity {multiplicity}"


def states_text(states: Iterable[State]) -> str:
    """Return states as people read them."""
    return "; ".join(map(state_name, states))
