"""The driver, plan and store on scripted answers: what is computed, how often, and when it ends."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from scripted_workers import Listener, ScriptedWorkers, designed, training_ids

from chemistry.errors import CampaignFailed
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.level import find_level
from workflow.campaign.driver import Driver
from workflow.campaign.idle import IdleTime
from workflow.run.opened import open_run
from workflow.run.state import read_rung_state
from workflow.run.store.store import Store, StoreReader
from workflow.settings.backend import Backend
from workflow.settings.campaign import Campaign
from workflow.work.orders import DesignOrder, Order, SavedCommittee, TrainOrder
from workflow.work.results import Broken

LEVEL = find_level("hf/sto-3g")


def campaign(**changes) -> Campaign:
    rung = {
        "level": "hf/sto-3g",
        "initial_labels": 6,
        "labels_per_training": 5,
        "budget": {"labels": 20},
        "stop": {"uncertain_share": None},
    }
    rung.update(changes.pop("rung", {}))
    fields = {
        "name": "scripted",
        "molecules": ["O"],
        "rungs": changes.pop("rungs", [rung]),
        "held_out": {"structures": 4},
        "gates": {"second_share": 0},
        **changes,
    }
    return Campaign.model_validate(fields)


def run(
    the_campaign: Campaign, path: Path, kind=ScriptedWorkers, **worker_options
) -> tuple[Any, Listener]:
    folder = open_run(the_campaign, path)
    observer = Listener()
    workers = kind(path, **worker_options)
    text = the_campaign.model_dump_json()
    new = not folder.store.exists()
    with Store.create(folder.store, text) if new else Store.open(folder.store) as store:
        store.molecules.add([(molecule_from_smiles("O", name="water"), False)])
        Driver(store, the_campaign, Backend(), folder, workers, observer).run()
    return workers, observer


def final_state(the_campaign: Campaign, path: Path):
    with StoreReader.open(path / "store.sqlite") as store:
        return read_rung_state(store, the_campaign, 0, LEVEL)


@pytest.mark.parametrize("synchronous", [False, True])
def test_spends_exactly_its_budget_and_trains_on_all_of_it(tmp_path, synchronous):
    the_campaign = campaign(synchronous=synchronous)
    workers, _ = run(the_campaign, tmp_path / "run")
    state = final_state(the_campaign, tmp_path / "run")
    assert state.n_training_labels == 20
    assert state.n_labels == 24
    assert len(workers.labelled) == len(set(workers.labelled)) == 24
    assert state.newest.n_labels == 20
    assert len(state.trainings) >= 3


def test_first_training_sees_the_whole_first_set_and_later_ones_what_is_new(tmp_path):
    the_campaign = campaign(synchronous=True)
    run(the_campaign, tmp_path / "run")
    sizes = [t.n_labels for t in final_state(the_campaign, tmp_path / "run").trainings]
    assert sizes == [6, 11, 16, 20]


def test_stops_when_exploration_is_certain(tmp_path):
    the_campaign = campaign(rung={"stop": {"uncertain_share": 0.6, "sweeps": 2}})
    run(the_campaign, tmp_path / "run")
    with Store.open(tmp_path / "run" / "store.sqlite") as store:
        assert "of the explored structures over the threshold" in store.diary.fact("finished")
    assert final_state(the_campaign, tmp_path / "run").n_training_labels < 20


def test_stops_at_the_held_out_error(tmp_path):
    the_campaign = campaign(rung={"stop": {"energy_mae_kcal_mol": 1.0, "uncertain_share": None}})
    run(the_campaign, tmp_path / "run")
    state = final_state(the_campaign, tmp_path / "run")
    assert state.newest.errors.energy_mae_kcal_mol <= 1.0
    assert state.n_training_labels < 20


def test_a_share_is_picked_at_random(tmp_path):
    the_campaign = campaign(select={"random_share": 0.5}, rung={"budget": {"labels": 40}})
    run(the_campaign, tmp_path / "run")
    chosen = Counter()
    for (purpose, _), n in final_state(the_campaign, tmp_path / "run").chosen.items():
        chosen[purpose] += n
    assert 0.4 <= chosen["random"] / (chosen["random"] + chosen["active"]) <= 0.6


def test_same_seed_chooses_the_same_structures_in_rounds(tmp_path):
    the_campaign = campaign(synchronous=True)
    labelled = [set(run(the_campaign, tmp_path / name)[0].labelled) for name in "ab"]
    assert labelled[0] == labelled[1]
    other = set(run(campaign(synchronous=True, seed=2), tmp_path / "c")[0].labelled)
    assert other != labelled[0]


@pytest.mark.parametrize("stop_after", [0, 3, 10, 17])
def test_goes_on_after_an_interrupt_without_computing_anything_twice(tmp_path, stop_after):
    the_campaign = campaign()
    path = tmp_path / "run"
    folder = open_run(the_campaign, path)
    first = ScriptedWorkers(path, stop_after=stop_after)
    with Store.create(folder.store, the_campaign.model_dump_json()) as store:
        store.molecules.add([(molecule_from_smiles("O", name="water"), False)])
        with pytest.raises(KeyboardInterrupt):
            Driver(store, the_campaign, Backend(), folder, first, Listener()).run()
    second, _ = run(the_campaign, path)
    labelled = first.labelled + second.labelled
    assert len(labelled) == len(set(labelled)) == 24
    tasks = Counter(key for _, key in first.roles + second.roles)
    # A task may be submitted twice, but the log shows that each was computed once.
    log = (path / "logs" / "tasks.log").read_text().split("\n")
    started = Counter(line.split()[1] for line in log if " started " in line)
    assert set(started) == set(tasks)
    assert set(started.values()) == {1}


def test_failed_labels_are_recorded_and_do_not_stop_the_rest(tmp_path):
    the_campaign = campaign()
    _, observer = run(the_campaign, tmp_path / "run", failing=lambda i: int(i, 16) % 5 == 0)
    state = final_state(the_campaign, tmp_path / "run")
    assert state.n_failures > 0
    assert state.n_labels + state.n_failures == 24
    assert any("scripted failure" in text for text in observer.heard)


def test_gives_up_when_most_labels_fail(tmp_path):
    with pytest.raises(
        CampaignFailed, match="labels failed or were refused, one of them: scripted failure"
    ):
        run(campaign(), tmp_path / "run", failing=lambda _: True)


def test_held_out_trajectories_are_never_trained_on(tmp_path):
    the_campaign = campaign()
    run(the_campaign, tmp_path / "run")
    with Store.open(tmp_path / "run" / "store.sqlite") as store:
        trained, held_out = (
            {
                row.structure.origin.block
                for row in store.labels.labelled(0, LEVEL.level_id, held_out=held)
            }
            for held in (False, True)
        )
    assert trained
    assert held_out
    assert not trained & held_out


def climbing_campaign(**upper) -> Campaign:
    lower = {
        "level": "gfn2-xtb",
        "initial_labels": 10,
        "labels_per_training": 10,
        "budget": {"labels": 30},
        "stop": {"uncertain_share": None},
    }
    upper = {
        "level": "hf/sto-3g",
        "initial_labels": 4,
        "labels_per_training": 3,
        "held_out_structures": 5,
        "budget": {"labels": 10},
        "stop": {"uncertain_share": None},
        **upper,
    }
    return campaign(rungs=[lower, upper], held_out={"structures": 8})


def test_climbs_on_structures_that_the_rung_below_has_labelled(tmp_path):
    the_campaign = climbing_campaign()
    path = tmp_path / "run"
    workers, _ = run(the_campaign, path)
    with Store.open(path / "store.sqlite") as store:
        sets = {
            (rung, held): {
                row.structure.structure_id
                for row in store.labels.labelled(rung, find_level(name).level_id, held_out=held)
            }
            for rung, name in enumerate(("gfn2-xtb", "hf/sto-3g"))
            for held in (False, True)
        }
    assert len(sets[0, False]) == 30
    assert len(sets[1, False]) == 10
    assert len(sets[1, True]) == 5
    assert sets[1, False] < sets[0, False]
    assert sets[1, True] < sets[0, True]
    starts = [order.start.name for order in workers.trainings if order.transfer == "full"]
    assert len(starts) >= 3
    assert set(starts) == {f"rung0-v{len(workers.trainings) - len(starts):03d}.safetensors"}


class Remembering(ScriptedWorkers):
    """Remembers the orders, too."""

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self.orders: dict[str, Order] = {}

    def submit(self, role, function, run_folder, orders, *limits, expected_seconds=0.0):
        [(key, order)] = orders.items()
        self.orders[key] = order
        return super().submit(role, function, run_folder, orders, *limits)


def test_the_committee_below_says_what_a_rung_of_energies_alone_begins_with(tmp_path):
    the_campaign = climbing_campaign(level="ccsd(t)/cc-pvdz")
    path = tmp_path / "run"
    workers, _ = run(the_campaign, path, Remembering)
    assert isinstance(workers, Remembering)
    order = workers.orders["design-1"]
    assert isinstance(order, DesignOrder)
    (molecule,) = order.molecules
    wanted = designed(order)
    assert molecule.n_known + molecule.n == 4
    assert order.committee.checkpoint.name.startswith("rung0-")
    with Store.open(path / "store.sqlite") as store:
        first = {
            key: row["reason"]
            for key in (*wanted.known, *wanted.informative)
            for row in store.candidates.history(key)
            if row["rung"] == 1
        }
        assert (
            store.candidates.tally(1)["labelled", "initial", molecule_from_smiles("O").molecule_id]
            == 4
        )
    assert len(first) == 4
    assert all("relative energies" in first[key] for key in wanted.known)
    assert all("says most" in first[key] for key in wanted.informative)


def test_where_the_design_fails_the_first_set_is_chosen_without(tmp_path):
    class Failing(ScriptedWorkers):
        def _answer(self, order):
            if isinstance(order, DesignOrder):
                return Broken(kind="infrastructure", message="scripted")
            return super()._answer(order)

    the_campaign = climbing_campaign(level="ccsd(t)/cc-pvdz")
    run(the_campaign, tmp_path / "run", Failing)
    with Store.open(tmp_path / "run" / "store.sqlite") as store:
        assert (
            store.candidates.tally(1)["labelled", "initial", molecule_from_smiles("O").molecule_id]
            == 4
        )
        assert any("design-1 could not be done" in text for _, _, text in store.diary.events())


def test_what_is_the_same_for_every_seed_is_trained_on_and_not_held_out(tmp_path):
    asked = campaign()
    workers, _ = run(asked, tmp_path / "run", Remembering)
    assert isinstance(workers, Remembering)
    starts = {
        (purpose, order.sampler.kind): len(order.starts)
        for key, order in workers.orders.items()
        for purpose in ("initial", "held_out")
        if f"-{purpose}-" in key
    }
    assert starts["initial", "anchor_conformers"] > 0
    assert starts.pop(("held_out", "anchor_conformers")) == 0
    assert set(starts) == {
        (purpose, sampler.kind)
        for purpose in ("initial", "held_out")
        for sampler in asked.initial
        if (purpose, sampler.kind) != ("held_out", "anchor_conformers")
    }
    assert all(starts.values())


def labelled_ids(path: Path, level: str, rung: int) -> set[str]:
    with Store.open(path / "store.sqlite") as store:
        rows = store.labels.labelled(rung, find_level(level).level_id, held_out=False)
        return {row.structure.structure_id for row in rows}


@pytest.mark.parametrize("synchronous", [False, True])
def test_a_rung_that_climbs_explores_when_what_was_labelled_below_is_used_up(tmp_path, synchronous):
    the_campaign = climbing_campaign(budget={"labels": 40}, labels_per_training=6)
    the_campaign = the_campaign.model_copy(update={"synchronous": synchronous})
    workers, _ = run(the_campaign, tmp_path / "run")
    below = labelled_ids(tmp_path / "run", "gfn2-xtb", 0)
    above = labelled_ids(tmp_path / "run", "hf/sto-3g", 1)
    assert len(above) == 40
    assert below < above
    explored = [key for role, key in workers.roles if key.startswith("sample-1-")]
    assert explored
    assert all(key.startswith("sample-1-explore-") for key in explored)
    with Store.open(tmp_path / "run" / "store.sqlite") as store:
        for structure_id in above - below:
            assert store.candidates.find(1, structure_id).purpose in ("active", "random")
            assert store.candidates.find(0, structure_id) is None


def test_climbing_ends_when_nothing_is_left_to_label(tmp_path):
    the_campaign = climbing_campaign(budget={"labels": 1000})

    def explores_above(order) -> bool:
        return isinstance(order.potential, SavedCommittee) and "rung1" in str(order.potential)

    run(the_campaign, tmp_path / "run", finds_nothing=explores_above)
    with Store.open(tmp_path / "run" / "store.sqlite") as store:
        assert "nothing more to label" in store.diary.fact("finished")
    assert len(labelled_ids(tmp_path / "run", "hf/sto-3g", 1)) == 30


@pytest.mark.parametrize("synchronous", [False, True])
def test_every_training_is_judged_by_the_whole_held_out_set(tmp_path, synchronous):
    the_campaign = campaign(synchronous=synchronous, held_out={"structures": 12})
    workers, _ = run(the_campaign, tmp_path / "run", held_out_after=6)
    assert workers.held_out_sizes == [12] * len(workers.trainings)


def test_all_trainings_deal_the_same_folds(tmp_path):
    workers, _ = run(climbing_campaign(), tmp_path / "run")
    assert len(workers.trainings) > 3
    assert len({order.seed for order in workers.trainings}) == 1


class HeldBackTrainings(ScriptedWorkers):
    """Ends the last training of the lower rung only when the upper one has so many labels."""

    def __init__(self, *arguments, labels_first: int, **options) -> None:
        super().__init__(*arguments, **options)
        self._labels_first = labels_first
        self._late: list[tuple[Mapping[str, Order], Future[None]]] = []
        self.above: list[str] = []

    def submit(self, role, function, run_folder, orders, *limits, expected_seconds=0.0):
        [(key, order)] = orders.items()
        ends_training = isinstance(order, TrainOrder) and order.members is None
        if ends_training and len(training_ids(order)) == 30:
            future: Future[None] = Future()
            self._late.append((orders, future))
            return future
        future = super().submit(role, function, run_folder, orders, *limits)
        if key.startswith("label-") and key.endswith(LEVEL.level_id):
            self.above.append(key)
        if self._late and len(self.above) >= self._labels_first:
            self.held_back = list(self.above)
            self._held_back.append(self._late.pop())
            self._carry_out_last()
        return future


def test_the_next_rung_begins_while_the_last_committee_of_a_spent_budget_is_trained(tmp_path):
    the_campaign = climbing_campaign()
    workers, _ = run(the_campaign, tmp_path / "run", kind=HeldBackTrainings, labels_first=9)
    assert isinstance(workers, HeldBackTrainings)
    # Its first sets, 4 and 5; more only when the committee is there.
    assert len(workers.held_back) == 9
    assert len(labelled_ids(tmp_path / "run", "hf/sto-3g", 1)) == 10
    starts = {order.start.name for order in workers.trainings if order.transfer == "full"}
    assert len(starts) == 1


def test_time_without_a_task_is_counted_by_what_is_waited_for():
    idle = IdleTime()
    idle.note(["train-0-1"], slots=4, seconds=2.0)
    idle.note(["train-0-1", "label-a-b", "label-c-b", "label-d-b"], slots=4, seconds=9.0)
    idle.note(["label-a-b"], slots=2, seconds=1.0)
    idle.note(["sample-0-explore-1-0-a-0", "label-a-b"], slots=3, seconds=1.0)
    idle.note([], slots=2, seconds=0.5)
    counted = {"training": 6.0, "last labels": 1.0, "exploring": 1.0, "the driver": 1.0}
    assert idle.take() == counted
    assert idle.take() == {}


def trainings(workers: ScriptedWorkers) -> list[str]:
    return [key for role, key in workers.roles if role == "train"]


def test_members_are_trained_in_groups_and_then_put_together(tmp_path):
    workers, _ = run(campaign(synchronous=True), tmp_path / "run")
    first = ["train-0-1-1-4", "train-0-1-5-8", "train-0-1"]
    assert trainings(workers)[:3] == first
    assert len(trainings(workers)) == 3 * len(workers.trainings)
    ends = workers.trainings[0]
    assert [path.name for path in ends.parts] == [
        "rung0-v001.1-4.safetensors",
        "rung0-v001.5-8.safetensors",
    ]
    with StoreReader.open(tmp_path / "run" / "store.sqlite") as store:
        assert {task.key for task in store.tasks.all("train")} >= set(first)
    assert not [p.name for p in (tmp_path / "run" / "models").iterdir()]


def test_a_graphics_processor_trains_all_members_at_once(tmp_path):
    the_campaign, path = campaign(), tmp_path / "run"
    folder, workers = open_run(the_campaign, path), ScriptedWorkers(path)
    backend = Backend.model_validate({"pools": {"main": {"kind": "local", "device": "cuda"}}})
    with Store.create(folder.store, the_campaign.model_dump_json()) as store:
        store.molecules.add([(molecule_from_smiles("O", name="water"), False)])
        Driver(store, the_campaign, backend, folder, workers, Listener()).run()
    assert trainings(workers)[:2] == ["train-0-1", "train-0-2"]


def test_members_that_are_trained_stay_trained_and_the_others_learn_the_same_data(tmp_path):
    class Interrupted(ScriptedWorkers):
        """The launch ends when the first members are trained; their result is in the spool."""

        def submit(self, role, function, run_folder, orders, *limits, expected_seconds=0.0):
            if "train-0-1-5-8" in orders:
                raise KeyboardInterrupt
            return super().submit(role, function, run_folder, orders, *limits)

    the_campaign, path = campaign(), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(the_campaign, path, Interrupted)
    [data] = (path / "models").glob("*.training-set.jsonl")
    begun_with = data.read_bytes()

    class Resumed(ScriptedWorkers):
        def _answer(self, order):
            if isinstance(order, TrainOrder) and order.training_set == data:
                seen.append(order.training_set.read_bytes())
            return super()._answer(order)

    seen: list[bytes] = []
    workers, _ = run(the_campaign, path, Resumed)
    assert trainings(workers)[:2] == ["train-0-1-5-8", "train-0-1"]
    assert seen[:2] == [begun_with] * 2
