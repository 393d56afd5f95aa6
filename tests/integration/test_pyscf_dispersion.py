"""D3(BJ), D4 and VV10: energies that are there, and forces that belong to them."""

from dataclasses import replace

import numpy as np
import pytest

from chemistry.engines.base import Resources
from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.structure import Origin, Structure

WATER = Structure(
    atomic_numbers=[8, 1, 1],
    positions=[[0.0, 0.02, 0.12], [0.03, 0.76, -0.48], [-0.02, -0.80, -0.47]],
)
AMINYL = Structure(
    atomic_numbers=[7, 1, 1],
    positions=[[0.0, 0.02, 0.14], [0.03, 0.80, -0.48], [-0.02, -0.84, -0.47]],
    multiplicity=2,
)
NEON_PAIR = Structure(atomic_numbers=[10, 10], positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 3.1]])


def label_of(level: str, structure: Structure) -> Label:
    label = PySCFEngine(find_level(level), Resources()).label(structure)
    assert isinstance(label, Label), label
    return label


@pytest.mark.parametrize(
    ("level", "structure"),
    [
        ("b3lyp-d3bj/sto-3g", AMINYL),
        ("pbe0-d4/sto-3g", WATER),
        ("hf-d3zero/sto-3g", WATER),
        pytest.param("wb97m-v/sto-3g", WATER, marks=pytest.mark.slow),
        pytest.param("wb97m-v/sto-3g", AMINYL, marks=pytest.mark.slow),
        pytest.param("wb97x-d3bj/sto-3g", WATER, marks=pytest.mark.slow),
        ("hf/6-31g(2df,p)", WATER),
        ("hf/ccecp-cc-pvdz", WATER),
    ],
)
def test_forces_are_minus_the_derivative(level: str, structure: Structure) -> None:
    forces = label_of(level, structure).forces
    assert forces is not None
    direction = np.random.default_rng(7).normal(size=forces.shape)
    direction /= np.linalg.norm(direction)
    step = 0.005  # Å
    energies = [
        label_of(level, structure.moved_to(structure.positions + s * direction, Origin())).energy
        for s in (step, -step)
    ]
    slope = (energies[0] - energies[1]) / (2 * step)
    assert slope == pytest.approx(-float((forces * direction).sum()), abs=3e-4)


@pytest.mark.parametrize("suffix", ["d3bj", "d3zero", "d4"])
def test_the_correction_is_a_component_and_part_of_the_energy(suffix: str) -> None:
    plain, corrected = label_of("pbe/sto-3g", WATER), label_of(f"pbe-{suffix}/sto-3g", WATER)
    part = corrected.components["dispersion"]
    assert part < 0
    assert corrected.energy == pytest.approx(plain.energy + part, abs=1e-7)
    assert corrected.level_id != plain.level_id
    assert "pyscf-dispersion" in corrected.provenance.surroundings


@pytest.mark.parametrize("level", ["pbe-d3bj/def2-svp", "pbe-d4/def2-svp"])
def test_dispersion_falls_off_with_the_sixth_power(level: str) -> None:
    energies = []
    for distance in (8.0, 16.0):
        positions = NEON_PAIR.positions / 3.1 * distance
        energies.append(label_of(level, replace(NEON_PAIR, positions=positions)))
    ratio = energies[0].components["dispersion"] / energies[1].components["dispersion"]
    assert ratio == pytest.approx(2**6, rel=0.1)


@pytest.mark.parametrize("functional", ["wb97m-v", "b97m-v"])
@pytest.mark.slow
def test_vv10_binds(functional: str) -> None:
    """Without VV10 the energy would be that of the d3bj level minus its correction."""
    whole = label_of(f"{functional}/sto-3g", WATER).energy
    other = label_of(f"{functional.removesuffix('-v')}-d3bj/sto-3g", WATER)
    density_part = other.energy - other.components["dispersion"]
    assert whole - density_part > 0.1  # VV10 of one molecule is positive: about 1 eV
