"""`rung evaluate` had a reader of its own, which refused rung's own `mace` export."""

import pytest
from labelled_water import ENERGY_EV, FORCES, frame
from model_examples import committee

from chemistry.errors import InputError
from workflow.datasets.evaluate import evaluate_potential


@pytest.fixture
def potential(tmp_path):
    path = tmp_path / "committee.safetensors"
    committee().save(path)
    return path


@pytest.mark.parametrize(
    "text",
    [
        frame(f"energy={ENERGY_EV}", forces=FORCES),
        frame(f"REF_energy={ENERGY_EV}", REF_forces=FORCES),
        frame(f"energy=-1.0 REF_energy={ENERGY_EV}", forces=0 * FORCES, REF_forces=FORCES),
    ],
)
def test_both_sets_of_keys_are_the_same_label(tmp_path, potential, text):
    (tmp_path / "plain.xyz").write_text(frame(f"energy={ENERGY_EV}", forces=FORCES))
    (tmp_path / "data.xyz").write_text(text)
    plain = evaluate_potential(potential, tmp_path / "plain.xyz").errors
    found = evaluate_potential(potential, tmp_path / "data.xyz").errors
    assert found.n_structures == 1
    assert found.energy_mae_kcal_mol == plain.energy_mae_kcal_mol > 0
    assert found.force_mae_kcal_mol_angstrom == plain.force_mae_kcal_mol_angstrom > 0


def test_it_says_what_import_says(tmp_path, potential):
    (tmp_path / "data.xyz").write_text(frame() + frame("energy=nan"))
    with pytest.raises(InputError, match="frame 1: the energy is not a finite number"):
        evaluate_potential(potential, tmp_path / "data.xyz")


def test_labels_of_another_level_are_not_mixed_with_those_of_its_own(tmp_path, potential):
    level = committee().level_name
    own, other = frame(f"energy={ENERGY_EV} level={level}"), frame("energy=-1.0 level=pbe/def2-svp")
    (tmp_path / "data.xyz").write_text(own + other)
    both = evaluate_potential(potential, tmp_path / "data.xyz")
    assert (both.errors.n_structures, both.other_levels) == (1, ())
    (tmp_path / "other.xyz").write_text(other)
    alone = evaluate_potential(potential, tmp_path / "other.xyz")
    assert (alone.errors.n_structures, alone.other_levels) == (1, ("pbe/def2-svp",))
    (tmp_path / "two.xyz").write_text(other + frame("energy=-1.0 level=hf/def2-svp"))
    with pytest.raises(InputError, match=r"it has pbe/def2-svp \(1\), hf/def2-svp \(1\)"):
        evaluate_potential(potential, tmp_path / "two.xyz")
