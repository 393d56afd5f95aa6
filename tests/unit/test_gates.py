"""Quality gates as pure functions: at each limit, on both sides."""

from dataclasses import replace

import numpy as np
import pytest

from chemistry.gates import (
    DOUBTS,
    Expectation,
    Finding,
    Gates,
    Steps,
    compare,
    examine,
    findings_from_json,
    findings_to_json,
    is_doubted,
    refusal,
)
from chemistry.records.label import Label, Provenance
from chemistry.records.structure import Structure
from chemistry.units import KCAL_MOL_PER_EV

WATER = Structure(atomic_numbers=np.array([8, 1, 1]), positions=np.arange(9.0).reshape(3, 3))
LABEL = Label(
    structure_id=WATER.structure_id,
    level_id="l",
    energy=-100.0,
    forces=np.zeros((3, 3)),
    provenance=Provenance(
        program="p",
        version="1",
        host="h",
        cpu_seconds=1.0,
        wall_seconds=1.0,
        attempts=(),
        finished_at=0.0,
    ),
)


def refused(label: Label = LABEL, structure: Structure = WATER, gates=None, **known) -> set[str]:
    return {f.gate for f in examine(structure, label, gates or Gates(), **known) if f.refused}


@pytest.mark.parametrize(
    ("name", "good", "bad", "gate"),
    [
        ("s2", 0.19, 0.21, "spin_contamination"),
        ("gap_ev", 0.51, 0.49, "gap_ev"),
        ("uhf_lowering_ev", 0.09 / KCAL_MOL_PER_EV, 0.11 / KCAL_MOL_PER_EV, "instability_kcal_mol"),
        ("t1", 0.044, 0.046, "t1"),
    ],
)
def test_a_diagnostic_is_held_against_its_limit(name, good, bad, gate):
    assert refused(replace(LABEL, diagnostics={name: good})) == set()
    assert refused(replace(LABEL, diagnostics={name: bad})) == {gate}
    assert refused(replace(LABEL, diagnostics={name: bad}), gates=Gates(**{gate: None})) == set()


def test_contamination_is_what_exceeds_the_spin_itself():
    doublet, triplet = (replace(WATER, multiplicity=m) for m in (2, 3))
    for structure, s2 in ((doublet, 0.75), (triplet, 2.0)):
        assert refused(replace(LABEL, diagnostics={"s2": s2 + 0.1}), structure) == set()
        contaminated = replace(LABEL, diagnostics={"s2": s2 + 0.3})
        assert refused(contaminated, structure) == {"spin_contamination"}


def test_the_force_on_an_atom_is_a_vector():
    forces = np.zeros((3, 3))
    forces[1] = 60.0  # each component is below the limit of 100, their norm is not
    assert refused(replace(LABEL, forces=forces)) == {"force_ev_angstrom"}
    assert refused(replace(LABEL, forces=None)) == set()


def test_broken_bonds_are_refused():
    assert refused(is_intact=False) == {"topology"}
    assert refused(is_intact=False, gates=Gates(topology=False)) == set()


def test_an_outlier_is_far_off_by_the_committees_own_measure():
    for sigma, error in ((0.1, 0.0), (0.0, 0.1), (0.06, 0.08)):
        near, far = (
            Expectation(energy_ev=-100.0 + off, sigma_ev=sigma, error_ev=error)
            for off in (0.79, -0.81)
        )
        assert refused(expected=near) == set()
        assert refused(expected=far) == {"outlier"}
    # A committee that knows no error says nothing.
    assert refused(expected=Expectation(energy_ev=0.0, sigma_ev=0.0, error_ev=0.0)) == set()


def test_a_step_is_held_against_those_of_the_same_molecule():
    # Median 1, median absolute deviation 0.1: a spread of 0.148.
    others = 1.0 + 0.1 * np.array([-2, -1, -1, -1, -1, -0.5, 0, 0.5, 1, 1, 1, 1, 2])
    for off, gates in ((1.1, set()), (-1.1, set()), (1.3, {"step"}), (-1.3, {"step"})):
        assert refused(steps=Steps(this_ev=1.0 + off, others_ev=others)) == gates
    far = Steps(this_ev=9.0, others_ev=others)
    assert far.deviation == pytest.approx(8.0 / (1.4826 * 0.1))
    assert refused(steps=far, gates=Gates(step=None)) == set()


def test_one_wild_step_among_the_others_hides_no_second_one():
    others = np.array([0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.4, 0.4, 0.5, 50.0])
    assert refused(steps=Steps(this_ev=50.0, others_ev=others)) == {"step"}


def test_of_too_few_steps_and_of_equal_ones():
    few = Steps(this_ev=9.0, others_ev=np.arange(11.0))
    assert few.deviation is None
    assert refused(steps=few) == set()
    # Equal steps have no spread: what two computations differ by is none of the label's faults.
    same = Steps(this_ev=1.0 + 0.3 / KCAL_MOL_PER_EV, others_ev=np.ones(12))
    assert same.deviation == pytest.approx(6.0)
    assert refused(steps=same) == set()


def test_a_refusal_says_all_that_was_refused():
    findings = examine(
        WATER,
        replace(LABEL, diagnostics={"t1": 0.1, "gap_ev": 0.1}),
        Gates(),
        expected=Expectation(energy_ev=0.0, sigma_ev=1.0, error_ev=0.0),
    )
    said = refusal(findings)
    assert said == (
        "the T1 diagnostic is 0.100 (limit 0.045); the orbital gap is 0.10 eV (at least 0.5); "
        "the energy is 100.0 times as far from the committee's as it expects (limit 8)"
    )
    assert is_doubted(findings)
    assert "committee" not in refusal(findings, except_for=DOUBTS)
    assert refusal(()) is None
    assert findings_from_json(findings_to_json(findings)) == findings


def test_every_gate_has_its_words():
    for gate in set(Gates.model_fields) - {"second_share"}:
        assert refusal([Finding(gate=gate, value=1.0, limit=0.5, refused=True)])


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "agrees"),
        ({"energy": -100.001}, "agrees"),
        ({"energy": -100.01}, "second is lower"),
        ({"energy": -99.99}, "first is lower"),
        ({"forces": np.full((3, 3), 0.02)}, "contradicts"),
    ],
)
def test_of_two_solutions_the_lower_one_holds(change, verdict):
    assert compare(LABEL, replace(LABEL, **change)) == verdict


def test_correlated_labels_are_compared_by_their_references():
    def correlated(reference: float, correlation: float) -> Label:
        parts = {"hf/a": reference + 1.0, "hf/b": reference, "mp2/b correlation": correlation}
        return replace(LABEL, energy=reference + correlation, components=parts, forces=None)

    first = correlated(-99.0, -1.0)
    assert compare(first, correlated(-99.0, -1.0)) == "agrees"
    # The lower total belongs to the higher reference: it is the wrong state.
    assert compare(first, correlated(-98.5, -2.0)) == "first is lower"
    assert compare(first, correlated(-99.5, -0.2)) == "second is lower"
    assert compare(first, correlated(-99.0, -1.1)) == "contradicts"
