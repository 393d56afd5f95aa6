"""Programs that take a potential, and a few lines of Python for each that work as they stand."""

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template

from ase.build import molecule
from ase.data import chemical_symbols

from model.protocol import Committee

_EXAMPLES = ("CH3CONH2", "CH3OH", "C2H6", "H2O", "NH3", "CH3Cl", "PH3", "SH2", "H2", "N2", "F2")
"""Molecules that ASE knows by name."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that potentials are used in.

    Attributes
    ----------
    title : str
        Its name.
    extra : str
        What `pip install rung[EXTRA]` has to name; empty: nothing.
    text : str
        The lines, with $path, $atoms and what `snippet_for` knows besides.
    """

    title: str
    extra: str
    text: str


_ASE = """\
from ase import units
$example
from ase.md.langevin import Langevin
from model import CommitteeCalculator

atoms = $atoms
atoms.calc = CommitteeCalculator($path)
print(atoms.get_potential_energy(), atoms.calc.results.get("rho_kcal_mol"))
Langevin(atoms, 0.5 * units.fs, temperature_K=300, friction=0.01 / units.fs).run(100)
"""

_OPENMM = """\
$example
from openmm import LangevinMiddleIntegrator, app, unit
from openmmml import MLPotential
from model.simulation.openmm import DisagreementReporter

atoms = $atoms
topology = app.Topology()
residue = topology.addResidue("MOL", topology.addChain())
for symbol in atoms.symbols:
    topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)

potential = MLPotential("rung", path=$path)
system = potential.createSystem(topology)
# Amid a force field: potential.createMixedSystem(topology, force_field_system, ligand_atoms)
step = 0.5 * unit.femtosecond
integrator = LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, step)
simulation = app.Simulation(topology, system, integrator)
simulation.context.setPositions(atoms.positions * unit.angstrom)
simulation.reporters.append(app.DCDReporter("openmm.dcd", 10))
simulation.reporters.append(DisagreementReporter("disagreement.csv", 10, potential))
simulation.step(100)
"""

_TORCHSIM = """\
import torch_sim
$example
from model.simulation.torchsim import RungModel

model = RungModel($path)
final = torch_sim.integrate(
    system=[$atoms for _ in range(8)],
    model=model,
    integrator=torch_sim.nvt_langevin,
    n_steps=100,
    temperature=300,  # K
    timestep=0.0005,  # ps
)
print(model(final)["energy"], model(final)["rho_kcal_mol"])
"""

_LAMMPS = """\
$example
from ase.io import write
from model.simulation.lammps import attach, new_lammps

atoms = $atoms
atoms.center(vacuum=8)
elements = sorted(set(atoms.symbols))
write("lammps.data", atoms, format="lammps-data", specorder=elements, masses=True)

lmp = new_lammps(["-log", "lammps.log"])
for line in ("units metal", "boundary s s s", "read_data lammps.data", "timestep 0.0005"):
    lmp.command(line)
for line in ("pair_style zero 6.0", "pair_coeff * *", "fix move all nve"):
    lmp.command(line)
lmp.command("velocity all create 300 1")
attach(lmp, $path, elements)
lmp.command("thermo_style custom step temp pe f_rung[1]")  # the last: disagreement
lmp.command("run 100")
"""

_TORCHANI = """\
import torch
$example
from torchani.aev import AEVComputer, ANIAngular, ANIRadial
from torchani.arch import ANI
from torchani.nn import ANINetworks, AtomicNetwork, Ensemble
from torchani.sae import SelfEnergy

layers = $layers
radial = ANIRadial(eta=0, shifts=[0] * $radial_shifts, cutoff=$radial_cutoff)
angular = ANIAngular(
    eta=0, zeta=0, shifts=[0] * $angular_shifts, sections=[0] * $sections, cutoff=$angular_cutoff
)
members = [
    ANINetworks({s: AtomicNetwork(n, activation=$activation, bias=True) for s, n in layers.items()})
    for _ in range($members)
]
symbols = list(layers)
aev = AEVComputer(radial=radial, angular=angular, num_species=len(symbols))
model = ANI(symbols, aev, Ensemble(members), SelfEnergy(symbols, [0.0] * len(symbols))).double()
model.load_state_dict(torch.load($written, weights_only=True))  # numbers in the place of all 0

atoms = $atoms
atoms.calc = model.ase()
print(atoms.get_potential_energy())  # eV
"""

PROGRAMS = {
    "ase": Program(title="ASE", extra="", text=_ASE),
    "openmm": Program(title="OpenMM", extra="openmm", text=_OPENMM),
    "torchsim": Program(title="TorchSim", extra="torchsim", text=_TORCHSIM),
    "lammps": Program(title="LAMMPS", extra="lammps", text=_LAMMPS),
    "torchani": Program(title="torchani", extra="torchani", text=_TORCHANI),
}
"""By the name that `rung potential --for` takes."""


def snippet_for(program: str, committee: Committee, path: Path, written: Path | None = None) -> str:
    """Return lines of Python that use a potential in a program.

    Parameters
    ----------
    program : str
        One of `PROGRAMS`.
    committee : Committee
    path : Path
        Its checkpoint, as the lines shall name it.
    written : Path or None
        The state dict that `model.simulation.torchani.write_state_dict` wrote, for torchani.
    """
    example, atoms = _example(committee.elements)
    values = {"path": _literal(path), "example": example, "atoms": atoms}
    if program == "torchani":
        from model.simulation.torchani import description_of

        values |= {**description_of(committee), "written": _literal(written or path)}
    return Template(PROGRAMS[program].text).substitute(values)


def _literal(path: Path) -> str:
    """Return a path as Python has it between double quotes."""
    return json.dumps(str(path), ensure_ascii=False)


def _example(elements: tuple[int, ...]) -> tuple[str, str]:
    """Return an import, and an expression that is a molecule of known elements."""
    known = {chemical_symbols[number] for number in elements}
    for name in _EXAMPLES:
        if set(molecule(name).symbols) <= known:
            return "from ase.build import molecule", f'molecule("{name}")'
    return "from ase.io import read", 'read("molecule.xyz")'
