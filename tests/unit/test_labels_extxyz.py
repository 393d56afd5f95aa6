"""Extended XYZ of many hands: which numbers are the label, in which units, and what is refused."""

import numpy as np
import pytest
from labelled_water import ENERGY_EV, FORCES, POSITIONS, frame, read_text
from labelled_water import read as read_file

from chemistry.errors import InputError
from chemistry.units import (
    ANGSTROM_PER_BOHR,
    E_ANGSTROM_PER_DEBYE,
    EV_PER_HARTREE,
    EV_PER_KCAL_MOL,
)
from workflow.datasets.layouts.base import Stated


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(frame(forces=FORCES), id="ase"),
        pytest.param(frame(f"REF_energy={ENERGY_EV}", REF_forces=FORCES), id="mace"),
        pytest.param(frame(f"dft_energy={ENERGY_EV}", dft_forces=FORCES), id="dft"),
        pytest.param(frame(f"DFT_energy={ENERGY_EV}", DFT_force=FORCES), id="capitals"),
        pytest.param(frame(f"Energy={ENERGY_EV}", force=FORCES), id="Energy-force"),
        pytest.param(frame(f"E={ENERGY_EV}", F=FORCES), id="E-F"),
        pytest.param(frame(f"energy={ENERGY_EV} T=300 t=0.5", forces=FORCES), id="T-and-t"),
        pytest.param(frame(f"TotEnergy={ENERGY_EV}", forces=FORCES), id="TotEnergy"),
        pytest.param(frame(f"total_energy={ENERGY_EV}", gradient=-FORCES), id="gradient"),
        pytest.param(frame(f"energy={ENERGY_EV}", grad=-FORCES), id="grad"),
        pytest.param(frame(f"energy={ENERGY_EV}", gradients=-FORCES), id="gradients"),
        pytest.param(frame(f"REF_energy={ENERGY_EV}", REF_gradient=-FORCES), id="REF_gradient"),
        pytest.param(
            frame(f"energy=-137.9 REF_energy={ENERGY_EV}", forces=0.1 * FORCES, REF_forces=FORCES),
            id="both-sets-REF-wins",
        ),
        pytest.param(
            frame(f"energy={ENERGY_EV} MACE_energy=-1.0", forces=FORCES, MACE_forces=2 * FORCES),
            id="a-prediction-beside-the-label",
        ),
        pytest.param(
            frame(f"energy={ENERGY_EV} free_energy=-1.0", forces=FORCES), id="free-energy"
        ),
        pytest.param("\n\n" + frame(forces=FORCES) + "\n", id="empty-lines"),
        pytest.param("\ufeff" + frame(forces=FORCES), id="byte-order-mark"),
    ],
)
def test_a_whole_set_of_keys_is_taken(tmp_path, text):
    (label,), _ = read_text(tmp_path, text)
    assert label.energy == ENERGY_EV
    np.testing.assert_array_equal(label.forces, FORCES)
    np.testing.assert_array_equal(label.structure.positions, POSITIONS)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            frame(f"energy=-137.9 REF_energy={ENERGY_EV}", forces=0.1 * FORCES, REF_forces=FORCES),
            "took REF_energy and REF_forces, passed over energy, forces",
        ),
        (frame(frc=FORCES), "took no forces: the columns frc are not known as such"),
        (frame(gradient=-FORCES), "took gradient for gradients: forces are minus them"),
        (frame(forces=FORCES + 0.005), "forces add up to more than 0.01 eV/Å: a coarse grid?"),
    ],
)
def test_what_was_decided_is_said(tmp_path, text, note):
    _, reading = read_text(tmp_path, text)
    assert reading.notes == {note: 1}


def test_an_energy_alone_leaves_forces_of_another_set_where_they_are(tmp_path):
    (label,), reading = read_text(
        tmp_path, frame(f"energy=-137.9 REF_energy={ENERGY_EV}", forces=0.1 * FORCES)
    )
    assert (label.energy, label.forces) == (ENERGY_EV, None)
    assert reading.notes == {"took REF_energy, passed over energy, forces": 1}


HARTREE = ENERGY_EV / EV_PER_HARTREE


@pytest.mark.parametrize(
    ("comment", "forces", "positions"),
    [
        pytest.param(
            f"energy={HARTREE!r} energy_unit=hartree", FORCES / EV_PER_HARTREE, 1.0, id="hartree"
        ),
        pytest.param(
            f"energy={HARTREE!r} energy_units=Ha forces_unit=eV/A", FORCES, 1.0, id="forces-apart"
        ),
        pytest.param(
            f"energy={ENERGY_EV / EV_PER_KCAL_MOL!r} energy_unit=kcal/mol",
            FORCES / EV_PER_KCAL_MOL,
            1.0,
            id="kcal",
        ),
        pytest.param(
            f"energy={ENERGY_EV / EV_PER_KCAL_MOL * 4.184!r} energy_unit=kJ/mol",
            FORCES / EV_PER_KCAL_MOL * 4.184,
            1.0,
            id="kJ",
        ),
        pytest.param(
            f"energy={HARTREE!r} units=atomic",
            FORCES / EV_PER_HARTREE * ANGSTROM_PER_BOHR,
            1 / ANGSTROM_PER_BOHR,
            id="atomic-units",
        ),
        pytest.param(
            f'energy={HARTREE!r} units="hartree bohr hartree/bohr"',
            FORCES / EV_PER_HARTREE * ANGSTROM_PER_BOHR,
            1 / ANGSTROM_PER_BOHR,
            id="units-in-a-list",
        ),
        pytest.param(
            f"energy={ENERGY_EV} length_unit=bohr force_unit=eV/Angstrom",
            FORCES,
            1 / ANGSTROM_PER_BOHR,
            id="bohr",
        ),
        pytest.param(f"energy={ENERGY_EV} units=eV", FORCES, 1.0, id="eV"),
        pytest.param(f"energy={ENERGY_EV} units=metal", FORCES, 1.0, id="metal"),
    ],
)
def test_units_that_a_frame_states_are_converted(tmp_path, comment, forces, positions):
    (label,), _ = read_text(
        tmp_path, frame(comment, positions=POSITIONS * positions, forces=forces)
    )
    assert label.energy == pytest.approx(ENERGY_EV, rel=1e-12)
    np.testing.assert_allclose(label.forces, FORCES, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(label.structure.positions, POSITIONS, rtol=1e-12, atol=1e-12)


def test_units_that_a_person_states_are_converted(tmp_path):
    stated = Stated(energy_unit="kcal/mol", force_unit="kcal/mol/Å", gradients=True)
    text = frame(f"energy={ENERGY_EV / EV_PER_KCAL_MOL!r}", forces=-FORCES / EV_PER_KCAL_MOL)
    (label,), _ = read_text(tmp_path, text, stated=stated)
    assert label.energy == pytest.approx(ENERGY_EV, rel=1e-12)
    np.testing.assert_allclose(label.forces, FORCES, rtol=1e-12, atol=1e-12)


def test_a_dipole_is_read_in_what_it_states(tmp_path):
    (label,), _ = read_text(
        tmp_path, frame(f'energy={ENERGY_EV} dipole="0.0 0.0 1.8" dipole_unit=debye')
    )
    np.testing.assert_allclose(label.dipole, [0.0, 0.0, 1.8 * E_ANGSTROM_PER_DEBYE])


@pytest.mark.parametrize(
    ("key", "charge", "multiplicity"),
    [
        ("charge=-1 multiplicity=2", -1, 2),
        ("total_charge=-2", -2, 1),
        ("Charge=1 mult=2", 1, 2),
        ("spin_multiplicity=3", 0, 3),
        ("-1 2", -1, 2),
        ("2 1 converged=T", 2, 1),
    ],
)
def test_electrons_are_understood(tmp_path, key, charge, multiplicity):
    text = frame(f"energy={ENERGY_EV} {key}")
    (label,), _ = read_text(tmp_path, text)
    assert (label.structure.charge, label.structure.multiplicity) == (charge, multiplicity)


def test_a_person_says_what_spin_means(tmp_path):
    (label,), _ = read_text(
        tmp_path, frame(f"energy={ENERGY_EV} spin=2"), stated=Stated(spin_means="2s")
    )
    assert label.structure.multiplicity == 3


@pytest.mark.parametrize("spelled", ["HF/STO-3G", "hf/sto-3g", '" hf/STO-3g "'])
def test_levels_compare_as_levels(tmp_path, spelled):
    (label,), _ = read_text(tmp_path, frame(f"energy={ENERGY_EV} level={spelled}"))
    assert label.energy == ENERGY_EV


WATER = "O 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"
REFUSED = {
    "half a set each": (
        frame(f"REF_energy={ENERGY_EV}", forces=FORCES),
        "each half of one",
    ),
    "half a set each, the other way": (frame(REF_forces=FORCES), "each half of one"),
    "REF forces without their energy": (
        frame(forces=0.1 * FORCES, REF_forces=FORCES),
        "several sets of keys",
    ),
    "two sets of which none wins": (
        frame(f"energy=-1.0 dft_energy={ENERGY_EV}", forces=FORCES, dft_forces=FORCES),
        "several sets of keys",
    ),
    "one key twice": (frame(f"energy=-1.0 energy={ENERGY_EV}"), "contradict each other"),
    "more atoms than there are": (f"999999999\nenergy=-1.0\n{WATER}", "was cut short"),
    "a number of atoms that is none": (f"{'9' * 5000}\nenergy=-1.0\n{WATER}", "should begin with"),
    "one quantity twice": (frame(f"energy=-1.0 E={ENERGY_EV}"), "are the same quantity"),
    "forces and gradients": (frame(forces=FORCES, gradient=FORCES), "are the same quantity"),
    "only a prediction": (frame("MACE_energy=-1.0"), "there is no `energy`"),
    "energy in words": (frame("energy=low"), "is 'low', which is not one number"),
    "a decimal comma": (frame("energy=-2039,5"), "decimal comma"),
    "a decimal comma in a column": (
        f"3\nenergy={ENERGY_EV}\n{WATER.replace('0.119', '0,119')}",
        "'0,119', which is no number: a decimal point is meant, not a comma",
    ),
    "NaN energy": (frame("energy=nan"), "the energy is not a finite number"),
    "infinite energy": (frame("energy=-inf"), "the energy is not a finite number"),
    "energy beyond float64": (frame("energy=1e400"), "the energy is not a finite number"),
    "NaN force": (frame(forces=FORCES * np.nan), "a force is not a finite number"),
    "infinite position": (
        frame(positions=np.where(POSITIONS == 0.763, np.inf, POSITIONS)),
        "a position is not a finite number",
    ),
    "net force": (
        frame(forces=FORCES + np.array([5.0, 0.0, 0.0])),
        "its forces add up to 15.000 eV/Å",
    ),
    "a small net force": (frame(forces=FORCES + 0.1), "its forces add up to 0.300 eV/Å"),
    "two numbers of a dipole": (frame('energy=-1.0 dipole="0.0 1.8"'), "the dipole has the shape"),
    "a dipole in words": (frame('energy=-1.0 dipole="a b"'), "its dipole is 'a b'"),
    "NaN dipole": (frame('energy=-1.0 dipole="0.0 nan 1.8"'), "the dipole is not a finite"),
    "cost in words": (frame("energy=-1.0 cpu_seconds=n/a"), "cpu_seconds=n/a is not a number"),
    "a date": (frame("energy=-1.0 finished_at=2024-01-01T00:00:00"), "finished_at=2024-01-01T"),
    "half a charge": (frame("energy=-1.0 charge=0.4"), "charge=0.4"),
    "spin": (frame("energy=-1.0 spin=3"), "means 2S to some programs and 2S+1 to others"),
    "electrons that do not fit": (frame("energy=-1.0 charge=1"), "multiplicity 1 does not fit"),
    "an unknown unit": (frame("energy=-1.0 energy_unit=furlong"), "'furlong' is not a unit of"),
    "a unit of what": (frame("energy=-1.0 stress_unit=GPa"), "stress_unit=GPa is not understood"),
    "units that contradict": (
        frame("energy=-1.0 energy_unit=eV units=hartree"),
        "it states eV and hartree for one energy",
    ),
    "a periodic cell": (
        f'3\nenergy=-1.0 Lattice="9 0 0 0 9 0 0 0 9"\n{WATER}',
        "a periodic cell cannot be used",
    ),
    "cut short": (frame() + "3\nenergy=-1.0\nO 0 0 0\n", "frame 1: the file ends 2 of its 3 atoms"),
    "a column too few": (
        frame(forces=FORCES).replace("forces:R:3", "forces:R:3:q:R:1"),
        "the line of atom 0 has 7 columns, not the 8 of species pos forces q",
    ),
    "columns without names": (
        "3\nenergy=-1.0\nO 0 0 0.1 0 0 1\nH 0 0.7 -0.4 0 0 1\nH 0 -0.7 -0.4 0 0 -2\n",
        "the line of atom 0 has 7 columns, not the 4 of species pos",
    ),
    "no element": (f"3\nenergy=-1.0\n{WATER.replace('O', 'Xx')}", "'Xx' is not an element"),
    "properties in words": (
        f"3\nProperties=species:pos energy=-1.0\n{WATER}",
        "is no list of name:type:width",
    ),
    "no number of atoms": (frame() + WATER, "frame 1 should begin with its number of atoms"),
    "no text": ("\x80\n", "not readable as extended XYZ"),
    "nothing": ("", "there are no labels of hf/sto-3g"),
    "another level": (
        frame("energy=-1.0 level=b3lyp/6-31g*") * 2,
        "there are no labels of hf/sto-3g: it has b3lyp/6-31g* (2)",
    ),
    "a level of somebody's own": (frame("energy=-1.0 level=DFT"), "it has DFT (1)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_label_is_refused_in_one_sentence(tmp_path, name):
    text, said = REFUSED[name]
    data = text.encode("latin-1") if name == "no text" else text.encode()
    (tmp_path / "data.xyz").write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_file(tmp_path / "data.xyz")
    message = str(caught.value)
    assert said in message
    assert message.startswith(str(tmp_path / "data.xyz"))
    assert "\n" not in message


def test_the_rest_is_read_where_bad_ones_are_skipped(tmp_path):
    text = (
        frame() + frame("energy=nan") + frame(f"energy={ENERGY_EV} spin=3") + frame(forces=FORCES)
    )
    labels, reading = read_text(tmp_path, text, skip_bad=True)
    assert [label.where.rpartition(" ")[2] for label in labels] == ["0", "3"]
    assert ["frame 1" in str(error) for error in reading.bad] == [True, False]
    assert len(reading.bad) == 2


def test_a_file_of_which_nothing_can_be_used_is_refused_all_the_same(tmp_path):
    with pytest.raises(InputError, match=r"none of its 2 labels can be used: .*frame 0"):
        read_text(tmp_path, frame("energy=nan") * 2, skip_bad=True)
