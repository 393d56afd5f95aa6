"""What more labels would bring: a power law through errors left out of fits to fewer labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_NO_GAIN = 0.05
"""Exponents below it are noise: as many labels as one likes would not help."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Errors of a fit and how they fall as labels of the same kind are added.

    Attributes
    ----------
    n_labels : int
    error_kcal_mol : float
        Mean absolute error of the energy of a label that is left out.
    exponent : float
        b of error ~ n^-b.
    """

    n_labels: int
    error_kcal_mol: float
    exponent: float

    @classmethod
    def of(cls, errors: Sequence[tuple[int, float]]) -> "Forecast | None":
        """Fit numbers of labels and errors left out, kcal/mol, the last one being what there is.

        None where they do not say: fewer than two, or an error that is zero or unknown.
        """
        n, error = np.array(errors, dtype=np.float64).reshape(-1, 2).T
        usable = np.isfinite(error) & (error > 0.0)
        if usable.sum() < 2 or not usable[-1]:
            return None
        slope = np.polyfit(np.log(n[usable]), np.log(error[usable]), 1)[0]
        return cls(n_labels=int(n[-1]), error_kcal_mol=float(error[-1]), exponent=float(-slope))

    def more_labels(self, error_kcal_mol: float) -> int | None:
        """Return how many more labels an error takes; None: labels do not seem to help."""
        if error_kcal_mol >= self.error_kcal_mol:
            return 0
        if self.exponent < _NO_GAIN:
            return None
        ratio = self.error_kcal_mol / error_kcal_mol
        return int(np.ceil(self.n_labels * (ratio ** (1.0 / self.exponent) - 1.0)))
