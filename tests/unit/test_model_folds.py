"""Folds: whole blocks, that never move."""

from dataclasses import replace

import numpy as np
from model_examples import toy_data

from chemistry.records.structure import Origin
from model.folds import assign_folds


def structures(n, blocks):
    return [row.structure for row in toy_data(n, blocks=blocks)]


def test_a_block_is_never_cut():
    data = structures(400, blocks=50)
    folds = assign_folds(data, members=8, folds=8, seed=1)
    assert folds.notes == ()
    for block in {s.origin.block for s in data}:
        rows = [i for i, s in enumerate(data) if s.origin.block == block]
        assert len({folds.validates[:, i].tobytes() for i in rows}) == 1


def test_each_member_learns_most_and_each_structure_tests_at_most_one_of_eight():
    folds = assign_folds(structures(400, blocks=50), members=8, folds=8, seed=1)
    assert (folds.validates.sum(axis=0) == 1).all()
    assert (folds.validates.mean(axis=1) > 0.02).all()
    assert (folds.validates.mean(axis=1) < 0.35).all()


def test_parts_do_not_move_when_data_grow():
    data = structures(400, blocks=50)
    all_of_them = assign_folds(data, members=4, folds=8, seed=3).validates
    fewer = assign_folds(data[100:300], members=4, folds=8, seed=3).validates
    np.testing.assert_array_equal(all_of_them[:, 100:300], fewer)


def test_parts_depend_on_the_seed():
    data = structures(200, blocks=50)
    one, two = (assign_folds(data, members=4, folds=8, seed=s).validates for s in (1, 2))
    assert (one != two).any()


def test_few_blocks_are_split_by_structure_and_it_is_said():
    data = [replace(s, origin=Origin()) for s in structures(80, blocks=1)]
    folds = assign_folds(data, members=4, folds=8, seed=0)
    assert "2 of 2 molecules have fewer than 8 blocks" in folds.notes[0]
    assert folds.validates.any(axis=1).all()
    for molecule in ("m0", "m1"):
        of_it = [i for i, s in enumerate(data) if s.molecule_id == molecule]
        assert (~folds.validates[:, of_it]).any(axis=1).all()


def test_one_structure_is_learned_by_all():
    folds = assign_folds(structures(1, blocks=1), members=4, folds=8, seed=0)
    assert not folds.validates.any()
    assert "too few structures" in folds.notes[-1]
