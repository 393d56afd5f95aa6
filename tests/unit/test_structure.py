"""Structure: what its identity ignores and what it does not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from chemistry.records.structure import Origin, Structure

METHANOL_LIKE = Structure(
    atomic_numbers=np.array([6, 8, 1, 1, 1, 1]),
    positions=np.random.default_rng(3).normal(size=(6, 3)) * 1.5,
)


def test_identity_is_that_of_the_shape():
    turn = Rotation.from_rotvec([0.3, -1.1, 2.0]).as_matrix()
    positions = METHANOL_LIKE.positions
    moved = [positions + 7.0, positions @ turn.T, positions * [1.0, 1.0, -1.0], positions + 1e-7]
    for other in moved:
        assert METHANOL_LIKE.moved_to(other, Origin()).structure_id == METHANOL_LIKE.structure_id


def test_identity_ignores_where_a_structure_comes_from():
    other = replace(METHANOL_LIKE, molecule_id="m", origin=Origin(sampler="langevin", seed=3))
    assert other.structure_id == METHANOL_LIKE.structure_id


@pytest.mark.parametrize(
    "change",
    [
        {"charge": 1},
        {"multiplicity": 3},
        {"atomic_numbers": np.array([6, 8, 1, 1, 1, 9])},
        {"positions": METHANOL_LIKE.positions * 1.001},
    ],
)
def test_identity_changes_with_what_changes_the_energy(change):
    assert replace(METHANOL_LIKE, **change).structure_id != METHANOL_LIKE.structure_id


def test_identity_of_an_atom():
    atom = Structure(atomic_numbers=np.array([2]), positions=np.zeros((1, 3)))
    assert len(atom.structure_id) == 20
    assert atom.masses == pytest.approx([4.0026], abs=1e-3)


def test_arrays_are_copies_that_cannot_be_written():
    positions = np.zeros((1, 3))
    structure = Structure(atomic_numbers=np.array([2]), positions=positions)
    positions[0, 0] = 5.0
    assert structure.positions[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        structure.positions[0, 0] = 1.0


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="positions"):
        Structure(atomic_numbers=np.array([1, 1]), positions=np.zeros((3, 3)))


def test_one_sampler_parent_and_seed_are_one_block():
    one = Origin(sampler="langevin", parent_id="abc", seed=4)
    assert one.block == Origin(sampler="langevin", parent_id="abc", seed=4).block
    others = [Origin(), replace(one, seed=5), replace(one, parent_id=None)]
    assert len({one.block, *(other.block for other in others)}) == 4
