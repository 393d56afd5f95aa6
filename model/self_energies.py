"""Self-energies: what elements, and the state, contribute to the energy of any structure."""

from collections.abc import Sequence

import numpy as np

from chemistry.records.structure import FloatArray, Structure
from model.states import state_columns


def element_counts(structures: Sequence[Structure], elements: Sequence[int]) -> FloatArray:
    """Return how many atoms of each element each structure has, (B, n_elements)."""
    return np.array(
        [[np.count_nonzero(s.atomic_numbers == z) for z in elements] for s in structures],
        dtype=np.float64,
    ).reshape(len(structures), len(elements))


def compositions(
    structures: Sequence[Structure], elements: Sequence[int], *, with_states: bool
) -> FloatArray:
    """Return `element_counts` and, where states differ, `state_columns` beside them, (B, E + 3)."""
    counts = element_counts(structures, elements)
    return np.hstack([counts, state_columns(structures)]) if with_states else counts


def own_energies(
    structures: Sequence[Structure],
    elements: Sequence[int],
    self_energies_ev: FloatArray,
    state_energies_ev: FloatArray | None,
) -> FloatArray:
    """Return the sum of each structure's self-energies, (1, B) eV.

    With energies of states, (M, 3) eV, it is (M, B).
    """
    of_elements = np.asarray(element_counts(structures, elements) @ self_energies_ev)[None]
    if state_energies_ev is None:
        return of_elements
    return np.asarray(of_elements + state_energies_ev @ state_columns(structures).T)


def fit_self_energies(
    structures: Sequence[Structure],
    energies_ev: FloatArray,
    elements: Sequence[int],
    *,
    with_states: bool = False,
) -> FloatArray:
    """Fit one energy an element (eV), and one a column of states, to the energies of structures.

    The least squares solution of smallest norm in float64: an element that no structure has gets
    zero, and a few molecules that do not determine all elements are fitted nevertheless.

    Parameters
    ----------
    structures : sequence of Structure, S of them
    energies_ev : (S,) or (S, K) float64
    elements : sequence of int, E of them
    with_states : bool
        Whether three energies follow for the columns of states: an ionisation is some 10 eV.

    Returns
    -------
    (E,) or (E, K) float64, or with three more rows
    """
    counts = compositions(structures, elements, with_states=with_states)
    solution, *_ = np.linalg.lstsq(counts, energies_ev, rcond=None)
    return np.asarray(solution, dtype=np.float64)
