"""Labels against a search for the lowest solution by PySCF's own means, with exact integrals."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from ase.build import molecule
from pyscf import gto, scf
from pyscf.scf import stability

from chemistry.engines.base import Resources
from chemistry.engines.pyscf import molecule as pyscf_molecule
from chemistry.engines.pyscf import states
from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.engines.pyscf.hessian import frontier_modes, softest_mode
from chemistry.engines.pyscf.scf import mean_field
from chemistry.gates import Gates, examine, refusal
from chemistry.records.label import Label
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.recipe import Calculation
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE, KCAL_MOL_PER_EV

EXACT = Calculation(method="hf", basis="6-31g*", cartesian=True, density_fitting=False)
LEVEL = LevelOfTheory(name="hf/6-31g*, exact integrals", recipe=EXACT)


def diatomic(one: int, other: int, distance_angstrom: float, **state: int) -> Structure:
    return Structure(
        atomic_numbers=[one, other], positions=[[0, 0, 0], [0, 0, distance_angstrom]], **state
    )


def at_rest(name: str) -> Structure:
    atoms = molecule(name)
    return Structure(atomic_numbers=atoms.numbers, positions=atoms.positions)


OPEN_SHELLS = {
    "C2-": diatomic(6, 6, 1.27, charge=-1, multiplicity=2),
    "N2+": diatomic(7, 7, 1.12, charge=1, multiplicity=2),
    "stretched CN": diatomic(6, 7, 1.5, multiplicity=2),
    "stretched NO": diatomic(7, 8, 1.6, multiplicity=2),
    "stretched OH": diatomic(8, 1, 1.6, multiplicity=2),
    "CH": diatomic(6, 1, 1.12, multiplicity=2),
}
CLOSED_SHELLS = {
    "stretched F2": diatomic(9, 9, 1.7),
    "stretched N2": diatomic(7, 7, 1.3),
    "stretched CO": diatomic(6, 8, 1.4),
    "stretched HF": diatomic(1, 9, 1.4),
    "H2 beyond the Coulson-Fischer point": diatomic(1, 1, 1.3),
    "CH2": at_rest("CH2_s1A1d"),
}


def lowest_known_ev(structure: Structure) -> float:
    """Return the lowest unrestricted energy from four guesses and three rotations, followed."""
    mol = pyscf_molecule.build(structure, EXACT)
    rng = np.random.default_rng(3)
    first, energies = None, []
    for guess in ("minao", "huckel", "1e", "atom", *["random"] * 3):
        mf = scf.UHF(mol)
        start = mf.get_init_guess(key=guess) if guess != "random" else rotated(first, rng)
        mf.kernel(dm0=start)
        if not mf.converged:
            mf = mf.newton().run(mf.make_rdm1())
        for _ in range(5):
            if any(abs(mf.e_tot - known) < 1e-6 for known in energies):
                break
            energies.append(mf.e_tot)
            orbitals, stable = stability.uhf_internal(
                mf, with_symmetry=False, return_status=True, verbose=0
            )
            if stable:
                break
            mf = mf.newton().run(mf.make_rdm1(orbitals, mf.mo_occ))
        first = first or mf
    return min(energies) * EV_PER_HARTREE


def rotated(mf, rng: np.random.Generator):
    orbitals = []
    for coefficients, occupations in zip(mf.mo_coeff, mf.mo_occ, strict=True):
        generator = np.zeros((len(occupations), len(occupations)))
        filled, empty = np.flatnonzero(occupations)[-4:], np.flatnonzero(occupations == 0)[:4]
        generator[np.ix_(filled, empty)] = rng.normal(size=(len(filled), len(empty)))
        orbitals.append(coefficients @ scipy.linalg.expm(generator - generator.T))
    return mf.make_rdm1(np.array(orbitals), mf.mo_occ)


def label_of(structure: Structure, level: LevelOfTheory = LEVEL, **how: bool) -> Label:
    label = PySCFEngine(level, Resources()).label(structure, **how)
    assert isinstance(label, Label), label
    return label


def doubt(structure: Structure, label: Label) -> str | None:
    """Say what the gate of unrestricted solutions alone says."""
    gates = Gates(spin_contamination=None, gap_ev=None, t1=None)
    return refusal(examine(structure, label, gates))


@pytest.mark.parametrize("name", OPEN_SHELLS)
def test_an_open_shell_is_the_lowest_known_solution(name: str) -> None:
    structure = OPEN_SHELLS[name]
    above = (label_of(structure).energy - lowest_known_ev(structure)) * KCAL_MOL_PER_EV
    assert above < 0.1


@pytest.mark.parametrize("name", CLOSED_SHELLS)
def test_a_closed_shell_says_how_far_it_lies_above_the_lowest(name: str) -> None:
    structure = CLOSED_SHELLS[name]
    label = label_of(structure)
    above_ev = label.energy - lowest_known_ev(structure)
    assert label.diagnostics["uhf_lowering_ev"] == pytest.approx(above_ev, abs=0.004)
    assert f"lies {above_ev * KCAL_MOL_PER_EV:.1f} kcal/mol lower" in str(doubt(structure, label))


@pytest.mark.parametrize("name", ["CH3OH", "HCOOH", "C6H6"])
def test_closed_shells_at_rest_are_not_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(_: object) -> None:
        raise AssertionError("the whole Hessian was asked")

    monkeypatch.setattr(states, "softest_mode", asked)
    label = label_of(at_rest(name), find_level("hf/sto-3g"))
    assert "uhf_lowering_ev" not in label.diagnostics
    assert label.provenance.attempts == ("DIIS",)


@pytest.mark.parametrize("fitted", [True, False])
def test_frontier_curvatures_bound_the_softest_of_all(fitted: bool) -> None:
    for structure in (CLOSED_SHELLS["CH2"], OPEN_SHELLS["CH"]):
        calculation = replace(EXACT, density_fitting=fitted)
        mf = mean_field(pyscf_molecule.build(structure, calculation), calculation, 2000.0)
        mf.kernel()
        bound, softest = frontier_modes(mf).curvatures[0], softest_mode(mf).curvatures[0]
        assert softest - 1e-3 < bound < softest + 0.1


def test_in_two_orbitals_the_frontier_is_everything() -> None:
    mf = scf.RHF(gto.M(atom="H 0 0 0; H 0 0 1.6", basis="sto-3g", verbose=0)).run()
    only, softest = frontier_modes(mf).curvatures, softest_mode(mf).curvatures
    assert only == pytest.approx(softest, abs=1e-6)
    assert only[0] < 0


def test_one_electron_has_nothing_to_search_for() -> None:
    atom = Structure(atomic_numbers=[1], positions=[[0, 0, 0]], multiplicity=2)
    assert label_of(atom, find_level("hf/sto-3g")).energy == pytest.approx(
        -0.466582 * EV_PER_HARTREE, abs=1e-4
    )


def test_a_search_is_recorded_and_finds_the_same_again() -> None:
    cation = OPEN_SHELLS["N2+"]
    first, again = label_of(cation), label_of(cation)
    assert first.energy == again.energy
    assert first.provenance.attempts == again.provenance.attempts
    assert first.provenance.attempts[1] == "other guesses: 13.38 kcal/mol lower"


def test_a_second_opinion_searches_from_another_start_and_agrees() -> None:
    cation = OPEN_SHELLS["N2+"]
    second = label_of(cation, is_second=True)
    assert second.provenance.attempts[0] == "from a Hückel guess"
    assert any("other guesses" in step for step in second.provenance.attempts)
    assert second.energy == pytest.approx(label_of(cation).energy, abs=1e-5)
