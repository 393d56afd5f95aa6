"""Forces and Hessians from energies alone: against those of a potential that knows them."""

from collections.abc import Callable

import numpy as np
import pytest
from fake_potentials import Springs

from chemistry.engines.differences import forces_by_differences, hessian_by_differences
from chemistry.engines.level_potential import MOST_ATOMS_WITHOUT_FORCES, LevelPotential
from chemistry.errors import InputError
from chemistry.records.label import Label, LabelFailure, Provenance
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from chemistry.sampling.modes import hessians, vibrations

LEVEL = find_level("hf/sto-3g")
SHAPES = {
    "bent": np.array([[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]]),
    "linear": np.array([[0.0, 0.0, -1.06], [0.0, 0.0, 0.0], [0.0, 0.0, 1.15]]),
    "tetrahedral": np.vstack(
        [np.zeros(3), 0.63 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])]
    ),
}
INTERNAL = {"bent": 3, "linear": 4, "tetrahedral": 9}


def shaped(name: str) -> Structure:
    positions = SHAPES[name]
    return Structure(atomic_numbers=np.array([6] + [1] * (len(positions) - 1)), positions=positions)


class Counted:
    """The energy of springs, and how often it was asked for."""

    def __init__(self, rest: Structure) -> None:
        self.springs = Springs(rest)
        self.calls = 0

    def __call__(self, structure: Structure) -> float:
        self.calls += 1
        return self.springs.predict([structure])[0].energy


@pytest.mark.parametrize("shape", SHAPES)
def test_forces_are_those_that_the_potential_has_by_itself(shape):
    energy = Counted(shaped(shape))
    generator = np.random.default_rng(1)
    rest = energy.springs.rest
    moved = rest.positions + generator.normal(scale=0.1, size=rest.positions.shape)
    displaced = rest.moved_to(moved, rest.origin)
    found = forces_by_differences(energy, displaced)
    [known] = energy.springs.predict([displaced])
    assert np.abs(known.forces).max() > 0.1
    np.testing.assert_allclose(found, known.forces, atol=2e-4)
    np.testing.assert_allclose(found.sum(axis=0), 0.0, atol=1e-12)
    internal = 3 if shape == "linear" else INTERNAL[shape]  # a displaced line is bent
    assert energy.calls == 2 * internal


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hessian_has_the_wavenumbers_of_one_from_forces(shape):
    rest = shaped(shape)
    energy = Counted(rest)
    found = hessian_by_differences(energy, rest)
    internal = INTERNAL[shape]
    assert energy.calls == internal**2 + internal + 1
    [known] = hessians([rest], energy.springs, 1e-4)
    ours, theirs = (vibrations(h, rest.positions, rest.masses) for h in (found, known))
    assert len(ours.wavenumbers_per_cm) == internal
    np.testing.assert_allclose(
        ours.curvatures, theirs.curvatures, atol=1e-4 * theirs.curvatures.max()
    )
    assert theirs.wavenumbers_per_cm.max() > 1000.0


def test_an_atom_has_no_forces():
    atom = Structure(atomic_numbers=np.array([8]), positions=np.ones((1, 3)))
    np.testing.assert_array_equal(forces_by_differences(lambda _: 1.0, atom), np.zeros((1, 3)))
    np.testing.assert_array_equal(hessian_by_differences(lambda _: 1.0, atom), np.zeros((3, 3)))


class SpringEngine:
    """An engine whose labels are the energy of springs, with or without forces."""

    name = "springs"

    def __init__(self, rest: Structure, *, gives_forces: bool, fails: Callable | None = None):
        self.springs = Springs(rest)
        self.labelled = 0
        self._gives_forces = gives_forces
        self._fails = fails or (lambda structure: False)

    def label(self, structure: Structure, *, is_second: bool = False) -> Label | LabelFailure:
        ids = {"structure_id": structure.structure_id, "level_id": LEVEL.level_id}
        self.labelled += 1
        if self._fails(structure):
            return LabelFailure(**ids, kind="convergence", message="structure x: not converged")
        [p] = self.springs.predict([structure])
        return Label(
            **ids,
            energy=p.energy,
            forces=p.forces if self._gives_forces else None,
            provenance=Provenance(
                program="springs",
                version="1",
                host="here",
                cpu_seconds=0.0,
                wall_seconds=0.0,
                attempts=(),
                finished_at=0.0,
            ),
        )


def potential(rest: Structure, **settings) -> tuple[LevelPotential, SpringEngine]:
    engine = SpringEngine(rest, **settings)
    return LevelPotential(LEVEL, engine), engine


def test_a_level_answers_alike_with_forces_of_its_own_and_without():
    rest = shaped("bent")
    displaced = rest.moved_to(1.05 * rest.positions, rest.origin)
    (own, with_forces), (by_differences, without) = (
        potential(rest, gives_forces=gives) for gives in (True, False)
    )
    for _ in range(2):  # nothing is computed twice
        [a], [b] = own.predict([displaced]), by_differences.predict([displaced])
        assert a.energy == b.energy
        np.testing.assert_allclose(a.forces, b.forces, atol=2e-4)
    assert with_forces.labelled == 1
    assert without.labelled == 1 + 2 * 3
    assert own.hessian(rest) is None
    assert by_differences.hessian(rest) is not None
    assert (own.level_name, own.n_members) == ("hf/sto-3g", 1)


def test_charge_and_multiplicity_are_told_apart():
    rest = shaped("bent")
    level, engine = potential(rest, gives_forces=True)
    cation = Structure(
        atomic_numbers=rest.atomic_numbers, positions=rest.positions, charge=1, multiplicity=2
    )
    level.predict([rest, cation])
    assert engine.labelled == 2


def test_a_label_that_fails_is_refused_in_its_own_words():
    rest = shaped("bent")
    level, _ = potential(rest, gives_forces=True, fails=lambda _: True)
    with pytest.raises(InputError, match="structure x: not converged"):
        level.predict([rest])


def test_forces_of_many_atoms_are_not_had_by_differences():
    n_atoms = MOST_ATOMS_WITHOUT_FORCES + 1
    positions = np.random.default_rng(1).normal(scale=3.0, size=(n_atoms, 3))
    chain = Structure(atomic_numbers=np.full(n_atoms, 6), positions=positions)
    level, _ = potential(chain, gives_forces=False)
    with pytest.raises(InputError, match="13 atoms are too many"):
        level.predict([chain])
    with pytest.raises(InputError, match="take a level with forces"):
        level.hessian(chain)
    assert level.energy(chain) == pytest.approx(0.0)
