"""First sets of a rung that climbs: relaxed conformers, then both kinds."""

from collections import Counter
from dataclasses import replace

import numpy as np

from chemistry.records.structure import Origin, Structure
from workflow.planning.inherited import choose_inherited
from workflow.planning.records import Candidate
from workflow.planning.selection import choose_diverse


def candidate(size: float, sampler: str, energy_ev: float | None = None) -> Candidate:
    structure = Structure(
        atomic_numbers=np.array([8, 1, 1]),
        positions=size * np.array([[0.0, 0.0, 0.1], [0.0, 0.7, -0.4], [0.0, -0.7, -0.4]]),
        molecule_id="a",
        origin=Origin(sampler=sampler),
    )
    return Candidate(structure=structure, purpose="initial", energy_ev=energy_ev)


CONFORMERS = [candidate(1.0 + 0.2 * i, "anchor_conformers", -float(i)) for i in range(5)]
OTHERS = [candidate(3.0 + 0.1 * i, "anchor_torsions", -9.0) for i in range(6)]
HOT = [candidate(5.0 + 0.1 * i, "langevin", -9.0) for i in range(6)]


def chosen(offers: list[Candidate], quota: int) -> list[Candidate]:
    by_id = {c.structure.structure_id: c for c in offers}
    choices = choose_inherited(offers, "initial", quota, seed=1)
    assert len({choice.structure_id for choice in choices}) == len(choices)
    return [by_id[choice.structure_id] for choice in choices]


def test_relaxed_conformers_come_first_and_the_lowest_of_them():
    found = chosen([*HOT, *CONFORMERS, *OTHERS], 5)
    assert [c.energy_ev for c in found[:3]] == [-4.0, -3.0, -2.0]
    assert [c.structure.origin.kind for c in found[3:]] == ["hot"] * 2


def test_conformers_that_are_alike_count_as_one():
    alike = [candidate(1.8 + 1e-3 * i, "anchor_conformers", -5.0 - i) for i in range(4)]
    found = chosen([*alike, *CONFORMERS], 4)
    assert [c.energy_ev for c in found[:2]] == [-8.0, -3.0]


def test_half_are_anchors_and_where_there_are_too_few_of_one_kind_there_are_more_of_the_other():
    def kinds(offers, quota):
        return Counter(c.structure.origin.kind for c in chosen(offers, quota))

    assert kinds([*CONFORMERS[:1], *OTHERS, *HOT], 8) == {"anchor": 4, "hot": 4}
    assert kinds([*CONFORMERS[:1], *OTHERS, *HOT[:1]], 6) == {"anchor": 5, "hot": 1}
    assert kinds([*CONFORMERS[:1], *HOT], 6) == {"anchor": 1, "hot": 5}
    assert kinds([*OTHERS, *HOT], 99) == {"anchor": 6, "hot": 6}


def test_without_anchors_it_is_the_diverse_choice():
    assert choose_inherited(HOT, "held_out", 4, seed=3) == choose_diverse(
        HOT, "held_out", 4, seed=3
    )


def test_what_has_no_label_below_is_no_conformer_to_begin_with():
    unknown = [replace(c, energy_ev=None) for c in CONFORMERS]
    assert chosen([*unknown, *HOT], 2)[0].structure.origin.kind in ("anchor", "hot")
    assert "relaxed" not in choose_inherited(unknown, "initial", 1, seed=1)[0].reason
