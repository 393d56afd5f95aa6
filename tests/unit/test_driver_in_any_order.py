"""The driver with workers that end tasks in any order, find little, fail, or know no forces."""

import random
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from error_examples import errors
from scripted_workers import ScriptedWorkers, sampled

from chemistry.errors import CampaignFailed
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import LabelFailure
from chemistry.records.level import find_level
from model.history import TrainingHistory
from workflow.campaign.driver import Driver
from workflow.run.opened import open_run
from workflow.run.store.store import Store, StoreReader
from workflow.settings.backend import Backend
from workflow.settings.campaign import Campaign
from workflow.work.orders import LabelOrder, SampleOrder, TrainOrder
from workflow.work.results import Broken, Sampled, Trained

LEVEL = find_level("hf/sto-3g")
NAMES = {"water": "O", "methane": "C"}


class UnhurriedWorkers(ScriptedWorkers):
    """End tasks in an order drawn at random, take times drawn at random, find nothing or much."""

    def __init__(self, run_folder: Path, lots: int, **options):
        super().__init__(run_folder, **options)
        self._lots = random.Random(lots)
        self._waiting: list[tuple[Future[None], object, object]] = []
        self._changed = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def submit(self, role, function, run_folder, orders, *limits, expected_seconds=0.0):
        future: Future[None] = Future()
        with self._changed:
            self.roles += [(role, key) for key in orders]
            self._waiting.append((future, orders))
            self._changed.notify()
        return future

    def _work(self) -> None:
        while True:
            with self._changed:
                # What the driver has to say first may change what ends first.
                self._changed.wait_for(lambda: self._waiting or self._is_over)
                self._changed.wait(0.001)
                if self._is_over:
                    return
                place = self._lots.randrange(len(self._waiting))
                future, orders = self._waiting.pop(place)
            for key, order in orders.items():
                self._spool.compute_once(key, lambda order=order: self._result(order))
            future.set_result(None)

    def _answer(self, order):
        if isinstance(order, SampleOrder):
            return self._sampled(order)
        answer = super()._answer(order)
        if isinstance(order, LabelOrder) and hasattr(answer, "provenance"):
            seconds = self._lots.expovariate(1.0)
            return replace(answer, provenance=replace(answer.provenance, cpu_seconds=seconds))
        return answer

    def _sampled(self, order):
        few, none_or_many = 1 + order.seed % 2, order.seed % 3 * 4
        found = sampled(order, few if order.threshold is None else none_or_many)
        if order.molecule.name == "water":
            return found
        # Scripted geometries are all alike: another number of electrons makes another cost.
        offers = [replace(o, structure=replace(o.structure, charge=-8)) for o in found.offers]
        return replace(found, offers=tuple(offers))


def campaign(**changes) -> Campaign:
    rung = {
        "level": "hf/sto-3g",
        "initial_labels": 12,
        "labels_per_training": 5,
        "budget": {"labels": 30},
        "stop": {"uncertain_share": None},
        **changes.pop("rung", {}),
    }
    return Campaign.model_validate(
        {
            "name": "scripted",
            "molecules": [{"smiles": s, "name": n} for n, s in NAMES.items()],
            "rungs": [rung],
            "held_out": {"structures": 4},
            # The scripted structures are all of water.
            "gates": {"topology": False, "second_share": 0},
            **changes,
        }
    )


class Listener:
    """An observer that remembers what was said, and may interrupt."""

    def __init__(self, interrupt_after=None):
        self.heard = []
        self._left = interrupt_after

    def saw(self, state, level):
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt

    def said(self, text):
        self.heard.append(text)


def run(the_campaign: Campaign, path: Path, workers, listener=None) -> Listener:
    folder = open_run(the_campaign, path)
    listener = listener or Listener()
    text = the_campaign.model_dump_json()
    new = not folder.store.exists()
    with Store.create(folder.store, text) if new else Store.open(folder.store) as store:
        store.molecules.add([(molecule_from_smiles(s, name=n), False) for n, s in NAMES.items()])
        Driver(store, the_campaign, Backend(), folder, workers, listener).run()
    return listener


def labelled(path: Path) -> dict[str, str]:
    with StoreReader.open(path / "store.sqlite") as store:
        return {row.structure.structure_id: row.purpose for row in store.labels.export_rows()}


def test_rounds_choose_the_same_whatever_ends_first_and_however_long_it_takes(tmp_path):
    the_campaign = campaign(synchronous=True)
    found = []
    for lots in range(3):
        with UnhurriedWorkers(tmp_path / str(lots), lots) as workers:
            run(the_campaign, tmp_path / str(lots), workers)
        found.append(labelled(tmp_path / str(lots)))
    assert len(found[0]) == 34
    assert found[0] == found[1] == found[2]


def test_rounds_choose_the_same_after_interrupts(tmp_path):
    the_campaign = campaign(synchronous=True)
    with UnhurriedWorkers(tmp_path / "whole", 1) as workers:
        run(the_campaign, tmp_path / "whole", workers)
    for lots in range(40):
        with UnhurriedWorkers(tmp_path / "cut", lots) as workers:
            try:
                run(the_campaign, tmp_path / "cut", workers, Listener(interrupt_after=9))
            except KeyboardInterrupt:
                continue
        break
    assert lots > 2
    assert labelled(tmp_path / "cut") == labelled(tmp_path / "whole")


def test_streams_spend_their_budget_whatever_ends_first(tmp_path):
    with UnhurriedWorkers(tmp_path / "run", 1) as workers:
        run(campaign(), tmp_path / "run", workers)
    assert len(labelled(tmp_path / "run")) == 34
    assert len(workers.labelled) == len(set(workers.labelled)) == 34


class Answering(ScriptedWorkers):
    """Workers whose answers a test changes: `change(order)` or the usual ones."""

    def __init__(self, run_folder, change, **options):
        super().__init__(run_folder, **options)
        self._change = change

    def _answer(self, order):
        changed = self._change(order)
        return super()._answer(order) if changed is None else changed


def test_a_molecule_without_conformers_is_left_out_by_name(tmp_path):
    def no_water(order):
        if isinstance(order, SampleOrder) and order.molecule.name == "water":
            return Sampled(offers=(), judged=0, over_threshold=0, rejected={})
        return None

    listener = run(campaign(), tmp_path, Answering(tmp_path, no_water))
    assert "no conformer of molecule water was found: it is left out" in listener.heard
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        assert {row.molecule_name for row in store.labels.export_rows()} == {"methane"}


def test_a_campaign_that_cannot_begin_has_failed(tmp_path):
    def nothing(order):
        if isinstance(order, SampleOrder):
            return Sampled(offers=(), judged=0, over_threshold=0, rejected={})
        return None

    with pytest.raises(CampaignFailed, match="no label could be made: nothing could be trained"):
        run(campaign(), tmp_path, Answering(tmp_path, nothing))
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        assert store.diary.fact("finished") is None


def test_a_few_labels_that_all_fail_are_a_failed_campaign_too(tmp_path):
    the_campaign = campaign(rung={"initial_labels": 4, "budget": {"labels": 4}})
    with pytest.raises(CampaignFailed, match="nothing could be trained"):
        run(the_campaign, tmp_path, ScriptedWorkers(tmp_path, failing=lambda _: True))


def test_a_level_without_forces_has_no_force_error(tmp_path):
    def energies_alone(order):
        if isinstance(order, TrainOrder):
            found = errors(energy_mae_kcal_mol=1.0, force_mae_kcal_mol_angstrom=None)
            return Trained(n_labels=12, errors=found, history=TrainingHistory())
        return None

    the_campaign = campaign(rung={"stop": {"force_mae_kcal_mol_angstrom": 9.0, "trainings": 1}})
    listener = run(the_campaign, tmp_path, Answering(tmp_path, energies_alone))
    assert "training 1 on 12 labels: held-out energy MAE 1.00 kcal/mol" in listener.heard


def test_a_training_that_fails_ends_the_launch_and_is_tried_again_by_the_next(tmp_path):
    def no_training(order):
        if isinstance(order, TrainOrder):
            return Broken(kind="resource", message="out of memory")
        return None

    with pytest.raises(CampaignFailed, match="the training failed: out of memory"):
        run(campaign(), tmp_path, Answering(tmp_path, no_training))
    first = labelled(tmp_path)
    workers = ScriptedWorkers(tmp_path)
    run(campaign(), tmp_path, workers)
    assert not set(workers.labelled) & set(first)


def test_members_of_a_committee_that_cannot_be_put_together_are_trained_again(tmp_path):
    def never_whole(order):
        if isinstance(order, TrainOrder) and order.parts:
            return Broken(kind="input", message="they have not learned the same")
        return None

    with pytest.raises(CampaignFailed, match="the training failed: they have not learned the same"):
        run(campaign(), tmp_path, Answering(tmp_path, never_whole))
    assert not [path.name for path in (tmp_path / "models").iterdir()]
    workers = ScriptedWorkers(tmp_path)
    run(campaign(), tmp_path, workers)
    trainings = [key for role, key in workers.roles if role == "train"]
    assert trainings[:3] == ["train-0-1-1-4", "train-0-1-5-8", "train-0-1"]


def test_a_run_that_is_extended_is_not_finished_until_it_is_again(tmp_path):
    run(campaign(), tmp_path, ScriptedWorkers(tmp_path))
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        assert store.diary.fact("finished") == "label budget spent (30)"
    longer = campaign(rung={"budget": {"labels": 40}})
    with pytest.raises(KeyboardInterrupt):
        run(longer, tmp_path, ScriptedWorkers(tmp_path), Listener(interrupt_after=5))
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        assert store.diary.fact("finished") is None
    run(longer, tmp_path, ScriptedWorkers(tmp_path))
    assert len(labelled(tmp_path)) == 44


@pytest.mark.parametrize("kind", ["label", "sample", "train"])
def test_a_task_that_was_cut_off_with_its_workers_is_done_again_at_once(tmp_path, kind):
    """Ending the workers may kill the child of one first, which then reports a lost child."""
    cut_off = []

    def stop_at_the_first(order):
        name = {LabelOrder: "label", SampleOrder: "sample", TrainOrder: "train"}.get(type(order))
        if cut_off or name != kind:
            return None
        cut_off.append(order)
        if isinstance(order, LabelOrder):
            return LabelFailure(
                structure_id=order.structure.structure_id,
                level_id=order.level.level_id,
                kind="infrastructure",
                message="killed",
            )
        return Broken(kind="infrastructure", message="killed")

    class Interrupted(Answering):
        def submit(self, *arguments, **options):
            future = super().submit(*arguments, **options)
            if cut_off:
                raise KeyboardInterrupt
            return future

    with pytest.raises(KeyboardInterrupt):
        run(campaign(), tmp_path, Interrupted(tmp_path, stop_at_the_first))
    listener = run(campaign(), tmp_path, ScriptedWorkers(tmp_path))
    assert not [said for said in listener.heard if "killed" in said]
    assert len(labelled(tmp_path)) == 34
    with StoreReader.open(tmp_path / "store.sqlite") as store:
        assert store.unusable.failures() == []
