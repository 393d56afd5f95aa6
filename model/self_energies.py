"""Self-energies: what each element contributes to the energy of any structure."""

from collections.abc import Sequence

import numpy as np

from chemistry.records.structure import FloatArray, Structure


def element_counts(structures: Sequence[Structure], elements: Sequence[int]) -> FloatArray:
    """Return how many atoms of each element each structure has, (B, n_elements)."""
    return np.array(
        [[np.count_nonzero(s.atomic_numbers == z) for z in elements] for s in structures],
        dtype=np.float64,
    ).reshape(len(structures), len(elements))


def fit_self_energies(
    structures: Sequence[Structure], energies_ev: FloatArray, elements: Sequence[int]
) -> FloatArray:
    """Fit one energy an element (eV) to the energies of structures.

    The least squares solution of smallest norm in float64: an element that no structure has gets
    zero, and a few molecules that do not determine all elements are fitted nevertheless.

    Parameters
    ----------
    structures : sequence of Structure, S of them
    energies_ev : (S,) or (S, K) float64
    elements : sequence of int, E of them

    Returns
    -------
    (E,) or (E, K) float64
    """
    counts = element_counts(structures, elements)
    solution, *_ = np.linalg.lstsq(counts, energies_ev, rcond=None)
    return np.asarray(solution, dtype=np.float64)
