"""Forces of MP2 and CCSD by PySCF: against independent gradients, at the limits, and refused."""

from dataclasses import replace

import numpy as np
import pytest
from pyscf import cc, mp

from chemistry.engines.base import Resources
from chemistry.engines.psi4.engine import Psi4Engine
from chemistry.engines.pyscf import molecule, scf, states
from chemistry.engines.pyscf.correlated import ccsd_densities, fitted_response
from chemistry.engines.pyscf.correlated.correlation import fitted_mp2
from chemistry.engines.pyscf.correlated.gradients import gradients
from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.gates import Gates, examine
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import find_level
from chemistry.records.recipe import Calculation, Composite
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR

HCN = Structure(
    atomic_numbers=[1, 6, 7], positions=[[0.0, 0.1, -1.1], [0.0, 0.0, 0.0], [0.0, 0.05, 1.2]]
)
HYDROGEN_CHLORIDE = Structure(atomic_numbers=[17, 1], positions=[[0.0, 0.0, 0.0], [0.1, 0.2, 1.35]])
METHYL = Structure(
    atomic_numbers=[6, 1, 1, 1],
    positions=[[0.0, 0.0, 0.1], [1.1, 0.0, 0.0], [-0.5, 0.95, 0.0], [-0.55, -0.9, -0.1]],
    multiplicity=2,
)
MOLECULES = pytest.mark.parametrize(
    "structure",
    [HCN, HYDROGEN_CHLORIDE, METHYL],
    ids=["hydrogen cyanide", "hydrogen chloride", "methyl"],
)


def answer(structure: Structure, level: str) -> Label | LabelFailure:
    return PySCFEngine(find_level(level), Resources()).label(structure)


def label_of(structure: Structure, level: str) -> Label:
    label = answer(structure, level)
    assert isinstance(label, Label), label
    return label


def hartree_bohr(forces: FloatArray | None) -> FloatArray:
    assert forces is not None
    return forces / EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR


@MOLECULES
def test_hartree_fock_beside_mp2_is_pyscfs_own(structure: Structure) -> None:
    calculation = find_level("mp2/cc-pvdz").recipe
    assert isinstance(calculation, Calculation)
    mf = scf.mean_field(molecule.build(structure, calculation), calculation, 4000)
    states.converge(mf, [])
    mp2 = fitted_mp2(mf, calculation, 4000)
    hartree_fock, (correlation,) = gradients(mf, mp2.integrals, [mp2.densities()])
    np.testing.assert_allclose(hartree_fock, mf.nuc_grad_method().kernel(), atol=1e-10)
    assert np.abs(correlation.sum(axis=0)).max() < 1e-10
    energy = sum(d.orbitals.spins * np.trace(d.auxiliary) / 4 for d in mp2.densities())
    assert energy == pytest.approx(mp2.energy(), abs=1e-10)


@MOLECULES
@pytest.mark.parametrize("method", ["mp2", "ccsd"])
def test_fitting_changes_little_of_pyscfs_gradient_with_exact_integrals(
    structure: Structure, method: str
) -> None:
    """PySCF's gradients of MP2 and CCSD have another code for everything but the amplitudes."""
    level = find_level(f"{method}/cc-pvdz")
    assert isinstance(level.recipe, Calculation)
    exact = replace(level.recipe, density_fitting=False)
    mf = scf.mean_field(molecule.build(structure, exact), exact, 4000)
    states.converge(mf, [])
    core = 5 if 17 in structure.atomic_numbers else int((structure.atomic_numbers > 2).sum())
    solver = (mp.MP2 if method == "mp2" else cc.CCSD)(mf, frozen=core)
    solver.verbose = 0
    solver.run()
    theirs = solver.nuc_grad_method()
    theirs.verbose = 0
    ours = hartree_bohr(label_of(structure, level.name).forces)
    np.testing.assert_allclose(ours, -theirs.kernel(), atol=1e-4)


@pytest.mark.psi4
@pytest.mark.slow
@MOLECULES
def test_mp2_agrees_with_psi4(structure: Structure) -> None:
    level = find_level("mp2/cc-pvdz")
    ours, theirs = label_of(structure, level.name), Psi4Engine(level, Resources()).label(structure)
    assert isinstance(theirs, Label)
    assert ours.energy == pytest.approx(theirs.energy, abs=3e-5)
    # Measured: 4e-7 of closed shells, 1.1e-5 of methyl.
    difference = hartree_bohr(ours.forces) - hartree_bohr(theirs.forces)
    assert np.abs(difference).max() < 2e-5


def test_a_composite_keeps_the_forces_of_its_parts() -> None:
    level = find_level("ccsd*/cc-pvtz")
    label = label_of(HYDROGEN_CHLORIDE, level.name)
    assert isinstance(level.recipe, Composite)
    assert {c.name for c in level.recipe.components} <= set(label.force_components)
    np.testing.assert_allclose(
        label.forces, level.recipe.forces(label.force_components), rtol=0, atol=1e-12
    )
    alone = label_of(HYDROGEN_CHLORIDE, "mp2/cc-pvtz").force_components
    for name, forces in alone.items():
        np.testing.assert_allclose(forces, label.force_components[name], atol=1e-4)


def test_levels_of_energies_alone_stay_what_they_are() -> None:
    label = label_of(HYDROGEN_CHLORIDE, "ccsd(t)/cc-pvdz")
    assert label.forces is None
    assert label.force_components == {}


@pytest.mark.parametrize("level", ["mp2/cc-pvdz", "ccsd/cc-pvdz", "ccsd*/cc-pvtz"])
@pytest.mark.parametrize(
    ("number", "multiplicity"), [(1, 2), (3, 2), (2, 1)], ids=["H", "Li", "He"]
)
def test_atoms_feel_no_force(level: str, number: int, multiplicity: int) -> None:
    atom = Structure(
        atomic_numbers=[number], positions=[[0.1, 0.2, 0.3]], multiplicity=multiplicity
    )
    np.testing.assert_allclose(label_of(atom, level).forces, np.zeros((1, 3)), atol=1e-6)


def test_ccsd_of_electrons_of_one_spin_is_refused() -> None:
    triplet = Structure(
        atomic_numbers=[1, 1], positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 1.5]], multiplicity=3
    )
    failure = answer(triplet, "ccsd/cc-pvdz")
    assert isinstance(failure, LabelFailure)
    assert failure.kind == "input"
    assert "electrons of one spin" in failure.message
    assert label_of(triplet, "mp2/cc-pvdz").forces is not None


def test_a_response_that_does_not_converge_gives_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitted_response, "_CYCLES", 1)
    failure = answer(HCN, "mp2/cc-pvdz")
    assert isinstance(failure, LabelFailure)
    assert failure.kind == "convergence"
    assert "orbital response" in failure.message


def test_lambda_that_does_not_converge_gives_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccsd_densities, "_CYCLES", 1)
    failure = answer(HCN, "ccsd/cc-pvdz")
    assert isinstance(failure, LabelFailure)
    assert failure.kind == "convergence"
    assert "Lambda" in failure.message


def test_t1_is_a_gate_of_ccsd_levels_too() -> None:
    label = label_of(HYDROGEN_CHLORIDE, "ccsd*/cc-pvtz")
    (finding,) = [f for f in examine(HYDROGEN_CHLORIDE, label, Gates(t1=1e-4)) if f.gate == "t1"]
    assert finding.refused
    assert finding.value == label.diagnostics["t1"]
