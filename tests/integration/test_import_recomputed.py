"""An import recomputes labels with the programs themselves, in a process of its own."""

import numpy as np
import pytest
import yaml
from labelled_water import POSITIONS, frame

from chemistry.engines import default_engine
from chemistry.errors import InputError
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.recipe import Calculation
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE, EV_PER_KCAL_MOL
from workflow.datasets.import_data import ImportChoice, import_data
from workflow.datasets.recheck import in_a_child
from workflow.settings.campaign import read_campaign

SHAPES = (POSITIONS, POSITIONS * 1.06, POSITIONS * np.array([1.0, 0.92, 1.1]))


def engine_label(level: LevelOfTheory, positions, multiplicity=1):
    """Label as workers do: a process that has computed with OpenMP itself must not be forked."""
    structure = Structure(atomic_numbers=[8, 1, 1], positions=positions, multiplicity=multiplicity)
    return in_a_child(structure, level, default_engine(level), 300.0)


@pytest.fixture(scope="module")
def labels():
    """Labels of three geometries at two levels, from the engines themselves."""
    levels = [find_level(name) for name in ("gfn2-xtb", "hf/sto-3g")]
    return {level.name: [engine_label(level, shape) for shape in SHAPES] for level in levels}


def put_campaign(tmp_path, level_name):
    path = tmp_path / "c.yaml"
    molecules = [{"smiles": "O", "name": "water"}]
    path.write_text(
        yaml.safe_dump({"name": "c", "molecules": molecules, "rungs": [{"level": level_name}]})
    )
    return read_campaign(path)


def put_data(tmp_path, labels, *, energy=lambda e: e, forces=lambda f: f):
    (tmp_path / "data.xyz").write_text(
        "".join(
            frame(f"energy={energy(label.energy)!r}", positions=shape, forces=forces(label.forces))
            for label, shape in zip(labels, SHAPES, strict=True)
        )
    )
    return tmp_path / "data.xyz"


@pytest.mark.parametrize("level", ["gfn2-xtb", "hf/sto-3g"])
def test_labels_of_the_level_are_taken_in(tmp_path, labels, level):
    data = put_data(tmp_path, labels[level])
    imported = import_data(put_campaign(tmp_path, level), tmp_path / "run", data, ImportChoice())
    assert imported.new == 3
    assert imported.recomputed >= 2


@pytest.mark.parametrize(
    ("level", "changes", "said"),
    [
        (
            "gfn2-xtb",
            {"energy": lambda e: e / EV_PER_HARTREE, "forces": lambda f: f / EV_PER_HARTREE},
            ["energies fit in hartree", "forces fit in hartree/Å"],
        ),
        (
            "hf/sto-3g",
            {"energy": lambda e: e / EV_PER_KCAL_MOL},
            ["energies fit in kcal/mol, not in eV (a factor of 0.0433641)"],
        ),
        ("hf/sto-3g", {"forces": lambda f: -f}, ["the forces have the sign of gradients"]),
        (
            "gfn2-xtb",
            {"energy": lambda e: e + 130.0},
            ["a constant of -130.0000 eV for H2O", "energies of the atoms have been subtracted"],
        ),
    ],
)
def test_what_fits_is_named(tmp_path, labels, level, changes, said):
    data = put_data(tmp_path, labels[level], **changes)
    with pytest.raises(InputError) as caught:
        import_data(put_campaign(tmp_path, level), tmp_path / "run", data, ImportChoice())
    assert all(part in str(caught.value) for part in said)


def test_another_level_is_refused(tmp_path, labels):
    data = put_data(tmp_path, labels["hf/sto-3g"])
    campaign = put_campaign(tmp_path, "gfn2-xtb")
    with pytest.raises(InputError, match="labels that were recomputed at gfn2-xtb disagree"):
        import_data(campaign, tmp_path / "run", data, ImportChoice())


def test_a_triplet_among_singlets_is_named(tmp_path):
    level = find_level("gfn2-xtb")
    triplets = [engine_label(level, shape, multiplicity=3) for shape in SHAPES]
    data = put_data(tmp_path, triplets)
    with pytest.raises(InputError, match="the energies are those of multiplicity 3"):
        import_data(put_campaign(tmp_path, level.name), tmp_path / "run", data, ImportChoice())


@pytest.mark.slow
def test_five_d_functions_for_six_are_named(tmp_path):
    level = find_level("hf/6-31g*")
    other = LevelOfTheory(
        name="spherical",
        recipe=Calculation(method="hf", basis="6-31g*", cartesian=False),
    )
    data = put_data(tmp_path, [engine_label(other, shape) for shape in SHAPES])
    with pytest.raises(InputError, match="five spherical d functions"):
        import_data(put_campaign(tmp_path, level.name), tmp_path / "run", data, ImportChoice())
