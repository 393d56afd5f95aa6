"""What workers do with a committee from elsewhere: hold it against labels, sample, or not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from model_examples import committee, toy_label

from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.structure import Origin, Structure
from chemistry.sampling import NormalModes
from model import load_committee
from workflow.work.compute import compute
from workflow.work.orders import EvaluateOrder, SampleOrder, SavedCommittee
from workflow.work.results import Sampled, Trained
from workflow.work.training_set import write_labelled

WATER = molecule_from_smiles("O", name="water")
AT_REST = Structure(
    atomic_numbers=np.array([8, 1, 1]),
    positions=np.array([[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]]),
    molecule_id=WATER.molecule_id,
)


def saved(folder: Path, spread: float = 1.0) -> SavedCommittee:
    """A committee of random weights whose members are so many times as far apart."""
    found = committee(2, precision="float32")
    networks = replace(found.networks, weights=found.networks.weights * spread)
    path = folder / "rung0-v000.safetensors"
    replace(found, networks=networks).save(path)
    return SavedCommittee(checkpoint=path, architecture="ani")


def sampled(order: SampleOrder) -> Sampled:
    answer = compute(order, 1, 4.0)
    assert isinstance(answer, Sampled), answer
    return answer


def order(potential: SavedCommittee) -> SampleOrder:
    return SampleOrder(
        molecule=WATER,
        starts=(AT_REST,),
        sampler=NormalModes(temperature_k=300.0, made_per_start=6),
        potential=potential,
        threshold=None,
        seed=1,
        otherwise="gfn2-xtb",
    )


def test_it_is_held_against_labels_and_its_checkpoint_knows(tmp_path):
    start = saved(tmp_path)
    rng = np.random.default_rng(0)
    rows = [
        toy_label(AT_REST.moved_to(AT_REST.positions + rng.normal(0, 0.05, (3, 3)), Origin()))
        for _ in range(12)
    ]
    write_labelled(tmp_path / "held-out.jsonl", rows)
    answer = compute(EvaluateOrder(held_out=tmp_path / "held-out.jsonl", committee=start), 1, 4.0)
    assert isinstance(answer, Trained)
    assert answer.n_labels == 0
    assert answer.errors is not None
    assert answer.errors.n_structures == 12
    [before] = committee(2, precision="float32").predict([AT_REST])
    after = load_committee(start.checkpoint)
    assert after.record["calibration"]["n_structures"] == 12
    [prediction] = after.predict([AT_REST])
    np.testing.assert_array_equal(prediction.member_energies, before.member_energies)


def test_where_it_is_at_home_it_samples_and_its_disagreement_is_kept(tmp_path):
    found = sampled(order(saved(tmp_path, spread=0.01)))
    assert all(offer.rho_kcal_mol is not None for offer in found.offers)


def test_where_it_is_lost_the_bootstrap_potential_samples(tmp_path):
    found = sampled(order(saved(tmp_path, spread=20.0)))
    assert found.offers
    assert all(offer.rho_kcal_mol is None for offer in found.offers)
