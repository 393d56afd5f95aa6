"""One suite for all selectors: what each has to do whatever its way of picking."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from store_examples import COST, SAMPLED

from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.potential import Threshold
from chemistry.records.structure import Origin, Structure
from workflow.planning.cost import PowerLaw
from workflow.planning.records import Candidate
from workflow.planning.selectors import SELECTORS
from workflow.planning.selectors.base import Batch
from workflow.run.store.store import Store

WATER, METHANOL = molecule_from_smiles("O"), molecule_from_smiles("CO")
THRESHOLD = Threshold(rho_kcal_mol=0.2)
N_TRAINABLE = 60


def waiting() -> list[Candidate]:
    """Candidates of two molecules, half of them over the threshold, and a few held out."""
    generator = np.random.default_rng(5)
    return [
        Candidate(
            structure=Structure(
                atomic_numbers=np.array([1, 1, 1]),
                positions=generator.normal(size=(3, 3)),
                molecule_id=(WATER if i % 3 else METHANOL).molecule_id,
                origin=Origin(sampler="modes"),
            ),
            purpose="active" if i < N_TRAINABLE else "held_out",
            rho_kcal_mol=float(generator.uniform(0.0, 0.4)),
            force_sigma_kcal_mol_angstrom=1.0,
            judged_by=1,
            reason="found",
        )
        for i in range(N_TRAINABLE + 6)
    ]


CANDIDATES = waiting()
TRAINABLE = {c.structure.structure_id for c in CANDIDATES[:N_TRAINABLE]}


def pool_of(store: Store, candidates: list[Candidate]):
    store.molecules.add([(WATER, False), (METHANOL, False)])
    store.candidates.commit_sample(
        "sample", 0, candidates, are_starts=False, threshold=THRESHOLD, detail=SAMPLED, cost=COST
    )
    return store.candidates.waiting(0)


@pytest.fixture(params=SELECTORS)
def select(request: pytest.FixtureRequest):
    return SELECTORS[request.param]


@pytest.fixture
def pool(tmp_path: Path):
    with Store.create(tmp_path / "store.sqlite", "{}") as store:
        yield pool_of(store, CANDIDATES)


def batch(n: int, **changes) -> Batch:
    fields = {
        "passed_over": frozenset(),
        "threshold": THRESHOLD,
        "cost": PowerLaw(),
        "already_chosen": Counter(),
        "molecule_cap": 100,
        "seed": 1,
        **changes,
    }
    return Batch(n=n, **fields)


def ids(choices) -> list[str]:
    return [choice.structure_id for choice in choices]


def test_a_batch_is_filled_with_different_trainable_structures(select, pool):
    found = select(pool, batch(8))
    assert len(set(ids(found))) == len(found) == 8
    assert set(ids(found)) <= TRAINABLE
    for choice in found:
        assert choice.purpose in ("active", "random")
        assert choice.reason


def test_nothing_is_chosen_where_nothing_is_wanted_or_waits(select, pool, tmp_path):
    assert select(pool, batch(0)) == []
    with Store.create(tmp_path / "empty.sqlite", "{}") as store:
        assert select(pool_of(store, []), batch(5)) == []


def test_no_more_is_chosen_than_waits(select, pool):
    found = ids(select(pool, batch(500)))
    assert 0 < len(found) == len(set(found)) <= N_TRAINABLE


def test_what_is_chosen_already_is_passed_over(select, pool):
    first = frozenset(ids(select(pool, batch(8))))
    again = ids(select(pool, batch(8, passed_over=first)))
    assert len(again) == 8
    assert first.isdisjoint(again)


def test_the_same_pool_and_seed_give_the_same_choices(select, pool, tmp_path):
    found = select(pool, batch(8))
    assert select(pool, batch(8)) == found
    with Store.create(tmp_path / "other.sqlite", "{}") as store:
        assert select(pool_of(store, CANDIDATES[::-1]), batch(8)) == found


def test_random_picks_look_at_no_disagreement_and_follow_the_seed(pool):
    random = SELECTORS["random"]
    assert ids(random(pool, batch(8))) != ids(random(pool, batch(8, seed=2)))
    assert set(ids(random(pool, batch(500)))) == TRAINABLE


def test_uncertain_picks_lie_over_the_threshold_and_under_the_cap(pool):
    found = ids(SELECTORS["uncertain_per_cost"](pool, batch(500, molecule_cap=5)))
    by_id = {c.structure.structure_id: c for c in CANDIDATES}
    assert all(by_id[i].rho_kcal_mol > THRESHOLD.rho_kcal_mol for i in found)
    assert set(Counter(by_id[i].structure.molecule_id for i in found).values()) == {5}
