"""Potentials in OpenMM, through OpenMM-ML: alone and amid a force field."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from ase import Atoms
from ase import units as ase_units
from simulated import CHECKPOINT, box, large, resting, velocities

from chemistry.errors import InputError
from chemistry.units import KJ_MOL_PER_EV

pytestmark = pytest.mark.openmm

TIMESTEP_FS = 0.25


def topology_of(atoms: Atoms, *, periodic: bool = False):
    from openmm import app, unit

    topology = app.Topology()
    residue = topology.addResidue("MOL", topology.addChain())
    for symbol in atoms.symbols:
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
    if periodic:
        topology.setPeriodicBoxVectors(atoms.cell[:] * unit.angstrom)
    return topology


def simulation_of(atoms: Atoms, *, periodic: bool = False, arguments=None, **settings):
    """Return the potential and a simulation of constant energy, at rest."""
    import openmm
    from openmm import app, unit
    from openmmml import MLPotential

    potential = MLPotential("rung", **{"path": CHECKPOINT, "precision": "double", **settings})
    topology = topology_of(atoms, periodic=periodic)
    system = potential.createSystem(topology, removeCMMotion=False, **(arguments or {}))
    integrator = openmm.VerletIntegrator(TIMESTEP_FS * unit.femtosecond)
    platform = openmm.Platform.getPlatform("Reference")
    simulation = app.Simulation(topology, system, integrator, platform)
    simulation.context.setPositions(atoms.positions * unit.angstrom)
    return potential, simulation


def energy_and_forces(simulation) -> tuple[float, np.ndarray]:
    """Potential energy, eV, and forces, eV/Å."""
    from openmm import unit

    state = simulation.context.getState(getEnergy=True, getForces=True)
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.angstrom)
    return energy / KJ_MOL_PER_EV, forces / KJ_MOL_PER_EV


def total_energies(simulation, steps: int) -> Iterator[float]:
    """Kinetic and potential energy at each of some steps, eV."""
    from openmm import unit

    for _ in range(steps):
        simulation.step(1)
        state = simulation.context.getState(getEnergy=True)
        total = state.getKineticEnergy() + state.getPotentialEnergy()
        yield total.value_in_unit(unit.kilojoule_per_mole) / KJ_MOL_PER_EV


@pytest.mark.parametrize("make", [lambda: resting("CH3OH"), large, box], ids=["1", "60", "box"])
def test_energies_and_forces_are_those_of_the_calculator(make):
    atoms = make()
    _, simulation = simulation_of(atoms, periodic=bool(atoms.pbc.all()))
    energy, forces = energy_and_forces(simulation)
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(forces, atoms.get_forces(), rtol=0, atol=1e-5)


def test_single_precision_is_that_of_the_checkpoint():
    atoms = resting("CH3OH")
    _, simulation = simulation_of(atoms, precision=None)
    energy, forces = energy_and_forces(simulation)
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    np.testing.assert_allclose(forces, atoms.get_forces(), rtol=0, atol=1e-4)


def test_energy_is_conserved():
    from openmm import unit

    atoms = resting("CH3OH")
    _, simulation = simulation_of(atoms)
    moving = velocities(atoms) * ase_units.fs * 100  # Å/fs as nm/ps
    simulation.context.setVelocities(moving * unit.nanometer / unit.picosecond)
    totals = np.array(list(total_energies(simulation, 200)))
    kinetic = 1.5 * len(atoms) * ase_units.kB * 100
    assert np.ptp(totals[::4]) < 0.02 * kinetic
    assert abs(totals[-60:].mean() - totals[:60].mean()) < 0.002 * kinetic


def solvated():
    """A methanol of the potential's in TIP3P water, as topology, positions, system and atoms."""
    import openmm
    from openmm import app, unit

    field = app.ForceField("tip3p.xml", io.StringIO(METHANOL_FIELD))
    atoms = resting("CH3OH")
    topology = app.Topology()
    residue = topology.addResidue("MOH", topology.addChain())
    names = ["C", "O", "H1", "H2", "H3", "H4"]
    made = [
        topology.addAtom(name, app.Element.getBySymbol(symbol), residue)
        for name, symbol in zip(names, atoms.symbols, strict=True)
    ]
    for one, other in METHANOL_BONDS:
        topology.addBond(made[names.index(one)], made[names.index(other)])
    modeller = app.Modeller(topology, atoms.positions * unit.angstrom)
    modeller.addSolvent(field, boxSize=openmm.Vec3(2.0, 2.0, 2.0) * unit.nanometer)
    system = field.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=0.9 * unit.nanometer,
        constraints=app.HBonds,
    )
    return modeller.topology, modeller.positions, system, list(range(len(atoms)))


METHANOL_BONDS = [("C", "O"), ("C", "H2"), ("C", "H3"), ("C", "H4"), ("O", "H1")]
METHANOL_FIELD = """<ForceField>
<AtomTypes>
 <Type name="mC" class="mC" element="C" mass="12.011"/>
 <Type name="mO" class="mO" element="O" mass="15.999"/>
 <Type name="mH" class="mH" element="H" mass="1.008"/>
 <Type name="mA" class="mA" element="H" mass="1.008"/>
</AtomTypes>
<Residues>
 <Residue name="MOH">
  <Atom name="C" type="mC" charge="0.145"/><Atom name="O" type="mO" charge="-0.683"/>
  <Atom name="H1" type="mA" charge="0.418"/><Atom name="H2" type="mH" charge="0.04"/>
  <Atom name="H3" type="mH" charge="0.04"/><Atom name="H4" type="mH" charge="0.04"/>
  <Bond atomName1="C" atomName2="O"/><Bond atomName1="C" atomName2="H2"/>
  <Bond atomName1="C" atomName2="H3"/><Bond atomName1="C" atomName2="H4"/>
  <Bond atomName1="O" atomName2="H1"/>
 </Residue>
</Residues>
<NonbondedForce coulomb14scale="0.833333" lj14scale="0.5">
 <UseAttributeFromResidue name="charge"/>
 <Atom type="mC" sigma="0.35" epsilon="0.276"/><Atom type="mO" sigma="0.312" epsilon="0.711"/>
 <Atom type="mA" sigma="1" epsilon="0"/><Atom type="mH" sigma="0.25" epsilon="0.126"/>
</NonbondedForce>
</ForceField>"""
"""Charges and radii of methanol alone: what is within it is the potential's."""


def test_a_molecule_in_water_runs_and_reports_its_disagreement(tmp_path):
    import openmm
    from openmm import app, unit
    from openmmml import MLPotential

    from model.simulation.openmm import DisagreementReporter

    topology, positions, field, chosen = solvated()
    potential = MLPotential("rung", path=CHECKPOINT)
    system = potential.createMixedSystem(topology, field, chosen)
    integrator = openmm.LangevinMiddleIntegrator(
        300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond
    )
    integrator.setRandomNumberSeed(1)
    platform = openmm.Platform.getPlatform("CPU")
    simulation = app.Simulation(topology, system, integrator, platform, {"Threads": "1"})
    simulation.context.setPositions(positions)
    # The molecule's own energy is the potential's: what a force group of its own would say.
    [force] = [f for f in system.getForces() if f.getName() == "rung"]
    assert list(force.getParticles()) == chosen
    assert system.getNumParticles() > 500
    simulation.minimizeEnergy(maxIterations=20)
    reporter = DisagreementReporter(tmp_path / "doubt.csv", 10, potential)
    simulation.reporters.append(reporter)
    simulation.step(40)
    head, *lines = (tmp_path / "doubt.csv").read_text().splitlines()
    assert head == "step,time_ps,energy_ev,rho_kcal_mol"
    assert [line.split(",")[0] for line in lines] == ["10", "20", "30", "40"]
    assert all(float(line.split(",")[3]) > 0 for line in lines)
    end = simulation.context.getState(getPositions=True, getEnergy=True)
    at = end.getPositions(asNumpy=True).value_in_unit(unit.angstrom)[chosen]
    alone = Atoms(numbers=resting("CH3OH").numbers, positions=at, calculator=resting("CH3OH").calc)
    said = float(lines[-1].split(",")[2])
    assert said == pytest.approx(alone.get_potential_energy(), abs=1e-3)


def test_a_mixed_system_can_be_interpolated_and_serialised():
    import openmm
    from openmm import unit
    from openmmml import MLPotential

    topology, positions, field, chosen = solvated()
    potential = MLPotential("rung", path=CHECKPOINT)
    system = potential.createMixedSystem(topology, field, chosen, interpolate=True)
    again = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))
    energies = []
    for one in (system, again):
        platform = openmm.Platform.getPlatform("Reference")
        context = openmm.Context(one, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(positions)
        for share in (0.0, 1.0):
            context.setParameter("lambda_interpolate", share)
            energy = context.getState(getEnergy=True).getPotentialEnergy()
            energies.append(energy.value_in_unit(unit.kilojoule_per_mole))
    assert energies[:2] == pytest.approx(energies[2:], abs=1e-3)
    assert abs(energies[0] - energies[1]) > 1000  # the potential counts from free electrons


def test_disagreement_stops_a_run():
    import openmm

    atoms = resting("CH3OH")
    _, simulation = simulation_of(atoms, max_disagreement_kcal_mol=1e-6)
    with pytest.raises(openmm.OpenMMException, match="committee disagrees on system 1 by"):
        simulation.step(1)
    _, simulation = simulation_of(atoms, max_disagreement_kcal_mol=1e6)
    simulation.step(2)


def test_what_cannot_be_simulated_is_refused_before_the_first_step(tmp_path):
    from openmmml import MLPotential

    with pytest.raises(InputError, match='MLPotential\\("rung", path='):
        MLPotential("rung")
    with pytest.raises(InputError, match="there is no committee at"):
        MLPotential("rung", path=tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="contains N, which this potential does not know"):
        simulation_of(resting("CH3OH") + Atoms("N", [[9, 9, 9]]))
    small = resting("CH3OH")
    small.cell = [9.0, 12.0, 12.0]
    with pytest.raises(InputError, match=r"9\.00 Å wide.*at least 10\.4 Å"):
        simulation_of(small, periodic=True)
    with pytest.raises(InputError, match="precision is single or double"):
        simulation_of(resting("CH3OH"), precision="half")


def test_an_unknown_state_is_refused(tmp_path):
    from model import load_committee
    from model.architectures.ani.states import with_states

    atoms = resting("CH3OH")
    with_states(load_committee(CHECKPOINT), [(0, 1)]).save(tmp_path / "neutral")
    simulation_of(atoms, path=tmp_path / "neutral")
    with pytest.raises(InputError, match=r"charge -1, multiplicity 1, .*it was made for charge 0"):
        simulation_of(atoms, path=tmp_path / "neutral", arguments={"charge": -1})
