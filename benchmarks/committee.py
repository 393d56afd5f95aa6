"""Speed of a committee beside torchani with the same weights, in one process and alternating.

    python benchmarks/committee.py [--rounds 5] [--threads 1] [--scaling] [--plot FILE.svg]

256 conformers of 10 to 24 atoms, 8 members. Times are the least CPU seconds of the rounds (with
more than one thread: wall seconds), so that what else the machine does matters little. `--scaling`
adds how time and memory of `predict` grow with structures, members and atoms, and the time with two
threads; `--plot` draws it with matplotlib. Needs torchani: pip install rung[oracle].

The limit is torchani's time over that of rung's matrix products alone, at the rate of a large
product on the same core: the ratio if all else cost nothing. Where else the time goes:

- train_step: two thirds are matrix products; the rest is reading the derivatives of the
  environments (340 MB) twice, and element-wise work. In coordinates (`descriptor/basis.py`) the
  first layers have a sixth fewer inputs for such diverse molecules.
- md_per_molecule_step: finding pairs and triples is 7 %; lists kept from step to step would have to
  hold the triples of a skin of 0.2 Å too, 13 % more, whose functions take back most of that.
"""

import argparse
import ctypes
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from rdkit import Chem
from rdkit.Chem import AllChem
from torch.utils.flop_counter import FlopCounterMode
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


def products(work: Callable[[], object]) -> float:
    """Return the floating-point operations of the matrix products of a computation."""

    def added(_: torch.Size, a: torch.Size, b: torch.Size, **__: object) -> int:
        return 2 * prod(a) * b[-1]

    in_place = {torch.ops.aten.addmm_: added, torch.ops.aten.baddbmm_: added}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        work()
    return float(counter.get_total_flops())


def peak_rate(clock: Callable[[], float], rounds: int) -> float:
    """Return the operations a second of a large product in single precision."""
    size = 1536
    one, other = torch.rand(2, size, size)
    out = torch.empty(size, size)

    def product() -> None:
        torch.mm(one, other, out=out)

    product()  # warm up
    return 2 * size**3 / min(seconds(product, clock, 5) for _ in range(rounds))


@dataclass(frozen=True, kw_only=True)
class Point:
    """Cost of `predict` at one size: seconds on one and two threads, and memory on top."""

    size: int
    seconds: float
    seconds_on_two: float
    memory_mb: float


def scaling(rounds: int) -> dict[str, list[Point]]:
    """Cost of `predict` as structures, members and atoms grow on their own."""
    molecules, eight = conformers(256), committee(8)

    def point(size: int, ours: AniCommittee, structures: Sequence[Structure]) -> Point:
        work = partial(ours.predict, structures)
        memory_mb = added_memory_mb(work)
        wall = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            wall.append(min(seconds(work, time.perf_counter, 1) for _ in range(rounds)))
        torch.set_num_threads(1)
        return Point(
            size=size, seconds=wall[0], seconds_on_two=wall[1], memory_mb=max(memory_mb, 0.1)
        )

    return {
        "structures": [point(n, eight, molecules[:n]) for n in (4, 16, 64, 256)],
        "members": [point(m, committee(m), molecules[:64]) for m in (2, 4, 8, 16)],
        "atoms": [point(len(s), eight, [s] * 32) for s in map(alkane, (2, 4, 8, 16))],
    }


def alkane(carbons: int) -> Structure:
    chain = Chem.AddHs(Chem.MolFromSmiles("C" * carbons))
    AllChem.EmbedMolecule(chain, randomSeed=1)
    numbers = np.array([atom.GetAtomicNum() for atom in chain.GetAtoms()])
    positions = np.array(chain.GetConformer().GetPositions())
    return Structure(atomic_numbers=numbers, positions=positions)


def added_memory_mb(work: Callable[[], object]) -> float:
    """Return how far the process's memory rises above where it was (Linux)."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed must not hide what is needed
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before = _status_mb("VmRSS")
    work()
    return _status_mb("VmHWM") - before


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def exponent(points: Sequence[Point], cost: str) -> float:
    """Return the slope of log cost against log size."""
    sizes, costs = [p.size for p in points], [getattr(p, cost) for p in points]
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def print_scaling(curves: dict[str, list[Point]]) -> None:
    print(f"\n{'predict':>10} {'size':>5} {'1 thread':>11} {'2 threads':>11} {'memory':>9}")
    for name, points in curves.items():
        for p in points:
            print(
                f"{name:>10} {p.size:5} {1e3 * p.seconds:9.1f}ms {1e3 * p.seconds_on_two:9.1f}ms "
                f"{p.memory_mb:7.1f}MB"
            )


def plot(curves: dict[str, list[Point]], path: Path) -> None:
    """Draw time and memory against size, all logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    for axes, cost, unit in zip(
        figure.subplots(1, 2), ("seconds", "memory_mb"), ("s", "MB"), strict=True
    ):
        for name, points in curves.items():
            label = f"{name} (exponent {exponent(points, cost):.2f})"
            axes.loglog([p.size for p in points], [getattr(p, cost) for p in points], "o-")
            axes.lines[-1].set_label(label)
        axes.set_xlabel("structures, members or atoms")
        axes.set_ylabel(unit)
        axes.legend(fontsize=8)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scaling", action="store_true", help="also how time grows with size")
    parser.add_argument("--plot", type=Path, help="write the scaling as an SVG file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter

    structures, ours = conformers(256), committee(8)
    sizes = [len(s) for s in structures]
    print(
        f"{len(structures)} conformers of {min(sizes)} to {max(sizes)} atoms, {sum(sizes)} atoms, "
        f"{ours.n_members} members, {arguments.threads} thread(s)"
    )
    rate = peak_rate(clock, arguments.rounds)
    print(f"matrix products: {rate / 1e9:.0f} GFLOP/s")
    print(f"{'task':28} {'torchani':>10} {'rung':>10} {'ratio':>7} {'goal':>6} {'limit':>7}")
    figures = []
    for task in tasks(structures, ours):
        theirs, own = compare(task, arguments.rounds, clock)
        ratio, limit = theirs / own, theirs * rate / products(task.ours)
        print(
            f"{task.name:28} {1e3 * theirs:8.1f}ms {1e3 * own:8.1f}ms {ratio:7.2f} "
            f"{task.goal:6.1f} {limit:7.1f}",
            flush=True,
        )
        verdict = "met" if ratio >= task.goal else "missed"
        figures.append(f"{task.name}_ratio {ratio:.2f} >={task.goal} {verdict}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures.append(f"peak_memory_mb {peak_mb:.0f}")
    if arguments.scaling or arguments.plot:
        curves = scaling(arguments.rounds)
        print_scaling(curves)
        figures += [f"time_exponent_{n} {exponent(c, 'seconds'):.2f}" for n, c in curves.items()]
        figures += [
            f"memory_exponent_{n} {exponent(c, 'memory_mb'):.2f}" for n, c in curves.items()
        ]
        if arguments.plot:
            plot(curves, arguments.plot)
    for figure in figures:
        print(f"FIGURE {figure}")


if __name__ == "__main__":
    main()
