"""Ridge regression on a kernel in closed form: coefficients, leave-one-out errors, variances.

A Gaussian process with columns that cost nothing (universal kriging; Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, sections 2.7 and 5.4.2): the counts of elements,
whose energies differ between levels of theory by any amount.
"""

from dataclasses import dataclass

import numpy as np

from chemistry.records.structure import FloatArray

_NO_PART_OF_COLUMNS = 1e-6
"""Singular values of the columns, beside the largest, that are rounding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """An orthonormal basis of what costs nothing, for n data.

    Attributes
    ----------
    basis : (n, c) float64
    to_basis : (E, c) float64
        From counts of E elements, of data or of others, to the basis.
    """

    basis: FloatArray
    to_basis: FloatArray

    @classmethod
    def of(cls, counts: FloatArray) -> "Columns":
        """Return the basis of counts (n, E); molecules too few to tell elements apart are fine."""
        left, values, right = np.linalg.svd(counts, full_matrices=False)
        kept = values > _NO_PART_OF_COLUMNS * values.max(initial=0.0)
        return cls(basis=left[:, kept], to_basis=right[kept].T / values[kept])


@dataclass(frozen=True, kw_only=True, eq=False)
class Ridge:
    """Weights of n data for one kernel and one strength.

    Attributes
    ----------
    strength : float
    coefficients : (n,) float64
        Of the kernel's rows: the part of a prediction at x is k(x) @ coefficients.
    free : (E,) float64
        Of the counts of elements.
    left_out_errors : (n,) float64
        Prediction minus target of each datum by the fit to all others, exactly.
    """

    strength: float
    coefficients: FloatArray
    free: FloatArray
    left_out_errors: FloatArray


def fit_ridge(kernel: FloatArray, columns: Columns, targets: FloatArray, strength: float) -> Ridge:
    """Solve for one kernel.

    Parameters
    ----------
    kernel : (n, n) float64
    columns : Columns
    targets : (n,) float64
    strength : float
        Of the ridge: what is added to the diagonal.

    Returns
    -------
    Ridge
        Errors left out are NaN where a datum alone determines a column.
    """
    inverse = np.linalg.inv(kernel + strength * np.eye(len(kernel)))
    seen = inverse @ columns.basis
    inner = np.linalg.inv(columns.basis.T @ seen)
    projected = inverse - seen @ inner @ seen.T
    coefficients = projected @ targets
    share = np.diag(projected)
    alone = share < _NO_PART_OF_COLUMNS * np.diag(inverse)
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = np.where(alone, np.nan, -coefficients / share)
    return Ridge(
        strength=strength,
        coefficients=coefficients,
        free=columns.to_basis @ (inner @ (seen.T @ targets)),
        left_out_errors=left_out,
    )
