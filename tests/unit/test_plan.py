"""The plan as a pure function: what it asks for in states that a driver rarely meets."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from error_examples import errors
from listed_waiting import ListedWaiting
from rung_states import EMPTY

from chemistry.records.structure import Origin, Structure
from workflow.planning.actions import (
    Choosing,
    Designing,
    Finishing,
    Growing,
    Judging,
    Labelling,
    Sampling,
    TrainingNow,
)
from workflow.planning.cost import RungCosts
from workflow.planning.keys import (
    DesignKey,
    GrowKey,
    JudgeKey,
    SampleTask,
    TrainKey,
    derive_seed,
    parse_key,
    sample_tasks,
)
from workflow.planning.plan import plan
from workflow.planning.records import Candidate, Sweep, Training
from workflow.planning.state import MoleculeState, RungState
from workflow.planning.stop_rules import failure_reason, stop_reason
from workflow.planning.thresholds import threshold_of
from workflow.settings.campaign import Campaign

LEVEL = "hf/sto-3g"


def campaign(*, rung=None, **changes) -> Campaign:
    fields = {"level": LEVEL, "initial_labels": 4, "labels_per_training": 6, **(rung or {})}
    return Campaign.model_validate(
        {
            "name": "x",
            "molecules": ["O"],
            "rungs": [fields],
            "held_out": {"structures": 2},
            "initial": [{"kind": "normal_modes"}, {"kind": "langevin"}],
            "explore": [{"kind": "normal_modes"}, {"kind": "langevin"}],
            **changes,
        }
    )


def structure(i: int, *, molecule="a", n_atoms=3, sampler="normal_modes") -> Structure:
    positions = np.arange(3.0 * n_atoms).reshape(n_atoms, 3) + 0.01 * i * np.eye(n_atoms, 3)
    return Structure(
        atomic_numbers=np.ones(n_atoms, dtype=int),
        positions=positions,
        molecule_id=molecule,
        origin=Origin(sampler=sampler),
    )


def waiting(n: int, *, rho=None, purpose="active", version=1, first=0, **where):
    return tuple(
        Candidate(
            structure=structure(first + i, **where),
            purpose=purpose,
            rho_kcal_mol=rho,
            judged_by=None if rho is None else version,
        )
        for i in range(n)
    )


def molecule(name: str, *, held_out=False, has_starts=True) -> MoleculeState:
    return MoleculeState(molecule_id=name, held_out=held_out, has_starts=has_starts)


def keys(the_campaign: Campaign, purpose: str, *molecules: str, **which) -> set[str]:
    return {
        task.key for m in molecules for task in sample_tasks(the_campaign, 0, purpose, m, **which)
    }


def trained(n_labels=4, versions=1, errors=None) -> tuple[Training, ...]:
    return tuple(
        Training(version=v, checkpoint="", n_labels=n_labels, errors=errors)
        for v in range(1, versions + 1)
    )


def after_first_training(the_campaign: Campaign, **changes) -> RungState:
    """One molecule, first sets labelled, committee 1 trained, nothing under way."""
    finished = (
        keys(the_campaign, "start", "a")
        | keys(the_campaign, "initial", "a")
        | keys(the_campaign, "held_out", "a")
        | {TrainKey(rung=0, version=1).key}
    )
    fields = {
        "molecules": (molecule("a"),),
        "chosen": Counter({("initial", "a"): 4, ("held_out", "a"): 2}),
        "n_training_labels": 4,
        "n_labels": 6,
        "trainings": trained(),
        **changes,
        "finished_tasks": frozenset(finished | changes.get("finished_tasks", set())),
    }
    return replace(EMPTY, **fields)


def sweep(number=0, *, judged=10, over=5, complete=True, version=1) -> Sweep:
    return Sweep(
        version=version, number=number, judged=judged, over_threshold=over, is_complete=complete
    )


def planned(state: RungState, the_campaign: Campaign, *, slots=2, cost=lambda s: float(len(s))):
    candidates: Any = tuple(state.waiting)
    state = replace(
        state,
        waiting=Counter((c.purpose, c.structure.molecule_id) for c in candidates),
        candidates=ListedWaiting(candidates, threshold_of(the_campaign.select, state.newest)),
    )
    actions, again = (
        plan(state, the_campaign, slots=slots, explore_slots=99, cost=cost) for _ in range(2)
    )
    assert [type(a) for a in actions] == [type(a) for a in again]
    submitted = [a.task.key for a in actions if isinstance(a, Sampling)]
    assert len(submitted) == len(set(submitted)), "a task was submitted twice"
    return actions


def of_kind(kind, actions):
    return [action for action in actions if isinstance(action, kind)]


def tasks(actions) -> set[str]:
    return {action.task.key for action in of_kind(Sampling, actions)}


# Labelling


def test_the_longest_labels_are_started_first_and_twice_as_many_as_slots():
    sizes = [3, 7, 5, 4, 9, 6, 8]
    to_label = tuple(structure(0, n_atoms=n) for n in sizes)
    state = after_first_training(campaign(), to_label=to_label)
    labels = of_kind(Labelling, planned(state, campaign(), slots=2))
    assert [len(action.structure) for action in labels] == [9, 8, 7, 6]


def test_labels_under_way_take_their_places_and_are_not_started_again():
    to_label = tuple(structure(0, n_atoms=n) for n in (3, 4, 5, 6, 7, 8))
    for n_flying in (0, 3, 4, 6):
        flying = frozenset(s.structure_id for s in to_label[:n_flying])
        state = after_first_training(campaign(), to_label=to_label, labels_in_flight=flying)
        labels = of_kind(Labelling, planned(state, campaign(), slots=2))
        assert len(labels) == max(0, 4 - n_flying)
        assert not flying & {action.structure.structure_id for action in labels}


def test_labels_in_the_larger_pool_take_no_places_of_the_others():
    to_label = tuple(structure(0, n_atoms=n) for n in (3, 4, 5, 6, 7, 8))
    flying = frozenset(s.structure_id for s in to_label[:3])
    state = after_first_training(
        campaign(), to_label=to_label, labels_in_flight=flying, n_large_in_flight=2
    )
    assert len(of_kind(Labelling, planned(state, campaign(), slots=2))) == 3


# First sets


def test_it_starts_with_conformers():
    the_campaign = campaign()
    assert tasks(planned(EMPTY, the_campaign)) == keys(the_campaign, "start", "a")


def test_a_molecule_without_conformers_does_not_hold_up_the_others():
    the_campaign = campaign()
    state = replace(EMPTY, molecules=(molecule("a", has_starts=False), molecule("b")))
    state = replace(
        state,
        tasks_in_flight=frozenset(keys(the_campaign, "start", "a")),
        finished_tasks=frozenset(keys(the_campaign, "start", "b")),
    )
    expected = keys(the_campaign, "initial", "b") | keys(the_campaign, "held_out", "b")
    assert tasks(planned(state, the_campaign)) == expected


def test_a_molecule_that_is_only_tested_on_is_never_trained_on_nor_explored():
    the_campaign = campaign()
    molecules = (molecule("a"), molecule("t", held_out=True))
    started = frozenset(keys(the_campaign, "start", "a", "t"))
    state = replace(EMPTY, molecules=molecules, finished_tasks=started)
    asked = tasks(planned(state, the_campaign))
    assert keys(the_campaign, "held_out", "t") <= asked
    assert not keys(the_campaign, "initial", "t") & asked
    state = after_first_training(
        the_campaign,
        molecules=molecules,
        finished_tasks=started,
        chosen=Counter({("initial", "a"): 4, ("held_out", "a"): 1, ("held_out", "t"): 1}),
    )
    asked = tasks(planned(state, the_campaign))
    assert asked == keys(the_campaign, "explore", "a", version=1)


def first_sets_chosen(the_campaign: Campaign, *molecules: str, offers=9) -> dict:
    """Choices for first sets of molecules whose samplers have offered enough."""
    finished = set()
    candidates = ()
    for i, name in enumerate(molecules):
        for purpose in ("start", "initial", "held_out"):
            finished |= keys(the_campaign, purpose, name)
        for k, purpose in enumerate(("initial", "held_out")):
            first = 1000 * i + 100 * k
            candidates += waiting(offers, purpose=purpose, molecule=name, first=first)
    state = replace(
        EMPTY,
        molecules=tuple(molecule(name) for name in molecules),
        finished_tasks=frozenset(finished),
        waiting=candidates,
    )
    by_id = {c.structure.structure_id: c for c in candidates}
    return Counter(
        (choice.purpose, by_id[choice.structure_id].structure.molecule_id)
        for action in of_kind(Choosing, planned(state, the_campaign))
        for choice in action.choices
    )


def test_first_sets_are_divided_evenly_over_the_molecules():
    the_campaign = campaign(rung={"initial_labels": 5}, held_out={"structures": 2})
    assert first_sets_chosen(the_campaign, "a", "b", "c") == {
        ("initial", "a"): 2,
        ("initial", "b"): 2,
        ("initial", "c"): 1,
        ("held_out", "a"): 1,
        ("held_out", "b"): 1,
    }


def test_fewer_first_labels_than_molecules_do_not_hold_up_the_training():
    the_campaign = campaign(rung={"initial_labels": 2})
    names = ("a", "b", "c")
    finished = {
        key for p in ("start", "initial", "held_out") for key in keys(the_campaign, p, *names)
    }
    chosen = {("initial", "a"): 1, ("initial", "b"): 1, ("held_out", "a"): 1, ("held_out", "b"): 1}
    state = replace(
        EMPTY,
        molecules=tuple(molecule(name) for name in names),
        finished_tasks=frozenset(finished),
        chosen=Counter(chosen),
        waiting=waiting(5, purpose="initial", molecule="c"),
        n_training_labels=2,
        n_labels=4,
    )
    assert TrainingNow(version=1) in planned(state, the_campaign)


def test_only_rounds_wait_for_the_last_labels_of_the_first_sets():
    for synchronous in (False, True):
        the_campaign = campaign(rung={"initial_labels": 10}, synchronous=synchronous)
        to_label = tuple(structure(i) for i in range(2))
        state = after_first_training(
            the_campaign,
            trainings=(),
            chosen=Counter({("initial", "a"): 10, ("held_out", "a"): 5}),
            n_training_labels=8,
            to_label=to_label,
            labels_in_flight=frozenset(s.structure_id for s in to_label),
        )

        def trains(state=state, the_campaign=the_campaign, **missing) -> bool:
            state = replace(state, first_to_label=Counter(missing))
            return TrainingNow(version=1) in planned(state, the_campaign)

        assert trains(initial=2, held_out=1) is not synchronous
        assert not trains(initial=3)
        assert not trains(held_out=2)
        assert trains()


def test_lots_fill_the_wait_for_the_first_training():
    the_campaign = campaign(select={"random_share": 0.5}, rung={"budget": {"labels": 20}})
    state = after_first_training(
        the_campaign,
        trainings=(),
        to_label=(structure(0), structure(1)),
        first_to_label=Counter({"initial": 2}),
        waiting=waiting(9, purpose="initial", first=20),
    )
    (choosing,) = of_kind(Choosing, planned(state, the_campaign))
    assert {choice.purpose for choice in choosing.choices} == {"random"}
    assert len(choosing.choices) == 2  # what the workers have room for
    in_rounds = campaign(select={"random_share": 0.5}, synchronous=True)
    assert not of_kind(Choosing, planned(state, in_rounds))


def test_a_first_set_that_is_not_full_is_sampled_again_a_few_times():
    the_campaign = campaign()
    started = keys(the_campaign, "start", "a") | keys(the_campaign, "held_out", "a")
    enough = waiting(5, purpose="held_out", first=50)
    finished = set(started)
    rounds = 0
    while True:
        state = replace(
            EMPTY,
            molecules=(molecule("a"),),
            finished_tasks=frozenset(finished),
            waiting=enough + waiting(3, purpose="initial"),
            chosen=Counter({("held_out", "a"): 2}),
        )
        actions = planned(state, the_campaign)
        if not tasks(actions):
            break
        assert tasks(actions) == keys(the_campaign, "initial", "a", sweep=rounds)
        finished |= tasks(actions)
        rounds += 1
    assert rounds > 1
    # What there is must do then.
    (choosing,) = of_kind(Choosing, actions)
    assert len(choosing.choices) == 3


def test_a_first_set_is_not_chosen_amid_a_round_of_its_samplers():
    the_campaign = campaign(synchronous=True)
    fast, slow = sorted(keys(the_campaign, "initial", "a"))
    state = replace(
        EMPTY,
        molecules=(molecule("a"),),
        finished_tasks=frozenset(
            keys(the_campaign, "start", "a") | keys(the_campaign, "held_out", "a")
        ),
        chosen=Counter({("held_out", "a"): 2}),
        waiting=waiting(2, purpose="initial"),
    )
    again = keys(the_campaign, "initial", "a", sweep=1)
    half = replace(
        state,
        finished_tasks=state.finished_tasks | {fast, slow, min(again)},
        waiting=waiting(9, purpose="initial"),
    )
    actions = planned(half, the_campaign)
    assert tasks(actions) == {max(again)}
    assert not of_kind(Choosing, actions)
    whole = replace(half, finished_tasks=half.finished_tasks | again)
    (choosing,) = planned(whole, the_campaign)
    assert len(choosing.choices) == 4


# Stopping


def test_winding_down_waits_for_labels_trains_once_and_finishes():
    the_campaign = campaign(rung={"budget": {"labels": 8}})
    chosen = Counter({("initial", "a"): 4, ("held_out", "a"): 2, ("active", "a"): 4})
    last = structure(99)
    state = after_first_training(the_campaign, chosen=chosen, to_label=(last,), waiting=waiting(9))
    (labelling,) = planned(state, the_campaign)
    assert labelling.structure is last
    flying = frozenset({last.structure_id})
    assert planned(replace(state, labels_in_flight=flying), the_campaign) == []
    labelled = replace(state, to_label=(), n_training_labels=8)
    assert planned(labelled, the_campaign) == [TrainingNow(version=2)]
    training = replace(labelled, tasks_in_flight=frozenset({TrainKey(rung=0, version=2).key}))
    assert planned(training, the_campaign) == []
    done = replace(labelled, trainings=trained(versions=2, n_labels=8))
    assert planned(done, the_campaign) == [Finishing(reason="label budget spent (8)")]


@pytest.mark.parametrize(
    ("new", "label_seconds", "learns"),
    [(2, 0.1, False), (2, 30.0, True), (3, 0.1, True)],
)
def test_a_few_cheap_labels_that_come_after_the_bound_is_met_are_not_learned(
    new, label_seconds, learns
):
    the_campaign = campaign(rung={"stop": {"force_mae_kcal_mol_angstrom": 0.5}})
    state = after_first_training(
        the_campaign,
        trainings=trained(n_labels=40, errors=errors(force_mae_kcal_mol_angstrom=0.4)),
        n_training_labels=40 + new,
        costs=RungCosts(labels=10 * label_seconds, n_labels=10, training_a_label=0.5),
    )
    said = "held-out error reached (0.4 <= 0.5 kcal/mol/Å)"
    expected = TrainingNow(version=2) if learns else Finishing(reason=said)
    assert planned(state, the_campaign) == [expected]


def test_no_training_is_added_to_those_that_were_asked_for():
    the_campaign = campaign(rung={"stop": {"trainings": 1}})
    state = after_first_training(the_campaign, n_training_labels=7)
    assert planned(state, the_campaign) == [Finishing(reason="1 trainings done")]


@pytest.mark.parametrize(
    "rung",
    [{"budget": {"labels": 4}}, {"budget": {"cpu_hours": 1}}, {"stop": {"uncertain_share": None}}],
)
def test_a_budget_never_keeps_the_held_out_set_from_being_labelled(rung):
    the_campaign = campaign(rung=rung)
    state = replace(
        EMPTY,
        molecules=(molecule("a"),),
        finished_tasks=frozenset(
            keys(the_campaign, "start", "a") | keys(the_campaign, "initial", "a")
        ),
        chosen=Counter({("initial", "a"): 4}),
        n_training_labels=4,
        n_labels=4,
        label_cpu_hours=2.0,
    )
    assert tasks(planned(state, the_campaign)) == keys(the_campaign, "held_out", "a")
    offered = replace(
        state,
        finished_tasks=state.finished_tasks | keys(the_campaign, "held_out", "a"),
        waiting=waiting(5, purpose="held_out"),
    )
    (choosing,) = planned(offered, the_campaign)
    assert {choice.purpose for choice in choosing.choices} == {"held_out"}


def test_stop_rules_say_which_of_them_was_met():
    found = errors(energy_mae_kcal_mol=0.9, force_mae_kcal_mol_angstrom=1.9)
    state = replace(EMPTY, trainings=trained(errors=found), label_cpu_hours=1.0)

    def reason(state: RungState, *, budget=None, **stop):
        rules = {"uncertain_share": None, **stop}
        return stop_reason(state, campaign(rung={"stop": rules, "budget": budget or {}}).rungs[0])

    assert reason(state) is None
    assert reason(state, budget={"cpu_hours": 1}) == "CPU budget spent (1 h)"
    assert reason(state, budget={"cpu_hours": 1.1}) is None
    assert "0.9 <= 1 kcal/mol)" in reason(state, energy_mae_kcal_mol=1.0)
    assert reason(state, energy_mae_kcal_mol=0.8) is None
    assert "1.9 <= 2 kcal/mol/Å)" in reason(state, force_mae_kcal_mol_angstrom=2.0)
    above = errors(above_lowest_mae_kcal_mol=0.4)
    anchors = errors(by_kind={"anchor": replace(above, above_lowest_mae_kcal_mol=0.1)})
    state_of = {
        name: replace(state, trainings=trained(errors=e))
        for name, e in (("above", above), ("anchors", anchors))
    }
    assert "0.4 <= 0.5 kcal/mol above the lowest)" in reason(
        state_of["above"], above_lowest_mae_kcal_mol=0.5
    )
    assert reason(state_of["above"], above_lowest_mae_kcal_mol=0.3) is None
    assert reason(state_of["above"], anchor_above_lowest_mae_kcal_mol=0.5) is None
    assert "0.1 <= 0.2 kcal/mol above the lowest, of anchors)" in reason(
        state_of["anchors"], anchor_above_lowest_mae_kcal_mol=0.2
    )
    assert reason(state_of["anchors"], above_lowest_mae_kcal_mol=0.2) is None
    assert reason(state, trainings=1) == "1 trainings done"
    assert reason(state, trainings=2) is None


def test_an_error_that_cannot_be_computed_meets_no_bound():
    """Of a level without forces there is no force error; of a first set without a test set none."""
    found = errors(energy_mae_kcal_mol=0.9, force_mae_kcal_mol_angstrom=None)
    rung = campaign(rung={"stop": {"force_mae_kcal_mol_angstrom": 2.0}}).rungs[0]
    assert stop_reason(replace(EMPTY, trainings=trained(errors=found)), rung) is None
    assert stop_reason(replace(EMPTY, trainings=trained(errors=None)), rung) is None


@pytest.mark.parametrize(
    ("sweeps", "is_certain"),
    [
        ([], False),
        ([sweep(0, over=0)], False),
        ([sweep(0, over=0), sweep(1, over=1)], True),
        ([sweep(0, over=9), sweep(1, over=0), sweep(0, over=1, version=2)], True),
        ([sweep(0, over=0), sweep(1, over=2)], False),
        ([sweep(0, over=0), sweep(1, over=0, complete=False)], False),
        # Where nothing was judged nothing is certain.
        ([sweep(0, over=0), sweep(1, judged=0, over=0)], False),
    ],
)
def test_certainty_is_what_successive_whole_sweeps_find(sweeps, is_certain):
    rung = campaign(rung={"stop": {"uncertain_share": 0.1, "sweeps": 2}}).rungs[0]
    found = stop_reason(replace(EMPTY, sweeps=tuple(sweeps)), rung)
    assert (found is not None) == is_certain


@pytest.mark.parametrize(
    ("labels", "failures", "gives_up"),
    [(0, 9, False), (0, 10, True), (10, 10, False), (9, 10, True), (100, 50, False)],
)
def test_it_gives_up_when_most_of_many_labels_fail(labels, failures, gives_up):
    budget = campaign().failures
    found = failure_reason(replace(EMPTY, n_labels=labels, n_failures=failures), budget)
    assert (found is not None) == gives_up
    assert found is None or f"{failures} of {labels + failures} labels failed" in found


def test_with_nothing_left_to_find_it_ends():
    the_campaign = campaign(rung={"stop": {"uncertain_share": None}})
    state = after_first_training(
        the_campaign,
        sweeps=tuple(sweep(k, over=0) for k in range(4)),
        finished_tasks={
            key for k in range(4) for key in keys(the_campaign, "explore", "a", version=1, sweep=k)
        },
    )
    (finishing,) = planned(state, the_campaign)
    assert "finds nothing more" in finishing.reason


# Exploring


def test_another_sweep_follows_only_where_the_last_one_found_nothing():
    the_campaign = campaign(rung={"stop": {"uncertain_share": None}}, select={"random_share": 0})
    swept = keys(the_campaign, "explore", "a", version=1)
    state = after_first_training(the_campaign, sweeps=(sweep(over=0),), finished_tasks=swept)
    expected = keys(the_campaign, "explore", "a", version=1, sweep=1)
    assert tasks(planned(state, the_campaign)) == expected
    found = replace(state, waiting=waiting(3, rho=0.5))
    (choosing,) = planned(found, the_campaign)
    assert len(choosing.choices) == 3


def test_it_never_trains_for_want_of_something_else_to_do():
    """With new labels, too few to train on, and nothing over the threshold left."""
    the_campaign = campaign(rung={"stop": {"uncertain_share": None}}, select={"random_share": 0})
    swept = keys(the_campaign, "explore", "a", version=1)
    state = after_first_training(
        the_campaign, n_training_labels=6, sweeps=(sweep(over=2),), finished_tasks=swept
    )
    farther = keys(the_campaign, "explore", "a", version=1, sweep=1)
    assert tasks(planned(state, the_campaign)) == farther
    # Half of the threshold (0.23 kcal/mol) is enough where nothing is over it.
    best = waiting(3, rho=0.12)
    next_best = replace(state, waiting=best + waiting(3, rho=0.11, first=50))
    (choosing,) = of_kind(Choosing, planned(next_best, the_campaign))
    assert {c.structure_id for c in choosing.choices} == {c.structure.structure_id for c in best}
    in_rounds = campaign(
        synchronous=True, rung={"stop": {"uncertain_share": None}}, select={"random_share": 0}
    )
    rounds = replace(next_best, n_training_labels=4)
    assert tasks(planned(rounds, in_rounds)) == farther


@pytest.mark.parametrize(
    ("costs", "over", "explores"),
    [
        # Finding a structure may take as long as learning it …
        ({"finding": {0: 1.9, 1: 2.1}, "training_a_label": 2.0}, 3, {0}),
        ({"finding": {0: 1.9, 1: 0.1}, "training_a_label": 2.0}, 3, {0, 1}),
        ({"finding": {0: 9.0, 1: 2.1}, "training_a_label": 2.0}, 3, set()),
        # … or a part of its label.
        ({"finding": {0: 9.0, 1: 7.0}, "labels": 600.0, "n_labels": 6}, 1, {1}),
        ({}, 9, set()),
        ({"finding": {0: 1.0}, "training_a_label": 2.0}, 0, set()),
    ],
)
def test_samplers_explore_farther_while_what_they_find_costs_less_than_it_is_worth(
    costs, over, explores
):
    the_campaign = campaign(rung={"stop": {"uncertain_share": None}}, select={"random_share": 0})
    state = after_first_training(
        the_campaign,
        n_training_labels=6,
        costs=RungCosts(**costs),
        waiting=waiting(3, rho=0.12),
        sweeps=(sweep(over=over),),
        finished_tasks=keys(the_campaign, "explore", "a", version=1),
    )
    actions = planned(state, the_campaign)
    assert {action.task.sampler for action in of_kind(Sampling, actions)} == explores
    assert bool(of_kind(Choosing, actions)) is not bool(explores)


@pytest.mark.parametrize(
    ("training_a_label", "done", "explores"),
    [(2.0, 12, False), (10.0, 12, True), (10.0, 20, False), (1e3, 99, True)],
)
def test_one_committee_explores_while_that_costs_less_than_another_training(
    training_a_label, done, explores
):
    the_campaign = campaign(rung={"stop": {"uncertain_share": None}}, select={"random_share": 0})
    state = after_first_training(
        the_campaign,
        costs=RungCosts(
            finding={0: 1.0, 1: 1.0},
            training_a_label=training_a_label,
            sweep=2.0,
            exploring=2.0 * done,
        ),
        sweeps=tuple(sweep(number) for number in range(done)),
        finished_tasks={
            key
            for number in range(done)
            for key in keys(the_campaign, "explore", "a", version=1, sweep=number)
        },
    )
    assert bool(of_kind(Sampling, planned(state, the_campaign))) is explores


def test_a_sweep_that_may_show_that_the_rung_is_done_comes_before_the_next_best():
    the_campaign = campaign(
        rung={"stop": {"uncertain_share": 0.1, "sweeps": 2}}, select={"random_share": 0}
    )
    state = after_first_training(
        the_campaign,
        waiting=waiting(3, rho=0.12),
        sweeps=(sweep(over=1),),
        finished_tasks=keys(the_campaign, "explore", "a", version=1),
    )
    again = keys(the_campaign, "explore", "a", version=1, sweep=1)
    assert tasks(planned(state, the_campaign)) == again


def test_samplers_that_repeat_themselves_have_a_part_in_the_first_sweep_alone():
    the_campaign = campaign(explore=[{"kind": "normal_modes"}, {"kind": "anchor_conformers"}])
    parts = [
        {task.sampler for task in sample_tasks(the_campaign, 0, "explore", "a", sweep=number)}
        for number in (0, 1, 2)
    ]
    assert parts == [{0, 1}, {0}, {0}]


def climbing(**changes) -> tuple[Campaign, RungState]:
    """The second of two rungs after its first training; its committee has judged what waits."""
    below = {"level": "gfn2-xtb"}
    above = {
        "level": LEVEL,
        "initial_labels": 4,
        "labels_per_training": 6,
        "stop": {"uncertain_share": 0.1, "sweeps": 2},
    }
    the_campaign = campaign(rungs=[below, above], select={"random_share": 0})
    fields = {
        "index": 1,
        "has_inherited": True,
        "finished_tasks": frozenset({JudgeKey(rung=1, version=1).key}),
        **changes,
    }
    return the_campaign, replace(after_first_training(the_campaign), **fields)


def swept(the_campaign: Campaign, sweep: int) -> set[str]:
    return {t.key for t in sample_tasks(the_campaign, 1, "explore", "a", version=1, sweep=sweep)}


def test_a_rung_that_climbs_labels_what_was_labelled_below_before_it_explores():
    the_campaign, state = climbing(waiting=waiting(3, rho=0.5))
    actions = planned(state, the_campaign)
    assert not tasks(actions)
    (choosing,) = of_kind(Choosing, actions)
    assert len(choosing.choices) == 3


@pytest.mark.parametrize("left", [0, 3])
def test_a_rung_that_climbs_explores_where_it_is_certain_of_all_that_waits(left):
    the_campaign, state = climbing(waiting=waiting(left, rho=0.1))
    actions = planned(state, the_campaign)
    assert tasks(actions) == swept(the_campaign, 0)
    assert not of_kind(Choosing, actions)
    found = replace(
        state,
        sweeps=(sweep(over=2),),
        waiting=waiting(left, rho=0.1) + waiting(2, rho=0.5, first=50),
        finished_tasks=state.finished_tasks | swept(the_campaign, 0),
    )
    (choosing,) = planned(found, the_campaign)
    assert len(choosing.choices) == 2


ENERGIES_ALONE = "ccsd(t)/cc-pvdz"


def beginning_to_climb(level: str, **changes) -> tuple[Campaign, RungState]:
    """The second of two rungs with what it has inherited, nothing of it chosen."""
    above = {"level": level, "initial_labels": 4, "held_out_structures": 2}
    the_campaign = campaign(rungs=[{"level": "gfn2-xtb"}, above])
    offers = waiting(9, purpose="initial") + waiting(2, purpose="held_out", first=20)
    fields = {
        "index": 1,
        "has_inherited": True,
        "below": 3,
        "molecules": (molecule("a"),),
        "waiting": offers,
        **changes,
    }
    return the_campaign, replace(EMPTY, **fields)


def purposes(actions) -> Counter[str]:
    return Counter(choice.purpose for c in of_kind(Choosing, actions) for choice in c.choices)


def test_the_committee_below_chooses_the_first_set_where_labels_are_energies_alone():
    the_campaign, state = beginning_to_climb(ENERGIES_ALONE)
    actions = planned(state, the_campaign)
    assert of_kind(Designing, actions) == [Designing(version=3, quotas={"a": 4})]
    assert purposes(actions) == {"held_out": 2}
    asked = replace(state, tasks_in_flight=frozenset({DesignKey(rung=1).key}))
    actions = planned(asked, the_campaign)
    assert not of_kind(Designing, actions)
    assert purposes(actions) == {"held_out": 2}


@pytest.mark.parametrize(
    ("level", "changes"),
    [
        (LEVEL, {}),
        (ENERGIES_ALONE, {"below": None}),
        (ENERGIES_ALONE, {"finished_tasks": frozenset({DesignKey(rung=1).key})}),
        (ENERGIES_ALONE, {"waiting": waiting(4, purpose="initial")}),
    ],
    ids=["forces", "no committee below", "it had no answer", "all are wanted"],
)
def test_without_a_design_the_first_set_is_chosen_at_once(level, changes):
    the_campaign, state = beginning_to_climb(level, **changes)
    actions = planned(state, the_campaign)
    assert not of_kind(Designing, actions)
    assert purposes(actions)["initial"] == 4


def test_a_rung_that_climbs_does_not_explore_before_all_that_waits_is_judged():
    the_campaign, state = climbing(
        finished_tasks=frozenset(), waiting=waiting(3, rho=0.1, version=0)
    )
    assert [type(action) for action in planned(state, the_campaign)] == [Judging]
    in_flight = replace(state, tasks_in_flight=frozenset({JudgeKey(rung=1, version=1).key}))
    assert planned(in_flight, the_campaign) == []


def test_a_rung_that_climbs_is_certain_when_its_own_sweeps_are():
    judged = replace(sweep(over=0), of_waiting=True)
    the_campaign, state = climbing(sweeps=(judged, replace(judged, version=2)))
    assert stop_reason(state, the_campaign.rungs[1]) is None
    certain = replace(state, sweeps=(judged, sweep(0, over=0), sweep(1, over=1)))
    assert "2 times" in stop_reason(certain, the_campaign.rungs[1])


def test_what_waits_is_judged_anew_after_each_training_but_not_the_held_out():
    the_campaign = campaign()
    stale = after_first_training(the_campaign, waiting=waiting(3, rho=0.5, version=0))
    assert Judging(version=1) in planned(stale, the_campaign)
    fresh = replace(stale, waiting=waiting(3, rho=0.5) + waiting(2, purpose="held_out", first=9))
    assert not of_kind(Judging, planned(fresh, the_campaign))
    for key in ("tasks_in_flight", "finished_tasks"):
        asked = replace(stale, **{key: getattr(stale, key) | {JudgeKey(rung=0, version=1).key}})
        assert not of_kind(Judging, planned(asked, the_campaign))


def test_held_out_frames_that_were_not_chosen_are_never_trained_on():
    the_campaign = campaign(select={"random_share": 1})
    state = after_first_training(
        the_campaign, waiting=waiting(9, purpose="held_out", rho=9.0), sweeps=(sweep(),)
    )
    assert not of_kind(Choosing, planned(state, the_campaign))


def test_a_campaign_names_the_selector_that_picks():
    certain = waiting(6, rho=1e-6, first=3) + waiting(2, purpose="held_out", first=20)
    picked = {}
    for by in ("uncertain_per_cost", "random"):
        the_campaign = campaign(select={"by": by, "random_share": 0})
        state = after_first_training(the_campaign, waiting=certain, sweeps=(sweep(),))
        choosing = of_kind(Choosing, planned(state, the_campaign))
        picked[by] = [choice for action in choosing for choice in action.choices]
    assert picked["uncertain_per_cost"] == []
    assert len({choice.structure_id for choice in picked["random"]}) == 4
    assert {choice.purpose for choice in picked["random"]} == {"random"}
    before = replace(state, trainings=())
    assert not of_kind(Choosing, planned(before, the_campaign)), "there is no committee yet"


def rounds_after_first_training(**changes) -> tuple[Campaign, RungState]:
    the_campaign = campaign(synchronous=True, rung={"stop": {"uncertain_share": None}})
    swept = keys(the_campaign, "explore", "a", version=1)
    finished = swept | changes.pop("finished_tasks", set())
    return the_campaign, after_first_training(
        the_campaign, finished_tasks=finished, **{"sweeps": (sweep(),), **changes}
    )


def test_rounds_choose_all_at_once_when_a_sweep_is_over():
    the_campaign, state = rounds_after_first_training(waiting=waiting(20, rho=0.5))
    (choosing,) = planned(state, the_campaign)
    assert len(choosing.choices) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"sweeps": (sweep(complete=False),)},
        {"sweeps": (sweep(), sweep(1, complete=False))},
        {
            "tasks_in_flight": frozenset(
                {SampleTask(rung=0, purpose="explore", molecule_id="a").key}
            )
        },
        {"tasks_in_flight": frozenset({JudgeKey(rung=0, version=1).key})},
        {"tasks_in_flight": frozenset({TrainKey(rung=0, version=2).key})},
        {"to_label": (structure(77),)},
        {"n_training_labels": 5},
        # After a restart: the sweep is over, but the judgement of what waited before was lost.
        {"waiting": waiting(20, rho=0.5, version=0)},
    ],
)
def test_rounds_choose_nothing_before_everything_else_is_in(change):
    the_campaign, state = rounds_after_first_training(**{"waiting": waiting(20, rho=0.5), **change})
    assert not of_kind(Choosing, planned(state, the_campaign))


def test_rounds_do_not_let_measured_times_choose():
    the_campaign, state = rounds_after_first_training(
        waiting=waiting(9, rho=0.5) + waiting(9, rho=0.5, n_atoms=5, molecule="b", first=40),
        molecules=(molecule("a"), molecule("b")),
        chosen=Counter({(p, m): 2 for p in ("initial", "held_out") for m in "ab"}),
        finished_tasks=keys(campaign(), "start", "b") | keys(campaign(), "explore", "b", version=1),
    )
    choices = [
        planned(state, the_campaign, cost=lambda s, sign=sign: float(len(s)) ** sign)
        for sign in (-9, 9)
    ]
    assert choices[0] == choices[1]
    assert of_kind(Choosing, choices[0])


# Names and seeds


def test_keys_are_parsed_back():
    for task in sample_tasks(campaign(), 0, "explore", "0a1b", version=12, sweep=3):
        assert parse_key(task.key) == task


def test_seeds_differ_by_task_and_by_campaign():
    one, two = campaign(seed=1), campaign(seed=2)
    names = keys(one, "explore", "a", version=1) | keys(one, "explore", "a", version=1, sweep=1)
    seeds = {derive_seed(c, name) for c in (one, two) for name in names}
    assert len(seeds) == 2 * len(names)
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert derive_seed(one, "task") == derive_seed(campaign(seed=1), "task")


# Growing


def growing(**changes) -> Campaign:
    return campaign(
        grow={"pool": "pool.smi", "uncertain_share": 0.2},
        rung={"stop": {"uncertain_share": 0.2, "sweeps": 1}},
        **changes,
    )


@pytest.mark.parametrize(
    ("over", "judged", "grows"), [(2, 10, True), (3, 10, False), (0, 0, False)]
)
def test_new_molecules_are_looked_for_when_the_committee_is_certain_of_the_others(
    over, judged, grows
):
    the_campaign = growing()
    explored = keys(the_campaign, "explore", "a", version=1)
    state = after_first_training(
        the_campaign,
        may_grow=True,
        sweeps=(sweep(over=over, judged=judged),),
        finished_tasks=explored | {JudgeKey(rung=0, version=1).key},
        waiting=waiting(over, rho=1.0),
    )
    assert of_kind(Growing, planned(state, the_campaign)) == [Growing(version=1)] * grows


def test_growth_is_the_last_resort_before_a_rung_ends():
    the_campaign = growing()
    explored = {
        key for n in range(4) for key in keys(the_campaign, "explore", "a", version=1, sweep=n)
    }
    fields = {"may_grow": True, "sweeps": tuple(sweep(n, over=9) for n in range(4))}
    done = explored | {JudgeKey(rung=0, version=1).key}
    state = after_first_training(the_campaign, finished_tasks=done, **fields)
    assert planned(state, the_campaign) == [Growing(version=1)]
    tried = after_first_training(
        the_campaign,
        finished_tasks=done | {GrowKey(rung=0, version=1).key},
        **{**fields, "may_grow": False},
    )
    assert of_kind(Finishing, planned(tried, the_campaign))


def test_a_rung_does_not_end_as_certain_while_there_may_be_molecules_to_come():
    the_campaign = growing()
    certain = {"sweeps": (sweep(over=0),)}
    for may_grow in (True, False):
        state = after_first_training(the_campaign, may_grow=may_grow, **certain)
        assert (stop_reason(state, the_campaign.rungs[0]) is None) == may_grow


def test_grown_molecules_have_no_part_in_the_first_sets():
    the_campaign = growing()
    grown = MoleculeState(molecule_id="b", held_out=False, has_starts=True, has_grown=True)
    state = after_first_training(the_campaign, may_grow=True, molecules=(molecule("a"), grown))
    asked = tasks(planned(state, the_campaign))
    assert keys(the_campaign, "explore", "b", version=1) <= asked
    assert not [key for key in asked if "-initial-" in key or "-held_out-" in key]
    without = replace(grown, has_starts=False)
    state = after_first_training(the_campaign, may_grow=True, molecules=(molecule("a"), without))
    assert keys(the_campaign, "start", "b") <= tasks(planned(state, the_campaign))
