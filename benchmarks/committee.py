"""Speed of a committee beside torchani with the same weights, in one process and alternating.

    python benchmarks/committee.py [--rounds 5] [--threads 1]

256 conformers of 10 to 24 atoms, 8 members. Times are the least CPU seconds of the rounds (with
more than one thread: wall seconds), so that what else the machine does matters little. Needs
torchani: pip install rung[oracle]. How time and memory grow: `committee_scaling.py`.

The limit is torchani's time over that of rung's matrix products and exponentials alone, each as
fast as torch computes it by itself (`limits.py`): the ratio if all else cost nothing. Products run
at nine tenths of the rate of a large one, but for those with the derivatives of the environments,
which read 340 MB twice. Where the time goes:

- train_step: four fifths are products; the rest is element-wise. In coordinates
  (`descriptor/basis.py`) the first layers have a sixth fewer inputs for such diverse molecules.
- md_per_molecule_step: finding pairs and triples is 7 %; lists kept from step to step would have to
  hold the triples of a skin of 0.2 Å too, 13 % more, whose functions take back most of that.
"""

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from limits import least_seconds
from rdkit import Chem
from rdkit.Chem import AllChem
from torchani.aev import AEVComputer
from torchani.arch import ANI
from torchani.nn import ANINetworks, AtomicNetwork, Ensemble
from torchani.sae import SelfEnergy

from chemistry.records.structure import Structure
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.environments import environments
from model.architectures.ani.forces import differentiable_energies_and_forces
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.shape import AniShape
from model.architectures.ani.training.minibatch import find_basis
from model.calculator import CommitteeCalculator

SYMBOLS = ("H", "C", "N", "O")
ELEMENTS = (1, 6, 7, 8)
SMILES = [
    "CC(=O)NC",
    "CCCN",
    "CC(=O)OC",
    "NCC(=O)O",
    "OCC(N)=O",
    "CCOCC",
    "CNC(=O)CN",
    "C1CCNCC1",
    "CC(N)C(=O)O",
    "OCC(O)CO",
    "CC(=O)NC(C)C(=O)NC",
    "CCCCCO",
    "CC(C)CC(N)=O",
    "CCN(CC)CC",
    "CC(=O)NCC(=O)NC",
    "NCCCCO",
    "CCOC(=O)CC",
    "c1ccccc1CN",
    "COc1ccccc1",
    "CC(C)(C)OC(C)=O",
    "NC(Cc1c[nH]cn1)C(=O)O",
    "CC1CCCCC1O",
    "CC(C)CCNC(C)=O",
]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A computation done by both, and how much faster ours should be."""

    name: str
    theirs: Callable[[], object]
    ours: Callable[[], object]
    goal: float
    theirs_per_ours: float = 1.0


def conformers(count: int, least: int = 10, most: int = 24) -> list[Structure]:
    """Embed molecules within these sizes and displace their atoms by 0.05 Å."""
    molecules = [Chem.AddHs(Chem.MolFromSmiles(smiles)) for smiles in SMILES]
    molecules = [m for m in molecules if least <= m.GetNumAtoms() <= most]
    rng = np.random.default_rng(0)
    structures = []
    for molecule in molecules:
        AllChem.EmbedMultipleConfs(molecule, -(-count // len(molecules)), randomSeed=1)
        numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
        for conformer in molecule.GetConformers():
            positions = np.array(conformer.GetPositions())
            positions += rng.normal(0, 0.05, positions.shape)
            structures.append(Structure(atomic_numbers=numbers, positions=positions))
    return [structures[i] for i in rng.permutation(len(structures))[:count]]


def committee(members: int) -> AniCommittee:
    networks = StackedNetworks.random(AniShape.published(ELEMENTS), range(members))
    return AniCommittee(
        networks=networks, self_energies_ev=np.zeros(4), level_id="", level_name="none"
    )


def as_torchani(ours: AniCommittee, members: Sequence[int]) -> ANI:
    """Return torchani's ensemble with the weights of some members."""
    made = []
    for member in members:
        networks = {}
        for symbol, layers, hidden in zip(
            SYMBOLS, ours.networks.layers, ours.shape.hidden_sizes, strict=True
        ):
            network = AtomicNetwork((384, *hidden, 1), activation="celu", bias=True)
            linears = [*network.layers, network.final_layer]
            with torch.no_grad():
                for linear, layer in zip(linears, layers, strict=True):
                    linear.weight.copy_(layer.weight[member].T)
                    linear.bias.copy_(layer.bias[member, 0])
            networks[symbol] = network
        made.append(ANINetworks(networks))
    shifts = SelfEnergy(SYMBOLS, [0.0] * 4)
    return ANI(SYMBOLS, AEVComputer.like_1x(num_species=4), Ensemble(made), shifts)


def padded(structures: Sequence[Structure]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return atomic numbers (B, N), -1 where there is no atom, and positions (B, N, 3)."""
    most = max(map(len, structures))
    numbers = torch.full((len(structures), most), -1)
    positions = torch.zeros(len(structures), most, 3)
    for row, structure in enumerate(structures):
        numbers[row, : len(structure)] = torch.tensor(structure.atomic_numbers)
        positions[row, : len(structure)] = torch.tensor(structure.positions, dtype=torch.float32)
    return numbers, positions


def their_step(model: ANI, numbers: torch.Tensor, positions: torch.Tensor) -> None:
    """Gradients by the weights of one member, for a loss on energies and forces."""
    at = positions.clone().requires_grad_()
    energies = model((numbers, at)).energies
    [slope] = torch.autograd.grad(energies.sum(), at, create_graph=True)
    model.zero_grad()
    ((energies**2).sum() + (slope**2).sum()).backward()


def their_forces(
    model: ANI, numbers: torch.Tensor, positions: torch.Tensor, *, every_member: bool
) -> list[torch.Tensor]:
    at = positions.clone().requires_grad_()
    energies = model((numbers, at), ensemble_values=every_member).energies
    if not every_member:
        return list(torch.autograd.grad(energies.sum(), at))
    return [torch.autograd.grad(e.sum(), at, retain_graph=True)[0] for e in energies]


def our_step(ours: AniCommittee, structures: Sequence[Structure]) -> Callable[[], None]:
    """Return the step as in a training: in coordinates of environments that are found once."""
    basis = find_basis(structures, ours.networks)
    cut = [structures[i : i + 64] for i in range(0, len(structures), 64)]
    batches = [AtomBatch.of(part, ELEMENTS) for part in cut]
    fixed = [basis.fixed(environments(b, ours.shape, torch.float32), b.species) for b in batches]
    start = basis.networks(ours.networks)
    weights = start.weights.requires_grad_()
    networks = StackedNetworks(shape=start.shape, weights=weights)

    def step() -> None:
        weights.grad = None
        for batch, surroundings in zip(batches, fixed, strict=True):
            energies, forces = differentiable_energies_and_forces(networks, batch, surroundings)
            ((energies**2).sum() + (forces**2).sum()).backward()

    return step


def ase_step(atoms: Atoms) -> Callable[[], object]:
    """Return one force call after a small move, as a driver of dynamics makes it."""
    rng = np.random.default_rng(1)

    def step() -> object:
        atoms.positions += rng.normal(0, 1e-4, atoms.positions.shape)
        return atoms.get_forces()

    return step


def tasks(structures: Sequence[Structure], ours: AniCommittee) -> list[Task]:
    every, single = range(ours.n_members), as_torchani(ours, [0])
    ensemble = as_torchani(ours, every)
    numbers, positions = padded(structures)
    largest = max(structures, key=len)
    big_numbers, big_positions = padded([largest])
    replicas = ours.replicas(largest)
    rng = np.random.default_rng(2)
    geometries = largest.positions + rng.normal(0, 0.02, (256, len(largest), 3))
    their_atoms, our_atoms = (
        Atoms(numbers=largest.atomic_numbers, positions=largest.positions) for _ in range(2)
    )
    their_atoms.calc = ensemble.ase()
    our_atoms.calc = CommitteeCalculator(ours)
    many, one = (numbers, positions), (big_numbers, big_positions)
    return [
        Task(
            name="train_step",
            theirs=lambda: their_step(single, *many),
            ours=our_step(ours, structures),
            goal=8,
            theirs_per_ours=ours.n_members,
        ),
        Task(
            name="forces_of_all_members",
            theirs=lambda: their_forces(ensemble, *many, every_member=True),
            ours=lambda: ours.predict(structures),
            goal=4,
        ),
        Task(
            name="mean_energies_and_forces",
            theirs=lambda: their_forces(ensemble, *many, every_member=False),
            ours=lambda: ours.predict_mean(structures),
            goal=1.5,
        ),
        Task(
            name="one_molecule",
            theirs=lambda: their_forces(ensemble, *one, every_member=True),
            ours=lambda: ours.predict([largest]),
            goal=4,
        ),
        Task(
            name="md_per_molecule_step",
            theirs=ase_step(their_atoms),
            ours=lambda: replicas.predict_mean(geometries),
            goal=15,
            theirs_per_ours=len(geometries),
        ),
        Task(name="ase_step", theirs=ase_step(their_atoms), ours=ase_step(our_atoms), goal=1),
    ]


def seconds(work: Callable[[], object], clock: Callable[[], float], repeats: int) -> float:
    began = clock()
    for _ in range(repeats):
        work()
    return (clock() - began) / repeats


def compare(task: Task, rounds: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Return the least seconds of both; each round has both, one after the other."""
    least = [float("inf"), float("inf")]
    for work in (task.theirs, task.ours):
        work()  # warm up
    for _ in range(rounds):
        for side, work in enumerate((task.theirs, task.ours)):
            once = seconds(work, clock, 1)
            repeats = 1 if once > 0.2 else 5
            least[side] = min(least[side], once, seconds(work, clock, repeats))
    return least[0] * task.theirs_per_ours, least[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter

    structures, ours = conformers(256), committee(8)
    sizes = [len(s) for s in structures]
    print(
        f"{len(structures)} conformers of {min(sizes)} to {max(sizes)} atoms, {sum(sizes)} atoms, "
        f"{ours.n_members} members, {arguments.threads} thread(s)"
    )
    head = f"{'task':28} {'torchani':>10} {'rung':>10} {'ratio':>7} {'goal':>6} {'limit':>7}"
    print(f"{head} {'products':>10} {'exp':>8}")
    figures = []
    for task in tasks(structures, ours):
        theirs, own = compare(task, arguments.rounds, clock)
        products, exponentials = least_seconds(task.ours, clock, arguments.rounds)
        ratio, limit = theirs / own, theirs / (products + exponentials)
        print(
            f"{task.name:28} {1e3 * theirs:8.1f}ms {1e3 * own:8.1f}ms {ratio:7.2f} "
            f"{task.goal:6.1f} {limit:7.1f} {1e3 * products:8.1f}ms {1e3 * exponentials:6.1f}ms",
            flush=True,
        )
        verdict = "met" if ratio >= task.goal else "missed"
        figures.append(f"{task.name}_ratio {ratio:.2f} >={task.goal} {verdict}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures.append(f"peak_memory_mb {peak_mb:.0f}")
    for figure in figures:
        print(f"FIGURE {figure}")


if __name__ == "__main__":
    main()
