"""The threshold that a committee's disagreement is held against: fixed, or from its errors."""

from typing import Final

import numpy as np

from chemistry.records.potential import Threshold
from model.calibration import Calibration
from workflow.planning.records import Training
from workflow.settings.selection import Selection

ANI_1X_KCAL_MOL: Final = 0.23
"""Of Smith et al., doi:10.1063/1.5023802; used until enough is known of a committee's errors."""
_FEWEST_STRUCTURES: Final = 10


def threshold_of(select: Selection, training: Training | None) -> Threshold:
    """Return the threshold for the committee of a training; None: there is none yet.

    An adaptive one is a target for the error that the disagreement implies: disagreement times
    the calibration factor, which held-out labels gave. The target is the error that a share of the
    held-out structures does not exceed, `select.error_quantile`, but never less than
    `select.accuracy_kcal_mol`. So it falls as the committee learns, and where a committee is
    overconfident its disagreement counts for more.

    Anchors have one of their own, from the errors on held-out anchors: hot structures have errors
    so much larger that a relaxed torsion which is wrong by what barriers differ would pass as
    certain beside them.
    """
    rho, force = select.threshold_kcal_mol, select.force_threshold_kcal_mol_angstrom
    if rho != "adaptive":
        return Threshold(rho_kcal_mol=rho, force_sigma_kcal_mol_angstrom=force)
    errors = training.errors if training else None
    found = _usable(errors.calibration) if errors else None
    anchors = errors.by_kind.get("anchor") if errors else None
    of_anchors = _usable(anchors.calibration) if anchors else None
    if found is None:
        return Threshold(rho_kcal_mol=ANI_1X_KCAL_MOL, force_sigma_kcal_mol_angstrom=force)
    error = _quantile(select, found)
    return Threshold(
        rho_kcal_mol=max(error, select.accuracy_kcal_mol) / found.factor,
        force_sigma_kcal_mol_angstrom=force,
        anchor_rho_kcal_mol=None
        if of_anchors is None
        else max(min(error, _quantile(select, of_anchors)), select.anchor_accuracy_kcal_mol)
        / of_anchors.factor,
    )


def _usable(found: Calibration | None) -> Calibration | None:
    """Return a calibration that says enough: a run that an older version began has no quantiles."""
    if found is None or not found.error_shares or not found.factor > 0:
        return None
    return found if found.n_structures >= _FEWEST_STRUCTURES else None


def _quantile(select: Selection, found: Calibration) -> float:
    quantiles = found.error_shares, found.error_quantiles_kcal_mol
    return float(np.interp(select.error_quantile, *quantiles))
