"""Which structures' energies say most of all the others', before any of them is known.

The variance of a regression depends on where its data lie, not on what they are, so that a set to
learn from can be chosen beforehand: an A-optimal design (Chaloner and Verdinelli, Statist. Sci. 10,
273 (1995), doi:10.1214/ss/1177009939), one structure after the other. What is to be known well are
energies above that of one structure, as people use them.
"""

from collections.abc import Sequence

import numpy as np

from chemistry.records.structure import FloatArray

_STRENGTH = 1e-3
"""Of the ridge, as a share of the kernel's mean diagonal."""
_COSTS_NOTHING = 1e4
"""Variance, likewise, of an energy that all structures of a molecule share."""


def most_informative(
    kernel: FloatArray, known: Sequence[int], n: int, kinds: Sequence[str]
) -> tuple[int, ...]:
    """Return the places of `n` more structures of a molecule to learn the energies of.

    Each is the one that lowers most the mean expected error of energies above that of the first
    of `known`, among those of the kind that fewest are of so far, as long as there are such.

    Parameters
    ----------
    kernel : (S, S) float64
        Of the energies of all structures of the molecule; its diagonal is about 1.
    known : sequence of int
        Places of those that will be learned in any case, one or more.
    n : int
        No more than there are others.
    kinds : sequence of str, S of them
        Of the structures: anchors, hot ones. A set of one kind alone learns the other badly.
    """
    covariance = kernel + _COSTS_NOTHING
    for place in known:
        covariance = _learned(covariance, place)
    taken, reference = list(known), known[0]
    for _ in range(min(n, len(kernel) - len(taken))):
        above = covariance - covariance[reference]
        variances = above.diagonal() - above[:, reference]
        # Row i, column c: the variance of energy i once energy c is learned.
        left = variances[:, None] - above**2 / (covariance.diagonal() + _STRENGTH)
        errors = np.sqrt(left.clip(min=0.0)).mean(axis=0)
        others = [place for place in range(len(kernel)) if place not in taken]
        of_kind = {kind: sum(kinds[place] == kind for place in taken) for kind in set(kinds)}
        fewest = min(of_kind[kinds[place]] for place in others)
        offered = [place for place in others if of_kind[kinds[place]] == fewest]
        taken.append(min(offered, key=errors.__getitem__))
        covariance = _learned(covariance, taken[-1])
    return tuple(taken[len(known) :])


def _learned(covariance: FloatArray, place: int) -> FloatArray:
    """Return the covariance of all energies once that of one structure is known."""
    row = covariance[place]
    return np.asarray(covariance - np.outer(row, row) / (row[place] + _STRENGTH))
