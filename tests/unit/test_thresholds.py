"""The threshold of a committee: a number, or what its held-out errors make it."""

from dataclasses import replace

import pytest
from error_examples import CALIBRATION, errors

from chemistry.records.potential import Threshold
from model.evaluation import errors_from_json, errors_to_json
from workflow.planning.records import Training
from workflow.planning.thresholds import ANI_1X_KCAL_MOL, threshold_of
from workflow.settings.campaign import Selection


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
