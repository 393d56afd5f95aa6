"""The PySCF mean field: its ladder, its bases, its open shells."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from chemistry.engines.base import Resources
from chemistry.engines.pyscf import scf
from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import Calculation, LevelOfTheory, find_level
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE, KCAL_MOL_PER_EV

FORMALDEHYDE = Structure(
    atomic_numbers=[6, 8, 1, 1],
    positions=[[0, 0, -0.53], [0, 0, 0.68], [0, 0.94, -1.12], [0, -0.94, -1.12]],
)


def label_of(structure: Structure, level: str | LevelOfTheory) -> Label:
    found = find_level(level) if isinstance(level, str) else level
    label = PySCFEngine(found, Resources()).label(structure)
    assert isinstance(label, Label), label
    return label


@pytest.mark.parametrize("step", range(1, len(scf.LADDER)))
def test_every_step_of_the_ladder_reaches_the_same_solution(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = label_of(FORMALDEHYDE, "pbe0/6-31g*")
    hopeless, tried = replace(scf.LADDER[0], cycles=1), scf.LADDER[step]
    monkeypatch.setattr(scf, "LADDER", (hopeless, tried))
    label = label_of(FORMALDEHYDE, "pbe0/6-31g*")
    assert label.provenance.attempts == ("DIIS", tried.name)
    assert label.energy == pytest.approx(reference.energy, abs=1e-5)
    assert label.diagnostics["gap_ev"] == pytest.approx(reference.diagnostics["gap_ev"], abs=1e-3)
    np.testing.assert_allclose(label.forces, reference.forces, atol=2e-3)


def test_recipe_is_within_its_stated_error_of_exact_integrals_on_a_fine_grid() -> None:
    level = find_level("wb97x/6-31g*")
    assert isinstance(level.recipe, Calculation)
    mol_energy = label_of(FORMALDEHYDE, level).energy
    exact = LevelOfTheory(name="exact", recipe=replace(level.recipe, density_fitting=False))
    assert abs(mol_energy - label_of(FORMALDEHYDE, exact).energy) * KCAL_MOL_PER_EV < 0.015


def test_triplet_oxygen_is_unrestricted() -> None:
    oxygen = Structure(atomic_numbers=[8, 8], positions=[[0, 0, 0], [0, 0, 1.21]], multiplicity=3)
    triplet = label_of(oxygen, "wb97x/6-31g*")
    assert 2.0 < triplet.diagnostics["s2"] < 2.1
    singlet = label_of(replace(oxygen, multiplicity=1), "wb97x/6-31g*")
    assert triplet.energy < singlet.energy - 0.5


def test_hydrogen_atom_has_its_textbook_energy_and_no_force() -> None:
    atom = Structure(atomic_numbers=[1], positions=[[0, 0, 0]], multiplicity=2)
    label = label_of(atom, "hf/cc-pvtz")
    assert label.energy == pytest.approx(-0.4998098 * EV_PER_HARTREE, abs=1e-4)
    assert label.forces is not None
    assert np.abs(label.forces).max() < 1e-6


def test_heavy_elements_get_the_effective_core_potential_of_their_basis() -> None:
    iodide = Structure(atomic_numbers=[1, 53], positions=[[0, 0, 0], [0, 0, 1.61]])
    # All 53 electrons of iodine would be at about -6918 hartree.
    assert -310 < label_of(iodide, "pbe0/def2-svp").energy / EV_PER_HARTREE < -290


def test_near_linear_dependence_is_refused() -> None:
    squeezed = Structure(atomic_numbers=[1, 1], positions=[[0, 0, 0], [0, 0, 0.33]])
    level = find_level("hf/aug-cc-pv5z")
    failure = PySCFEngine(level, Resources()).label(squeezed)
    assert isinstance(failure, LabelFailure)
    assert failure.kind == "input"
    assert "linearly dependent" in failure.message


def test_meta_gga_and_pure_functionals_have_exact_forces() -> None:
    for functional in ("r2scan", "pbe"):
        label = label_of(FORMALDEHYDE, f"{functional}/6-31g*")
        assert label.forces is not None
        assert np.abs(label.forces.sum(axis=0)).max() < 1e-3


def test_a_label_loads_next_to_nothing_in_its_own_process() -> None:
    asked = """
import sys
from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
engine = find_engine("pyscf")(find_level("pbe/sto-3g"), Resources())
before = set(sys.modules)
engine.label(Structure(atomic_numbers=[1, 1], positions=[[0, 0, 0], [0, 0, 0.74]]))
print(len(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20
