"""Which structures are chosen: pure functions, the same for the same seed."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from chemistry.records.potential import Threshold
from chemistry.records.structure import Origin, Structure
from workflow.planning.cost import PowerLaw
from workflow.planning.records import Candidate
from workflow.planning.selection import choose_even, choose_random, excess
from workflow.planning.selectors.uncertain_per_cost import choose_uncertain

THRESHOLD = Threshold(rho_kcal_mol=0.2)


def candidate(
    stretch: float, *, rho=None, force=None, molecule="a", sampler="modes", judged_by=1
) -> Candidate:
    """A triangle of hydrogen whose size says which it is."""
    structure = Structure(
        atomic_numbers=np.array([1, 1, 1]),
        positions=stretch * np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        molecule_id=molecule,
        origin=Origin(sampler=sampler),
    )
    return Candidate(
        structure=structure,
        purpose="active",
        rho_kcal_mol=rho,
        force_sigma_kcal_mol_angstrom=force,
        judged_by=None if rho is None else judged_by,
        reason="found",
    )


def chosen(candidates, n, **changes) -> list[Candidate]:
    options = {
        "threshold": THRESHOLD,
        "cost": lambda structure: 1.0,
        "already_chosen": Counter(),
        "molecule_cap": 100,
        **changes,
    }
    by_id = {c.structure.structure_id: c for c in candidates}
    choices = choose_uncertain(candidates, n, **options)
    assert all(choice.purpose == "active" for choice in choices)
    return [by_id[choice.structure_id] for choice in choices]


def sizes(candidates) -> list[float]:
    return [float(c.structure.positions.max()) for c in candidates]


def test_only_what_is_over_the_threshold_and_judged_is_chosen():
    below, at, above = (candidate(1.0 + i, rho=rho) for i, rho in enumerate((0.1, 0.2, 0.21)))
    unjudged = candidate(9.0)
    assert chosen([below, at, above, unjudged], 4) == [above]
    assert chosen([], 4) == []
    assert chosen([above], 0) == []


def test_excess_is_the_larger_of_energy_and_force():
    both = Threshold(rho_kcal_mol=0.2, force_sigma_kcal_mol_angstrom=5.0)
    by_force = candidate(1.0, rho=0.1, force=20.0)
    assert excess(by_force, both) == 4.0
    assert excess(by_force, THRESHOLD) == 0.5
    assert excess(candidate(1.0, rho=0.6, force=1.0), both) == pytest.approx(3.0)
    assert excess(candidate(1.0), both) == 0.0


def test_the_best_is_what_disagrees_most_for_its_cost():
    cheap, dear = candidate(1.0, rho=0.4), candidate(2.0, rho=0.6)
    assert chosen([cheap, dear], 1)[0] is dear

    def twice(structure: Structure) -> float:
        return 1.0 + (structure.positions.max() > 1.5)

    assert chosen([cheap, dear], 1, cost=twice)[0] is cheap


def test_a_molecule_gets_no_more_than_its_cap():
    many = [candidate(1.0 + 0.01 * i, rho=9.0 - 0.01 * i) for i in range(10)]
    few = [candidate(3.0 + 0.01 * i, rho=0.3, molecule="b") for i in range(2)]
    found = Counter(c.structure.molecule_id for c in chosen(many + few, 10, molecule_cap=4))
    assert found == {"a": 4, "b": 2}
    found = Counter(
        c.structure.molecule_id
        for c in chosen(many + few, 10, molecule_cap=4, already_chosen=Counter(a=3))
    )
    assert found == {"a": 1, "b": 2}


def test_a_batch_is_spread_over_what_is_uncertain():
    # A crowd around 1 Å is the most uncertain; two lonely ones are uncertain enough.
    crowd = [candidate(1.0 + 0.001 * i, rho=1.0 - 0.001 * i) for i in range(4)]
    lonely = [candidate(2.0, rho=0.5), candidate(3.0, rho=0.4)]
    assert sizes(chosen(crowd + lonely, 3)) == [1.0, 3.0, 2.0]
    # All of them where there is room for all.
    assert len(chosen(crowd + lonely, 6)) == 6


def test_an_untouched_molecule_comes_before_a_second_structure_of_the_same():
    crowd = [candidate(1.0 + i, rho=1.0) for i in range(4)]
    other = candidate(9.0, rho=0.3, molecule="b")
    assert other in chosen([*crowd, other], 2)


def test_uncertain_choices_do_not_depend_on_the_order_of_the_candidates():
    generator = np.random.default_rng(3)
    candidates = [candidate(x, rho=rho) for x, rho in generator.uniform(0.3, 2.0, size=(30, 2))]
    expected = [c.structure.structure_id for c in chosen(candidates, 7)]
    shuffled = [candidates[i] for i in generator.permutation(30)]
    assert [c.structure.structure_id for c in chosen(shuffled, 7)] == expected
    assert len(set(expected)) == 7


def test_a_reason_says_how_far_over_the_threshold():
    (choice,) = choose_uncertain(
        [candidate(1.0, rho=0.5)],
        1,
        threshold=THRESHOLD,
        cost=PowerLaw(),
        already_chosen=Counter(),
        molecule_cap=1,
    )
    assert choice.reason == "found; 2.5 x the threshold"


def test_even_choices_take_turns_over_the_samplers():
    modes = [candidate(1.0 + 0.1 * i, sampler="modes") for i in range(20)]
    dynamics = [candidate(5.0 + 0.1 * i, sampler="dynamics") for i in range(3)]
    choices = choose_even(modes + dynamics, "held_out", 10, seed=1)
    by_id = {c.structure.structure_id: c for c in modes + dynamics}
    found = Counter(by_id[choice.structure_id].structure.origin.sampler for choice in choices)
    assert found == {"modes": 7, "dynamics": 3}
    assert len({choice.structure_id for choice in choices}) == 10
    assert {choice.purpose for choice in choices} == {"held_out"}
    assert choose_even([], "initial", 4, seed=1) == []
    assert choose_even(modes, "initial", 0, seed=1) == []


def test_a_small_even_choice_has_anchors_and_others():
    names = ("anchor_conformers", "anchor_langevin", "conformers", "langevin", "torsions")
    offers = [
        candidate(1.0 + 0.1 * i, sampler=name) for i, name in enumerate(name for name in names * 3)
    ]
    by_id = {c.structure.structure_id: c.structure.origin.sampler for c in offers}
    chosen = [by_id[c.structure_id] for c in choose_even(offers, "initial", 5, seed=1)]
    assert chosen == [
        "anchor_conformers",
        "conformers",
        "anchor_langevin",
        "langevin",
        "torsions",
    ]


def test_of_relaxed_conformers_an_even_choice_takes_the_lowest():
    offers = [
        replace(candidate(1.0 + 0.1 * i, sampler="anchor_conformers"), energy_ev=energy)
        for i, energy in enumerate((3.0, None, 1.0, 2.0, 0.0))
    ]
    by_id = {c.structure.structure_id: c.energy_ev for c in offers}
    chosen = [by_id[c.structure_id] for c in choose_even(offers, "initial", 5, seed=1)]
    assert chosen == [0.0, 1.0, 2.0, 3.0, None]


@pytest.mark.parametrize("choose", [choose_random, choose_even])
def test_lots_are_drawn_without_replacement_and_by_the_seed_alone(choose):
    candidates = [candidate(1.0 + 0.1 * i) for i in range(20)]

    def draw(n: int, seed: int) -> list[str]:
        extra = () if choose is choose_random else ("initial",)
        return [c.structure_id for c in choose(candidates, *extra, n, seed=seed)]

    assert draw(8, 1) == draw(8, 1)
    assert draw(8, 1) != draw(8, 2)
    assert len(set(draw(8, 1))) == 8
    assert sorted(draw(99, 1)) == sorted(c.structure.structure_id for c in candidates)


def test_lots_are_fair():
    candidates = [candidate(1.0 + 0.1 * i) for i in range(5)]
    drawn = Counter(
        choice.structure_id
        for seed in range(1000)
        for choice in choose_random(candidates, 1, seed=seed)
    )
    assert len(drawn) == 5
    assert all(140 < n < 260 for n in drawn.values())
    assert {c.purpose for c in choose_random(candidates, 3, seed=0)} == {"random"}
