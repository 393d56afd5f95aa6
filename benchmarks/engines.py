"""A potential in OpenMM, TorchSim and LAMMPS beside the ASE calculator and torchani.

    python benchmarks/engines.py [--steps 300] [--nve-ps 10] [--quick]

Parity, speed and cost are of random weights of the published architecture, which cost what
learned ones do; the drift is of a committee that is trained here on GFN2-xTB labels of acetone.
Speeds are of CPU seconds of one thread, so that what else the machine does matters little; torchani
has the same weights, and is in OpenMM as OpenMM-ML puts its ANI-2x there.
`--quick` shortens everything, for a look at whether it runs.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import openmm
import torch
import torch_sim
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet
from figures import print_figure
from openmm import app, unit
from openmmml import MLPotential
from torch_sim.integrators import nve

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.geometries.embedding import embed
from chemistry.geometries.rdkit_bridge import atomic_numbers_of, to_rdkit
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE, KJ_MOL_PER_EV
from model import CommitteeCalculator, load_committee, train_committee
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.settings import AniSettings
from model.architectures.ani.shape import AniShape
from model.protocol import Committee
from model.simulation.lammps import attach, new_lammps
from model.simulation.torchani import torchani_model
from model.simulation.torchsim import RungModel
from model.systems import in_precision, systems_of

ELEMENTS = (1, 6, 7, 8)
TEN_ATOMS = "CC(C)=O"
TWENTY_FOUR_ATOMS = "CC(C)CCNC(C)=O"
TIMESTEP_FS = 0.25
TEMPERATURE_K = 300.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long to measure."""

    steps: int
    nve_ps: float
    labels: int = 240
    epochs: int = 120
    carbons: tuple[int, ...] = (6, 20, 66, 200, 666)
    batch: int = 64


def molecule(smiles: str) -> Atoms:
    """Return an embedded molecule."""
    made = molecule_from_smiles(smiles)
    found = embed(made, 1, seed=1)
    assert found is not None
    return Atoms(numbers=atomic_numbers_of(to_rdkit(made)), positions=found[0])


def random_committee(members: int) -> AniCommittee:
    networks = StackedNetworks.random(AniShape.published(ELEMENTS), range(members))
    own = np.array([-13.6, -1030.0, -1480.0, -2040.0])
    return AniCommittee(networks=networks, self_energies_ev=own, level_id="", level_name="none")


def velocities(atoms: Atoms) -> np.ndarray:
    rng, masses = np.random.default_rng(1), atoms.get_masses()[:, None]
    drawn = rng.normal(size=(len(atoms), 3)) * np.sqrt(units.kB * TEMPERATURE_K / masses)
    return np.asarray(drawn - (masses * drawn).sum(axis=0) / masses.sum())


def openmm_context(atoms: Atoms, add_force: Callable[[app.Topology], openmm.System]):
    topology = app.Topology()
    residue = topology.addResidue("MOL", topology.addChain())
    for symbol in atoms.symbols:
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
    integrator = openmm.VerletIntegrator(TIMESTEP_FS * unit.femtosecond)
    platform = openmm.Platform.getPlatform("CPU")
    context = openmm.Context(add_force(topology), integrator, platform, {"Threads": "1"})
    context.setPositions(atoms.positions * unit.angstrom)
    context.setVelocities(velocities(atoms) * units.fs * 100 * unit.nanometer / unit.picosecond)
    return context


def by_rung(path: Path, precision: str | None, topology: app.Topology) -> openmm.System:
    return MLPotential("rung", path=path, precision=precision).createSystem(
        topology, removeCMMotion=False
    )


def by_torchani(committee: AniCommittee, topology: app.Topology) -> openmm.System:
    """As OpenMM-ML does it for ANI-2x: single precision, forces by autograd."""
    model = torchani_model(committee).float()
    numbers = torch.tensor([[atom.element.atomic_number for atom in topology.atoms()]])

    def compute(state):
        at = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        positions = torch.tensor(at, dtype=torch.float32)[None].requires_grad_()
        energy = model((numbers, positions)).energies * EV_PER_HARTREE * KJ_MOL_PER_EV
        energy.backward()
        return energy.item(), -10.0 * positions.grad[0].numpy()

    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    system.addForce(openmm.PythonForce(compute))
    return system


def lammps_of(atoms: Atoms, path: Path, precision: str | None):
    boxed = atoms.copy()
    boxed.center(vacuum=8)
    elements = sorted(set(boxed.symbols))
    edges = " ".join(f"0 {length}" for length in boxed.cell.lengths())
    lmp = new_lammps(["-screen", "none", "-log", "none"])
    for line in (
        "units metal",
        "boundary s s s",
        "atom_modify map array",
        f"region box block {edges}",
    ):
        lmp.command(line)
    lmp.command(f"create_box {len(elements)} box")
    for kind, symbol in enumerate(elements, start=1):
        lmp.command(f"mass {kind} {Atoms(symbol).get_masses()[0]}")
    types = [elements.index(symbol) + 1 for symbol in boxed.symbols]
    lmp.create_atoms(
        len(boxed), list(range(1, len(boxed) + 1)), types, boxed.positions.ravel().tolist()
    )
    for line in ("pair_style zero 5.0", "pair_coeff * *", "fix move all nve"):
        lmp.command(line)
    lmp.command(f"timestep {TIMESTEP_FS / 1000}")
    attach(lmp, path, elements, precision=precision)
    return lmp


def largest_differences(path: Path, precision: str) -> tuple[float, float]:
    """Return the largest difference of energy, eV, and of force, eV/Å, of any engine."""
    committee = in_precision(load_committee(path), precision)
    systems = [molecule("CCO"), molecule(TWENTY_FOUR_ATOMS), molecule("C" * 19 + "O")]
    dtype = torch.float64
    state = torch_sim.io.atoms_to_state(systems, torch.device("cpu"), dtype)
    found = RungModel(committee, dtype=dtype)(state)
    ends = np.cumsum([len(atoms) for atoms in systems])[:-1]
    energies, forces = [], []
    for row, atoms in enumerate(systems):
        atoms.calc = CommitteeCalculator(committee)
        context = openmm_context(atoms, partial(by_rung, path, precision))
        seen = context.getState(getEnergy=True, getForces=True)
        lmp = lammps_of(atoms, path, precision)
        lmp.command("run 0")
        kj, per_angstrom = unit.kilojoule_per_mole, unit.kilojoule_per_mole / unit.angstrom
        for energy, force in (
            (found["energy"][row].item(), np.split(found["forces"].numpy(), ends)[row]),
            (
                seen.getPotentialEnergy().value_in_unit(kj) / KJ_MOL_PER_EV,
                seen.getForces(asNumpy=True).value_in_unit(per_angstrom) / KJ_MOL_PER_EV,
            ),
            (lmp.get_thermo("pe"), np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)),
        ):
            energies.append(abs(energy - atoms.get_potential_energy()))
            forces.append(np.abs(force - atoms.get_forces()).max())
    return max(energies), float(max(forces))


def trained(plan: Plan) -> Committee:
    """Return a committee of four for acetone, from GFN2-xTB labels along hot displacements."""
    level, rest = find_level("gfn2-xtb"), molecule(TEN_ATOMS)
    engine, rng = find_engine("tblite")(level, Resources()), np.random.default_rng(0)
    rows = []
    for size in itertools.islice(itertools.cycle((0.03, 0.06, 0.1, 0.14)), plan.labels):
        moved = rest.positions + rng.normal(0, size, rest.positions.shape)
        structure = Structure(atomic_numbers=rest.numbers, positions=moved)
        label = engine.label(structure)
        if isinstance(label, Label):
            rows.append(LabelledStructure(structure=structure, label=label))
    settings = AniSettings(members=4, folds=4, max_epochs=plan.epochs)
    return train_committee(rows, settings, elements=(1, 6, 8), level=level, seed=1).committee


def drift_kcal_mol_per_ps(path: Path, plan: Plan) -> float:
    """Return the slope of the total energy at constant energy, by OpenMM in double precision."""
    atoms = molecule(TEN_ATOMS)
    context = openmm_context(atoms, partial(by_rung, path, "double"))
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=200)
    context.setVelocities(velocities(atoms) * units.fs * 100 * unit.nanometer / unit.picosecond)
    times, totals = [], []
    for _ in range(int(plan.nve_ps * 1000 / TIMESTEP_FS / 20)):
        context.getIntegrator().step(20)
        state = context.getState(getEnergy=True)
        total = state.getPotentialEnergy() + state.getKineticEnergy()
        times.append(state.getTime().value_in_unit(unit.picosecond))
        totals.append(total.value_in_unit(unit.kilocalorie_per_mole))
    return float(abs(np.polyfit(times, totals, 1)[0]))


def per_second(step: Callable[[int], object], steps: int) -> float:
    """Return steps a CPU second: the best of three runs after a warm-up."""
    step(5)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        step(steps // 3)
        seconds.append((time.process_time() - start) / (steps // 3))
    return 1 / min(seconds)


def speeds(path: Path, plan: Plan) -> dict[str, float]:
    """Return molecule-steps a CPU second of 24 atoms, committee mean of 8."""
    committee, atoms = load_committee(path), molecule(TWENTY_FOUR_ATOMS)
    assert isinstance(committee, AniCommittee)

    def by_ase(force_disagreement: bool) -> Callable[[int], object]:
        moving = atoms.copy()
        moving.calc = CommitteeCalculator(committee, force_disagreement=force_disagreement)
        moving.set_velocities(velocities(moving))
        return VelocityVerlet(moving, timestep=TIMESTEP_FS * units.fs).run

    model = RungModel(committee)
    start, update = nve(model, dt=torch.tensor(TIMESTEP_FS * units.fs), kT=torch.tensor(0.025))
    states = [start(torch_sim.io.atoms_to_state([atoms] * plan.batch, model.device, model.dtype))]

    def batch(steps: int) -> None:
        for _ in range(steps):
            states[0] = update(states[0])

    ours = openmm_context(atoms, partial(by_rung, path, None))
    theirs = openmm_context(atoms, partial(by_torchani, committee))
    lmp = lammps_of(atoms, path, None)
    found = {
        "OpenMM": per_second(lambda n: ours.getIntegrator().step(n), plan.steps),
        "ASE": per_second(by_ase(False), plan.steps),
        "ASE, with the forces of each member": per_second(by_ase(True), plan.steps),
        "LAMMPS": per_second(lambda n: lmp.command(f"run {n}"), plan.steps),
        "TorchSim": plan.batch * per_second(batch, max(6, plan.steps // 20)),
        "torchani": per_second(lambda n: theirs.getIntegrator().step(n), plan.steps),
    }
    print(
        f"| 24 atoms, 8 members, {plan.batch} at once in TorchSim | molecule-steps a CPU second |"
    )
    print("|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value:.0f} |")
    return found


def chain(carbons: int) -> Structure:
    """Return a stretched alkane: an atom has as many neighbours however long it is."""
    index = np.arange(carbons)
    up = np.where(index % 2, -1.0, 1.0)
    backbone = np.stack([1.27 * index, 0.42 * up, 0.0 * index], axis=1)
    sides = [backbone + np.stack([0 * up, 0.6 * up, 0 * up + z], axis=1) for z in (-0.9, 0.9)]
    ends = np.array([backbone[0] - [0.9, 0.6, 0], backbone[-1] + [0.9, -0.6 * up[-1], 0]])
    return Structure(
        atomic_numbers=np.array([6] * carbons + [1] * (2 * carbons + 2)),
        positions=np.concatenate([backbone, *sides, ends]),
    )


def departure_from_a_line(committee: Committee, plan: Plan) -> float:
    """Return the largest departure of a step's time from a + b N, in shares of it."""
    sizes, times = [], []
    print("| atoms | CPU ms a step | µs an atom |\n|---|---|---|")
    for carbons in plan.carbons:
        structure = chain(carbons)
        systems = systems_of(committee, [structure])
        systems.predict_mean(structure.positions)
        seconds = []
        for _ in range(max(3, plan.steps // len(structure))):
            start = time.process_time()
            systems.predict_mean(structure.positions)
            seconds.append(time.process_time() - start)
        sizes.append(len(structure))
        times.append(min(seconds))
        print(f"| {sizes[-1]} | {1e3 * times[-1]:.1f} | {1e6 * times[-1] / sizes[-1]:.0f} |")
    line = np.polyfit(sizes, times, 1, w=1 / np.array(times))
    print(f"line: {1e3 * line[1]:.1f} ms + {1e6 * line[0]:.0f} µs an atom")
    return float(np.abs(np.polyval(line, sizes) / times - 1).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--nve-ps", type=float, default=10.0)
    parser.add_argument("--quick", action="store_true", help="a look at whether it runs")
    asked = parser.parse_args()
    plan = Plan(steps=asked.steps, nve_ps=asked.nve_ps)
    if asked.quick:
        plan = Plan(steps=9, nve_ps=0.05, labels=24, epochs=3, carbons=(6, 60, 200), batch=4)
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        random, learned = Path(folder) / "random", Path(folder) / "learned"
        random_committee(8).save(random)
        trained(plan).save(learned)
        found = {p: largest_differences(random, p) for p in ("double", "single")}
        rate = speeds(random, plan)
        departure = departure_from_a_line(load_committee(random), plan)
        drift = drift_kcal_mol_per_ps(learned, plan)
    print_figure("energy_difference_double_ev", found["double"][0], digits=9, at_most=1e-6)
    print_figure("force_difference_double_ev_angstrom", found["double"][1], digits=9, at_most=1e-5)
    print_figure("force_difference_single_ev_angstrom", found["single"][1], digits=9, at_most=1e-4)
    print_figure("nve_drift_kcal_mol_ps", drift, digits=5, at_most=0.01)
    for name in ("OpenMM", "ASE", "LAMMPS", "TorchSim"):
        print_figure(f"{name.lower()}_over_torchani", rate[name] / rate["torchani"], at_least=3)
    print_figure("departure_from_linear_cost", departure, digits=3, at_most=0.2)


if __name__ == "__main__":
    main()
