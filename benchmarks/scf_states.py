"""Is the self-consistent field of a label the lowest that can be found? What does asking cost?

    OMP_NUM_THREADS=1 python benchmarks/scf_states.py [LEVEL ...] [--only NAME ...] [--no-cost]

Each species of scf_species.py is labelled, and its lowest unrestricted solution is searched for by
PySCF's own means from many guesses, each followed through stability analysis. A label that lies
more than 0.1 kcal/mol above it has to be suspect. The cost is CPU time of labels with and without
the checks, of closed shells near equilibrium and of open shells.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.linalg
from ase.build import molecule
from figures import print_figure
from pyscf import dft, lib
from pyscf import scf as pyscf_scf
from pyscf.scf import stability
from scf_species import closed_shells, open_shells, structure

from chemistry.engines.base import Resources
from chemistry.engines.pyscf import molecule as pyscf_molecule
from chemistry.engines.pyscf import states
from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.engines.pyscf.fitting import fitting_basis
from chemistry.gates import Gates, examine, refusal
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import find_level
from chemistry.records.recipe import Calculation
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import EV_PER_HARTREE, KCAL_MOL_PER_EV

LEVELS = ("hf/6-31g*", "wb97x/6-31g*", "mp2/6-31g*")
TOLERANCE_KCAL_MOL = 0.1
GUESSES = ("minao", "huckel", "1e", "atom")
RANDOM_GUESSES = 8
SAME_ENERGY_HARTREE = 2e-6
NEAR_EQUILIBRIUM = ("CH3CH2OH", "CH3CONH2", "HCOOH", "C4H4NH", "butadiene", "H2CO")
OPEN = ("CH3O", "vinyl", "CH3CO", "NO2", "HO2")


def unrestricted(mol: Any, calculation: Calculation, grid_level: int) -> Any:
    """Return the unrestricted mean field of a level, of singlets too."""
    if calculation.kind == "dft":
        mf = dft.UKS(mol, xc=calculation.method)
        mf.grids.level = grid_level
    else:
        mf = pyscf_scf.UHF(mol)
    mf = mf.density_fit(auxbasis=fitting_basis(str(calculation.basis), mol, "scf"))
    mf.conv_tol = 1e-7
    return mf


def lowest_known(species: Structure, calculation: Calculation) -> float:
    """Return the lowest energy (hartree) of all guesses followed, the label's grid at the end."""
    mol = pyscf_molecule.build(species, calculation)
    rng = np.random.default_rng(7)
    seen: list[float] = []
    first, best = None, None
    for guess in (*GUESSES, *["random"] * RANDOM_GUESSES):
        mf = unrestricted(mol, calculation, grid_level=1)
        density = (
            mf.get_init_guess(key=guess) if guess != "random" else randomly_rotated(first, rng)
        )
        mf = followed(mf, density, seen)
        first = first or mf
        if mf.converged and (best is None or mf.e_tot < best.e_tot):
            best = mf
    assert best is not None
    fine = unrestricted(mol, calculation, grid_level=4).newton()
    fine.kernel(best.make_rdm1())
    return float(fine.e_tot)


def followed(mf: Any, density: FloatArray, seen: list[float]) -> Any:
    """Converge and follow instabilities until stable, or until a solution that was seen."""
    mf.max_cycle = 60
    mf.kernel(dm0=density)
    if not mf.converged:
        density = mf.make_rdm1()
        mf = mf.newton()
        mf.kernel(dm0=density)
    for _ in range(6):
        if any(abs(mf.e_tot - energy) < SAME_ENERGY_HARTREE for energy in seen):
            break
        seen.append(float(mf.e_tot))
        orbitals, stable = stability.uhf_internal(
            mf, with_symmetry=False, return_status=True, verbose=0
        )
        if stable:
            break
        density = mf.make_rdm1(orbitals, mf.mo_occ)
        mf = mf.newton()
        mf.kernel(dm0=density)
    return mf


def randomly_rotated(mf: Any, rng: np.random.Generator) -> FloatArray:
    """Return the density after a large random rotation among ten frontier orbitals of each spin."""
    orbitals = []
    for coefficients, occupations in zip(mf.mo_coeff, mf.mo_occ, strict=True):
        occupied = np.flatnonzero(occupations > 0)[-5:]
        empty = np.flatnonzero(occupations == 0)[:5]
        generator = np.zeros((len(occupations), len(occupations)))
        generator[np.ix_(occupied, empty)] = rng.normal(size=(len(occupied), len(empty)))
        orbitals.append(coefficients @ scipy.linalg.expm(generator - generator.T))
    return np.asarray(mf.make_rdm1(np.array(orbitals), mf.mo_occ))


def label_of(species: Structure, level_name: str) -> Label | LabelFailure:
    return PySCFEngine(find_level(level_name), Resources()).label(species)


def suspicion(species: Structure, answer: Label | LabelFailure) -> str | None:
    if isinstance(answer, LabelFailure):
        return answer.kind
    return refusal(examine(species, answer, Gates()))


def compare(level_name: str, species: Mapping[str, Structure]) -> int:
    """Print a line for each species and return how many labels are wrong and not suspect."""
    calculation = find_level(level_name).recipe
    assert isinstance(calculation, Calculation)
    wrong = 0
    print(f"\n{level_name:<26}{'above kcal/mol':>15}{'CPU s':>8}  suspect")
    for name, one in species.items():
        best = lowest_known(one, calculation)
        answer = label_of(one, level_name)
        doubt = suspicion(one, answer)
        above, cpu_seconds = np.nan, 0.0
        if isinstance(answer, Label):
            # Of a correlated label its reference is asked.
            reference = answer.components.get(f"hf/{calculation.basis}", answer.energy)
            above = (reference - best * EV_PER_HARTREE) * KCAL_MOL_PER_EV
            cpu_seconds = answer.provenance.cpu_seconds
        is_wrong = doubt is None and not above <= TOLERANCE_KCAL_MOL
        wrong += is_wrong
        verdict = "WRONG" if is_wrong else doubt or "-"
        print(f"{name:<26}{above:>15.2f}{cpu_seconds:>8.1f}  {verdict}", flush=True)
    return wrong


@contextmanager
def unchecked() -> Iterator[None]:
    """Switch off what decides whether to look for lower solutions."""
    names = ("_is_doubtful", "_is_doubtful_closed_shell")
    before = {name: getattr(states, name) for name in names}
    for name in names:
        setattr(states, name, lambda *_, **__: False)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(states, name, function)


def cost(level_name: str, species: Mapping[str, Structure]) -> float:
    """Return by what percentage the checks raise the mean CPU time of labels, best of two."""

    def cpu_seconds(one: Structure) -> float:
        times = []
        for _ in range(2):
            start = time.process_time()
            label_of(one, level_name)
            times.append(time.process_time() - start)
        return min(times)

    checked = sum(map(cpu_seconds, species.values()))
    with unchecked():
        bare = sum(map(cpu_seconds, species.values()))
    return 100 * (checked / bare - 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("levels", nargs="*", default=LEVELS)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--no-cost", action="store_true")
    arguments = parser.parse_args()
    lib.num_threads(1)
    species = closed_shells() | open_shells()
    chosen = arguments.only or species
    wrong = sum(compare(level, {n: species[n] for n in chosen}) for level in arguments.levels)
    print_figure("scf_states_wrong", wrong, digits=0, at_most=0)
    if arguments.no_cost:
        return
    at_rest = {name: structure(molecule(name), 0, 1) for name in NEAR_EQUILIBRIUM}
    for level in arguments.levels:
        name = level.split("/")[0]
        print_figure(f"scf_checks_percent_{name}_at_rest", cost(level, at_rest), at_most=2)
        radicals = {n: species[n] for n in OPEN}
        print_figure(f"scf_checks_percent_{name}_open_shells", cost(level, radicals))


if __name__ == "__main__":
    main()
