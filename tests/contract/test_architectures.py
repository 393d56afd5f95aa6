"""One suite for all architectures: what a committee of any kind has to do for rung."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_examples import ELEMENTS, LEVEL, SMALL, toy_data, toy_label
from safetensors import safe_open
from toy_architecture import Springs

from chemistry.errors import InputError
from chemistry.records.level import find_level
from chemistry.records.structure import Origin, Structure
from model import TrainingRequest, climb, load_committee
from model.architectures import ARCHITECTURES, find_architecture
from model.calibration import calibrate
from model.protocol import Committee
from model.systems import in_precision, systems_of

SETTINGS = {
    "ani": {"max_epochs": 3, "hidden_layers": SMALL},
    "ani+gfn2-xtb": {"max_epochs": 3, "hidden_layers": SMALL},
    "springs": {},
}
"""What keeps a training short; an architecture that is added has its own here."""

GOLD = find_level("hf/sto-3g")
DATA = toy_data(40)


@pytest.fixture(autouse=True, scope="module")
def with_the_toy():
    """Name the toy in the registry, as an entry point would."""
    ARCHITECTURES.ours["springs"] = "toy_architecture:Springs"
    yield
    del ARCHITECTURES.ours["springs"]
    find_architecture.cache_clear()


@dataclass(frozen=True)
class Trained:
    name: str
    request: TrainingRequest
    committee: Committee


@pytest.fixture(scope="module", params=["springs", *ARCHITECTURES.ours])
def trained(request, with_the_toy) -> Trained:
    architecture = find_architecture(request.param)
    settings = architecture.settings(members=3, folds=3, **SETTINGS[request.param])
    asked = TrainingRequest(data=DATA, settings=settings, elements=ELEMENTS, level=LEVEL, seed=1)
    return Trained(request.param, asked, architecture.train(asked).committee)


def structures() -> list[Structure]:
    return [row.structure for row in toy_data(6, seed=9)]


def above() -> list:
    rows = []
    for row in toy_data(20, seed=5):
        label = toy_label(row.structure, forces=False).label
        energy = 1.05 * label.energy - 3.0 * len(row.structure)
        rows.append(replace(row, label=replace(label, energy=energy, level_id=GOLD.level_id)))
    return rows


def same(one: Committee, other: Committee) -> None:
    for a, b in zip(one.predict(structures()), other.predict(structures()), strict=True):
        np.testing.assert_array_equal(a.member_energies, b.member_energies)
        np.testing.assert_array_equal(a.member_forces, b.member_forces)


def test_it_says_what_it_knows(trained):
    committee = trained.committee
    assert committee.elements == ELEMENTS
    assert committee.n_members == 3
    assert (committee.level_id, committee.level_name) == (LEVEL.level_id, LEVEL.name)
    assert json.loads(json.dumps(dict(committee.record))) == committee.record
    architecture: Any = find_architecture(trained.name)
    assert architecture.default_way in architecture.ways
    assert architecture.default_way_with_forces in architecture.ways
    assert "cpu" in architecture.devices
    assert architecture.settings().architecture == trained.name


def test_the_same_request_in_another_order_gives_the_same_committee(trained):
    again = replace(trained.request, data=list(reversed(DATA)))
    same(find_architecture(trained.name).train(again).committee, trained.committee)


def test_what_is_saved_predicts_bit_for_bit_the_same_and_names_its_architecture(trained, tmp_path):
    path = tmp_path / "committee.safetensors"
    trained.committee.save(path)
    read = load_committee(path)
    same(read, trained.committee)
    assert type(read) is type(trained.committee)
    assert (read.elements, read.level_id) == (ELEMENTS, LEVEL.level_id)
    assert read.record == trained.committee.record
    assert list(tmp_path.iterdir()) == [path]
    with safe_open(str(path), framework="np") as file:
        document = json.loads(file.metadata()["rung_committee"])
    assert document["architecture_name"] == trained.name


def test_forces_are_minus_the_derivative_of_every_members_energy(trained):
    [structure, *_] = structures()
    [prediction] = trained.committee.predict([structure])
    shape, step = structure.positions.shape, 1e-3
    moves = step * np.eye(structure.positions.size).reshape(-1, *shape)
    up, down = (
        np.array(
            [
                p.member_energies
                for p in trained.committee.predict(
                    [structure.moved_to(structure.positions + s * m, Origin()) for m in moves]
                )
            ]
        )
        for s in (1, -1)
    )
    expected = (-(up - down) / (2 * step)).T.reshape(3, *shape)
    # Energies of single precision over a step of 0.001 Å.
    np.testing.assert_allclose(prediction.member_forces, expected, atol=3e-2, rtol=1e-2)
    assert np.abs(expected).max() > 0.1


def test_members_disagree(trained):
    for prediction in trained.committee.predict(structures()):
        assert prediction.rho_kcal_mol > 0
        assert prediction.force_sigma_kcal_mol_angstrom > 0


def test_means_are_those_of_the_members(trained):
    found = trained.committee.predict_mean(structures())
    for mean, full in zip(found, trained.committee.predict(structures()), strict=True):
        np.testing.assert_allclose(mean.member_energies, full.member_energies, atol=1e-4)
        np.testing.assert_allclose(mean.forces, full.forces, atol=1e-4)
        assert mean.energy == pytest.approx(full.energy, abs=1e-4)


def test_replicas_are_predictions(trained):
    [structure, *_] = structures()
    positions = np.stack([structure.positions, structure.positions * 1.02])
    energies, forces = trained.committee.replicas(structure).predict_mean(positions)
    found = trained.committee.predict([structure.moved_to(x, Origin()) for x in positions])
    np.testing.assert_allclose(energies, [p.member_energies for p in found], atol=1e-4)
    np.testing.assert_allclose(forces, [p.forces for p in found], atol=1e-4)


def test_systems_are_predictions(trained):
    """What programs that simulate ask for at each step, whether or not it has a fast way to it."""
    found = systems_of(trained.committee, structures()).predict_mean(
        np.concatenate([structure.positions for structure in structures()])
    )
    expected = trained.committee.predict(structures())
    np.testing.assert_allclose(found.energies, [p.energy for p in expected], atol=1e-4)
    forces = np.concatenate([p.forces for p in expected])
    np.testing.assert_allclose(found.forces, forces, atol=1e-4)
    np.testing.assert_allclose(
        found.rho_kcal_mol, [p.rho_kcal_mol for p in expected], rtol=1e-3, atol=1e-3
    )


def test_a_box_or_a_precision_that_it_does_not_know_is_refused(trained):
    systems = systems_of(trained.committee, structures()[:1])
    with pytest.raises(InputError, match="box"):
        systems.check_cells(np.eye(3)[None])
    if trained.name == "springs":
        with pytest.raises(InputError, match="computes in one precision"):
            in_precision(trained.committee, "double")
    assert in_precision(trained.committee, None) is trained.committee


def test_unknown_elements_are_refused(trained):
    gold = Structure(atomic_numbers=np.array([79]), positions=np.zeros((1, 3)))
    for ask in (trained.committee.predict, trained.committee.predict_mean):
        with pytest.raises(InputError, match="contains Au, which this potential does not know"):
            ask([gold])
    with pytest.raises(InputError, match="contains Au"):
        trained.committee.replicas(gold)
    with pytest.raises(InputError, match="contains Au"):
        systems_of(trained.committee, [gold])


def test_coinciding_atoms_give_no_number(trained):
    [structure, *_] = structures()
    together = structure.positions.copy()
    together[1] = together[0]
    with pytest.raises(InputError, match="coincide"):
        trained.committee.predict([structure.moved_to(together, Origin())])


def test_the_first_members_are_a_committee(trained):
    smaller = trained.committee.first(2)
    assert smaller.n_members == 2
    for a, b in zip(
        smaller.predict(structures()), trained.committee.predict(structures()), strict=True
    ):
        np.testing.assert_allclose(a.member_energies, b.member_energies[:2], atol=1e-4)


def test_calibration_is_noted_and_changes_nothing_else(trained, tmp_path):
    found = calibrate(DATA, trained.committee.predict([row.structure for row in DATA]))
    calibrated = trained.committee.calibrated(found)
    same(calibrated, trained.committee)
    calibrated.save(tmp_path / "c")
    expected = {**trained.committee.record, "calibration": json.loads(json.dumps(asdict(found)))}
    assert load_committee(tmp_path / "c").record == expected


def test_nothing_and_another_level_are_refused(trained):
    architecture = find_architecture(trained.name)
    with pytest.raises(InputError, match="nothing to train on"):
        architecture.train(replace(trained.request, data=[]))
    with pytest.raises(InputError, match="level"):
        architecture.train(replace(trained.request, level=GOLD))


def test_going_on_keeps_the_elements(trained):
    asked = replace(trained.request, data=toy_data(44), elements=(1, 6))
    result = find_architecture(trained.name).train(asked, trained.committee)
    assert result.committee.elements == ELEMENTS
    assert (result.n_structures, result.n_with_forces) == (44, 44)


def test_every_way_climbs_and_auto_keeps_the_best(trained):
    asked = replace(trained.request, data=above(), level=GOLD)
    ways = find_architecture(trained.name).ways
    climbed = climb(asked, trained.committee, "auto", held_out=above()[:8])
    assert climbed.tried.keys() == ways.keys()
    assert climbed.way == min(climbed.tried, key=climbed.tried.get)
    committee = climbed.result.committee
    assert (committee.elements, committee.level_id) == (ELEMENTS, GOLD.level_id)
    assert committee.n_members == 3


def test_the_shift_leaves_forces_alone(trained):
    asked = replace(trained.request, data=above(), level=GOLD)
    shifted = find_architecture(trained.name).shifted(asked, trained.committee)
    assert shifted.level_id == GOLD.level_id
    for a, b in zip(
        shifted.predict(structures()), trained.committee.predict(structures()), strict=True
    ):
        np.testing.assert_array_equal(a.member_forces, b.member_forces)
        assert abs(a.energy - b.energy) > 1.0


def test_a_checkpoint_that_is_not_whole_is_refused(trained, tmp_path):
    from model.checkpoint import read_checkpoint, write_checkpoint

    trained.committee.save(tmp_path / "whole")
    checkpoint = read_checkpoint(tmp_path / "whole")
    assert len(checkpoint.tensors) >= 2
    for name in list(checkpoint.tensors)[:3]:
        rest = {key: value for key, value in checkpoint.tensors.items() if key != name}
        write_checkpoint(replace(checkpoint, tensors=rest), tmp_path / "part")
        with pytest.raises(InputError, match=f"part is not a whole committee.*{name}"):
            load_committee(tmp_path / "part")


def test_a_checkpoint_of_an_architecture_that_is_not_installed_names_it(trained, tmp_path):
    from model.checkpoint import read_checkpoint, write_checkpoint

    trained.committee.save(tmp_path / "c")
    strange = replace(read_checkpoint(tmp_path / "c"), architecture="anii")
    write_checkpoint(strange, tmp_path / "c")
    with pytest.raises(InputError, match="there is no architecture `anii`: did you mean `ani`"):
        load_committee(tmp_path / "c")


def settings_of(name: str) -> Any:
    architecture: Any = find_architecture(name)
    return architecture.settings(members=3)


def test_ani_goes_on_from_no_other_architecture():
    springs, ani = (
        TrainingRequest(
            data=DATA,
            settings=settings_of(name),
            elements=ELEMENTS,
            level=LEVEL,
            seed=1,
        )
        for name in ("springs", "ani")
    )
    theirs = Springs().train(springs).committee
    with pytest.raises(InputError, match="is not of architecture ani"):
        find_architecture("ani").train(ani, theirs)
    with pytest.raises(InputError, match="settings of architecture springs do not fit ani"):
        find_architecture("ani").train(springs)


def test_what_rung_0_1_0_wrote_is_ani():
    from model.architectures.ani.committee import AniCommittee

    models = Path(__file__).parents[1] / "data" / "runs" / "0.1.0" / "models"
    files = sorted(models.glob("*.safetensors"))
    assert len(files) == 5
    for file in files:
        with safe_open(str(file), framework="np") as header:
            assert "architecture_name" not in json.loads(header.metadata()["rung_committee"])
        committee = load_committee(file)
        assert isinstance(committee, AniCommittee)
        assert committee.level_name in file.read_bytes()[:20_000].decode(errors="replace")
