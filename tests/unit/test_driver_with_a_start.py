"""A campaign that begins with a committee, on scripted answers: what it needs no labels for."""

import re
from pathlib import Path

import pytest
from scripted_workers import Listener, ScriptedWorkers, scripted_campaign

from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.level import find_level
from workflow.campaign.driver import Driver
from workflow.planning.keys import parse_key
from workflow.planning.records import Training
from workflow.planning.start import FACT, StartFacts
from workflow.report.screen import new_console, summary_screen
from workflow.report.summary import summarize
from workflow.run.folder import RunFolder, checkpoint_name
from workflow.run.opened import open_run
from workflow.run.state import read_rung_state
from workflow.run.store.store import Store, StoreReader
from workflow.settings.backend import Backend
from workflow.settings.campaign import Campaign
from workflow.work.orders import SampleOrder, SavedCommittee, TrainOrder

WATER = molecule_from_smiles("O", name="water")
OXYGEN_FLUORIDE = molecule_from_smiles("FOF", name="oxygen difluoride")
GOLD = {
    "level": "mp2/cc-pvtz",
    "initial_labels": 5,
    "labels_per_training": 4,
    "held_out_structures": 3,
    "budget": {"labels": 8},
    "stop": {"uncertain_share": None},
}


class WatchedWorkers(ScriptedWorkers):
    """Remembers the orders of samplers by key."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.samplings: dict[str, SampleOrder] = {}
        self.parts: dict[str, TrainOrder] = {}

    def submit(self, role, function, run_folder, orders, *rest, **options):
        [(key, order)] = orders.items()
        if isinstance(order, SampleOrder):
            self.samplings[key] = order
        if isinstance(order, TrainOrder) and order.members is not None:
            self.parts[key] = order
        return super().submit(role, function, run_folder, orders, *rest, **options)


def begun(the_campaign: Campaign, path: Path, molecules, known) -> WatchedWorkers:
    """Run a campaign to its end whose store knows of a start."""
    folder = open_run(the_campaign, path)
    facts = StartFacts(
        source="here",
        title="earlier",
        sha256="0" * 64,
        license="MIT",
        doi=None,
        level=the_campaign.rungs[0].level,
        members=8,
        elements=(1, 8),
        known=tuple(molecule.molecule_id for molecule in known),
    )
    workers = WatchedWorkers(path)
    with Store.create(folder.store, the_campaign.model_dump_json()) as store:
        store.molecules.add([(molecule, False) for molecule in molecules])
        store.trainings.add_start(Training(version=0, checkpoint=checkpoint_name(0, 0), n_labels=0))
        store.diary.set_fact(FACT, facts.to_json())
        Driver(store, the_campaign, Backend(), folder, workers, Listener()).run()
    return workers


def state(the_campaign: Campaign, path: Path, rung: int = 0):
    with StoreReader.open(path / "store.sqlite") as store:
        level = find_level(the_campaign.rungs[rung].level)
        return read_rung_state(store, the_campaign, rung, level)


@pytest.mark.parametrize("synchronous", [False, True])
def test_it_explores_and_chooses_from_the_first_minute_and_ends_with_the_budget(
    tmp_path, synchronous
):
    the_campaign = scripted_campaign(start="here", synchronous=synchronous)
    workers = begun(the_campaign, tmp_path / "run", [WATER], [WATER])
    found = state(the_campaign, tmp_path / "run")
    assert found.chosen["initial", WATER.molecule_id] == 0
    assert found.chosen["active", WATER.molecule_id] > 0
    assert found.n_training_labels == 16
    assert found.newest.n_labels == 16
    explored = {parse_key(key).version for key in workers.samplings if "-explore-" in key}
    assert 0 in explored
    for key, order in workers.samplings.items():
        if "-explore-" not in key:
            assert isinstance(order.potential, SavedCommittee)
            assert order.potential.checkpoint.name == "rung0-v000.safetensors"
            assert order.otherwise == "gfn2-xtb"


def test_every_training_starts_from_it_and_climbs(tmp_path):
    the_campaign = scripted_campaign(start="here")
    workers = begun(the_campaign, tmp_path / "run", [WATER], [WATER])
    assert workers.trainings[0].checkpoint.name == "rung0-v001.safetensors"
    assert {"train-0-1-1-4", "train-0-1-5-8"} <= workers.parts.keys()
    for order in [*workers.trainings, *workers.parts.values()]:
        assert order.start is not None
        assert order.start.name == "rung0-v000.safetensors"
        assert order.transfer == "full"


def test_status_tells_it_from_trainings(tmp_path):
    the_campaign = scripted_campaign(start="here")
    begun(the_campaign, tmp_path / "run", [WATER], [WATER])
    folder = RunFolder(tmp_path / "run")
    summary = summarize(folder)
    console = new_console()
    with console.capture() as captured:
        console.print(summary_screen(summary, folder))
    shown = captured.get()
    assert re.search(r"^ *the start +0 +1\.00 ", shown, flags=re.M)
    assert re.search(r"^ *1 +\d+ ", shown, flags=re.M)
    assert "evaluating the start" in shown
    assert "training 0" not in shown


def test_what_its_explorations_cost_and_find_is_known(tmp_path):
    the_campaign = scripted_campaign(start="here")
    workers = begun(the_campaign, tmp_path / "run", [WATER], [WATER])
    explored = [key for key in workers.samplings if key.startswith("sample-0-explore-0-")]
    with StoreReader.open(tmp_path / "run" / "store.sqlite") as store:
        spent = store.tasks.cost_of_committee(0, 0)
        found = store.tasks.finds(0, 0)
    assert spent["sample"].tasks == len(explored) > 0
    assert sum(seconds for seconds, _ in found.values()) == len(explored)
    assert sum(n for _, n in found.values()) == 12 * len(explored)


def test_it_is_held_against_the_held_out_labels_before_anything_is_trained(tmp_path):
    the_campaign = scripted_campaign(start="here")
    workers = begun(the_campaign, tmp_path / "run", [WATER], [WATER])
    assert workers.evaluated == [4]
    keys = [key for role, key in workers.roles if role == "train"]
    assert keys[0] == "evaluate-0-0"
    found = state(the_campaign, tmp_path / "run")
    assert found.trainings[0].version == 0
    assert found.trainings[0].errors.energy_mae_kcal_mol == 1.0
    assert [t.version for t in found.trainings] == list(range(len(found.trainings)))


def test_a_start_that_is_good_enough_needs_no_label_but_the_held_out_ones(tmp_path):
    the_campaign = scripted_campaign(start="here")
    rung = the_campaign.rungs[0].model_copy(
        update={"stop": the_campaign.rungs[0].stop.model_copy(update={"energy_mae_kcal_mol": 2.0})}
    )
    the_campaign = the_campaign.model_copy(update={"rungs": (rung,)})
    begun(the_campaign, tmp_path / "run", [WATER], [WATER])
    with StoreReader.open(tmp_path / "run" / "store.sqlite") as store:
        assert "held-out error reached" in (store.diary.fact("finished") or "")


def test_a_molecule_that_it_does_not_know_has_an_initial_set_of_the_bootstrap(tmp_path):
    # The scripted workers displace water, whatever the molecule is.
    gates = {"second_share": 0, "topology": False}
    the_campaign = scripted_campaign(start="here", molecules=["O", "FOF"], gates=gates)
    workers = begun(the_campaign, tmp_path / "run", [WATER, OXYGEN_FLUORIDE], [WATER])
    stranger = OXYGEN_FLUORIDE.molecule_id
    found = state(the_campaign, tmp_path / "run")
    assert found.chosen["initial", stranger] == 3
    assert found.chosen["initial", WATER.molecule_id] == 0
    for key, order in workers.samplings.items():
        task = parse_key(key)
        if task.molecule_id == stranger and task.purpose != "explore":
            assert order.potential == "gfn2-xtb"
        if task.molecule_id == stranger and task.purpose == "explore":
            assert task.version > 0


def test_a_rung_of_its_level_needs_no_labels_and_the_one_above_chooses(tmp_path):
    below = {"level": "hf/sto-3g", "budget": {"labels": 0}}
    the_campaign = scripted_campaign(start="here", rungs=[below, GOLD])
    workers = begun(the_campaign, tmp_path / "run", [WATER], [WATER])
    assert state(the_campaign, tmp_path / "run").n_labels == 0
    gold = state(the_campaign, tmp_path / "run", rung=1)
    assert gold.n_training_labels == 8
    assert gold.n_labels == 11
    assert workers.evaluated == []
    assert {order.start.name for order in workers.trainings} == {"rung0-v000.safetensors"}
    assert {order.transfer for order in workers.trainings} == {"full"}
    with StoreReader.open(tmp_path / "run" / "store.sqlite") as store:
        inherited = store.candidates.waiting(1).offers("held_out", WATER.molecule_id)
    assert inherited
    assert {candidate.reason for candidate in inherited} == {"waiting on the rung below"}


def test_killed_and_resumed_it_neither_labels_nor_evaluates_twice(tmp_path):
    the_campaign = scripted_campaign(start="here")
    path = tmp_path / "run"
    workers = begun(the_campaign, path, [WATER], [WATER])
    labelled = list(workers.labelled)
    folder = open_run(the_campaign, path)
    again = WatchedWorkers(path)
    with Store.open(folder.store) as store:
        Driver(store, the_campaign, Backend(), folder, again, Listener()).run()
    assert again.labelled == []
    assert again.evaluated == []
    assert len(labelled) == len(set(labelled))
