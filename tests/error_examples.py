"""Held-out errors for tests of what is made of them."""

from dataclasses import replace
from typing import Any

from model.calibration import Calibration, ReliabilityBin
from model.evaluation import Errors

ERRORS = Errors(
    n_structures=12,
    energy_mae_kcal_mol=1.0,
    energy_rmse_kcal_mol=1.25,
    relative_energy_mae_kcal_mol=0.75,
    force_mae_kcal_mol_angstrom=2.0,
    force_rmse_kcal_mol_angstrom=2.5,
    calibration_factor=None,
    by_molecule={},
    calibration=None,
)

CALIBRATION = Calibration(
    n_structures=12,
    factor=2.5,
    rank_correlation=0.41,
    bins=(
        ReliabilityBin(n_structures=6, sigma_kcal_mol=0.1, rmse_kcal_mol=0.15),
        ReliabilityBin(n_structures=6, sigma_kcal_mol=0.2, rmse_kcal_mol=0.55),
    ),
    error_shares=(0.5, 0.9),
    error_quantiles_kcal_mol=(0.2, 0.5),
)


def errors(**changes: Any) -> Errors:
    """Errors of a data set, some of them as given."""
    return replace(ERRORS, **changes)
