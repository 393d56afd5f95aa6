"""The threshold that a committee's disagreement is held against: fixed, or from its errors."""

from typing import Final

import numpy as np

from chemistry.records.potential import Threshold
from workflow.planning.records import Training
from workflow.settings.campaign import Selection

ANI_1X_KCAL_MOL: Final = 0.23
"""Of Smith et al., doi:10.1063/1.5023802; used until enough is known of a committee's errors."""
_FEWEST_STRUCTURES: Final = 10


def threshold_of(select: Selection, training: Training | None) -> Threshold:
    """Return the threshold for the committee of a training; None: there is none yet.

    An adaptive one is a target for the error that the disagreement lets expect: disagreement times
    the calibration factor, which held-out labels gave. The target is the error that a share of the
    held-out structures does not exceed, `select.error_quantile`, but never less than
    `select.accuracy_kcal_mol`. So it falls as the committee learns, and where a committee is
    overconfident its disagreement counts for more.
    """
    rho = select.threshold_kcal_mol
    return Threshold(
        rho_kcal_mol=_adaptive(select, training) if rho == "adaptive" else rho,
        force_sigma_kcal_mol_angstrom=select.force_threshold_kcal_mol_angstrom,
    )


def _adaptive(select: Selection, training: Training | None) -> float:
    errors = training.errors if training else None
    found = errors.calibration if errors else None
    # A run that was begun by an older version has no quantiles.
    if found is None or not found.error_shares or not found.factor > 0:
        return ANI_1X_KCAL_MOL
    if found.n_structures < _FEWEST_STRUCTURES:
        return ANI_1X_KCAL_MOL
    quantiles = found.error_shares, found.error_quantiles_kcal_mol
    error = float(np.interp(select.error_quantile, *quantiles))
    return max(error, select.accuracy_kcal_mol) / found.factor
