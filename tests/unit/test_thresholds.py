"""The threshold of a committee: a number, or what its held-out errors make it."""

from dataclasses import replace

import pytest
from error_examples import CALIBRATION, errors

from chemistry.records.potential import Threshold
from model.evaluation import KindErrors, errors_from_json, errors_to_json
from workflow.planning.records import Training
from workflow.planning.thresholds import ANI_1X_KCAL_MOL, threshold_of
from workflow.settings.selection import Selection


def trained(**calibration) -> Training:
    found = {
        "n_structures": 40,
        "factor": 2.0,
        "error_shares": (0.5, 0.9),
        "error_quantiles_kcal_mol": (0.3, 0.8),
    } | calibration
    return Training(
        version=1,
        checkpoint="c",
        n_labels=9,
        errors=errors(calibration=replace(CALIBRATION, **found)),
    )


def test_a_number_is_the_threshold_whatever_the_errors():
    select = Selection(threshold_kcal_mol=0.3, force_threshold_kcal_mol_angstrom=5.0)
    expected = Threshold(rho_kcal_mol=0.3, force_sigma_kcal_mol_angstrom=5.0)
    assert threshold_of(select, trained()) == threshold_of(select, None) == expected


@pytest.mark.parametrize(
    ("settings", "calibration", "rho"),
    [
        ({}, {}, 0.4),
        ({"error_quantile": 0.5}, {}, 0.15),
        ({"error_quantile": 0.7}, {}, 0.275),
        ({"accuracy_kcal_mol": 1.0}, {}, 0.5),
        ({}, {"factor": 4.0}, 0.2),
    ],
)
def test_an_adaptive_one_is_the_disagreement_that_lets_expect_the_error_aimed_at(
    settings, calibration, rho
):
    found = threshold_of(Selection(**settings), trained(**calibration))
    assert found.rho_kcal_mol == pytest.approx(rho)


@pytest.mark.parametrize(
    "training",
    [
        None,
        Training(version=1, checkpoint="c", n_labels=9, errors=None),
        trained(n_structures=9),
        trained(factor=0.0),
        trained(error_shares=(), error_quantiles_kcal_mol=()),
    ],
    ids=["no-committee", "no-held-out-set", "too-few", "no-error", "of-an-older-version"],
)
def test_where_too_little_is_known_it_is_that_of_ani_1x(training):
    assert threshold_of(Selection(), training).rho_kcal_mol == ANI_1X_KCAL_MOL


def test_errors_that_the_first_versions_wrote_have_no_quantiles():
    document = errors_to_json(errors(calibration=CALIBRATION))
    assert errors_from_json(document) == errors(calibration=CALIBRATION)
    for name in ("error_shares", "error_quantiles_kcal_mol"):
        del document["calibration"][name]
    bare = replace(CALIBRATION, error_shares=(), error_quantiles_kcal_mol=())
    assert errors_from_json(document).calibration == bare


def with_anchors(**calibration) -> Training:
    """A committee with an error quantile of 0.8 over all and, of anchors, 0.2; factors 2 and 4."""
    training = trained()
    found = {
        "factor": 4.0,
        "n_structures": 20,
        "error_shares": (0.5, 0.9),
        "error_quantiles_kcal_mol": (0.1, 0.2),
    } | calibration
    anchors = KindErrors(
        n_structures=20,
        energy_mae_kcal_mol=0.1,
        energy_rmse_kcal_mol=0.1,
        relative_energy_mae_kcal_mol=0.1,
        force_mae_kcal_mol_angstrom=None,
        force_rmse_kcal_mol_angstrom=None,
        calibration_factor=4.0,
        calibration=replace(CALIBRATION, **found),
    )
    return replace(training, errors=replace(training.errors, by_kind={"anchor": anchors}))


@pytest.mark.parametrize(
    ("settings", "calibration", "rho"),
    [
        ({}, {}, 0.05),
        ({"anchor_accuracy_kcal_mol": 0.4}, {}, 0.1),
        # However wrong anchors are, they are not aimed at a larger error than all others.
        ({}, {"error_quantiles_kcal_mol": (2.0, 3.0)}, 0.2),
        ({}, {"n_structures": 9}, 0.4),
        ({"threshold_kcal_mol": 0.3}, {}, 0.3),
    ],
)
def test_anchors_have_a_threshold_of_their_own_from_their_own_errors(settings, calibration, rho):
    select = Selection(**settings)
    found = threshold_of(select, with_anchors(**calibration))
    assert found.on("anchor").rho_kcal_mol == pytest.approx(rho)
    assert found.on("hot") == threshold_of(select, trained())


def test_a_relaxed_torsion_that_is_wrong_by_what_barriers_differ_does_not_pass():
    """0.9 kcal/mol of ten atoms: certain beside the errors of hot structures, not of anchors."""
    found = threshold_of(Selection(), with_anchors())
    rho = 0.9 / 10**0.5
    assert not found.on("hot").is_exceeded(rho, 0.0)
    assert found.on("anchor").is_exceeded(rho, 0.0)
