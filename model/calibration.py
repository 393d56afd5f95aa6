"""From disagreement to error: how far a committee's spread can be trusted.

Committees trained on the same data are overconfident: their spread is smaller than their errors.
One factor, fitted on labels that were held out, mends the scale; the table says whether a larger
spread means a larger error at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chemistry.records.label import LabelledStructure
from chemistry.records.potential import Prediction
from chemistry.records.structure import FloatArray
from chemistry.units import KCAL_MOL_PER_EV
from model.intervals import Intervals

_LEAST_IN_BIN = 5
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Structures of similar disagreement.

    Attributes
    ----------
    n_structures : int
    sigma_kcal_mol, rmse_kcal_mol : float
        Root mean square of the committee's standard deviation, and of its error.
    """

    n_structures: int
    sigma_kcal_mol: float
    rmse_kcal_mol: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How errors go with disagreement, for energies per sqrt(N) as the threshold has them.

    Attributes
    ----------
    n_structures : int
    factor : float
        RMSE over root mean square sigma: multiply a disagreement by it to get a typical error.
    rank_correlation : float or None
        Spearman's, between disagreement and size of the error: 1 where the larger disagreement
        always has the larger error, 0 where it says nothing; None for fewer than 3 structures.
    bins : tuple of ReliabilityBin
        By growing disagreement, equally many structures in each.
    error_shares, error_quantiles_kcal_mol : tuple of float
        The size of the error that so large a share of the structures does not exceed.
    intervals : Intervals or None
        What disagreements are multiplied by to hold nine errors of ten; checkpoints of rung 0.1.0
        have none.
    """

    n_structures: int
    factor: float
    rank_correlation: float | None
    bins: tuple[ReliabilityBin, ...]
    error_shares: tuple[float, ...]
    error_quantiles_kcal_mol: tuple[float, ...]
    intervals: Intervals | None = None


def calibrate(
    data: Sequence[LabelledStructure], predictions: Sequence[Prediction], *, n_bins: int = 5
) -> Calibration | None:
    """Compare disagreement with error on held-out labels.

    Both are energies over sqrt(N), so that large and small molecules compare. None where there is
    nothing to compare: no data, or a single member.
    """
    if not data or any(len(p.member_energies) < 2 for p in predictions):
        return None
    sigma = np.array([p.rho_kcal_mol for p in predictions])
    error = np.array(
        [
            (p.energy - row.label.energy) / np.sqrt(len(row.structure)) * KCAL_MOL_PER_EV
            for row, p in zip(data, predictions, strict=True)
        ]
    )
    if not sigma.any():
        return None
    n_bins = max(1, min(n_bins, len(data) // _LEAST_IN_BIN))
    parts = np.array_split(np.argsort(sigma, kind="stable"), n_bins)
    return Calibration(
        n_structures=len(data),
        factor=_rms(error) / _rms(sigma),
        rank_correlation=_rank_correlation(sigma, np.abs(error)) if len(data) > 2 else None,
        error_shares=_SHARES,
        error_quantiles_kcal_mol=tuple(np.quantile(np.abs(error), _SHARES).tolist()),
        bins=tuple(
            ReliabilityBin(
                n_structures=len(part),
                sigma_kcal_mol=_rms(sigma[part]),
                rmse_kcal_mol=_rms(error[part]),
            )
            for part in parts
        ),
    )


def _rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's rank correlation; ties, which floats hardly have, are broken by order."""
    first, second = (np.argsort(np.argsort(v, kind="stable")).astype(np.float64) for v in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def _rms(values: FloatArray) -> float:
    return float(np.sqrt((values**2).mean()))
