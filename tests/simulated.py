"""A potential and systems for the tests of programs that simulate."""

from functools import cache
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import molecule
from ase.optimize import BFGS

from chemistry.geometries.embedding import embed
from chemistry.geometries.rdkit_bridge import atomic_numbers_of, to_rdkit
from chemistry.readers.molecules import molecule_from_smiles
from model import CommitteeCalculator, load_committee
from model.systems import in_precision

CHECKPOINT = Path(__file__).parent / "data/runs/0.1.0/models/rung0-v003.safetensors"
"""Two members for H, C and O, written by rung 0.1.0."""


def double_calculator() -> CommitteeCalculator:
    """The potential in double precision."""
    return CommitteeCalculator(in_precision(load_committee(CHECKPOINT), "double"))


@cache
def _resting(name: str) -> Atoms:
    atoms = molecule(name)
    atoms.calc = double_calculator()
    BFGS(atoms, logfile=None).run(fmax=0.1, steps=60)
    return atoms


def resting(name: str) -> Atoms:
    """A small molecule near a minimum of the potential."""
    atoms = _resting(name).copy()
    atoms.calc = double_calculator()
    return atoms


def large() -> Atoms:
    """An alcohol of 60 atoms."""
    made = molecule_from_smiles("C" * 19 + "O")
    [positions, *_] = embed(made, 1, seed=1)
    numbers = atomic_numbers_of(to_rdkit(made))
    return Atoms(numbers=numbers, positions=positions, calculator=double_calculator())


def box(copies: int = 20, *, spacing: float = 5.5) -> Atoms:
    """Copies of methanol, turned at random, in a periodic box."""
    rng = np.random.default_rng(3)
    one, edge = resting("CH3OH"), int(np.ceil(copies ** (1 / 3)))
    places = np.stack(np.meshgrid(*[np.arange(edge)] * 3), axis=-1).reshape(-1, 3)[:copies]
    atoms = Atoms(cell=[edge * spacing] * 3, pbc=True)
    for place in places:
        copy = one.copy()
        copy.rotate(rng.uniform(0, 360), rng.normal(size=3), center="COM")
        copy.translate((place + 0.5) * spacing - copy.get_center_of_mass())
        atoms += copy
    atoms.calc = double_calculator()
    return atoms


def velocities(atoms: Atoms, temperature_k: float = 100.0) -> np.ndarray:
    """Velocities (N, 3) in ASE's units, the same each time and without a total momentum."""
    rng, masses = np.random.default_rng(5), atoms.get_masses()[:, None]
    drawn = rng.normal(size=(len(atoms), 3)) * np.sqrt(units.kB * temperature_k / masses)
    return np.asarray(drawn - (masses * drawn).sum(axis=0) / masses.sum())
