"""Charge and multiplicity by all the names that programs give them; doubt is refused."""

import numpy as np
import pytest

from chemistry.errors import InputError
from chemistry.readers.electrons import electrons_from, pairs_in, without_pairs


def electrons(comment: str, **settings):
    facts = pairs_in(comment, "m.xyz:1")
    return electrons_from(facts, "m.xyz:1", comment=without_pairs(comment), **settings)


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("", (None, None)),
        ("water, optimized", (None, None)),
        ("gdb 1 157.71 157.70", (None, None)),
        ("energy: -5.07054 gnorm: 0.0003", (None, None)),
        ("charge=-1", (-1, None)),
        ("charge = 1", (1, None)),
        ("CHARGE=+1.0", (1, None)),
        ("total_charge=2", (2, None)),
        ("TotalCharge=2", (2, None)),
        ("net_charge=1", (1, None)),
        ("formal_charge=1", (1, None)),
        ("q=-2", (-2, None)),
        ("multiplicity=3", (None, 3)),
        ("mult=3", (None, 3)),
        ("spin_multiplicity=3", (None, 3)),
        ("SpinMult=3", (None, 3)),
        ("chg=1", (1, None)),
        ("CHG: -1, mult 2", (-1, 2)),
        ("charge_total=1", (1, None)),
        ("q_tot=-1", (-1, None)),
        ("uhf=2", (None, 3)),
        ("n_unpaired=1", (None, 2)),
        ("unpaired_electrons=0", (None, 1)),
        ("magmom=-1.9999", (None, 3)),
        ("spin=0", (None, 1)),
        ("charge=0,multiplicity=3", (0, 3)),
        ("charge=0; mult=3", (0, 3)),
        ("charge=0, multiplicity=3,", (0, 3)),
        ("charge='1' mult=\"2\"", (1, 2)),
        ("charge=1 total_charge=1", (1, None)),
        ("charge: 1, mult: 2", (1, 2)),
        ("charge 1 multiplicity 2", (1, 2)),
        ("0 3", (0, 3)),
        ("+2 1", (2, 1)),
        (" -1, 2 ", (-1, 2)),
        ("name=2,2-dimethylpropane charge=1", (1, None)),
        ("name='methyl cation' charge=1", (1, None)),
        ("singlet oxygen", (None, None)),
        ("triplet oxygen, mult=3", (None, 3)),
        ("charges='0.1 -0.1' partial_charge=0.1 spin_contamination=0.01", (None, None)),
        ("charge_model=cm5 charge_transfer=0.2 location=3 singlet_triplet_gap=0.4", (None, None)),
        ("name=triplet multiplicity=3", (None, 3)),
    ],
)
def test_what_is_understood(comment, found):
    assert electrons(comment) == found


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("spin=3", "spin=3 in the comment means 2S to some programs and 2S.1 to others: .*--spin"),
        ("total_charge=0 total_spin=3", "total_spin=3 .* means 2S"),
        ("spin 1", "means 2S"),
        ("charge=0 total_charge=1", "charge=0 and total_charge=1 contradict"),
        ("charge=0 charge=1", "charge=0 and charge=1 contradict"),
        ("mult=3 uhf=1", "mult=3 and uhf=1 contradict"),
        ("mult: 1 mult: 3", "contradict"),
        ("charge=one", "charge=one in the comment is not a whole number"),
        ("charge=0.4", "not a whole number"),
        ("charge=1+", "not a whole number"),
        ("charge=nan", "not a whole number"),
        ("charge=", "names a charge, but not which"),
        ("magmom=1.7", "not a whole number"),
        ("mult=0", "at least 1"),
        ("0 0", "at least 1"),
        ("uhf=-1", "at least 1"),
        ("charge_state=1", "looks like a charge or a spin but is not understood: say charge="),
        ("mol_chrg=1", "looks like a charge"),
        ("charge_e=1", "charge_e=1 looks like a charge"),
        ("charge_of_molecule=1", "looks like a charge"),
        ("charge_mult='0 3'", "looks like a charge"),
        ("total_q=1", "looks like a charge"),
        ("is_cation=1", "looks like a charge"),
        ("tot_magnetization=2", "looks like a charge or a spin but is not understood: say multipl"),
        ("NUPDOWN=2", "say multiplicity="),
        ("smult=3", "say multiplicity="),
        ("open_shell=True", "say multiplicity="),
        ("2S+1=3", r"speaks of '2S\+1', but states none: say multiplicity="),
        ("2S = 2", "speaks of '2S'"),
        ("state=triplet", "state=triplet looks like a charge or a spin"),
        ("config_type=dication", "config_type=dication looks like a charge"),
        ("radical_cation", "speaks of 'cation'"),
        ("0, 3, oxygen", "may begin with a charge and a multiplicity"),
        ("spin_state=high", "looks like a charge or a spin but is not understood: say multipl"),
        ("multi=3", "say multiplicity="),
        ("molecule charge", "names a charge, but not which"),
        ("0 3 oxygen", "may begin with a charge and a multiplicity"),
        ("oxygen, triplet", "speaks of 'triplet', but states none: say multiplicity"),
        ("methyl cation", "speaks of 'cation', but states none: say charge"),
        ("a biradical", "say multiplicity"),
    ],
)
def test_what_is_doubtful_is_refused(comment, words):
    with pytest.raises(InputError, match=words) as caught:
        electrons(comment)
    assert str(caught.value).startswith("m.xyz:1: ")


@pytest.mark.parametrize(
    ("spin_means", "comment", "multiplicity"),
    [("2s", "spin=2", 3), ("2s+1", "spin=3", 3), ("2s+1", "total_spin=1", 1), ("2s", "Spin: 1", 2)],
)
def test_a_person_says_what_spin_means(spin_means, comment, multiplicity):
    assert electrons(comment, spin_means=spin_means) == (None, multiplicity)


def test_what_a_person_says_is_not_asked_of_the_file():
    assert electrons("charge_state=1 spin=2", charge=1, multiplicity=3) == (1, 3)
    assert electrons("methyl cation, mult=1", charge=1) == (1, 1)
    with pytest.raises(InputError, match="spin=2"):
        electrons("charge_state=1 spin=2", charge=1)


def test_numbers_of_the_atoms_must_add_up_to_what_is_stated():
    charges = {"initial_charges": np.array([0.6, 0.4])}
    assert electrons_from({**charges, "charge": 1}, "f") == (1, None)
    assert electrons_from({"charges": np.array([0.3, -0.3])}, "f") == (None, None)
    with pytest.raises(InputError, match=r"initial_charges of the atoms add up to 1\.00, not to 0"):
        electrons_from(charges, "f")
    with pytest.raises(InputError, match="say charge="):
        electrons_from({**charges, "charge": -1}, "f")
    moments = {"magmoms": np.array([-1.02, -0.99])}
    assert electrons_from({**moments, "multiplicity": 3}, "f") == (None, 3)
    with pytest.raises(InputError, match="say multiplicity="):
        electrons_from(moments, "f")


def test_words_that_ase_keeps_as_keys_are_read():
    assert electrons_from({"0": True, "3": True, "energy": -1.0}, "f") == (0, 3)
    with pytest.raises(InputError, match="'triplet'"):
        electrons_from({"triplet": True}, "f")
    with pytest.raises(InputError, match="which: say charge"):
        electrons_from({"charge": True}, "f")


def test_values_may_be_numbers_of_any_kind():
    facts = {"charge": np.int64(1), "spin_multiplicity": np.array([2.0]), "positions": np.eye(3)}
    assert electrons_from(facts, "f") == (1, 2)
    with pytest.raises(InputError, match=r"charge=\[1 2\] in the comment is not a whole number"):
        electrons_from({"charge": np.array([1, 2])}, "f")
