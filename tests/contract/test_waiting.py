"""What the plan asks of waiting candidates: a store and a list give the same answers."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listed_waiting import ListedWaiting
from store_examples import COST, SAMPLED

from chemistry.records.molecule import Molecule
from chemistry.records.potential import Threshold
from chemistry.records.structure import Structure
from workflow.planning.records import Candidate
from workflow.planning.selection import Choice
from workflow.planning.state import Waiting
from workflow.run.store.store import Store

THRESHOLD = Threshold(rho_kcal_mol=0.25, force_sigma_kcal_mol_angstrom=2.0)
MOLECULES = ("a", "b", "c")
NEWEST = 3
# Few values, so that many are equal, and some exactly at the threshold.
judgements = st.none() | st.tuples(
    st.sampled_from([0.0, 0.1, 0.25, 0.26, 0.5, 1.0]),
    st.sampled_from([0.0, 1.0, 2.0, 2.5, 4.0]),
    st.integers(1, NEWEST),
)
candidates = st.lists(
    st.tuples(
        st.sampled_from(MOLECULES),
        st.sampled_from(["initial", "held_out", "active", "random"]),
        judgements,
        st.booleans(),
    ),
    max_size=30,
)
few = st.integers(0, 12)


def candidate(i: int, molecule: str, purpose: str, judged: tuple | None) -> Candidate:
    rho, force, version = judged or (None, None, None)
    return Candidate(
        structure=Structure(
            atomic_numbers=np.ones(3, dtype=int),
            positions=np.diag([1.0, 2.0, 3.0 + 0.01 * i]),
            molecule_id=molecule,
        ),
        purpose=purpose,
        rho_kcal_mol=rho,
        force_sigma_kcal_mol_angstrom=force,
        energy_ev=None if judged is None else -1.0,
        judged_by=version,
        reason="made up",
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Iterator[Store]:
    """One store for all examples: to make one takes longer than all that is asked of it."""
    with Store.create(tmp_path_factory.mktemp("waiting") / "store.sqlite", "{}") as made:
        made.molecules.add(
            (Molecule(molecule_id=m, name=m, mol_block=None, charge=0, multiplicity=1), False)
            for m in MOLECULES
        )
        yield made


def both(store: Store, drawn: list[tuple]) -> tuple[Waiting, Waiting]:
    """Waiting candidates as a store has them and as a list; those that are chosen do not wait."""
    rows = [(candidate(i, *row[:3]), row[3]) for i, row in enumerate(drawn)]
    taken = [
        Choice(structure_id=c.structure.structure_id, purpose=c.purpose, reason="")
        for c, is_chosen in rows
        if is_chosen
    ]
    with store.together():
        with store.database.write() as db:
            db.execute("DELETE FROM candidates")
            db.execute("DELETE FROM structures")
        for rung in (0, 1):
            # Another rung has the same candidates and is not asked.
            store.candidates.commit_sample(
                f"s-{rung}",
                rung,
                [c for c, _ in rows],
                are_starts=False,
                threshold=THRESHOLD,
                detail=SAMPLED,
                cost=COST,
            )
        store.candidates.choose(0, taken, NEWEST)
    waiting = [c for c, is_chosen in rows if not is_chosen]
    return store.candidates.waiting(0), ListedWaiting(waiting, THRESHOLD)


def plain(found: list[Candidate]) -> list[tuple]:
    return [
        (
            c.structure.structure_id,
            c.structure.molecule_id,
            c.purpose,
            c.rho_kcal_mol,
            c.force_sigma_kcal_mol_angstrom,
            c.energy_ev,
            c.judged_by,
            c.reason,
        )
        for c in found
    ]


examples = settings(max_examples=40, deadline=None)


@examples
@given(candidates)
def test_all_that_was_sampled_of_a_molecule_for_a_purpose_is_offered(store, drawn):
    stored, listed = both(store, drawn)
    for molecule in MOLECULES:
        for purpose in ("initial", "held_out", "active", "random"):
            offered = plain(stored.offers(purpose, molecule))
            assert offered == plain(listed.offers(purpose, molecule))
            assert [row[1:3] for row in offered] == [(molecule, purpose)] * len(offered)


@examples
@given(candidates, few, few, st.dictionaries(st.sampled_from(MOLECULES), st.integers(0, 4)))
def test_the_uncertain_ones_are_the_same(store, drawn, n, most, already):
    asked = {"most_of_a_molecule": most, "already": already}
    stored, listed = both(store, drawn)
    assert plain(stored.uncertain(n, **asked)) == plain(listed.uncertain(n, **asked))
    assert stored.count_over() == listed.count_over()
    everything = stored.uncertain(len(drawn), most_of_a_molecule=len(drawn), already={})
    assert len(everything) == stored.count_over()


@examples
@given(candidates, few)
def test_the_same_ones_are_to_be_judged_in_the_same_order(store, drawn, n):
    stored, listed = both(store, drawn)
    assert plain(stored.to_judge(n, NEWEST)) == plain(listed.to_judge(n, NEWEST))
    assert stored.has_unjudged(NEWEST) == listed.has_unjudged(NEWEST)
    assert stored.has_unjudged(NEWEST) == bool(stored.to_judge(1, NEWEST))


@examples
@given(candidates, few, st.integers(0, 2**32 - 1))
def test_what_is_drawn_at_random_is_trainable_and_drawn_once(store, drawn, n, seed):
    n_trainable = sum(purpose != "held_out" and not chosen for _, purpose, _, chosen in drawn)
    pair = both(store, drawn)
    everything = [sorted(plain(w.drawn(len(drawn), seed=seed))) for w in pair]
    assert everything[0] == everything[1]
    for waiting in pair:
        found = plain(waiting.drawn(n, seed=seed))
        assert found == plain(waiting.drawn(n, seed=seed))
        assert len(set(found)) == len(found) == min(n, n_trainable)
        assert all(row[2] != "held_out" for row in found)


@pytest.mark.parametrize("which", [0, 1], ids=["stored", "listed"])
def test_every_candidate_is_drawn_now_and_then(store, which):
    drawn = [("a", "active", None, False)] * 12
    pair = both(store, drawn)
    waiting = pair[which]
    found = {waiting.drawn(1, seed=seed)[0].structure.structure_id for seed in range(400)}
    assert len(found) == 12
