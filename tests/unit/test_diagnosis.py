"""What a recomputation that disagrees says of labels: named by what fits, on made-up surfaces."""

from dataclasses import replace

import numpy as np
import pytest

from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from chemistry.units import (
    ANGSTROM_PER_BOHR,
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
    EV_PER_KCAL_MOL,
)
from workflow.datasets.comparison import Alternative, Comparison, disagreeing, tolerance_of
from workflow.datasets.diagnosis import explain, near_unit
from workflow.datasets.layouts.units import AS_ANI, AS_RUNG, Units

TOLERANCE = tolerance_of(find_level("hf/sto-3g"))
OF_ATOMS = {1: -13.6, 6: -1030.0, 8: -2042.0}
WATER, METHANE, CO = [8, 1, 1], [6, 1, 1, 1, 1], [6, 8]


def comparison(numbers, seed, *, units=AS_RUNG) -> Comparison:
    """A structure whose label agrees with its recomputation."""
    generator = np.random.default_rng([seed, len(numbers)])
    forces = generator.normal(size=(len(numbers), 3))
    energy = sum(OF_ATOMS[z] for z in numbers) - 3.0 * len(numbers) + generator.normal()
    return Comparison(
        where=f"data, frame {seed}",
        structure=Structure(
            atomic_numbers=np.array(numbers), positions=generator.normal(size=(len(numbers), 3))
        ),
        energy=energy,
        computed_energy=energy,
        units=units,
        forces=forces,
        computed_forces=forces,
    )


def mistaken(compared, *, factor=1.0, force_factor=1.0, constant=lambda numbers: 0.0):
    """Return comparisons whose file has other numbers than were computed."""
    return [
        replace(
            c,
            energy=(c.energy - constant(c.structure.atomic_numbers.tolist())) * factor,
            forces=None if c.forces is None else c.forces * force_factor,
        )
        for c in compared
    ]


THREE = [comparison(WATER, 1), comparison(WATER, 2), comparison(METHANE, 3)]
MANY = [comparison(n, i) for i, n in enumerate([WATER, METHANE, CO, [8, 8], [6, 6, 1, 1], [1, 1]])]


def said_of(compared, alternatives=()):
    wrong = disagreeing(compared, TOLERANCE)
    assert wrong
    return explain(wrong, TOLERANCE, alternatives)


def test_labels_that_agree_are_not_explained():
    assert disagreeing(THREE, TOLERANCE) == ()
    noisy = [
        replace(c, energy=c.energy + 0.005, forces=c.forces + 0.03 * np.sign(c.forces))
        for c in THREE
    ]
    assert disagreeing(noisy, TOLERANCE) == ()


def test_one_wrong_number_among_three_is_seen():
    assert len(disagreeing([THREE[0], replace(THREE[1], energy=-1.0), THREE[2]], TOLERANCE)) == 1
    turned = replace(THREE[2], forces=-THREE[2].forces)
    assert disagreeing([*THREE[:2], turned], TOLERANCE) == (turned,)


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1 / EV_PER_HARTREE, "in hartree, not in eV (a factor of 27.2114)"),
        (1 / 27.2114, "in hartree, not in eV (a factor of 27.2114)"),
        (1 / EV_PER_KCAL_MOL, "in kcal/mol, not in eV (a factor of 0.0433641)"),
        (23.06, "in kcal/mol, not in eV (a factor of 0.0433641)"),
        (4.184 / EV_PER_KCAL_MOL, "in kJ/mol, not in eV (a factor of 0.0103643)"),
        (96.485, "in kJ/mol, not in eV"),
        (2 / EV_PER_HARTREE, "in rydberg, not in eV (a factor of 13.6057)"),
        (1000.0, "in meV, not in eV (a factor of 0.001)"),
        (-1.0, "the energies have the opposite sign"),
        (-23.06, "in kcal/mol with the opposite sign, not in eV"),
    ],
)
def test_units_of_energies_are_named(factor, said):
    assert said in said_of(mistaken(THREE, factor=factor))


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (EV_PER_HARTREE, "in eV, not in hartree (a factor of 0.0367493): say --energy-unit eV"),
        (627.5095, "in kcal/mol, not in hartree (a factor of 0.0015936)"),
        (2625.5, "in kJ/mol, not in hartree (a factor of 0.00038088)"),
    ],
)
def test_units_of_a_layout_in_hartree_are_named(factor, said):
    in_hartree = [replace(c, units=AS_ANI) for c in THREE]
    assert said in said_of(mistaken(in_hartree, factor=factor))


@pytest.mark.parametrize(
    ("force_factor", "units", "said"),
    [
        (-1.0, AS_RUNG, "the forces have the sign of gradients: say --gradients"),
        (1 / EV_PER_HARTREE, AS_RUNG, "in hartree/Å, not in eV/Å (a factor of 27.2114)"),
        (
            1 / EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
            AS_RUNG,
            "in hartree/bohr, not in eV/Å (a factor of 51.4221): say --force-unit hartree/bohr",
        ),
        (ANGSTROM_PER_BOHR, AS_RUNG, "in eV/bohr, not in eV/Å (a factor of 1.88973)"),
        (23.06, AS_RUNG, "in kcal/mol/Å, not in eV/Å (a factor of 0.0433641)"),
        (EV_PER_HARTREE, AS_ANI, "in eV/Å, not in hartree/Å (a factor of 0.0367493)"),
        (-23.06, AS_RUNG, "the sign of gradients"),
        (-23.06, AS_RUNG, "in kcal/mol/Å, not in eV/Å"),
    ],
)
def test_units_and_signs_of_forces_are_named(force_factor, units, said):
    compared = [replace(c, units=units) for c in THREE]
    assert said in said_of(mistaken(compared, force_factor=force_factor))


def test_energies_and_forces_are_both_named():
    said = said_of(mistaken(THREE, factor=1 / EV_PER_HARTREE, force_factor=-1 / EV_PER_HARTREE))
    assert "energies fit in hartree" in said
    assert "gradients" in said
    assert "forces fit in hartree/Å" in said


def without_forces(compared):
    return [replace(c, forces=None) for c in compared]


@pytest.mark.parametrize(
    ("compared", "constant", "said"),
    [
        (THREE, lambda n: sum(OF_ATOMS[z] for z in n), "a constant a formula (H2O -2069.2000 eV"),
        (MANY, lambda n: sum(OF_ATOMS[z] for z in n), "(H -13.6000 eV, C -1030.0000 eV, O -2042."),
        (
            without_forces(THREE),
            lambda n: sum(OF_ATOMS[z] for z in n),
            "energies of the atoms have been subtracted",
        ),
        (THREE[:2], lambda n: -2069.2, "a constant of -2069.2000 eV for H2O"),
        (THREE, lambda n: 7.0, "but for a constant of 7.0000 eV: they are of another level"),
        (MANY, lambda n: 0.5 * len(n), "a constant of 0.5000 eV an atom"),
    ],
)
def test_constants_are_named(compared, constant, said):
    assert said in said_of(mistaken(compared, constant=constant))


def test_one_wrong_number_is_no_constant():
    """A neighbour of the same formula is right, or forces are of another frame's energy."""
    (wrong,) = mistaken(THREE[:1], constant=lambda _: 0.5)
    assert "a constant of 0.5000 eV for H2O" in str(explain([wrong], TOLERANCE, ()))
    assert explain([wrong], TOLERANCE, (), THREE[1:]) is None
    swapped = [replace(THREE[0], energy=THREE[1].energy), replace(THREE[1], energy=THREE[0].energy)]
    assert said_of(swapped) is None


def test_relative_energies_in_other_units_are_named():
    said = said_of(
        mistaken(
            without_forces(THREE),
            factor=1 / EV_PER_KCAL_MOL,
            constant=lambda n: sum(OF_ATOMS[z] for z in n),
        )
    )
    assert "fit in kcal/mol (a factor of 0.0433641) but for a constant" in said
    assert "subtracted, and total electronic ones are needed (and --energy-unit kcal/mol)" in said


def test_another_state_is_named_before_a_constant():
    """Five d functions for six, or a triplet for a singlet, look like constants where few look."""
    wrong = mistaken(THREE[:2], constant=lambda n: -0.04)
    alternatives = [
        Alternative(name="multiplicity 3", energy=wrong[0].energy + 5.0, advice="say so"),
        Alternative(name="five d functions", energy=wrong[0].energy, advice="not ours"),
    ]
    assert said_of(wrong, alternatives) == "the energies are those of five d functions: not ours"


def test_another_state_explains_its_forces_too():
    wrong = [replace(c, energy=c.energy + 3.0, forces=c.forces[::-1]) for c in THREE[:1]]
    state = Alternative(name="multiplicity 3", energy=wrong[0].energy, advice="say so")
    assert said_of(wrong, [state]) == "the energies are those of multiplicity 3: say so"


def test_what_nothing_explains_is_not_explained():
    generator = np.random.default_rng(0)
    noise = [replace(c, energy=c.energy + generator.normal(), forces=None) for c in THREE]
    assert said_of(noise) is None
    wild = [replace(c, forces=generator.normal(size=c.forces.shape)) for c in THREE]
    assert said_of(wild) is None


def test_constants_are_not_tried_before_other_states_are_known():
    assert said_of(mistaken(THREE, constant=lambda n: 7.0), None) is None


def test_forces_that_say_nothing_prove_no_constant():
    small = [replace(c, forces=0 * c.forces, computed_forces=0 * c.forces) for c in THREE[:1]]
    assert said_of(mistaken(small, constant=lambda n: -2069.2)) is None


def test_a_unit_is_recognised_beside_another_level():
    assert near_unit(mistaken(THREE, factor=23.06, constant=lambda n: -0.5)) == "kcal/mol"
    assert near_unit(mistaken(THREE, constant=lambda n: -0.5)) is None


def test_correlated_levels_are_compared_less_strictly():
    gold = tolerance_of(find_level("ccsd(t)*/cbs"))
    assert gold.energy_ev == pytest.approx(1.0 * EV_PER_KCAL_MOL)
    assert TOLERANCE.energy_ev == pytest.approx(0.2 * EV_PER_KCAL_MOL)


def test_units_know_what_they_are():
    assert Units(energy="hartree", force="hartree/bohr").ev_per_angstrom == pytest.approx(51.4221)
