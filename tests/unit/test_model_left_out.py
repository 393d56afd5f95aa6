"""Leaving molecules out: nothing is scored by a committee that has seen its molecule."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from model_examples import ELEMENTS, LEVEL, cluster, toy_label
from toy_architecture import Springs, ToySettings

from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from model.architectures import ARCHITECTURES, find_architecture
from model.conformal import Scores
from model.left_out import Step, leave_molecules_out
from model.protocol import TrainingRequest

GOLD = find_level("hf/sto-3g")
SEEN: list[tuple[str, set[str], set[str]]] = []
"""Of each training: its level, what it learned, and what its start or the rung below had."""


class Watched(Springs):
    """Springs that note which molecules they learn."""

    name = "watched"

    def train(self, request, start=None):
        assert start is None
        return self._noted(super().train(request), request, set())

    def climb(self, request, below, way):
        return self._noted(super().climb(request, below, way), request, below.record["seen"])

    @staticmethod
    def _noted(result, request, before):
        learned = {row.structure.molecule_id for row in request.data}
        SEEN.append((request.level.name, learned, before))
        record = {**result.committee.record, "seen": learned | before}
        return replace(result, committee=replace(result.committee, record=record))


@pytest.fixture(autouse=True)
def watched(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES.ours, "watched", f"{__name__}:Watched")
    SEEN.clear()
    find_architecture.cache_clear()
    yield
    find_architecture.cache_clear()


def rows(n_molecules, n_each, level=LEVEL, first=(6, 1, 1, 7, 1)):
    """Geometries of molecules of the same elements, but for those of the first."""
    made = []
    for molecule in range(n_molecules):
        rest = cluster(5, seed=molecule)
        numbers = np.array((6, 1, 1, 7, 1) if molecule else first)
        for k in range(n_each):
            moved = rest.positions + np.random.default_rng([molecule, k]).normal(0, 0.05, (5, 3))
            row = toy_label(
                Structure(atomic_numbers=numbers, positions=moved, molecule_id=f"m{molecule}")
            )
            made.append(replace(row, label=replace(row.label, level_id=level.level_id)))
    return made


def step(data, level=LEVEL, way=None):
    settings = ToySettings.model_construct(architecture="watched", members=3, folds=2)
    request = TrainingRequest(data=data, settings=settings, elements=ELEMENTS, level=level, seed=1)
    return Step(request=request, way=way)


def scores_of(steps, folds):
    scores = [Scores(energy=(), relative_energy=(), force=()) for _ in steps]
    for found in leave_molecules_out(steps, folds=folds):
        scores[found.rung] += found.scores()
    return scores


def test_each_molecule_is_judged_once_on_each_rung_by_what_never_saw_it():
    steps = [step(rows(7, 4)), step(rows(6, 3, GOLD), GOLD, "correct")]
    found = list(leave_molecules_out(steps, folds=3))
    assert [(one.fold, one.rung) for one in found] == [(f, r) for f in range(3) for r in range(2)]
    judged = Counter()
    for one in found:
        molecules = {row.structure.molecule_id for row in one.left_out}
        assert molecules
        assert not molecules & one.committee.record["seen"]
        judged.update((one.rung, molecule) for molecule in molecules)
    assert set(judged.values()) == {1}
    assert len(judged) == 7 + 6
    on_gold = [before for level, _, before in SEEN if level == GOLD.name]
    assert len(on_gold) == 3
    assert all(before for before in on_gold)  # it climbed from what its own part had learned
    cheap, gold = scores_of(steps, 3)
    assert sorted(len(group) for group in cheap.energy) == [4] * 7
    assert sorted(len(group) for group in gold.relative_energy) == [2] * 6


def test_more_parts_than_molecules_leave_one_out_at_a_time():
    [scores] = scores_of([step(rows(4, 2))], 10)
    assert len(SEEN) == 4
    assert all(len(learned) == 3 for _, learned, _ in SEEN)
    assert len(scores.energy) == 4


def test_an_element_that_only_one_part_has_is_not_scored():
    data = rows(6, 2, first=(6, 1, 1, 8, 1))
    [scores] = scores_of([step(data)], 3)
    assert len(scores.energy) == 5


def test_a_single_molecule_leaves_nothing_to_learn_from():
    [scores] = scores_of([step(rows(1, 4))], 5)
    assert scores.factors("molecules left out") is None


def test_a_state_that_only_one_part_has_is_not_scored():
    data = [
        replace(row, structure=replace(row.structure, charge=1, multiplicity=2))
        if row.structure.molecule_id == "m0"
        else row
        for row in rows(6, 2)
    ]
    [scores] = scores_of([step(data)], 3)
    assert len(scores.energy) == 5
