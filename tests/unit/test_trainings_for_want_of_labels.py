"""A rung trained on a few new labels whenever exploration had found nothing more to label."""

from dataclasses import replace
from itertools import pairwise

from scripted_workers import Listener, ScriptedWorkers, judgement, sampled, scripted_campaign

from chemistry.readers.molecules import molecule_from_smiles
from workflow.campaign.driver import Driver
from workflow.run.opened import open_run
from workflow.run.store.store import Store
from workflow.settings.backend import Backend
from workflow.work.orders import JudgeOrder, Order, SampleOrder
from workflow.work.results import Answer, Judged


class AlmostCertain(ScriptedWorkers):
    """Explorations find one structure each; what waits is a little below the threshold."""

    def _answer(self, order: Order) -> Answer:
        if isinstance(order, SampleOrder) and order.threshold is not None:
            return sampled(order, n_offers=1)
        if isinstance(order, JudgeOrder):
            found = (judgement(structure) for structure in order.structures)
            return Judged(judgements=tuple(replace(one, rho_kcal_mol=0.15) for one in found))
        return super()._answer(order)


def test_every_training_but_the_last_has_as_many_new_labels_as_were_asked_for(tmp_path):
    campaign = scripted_campaign(
        rungs=[
            {
                "level": "hf/sto-3g",
                "initial_labels": 6,
                "labels_per_training": 20,
                "budget": {"labels": 60},
                "stop": {"uncertain_share": None},
            }
        ],
        select={"random_share": 0},
    )
    folder = open_run(campaign, tmp_path / "run")
    workers = AlmostCertain(folder.path)
    with Store.create(folder.store, campaign.model_dump_json()) as store:
        store.molecules.add([(molecule_from_smiles("O", name="water"), False)])
        Driver(store, campaign, Backend(), folder, workers, Listener()).run()
        sizes = [training.n_labels for training in store.trainings.all(0)]
    assert sizes[-1] == 60
    new = [after - before for before, after in pairwise(sizes)]
    assert all(n >= 20 for n in new[:-1]), sizes
