"""Cost and error of labels, beside a plain PySCF script as people write it.

    python benchmarks/labels.py [dft] [cc] [composite] [--large]

dft        Labels an hour of the whole machine at wB97X/6-31G*, and their errors against exact
           integrals on a (99, 974) grid. Plain: no density fitting, default grid and threads, one
           after the other.
cc         The CCSD(T) - MP2 part of a composite: CPU seconds, and the error of conformer energies,
           against canonical CCSD(T)/cc-pVTZ.
composite  CPU seconds of a whole ccsd(t)*/cbs label of ethanol on one thread.

With --large there are molecules of up to ten heavy atoms and more conformers (hours, not minutes).
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem, rdMolTransforms

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.records.label import Label
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.recipe import Calculation, FrozenNaturalOrbitals
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import (
    ANGSTROM_PER_BOHR,
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
    KCAL_MOL_PER_EV,
)

DFT_MOLECULES = {"ethanol": "CCO", "acetamide": "CC(N)=O", "glycine": "NCC(=O)O"}
LARGE_DFT_MOLECULES = {"aniline": "Nc1ccccc1", "alanine dipeptide": "CC(=O)NC(C)C(=O)NC"}
GEOMETRIES_EACH = 2

# SMILES, the four atoms of a dihedral, and the two angles in degrees that are compared.
PAIRS = {"formic acid Z/E": ("OC=O", (2, 1, 0, 3), (0.0, 180.0))}
LARGE_PAIRS = {
    "ethanol anti/gauche": ("CCO", (0, 1, 2, 8), (180.0, 60.0)),
    "formamide planar/90 degrees": ("NC=O", (2, 1, 0, 3), (0.0, 90.0)),
    "acetamide planar/90 degrees": ("CC(N)=O", (3, 1, 2, 7), (0.0, 90.0)),
}


@dataclass(frozen=True, kw_only=True)
class Timed:
    """An answer in eV and eV/Å, and what it cost."""

    energy: float
    forces: FloatArray | None
    cpu_seconds: float


@contextmanager
def environment(**changes: str | None) -> Iterator[None]:
    """Change environment variables for the processes that are started meanwhile; None removes."""
    before = dict(os.environ)
    for name, value in changes.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


RUNG = {"OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"}
PLAIN = {"OMP_NUM_THREADS": None, "OPENBLAS_CORETYPE": None}


def run(
    function: Callable[..., Timed], calls: list[tuple[Any, ...]], workers: int, **env: str | None
) -> tuple[list[Timed], float]:
    """Return the answers, and the wall seconds of all calls after the processes have started."""
    with (
        environment(**env),
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
    ):
        list(pool.map(warm_up, range(workers)))
        start = time.perf_counter()
        answers = list(pool.map(function, *zip(*calls, strict=True)))
        return answers, time.perf_counter() - start


def warm_up(_: int) -> None:
    """Import what a worker has imported before its first label, and wait for its neighbours."""
    find_engine("pyscf")
    time.sleep(1.0)


def label(structure: Structure, level: LevelOfTheory) -> Timed:
    """Label by rung's own engine on one thread."""
    found = find_engine("pyscf")(level, Resources(memory_gb=6.0)).label(structure)
    assert isinstance(found, Label), found
    return Timed(energy=found.energy, forces=found.forces, cpu_seconds=found.provenance.cpu_seconds)


def plain_script(structure: Structure, grid: tuple[int, int] | None) -> Timed:
    """Label as a plain script does, on its default grid or a given one."""
    from pyscf import dft, gto

    start = time.process_time()
    mol = gto.M(
        atom=list(
            zip(
                structure.atomic_numbers.tolist(),
                (structure.positions / ANGSTROM_PER_BOHR).tolist(),
                strict=True,
            )
        ),
        unit="Bohr",
        basis="6-31g*",
        cart=True,
        verbose=0,
    )
    mf = dft.RKS(mol, xc="wb97x")
    if grid is not None:
        mf.grids.atom_grid = grid
        mf.conv_tol = 1e-10
    energy = mf.kernel()
    gradient = mf.nuc_grad_method().kernel()
    return Timed(
        energy=energy * EV_PER_HARTREE,
        forces=-gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
        cpu_seconds=time.process_time() - start,
    )


def embedded(smiles: str) -> Any:
    """Return the RDKit molecule with hydrogens and an MMFF94 geometry."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    AllChem.MMFFOptimizeMolecule(molecule, maxIters=2000)
    return molecule


def structure_of(molecule: Any, positions: FloatArray | None = None) -> Structure:
    found = molecule.GetConformer().GetPositions() if positions is None else positions
    return Structure(
        atomic_numbers=np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()]),
        positions=found,
    )


def error_of(answer: Timed, reference: Timed) -> tuple[float, float]:
    """Return energy (kcal/mol) and largest force component error (kcal/mol/Å)."""
    assert answer.forces is not None
    assert reference.forces is not None
    return (
        abs(answer.energy - reference.energy) * KCAL_MOL_PER_EV,
        float(np.abs(answer.forces - reference.forces).max()) * KCAL_MOL_PER_EV,
    )


def dft(large: bool) -> None:
    """Compare throughput and errors of DFT labels."""
    rng = np.random.default_rng(0)
    cores = len(os.sched_getaffinity(0))
    molecules = DFT_MOLECULES | (LARGE_DFT_MOLECULES if large else {})
    structures: dict[str, list[Structure]] = {}
    for name, smiles in molecules.items():
        molecule = embedded(smiles)
        start = structure_of(molecule).positions
        structures[name] = [
            structure_of(molecule, start + rng.normal(scale=0.05, size=start.shape))
            for _ in range(GEOMETRIES_EACH)
        ]
    everything = sorted((s for some in structures.values() for s in some), key=len, reverse=True)
    level = find_level("wb97x/6-31g*")
    ours, our_wall = run(label, [(s, level) for s in everything], cores, **RUNG)
    plain, plain_wall = run(plain_script, [(s, None) for s in everything], 1, **PLAIN)
    # The reference costs as much as ten labels: one geometry of each molecule.
    firsts = {id(some[0]): name for name, some in structures.items()}
    judged = [k for k, structure in enumerate(everything) if id(structure) in firsts]
    exact, _ = run(plain_script, [(everything[k], (99, 974)) for k in judged], cores, **RUNG)
    print(
        f"\n{'wB97X/6-31G*':<20}{'CPU s':>8}{'plain':>8}{'dE':>9}{'plain':>8}{'dF':>9}{'plain':>8}"
    )
    errors, plain_errors = [], []
    for k, reference in zip(judged, exact, strict=True):
        errors.append(error_of(ours[k], reference))
        plain_errors.append(error_of(plain[k], reference))
        print(
            f"{firsts[id(everything[k])]:<20}{ours[k].cpu_seconds:>8.1f}"
            f"{plain[k].cpu_seconds:>8.1f}{errors[-1][0]:>9.4f}{plain_errors[-1][0]:>8.4f}"
            f"{errors[-1][1]:>9.4f}{plain_errors[-1][1]:>8.4f}"
        )
    per_hour = 3600 * len(everything)
    print(f"FIGURE dft_labels_per_hour {per_hour / our_wall:.0f}")
    print(f"FIGURE dft_labels_per_hour_plain {per_hour / plain_wall:.0f}")
    print(f"FIGURE dft_throughput_ratio {plain_wall / our_wall:.2f}")
    print(f"FIGURE dft_energy_error_kcal_mol {max(e for e, _ in errors):.4f}")
    print(f"FIGURE dft_force_error_kcal_mol_angstrom {max(f for _, f in errors):.4f}")
    print(f"FIGURE dft_energy_error_plain_kcal_mol {max(e for e, _ in plain_errors):.4f}")
    print(f"FIGURE dft_force_error_plain_kcal_mol_angstrom {max(f for _, f in plain_errors):.4f}")


def cc_part(structure: Structure, calculation: Calculation) -> Timed:
    """Return CCSD(T) - MP2 of a calculation, with the Hartree-Fock that it stands on."""
    from chemistry.engines.pyscf.parts import Parts

    start = time.process_time()
    parts = Parts(structure, 8000.0, [])
    parts.compute([calculation])
    name = f"{calculation.name} correlation"
    energy = parts.energies[name] - parts.energies[f"mp2/{calculation.basis} correlation"]
    return Timed(
        energy=energy * EV_PER_HARTREE, forces=None, cpu_seconds=time.process_time() - start
    )


def cc(large: bool) -> None:
    """Compare the CCSD(T) part of composites with canonical CCSD(T)/cc-pVTZ."""
    canonical = Calculation(
        method="ccsd(t)", basis="cc-pvtz", frozen_core=True, density_fitting=False
    )
    fitted = replace(canonical, density_fitting=True)
    parts = {
        "canonical cc-pVDZ": replace(fitted, basis="cc-pvdz"),
        "FNO 99 % cc-pVTZ": replace(fitted, truncation=FrozenNaturalOrbitals(occupation=0.99)),
        "FNO 98 % cc-pVTZ": replace(fitted, truncation=FrozenNaturalOrbitals(occupation=0.98)),
    }
    worst = dict.fromkeys(parts, 0.0)
    slowest_gain = dict.fromkeys(parts, np.inf)
    print(f"\n{'CCSD(T) - MP2':<30}{'part':<20}{'CPU s':>8}{'ratio':>8}{'error kcal/mol':>16}")
    for name, (smiles, dihedral, angles) in (PAIRS | (LARGE_PAIRS if large else {})).items():
        molecule = embedded(smiles)
        pair = []
        for angle in angles:
            rdMolTransforms.SetDihedralDeg(molecule.GetConformer(), *dihedral, angle)
            pair.append(structure_of(molecule))
        reference, _ = run(cc_part, [(s, canonical) for s in pair], 1, **RUNG)
        slow = sum(answer.cpu_seconds for answer in reference)
        print(f"{name:<30}{'canonical cc-pVTZ':<20}{slow:>8.1f}")
        for part, calculation in parts.items():
            found, _ = run(cc_part, [(s, calculation) for s in pair], 1, **RUNG)
            cpu = sum(answer.cpu_seconds for answer in found)
            difference = found[1].energy - found[0].energy
            error = (difference - reference[1].energy + reference[0].energy) * KCAL_MOL_PER_EV
            print(f"{'':<30}{part:<20}{cpu:>8.1f}{slow / cpu:>8.1f}{error:>16.3f}")
            worst[part] = max(worst[part], abs(error))
            slowest_gain[part] = min(slowest_gain[part], slow / cpu)
    for part in parts:
        key = part.replace(" % ", "_").replace(" ", "_").replace("-", "_").lower()
        print(f"FIGURE cc_part_speedup_{key} {slowest_gain[part]:.1f}")
        print(f"FIGURE cc_part_error_kcal_mol_{key} {worst[part]:.3f}")


def composite() -> None:
    """Time one whole gold label."""
    ethanol = structure_of(embedded("CCO"))
    (answer,), _ = run(label, [(ethanol, find_level("ccsd(t)*/cbs"))], 1, **RUNG)
    print(f"\nFIGURE composite_ethanol_cpu_seconds {answer.cpu_seconds:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", nargs="*", choices=["dft", "cc", "composite", []], default=[])
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    chosen = arguments.what or ["dft", "cc", "composite"]
    if "dft" in chosen:
        dft(arguments.large)
    if "cc" in chosen:
        cc(arguments.large)
    if "composite" in chosen:
        composite()


if __name__ == "__main__":
    main()
