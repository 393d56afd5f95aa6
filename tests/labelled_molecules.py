"""A run that has labels of water and a committee, with made-up numbers: no quantum chemistry."""

from pathlib import Path

import numpy as np
from model_examples import committee, toy_label
from store_examples import COST

from chemistry.records.label import LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.structure import Origin, Structure
from workflow.planning.records import Training
from workflow.run.folder import checkpoint_name
from workflow.run.opened import opened_run
from workflow.settings.campaign import Campaign

_WATER = np.array([[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]])


def put_labelled_run(
    path: Path, *, level: str, n_train: int, n_held_out: int
) -> dict[bool, set[str]]:
    """Make it; return the structure_ids of its labels by whether they are held out."""
    campaign = Campaign.model_validate(
        {
            "name": "earlier",
            "molecules": ["O"],
            "rungs": [{"level": level}],
            "train": {"members": 2},
        }
    )
    with opened_run(campaign, path, computes=False) as run:
        [(molecule, _)] = run.store.molecules.all()
        run.store.labels.add_level(find_level(level))
        rng = np.random.default_rng(0)
        ids: dict[bool, set[str]] = {False: set(), True: set()}
        for held_out, count in ((False, n_train), (True, n_held_out)):
            rows: list[LabelledStructure] = [
                toy_label(
                    Structure(
                        atomic_numbers=np.array([8, 1, 1]),
                        positions=_WATER + rng.normal(0, 0.05, (3, 3)),
                        molecule_id=molecule.molecule_id,
                        origin=Origin(sampler="toy", seed=int(held_out)),
                    )
                )
                for _ in range(count)
            ]
            purpose = "held_out" if held_out else "initial"
            run.store.labels.import_labels(0, [(row, purpose) for row in rows], "toy")
            ids[held_out] = {row.structure.structure_id for row in rows}
        committee(2, precision="float32").save(path / checkpoint_name(0, 1))
        training = Training(version=1, checkpoint=checkpoint_name(0, 1), n_labels=n_train)
        run.store.trainings.commit("train-0-1", 0, training, COST)
    return ids
