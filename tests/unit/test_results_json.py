"""Answers of workers as JSON in the spool, and training sets: every float64 exact."""

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from error_examples import CALIBRATION, errors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chemistry.errors import StoreError
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelFailure, LabelledStructure, Provenance
from chemistry.records.molecule import Molecule
from chemistry.records.record_json import (
    label_from_json,
    label_to_json,
    structure_from_json,
    structure_to_json,
)
from chemistry.records.structure import Origin, Structure
from model.evaluation import MoleculeErrors
from model.history import MemberHistory, TrainingHistory
from workflow.work.results import (
    Broken,
    Cost,
    Designed,
    Grown,
    Judged,
    Judgement,
    NewMolecule,
    Offered,
    Sampled,
    TaskResult,
    Trained,
    result_spool,
)
from workflow.work.training_set import read_labelled, write_labelled

COST = Cost(worker="host:1", started_at=1 / 3, finished_at=1.7e9 + 1 / 7, cpu_seconds=5e-324)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


def structure(positions=None, **changes) -> Structure:
    positions = np.array([[0.1 + 0.2, -0.0, 5e-324], [1e9, -1 / 3, np.pi]])
    return Structure(
        atomic_numbers=np.array([8, 1]),
        positions=positions,
        **{
            "charge": -1,
            "multiplicity": 1,
            "molecule_id": "id",
            "origin": Origin(sampler="langevin", parent_id="p", seed=2**32 - 1),
            **changes,
        },
    )


def label() -> Label:
    return Label(
        structure_id=structure().structure_id,
        level_id="level",
        energy=-2079.0 - 2**-41,
        forces=np.array([[1e-300, -0.0, 1 / 3], [1.7976931348623157e308, 2.0, 3.0]]),
        dipole=None,
        components={"hf": 0.1},
        diagnostics={"s2": 0.75},
        provenance=Provenance(
            program="p",
            version="1",
            host="h",
            cpu_seconds=0.1,
            wall_seconds=0.2,
            attempts=("a", "b"),
            finished_at=0.3,
            surroundings={"threads": "1"},
        ),
    )


def plain(value):
    """A value that can be compared: arrays as their bytes, structures and labels as dicts."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(
        value, (Structure, Label, Offered, Sampled, Grown, NewMolecule, Molecule, TaskResult)
    ):
        fields = {k: v for k, v in vars(value).items() if k in type(value).__dataclass_fields__}
        return {k: plain(v) for k, v in fields.items()}
    if isinstance(value, tuple):
        return tuple(plain(v) for v in value)
    return value


ANSWERS = {
    "label": label(),
    "failure": LabelFailure(
        structure_id="s",
        level_id="l",
        kind="suspect",
        message="Å",
        attempts=("x",),
        cpu_seconds=1.5,
    ),
    "sampled": Sampled(
        offers=(
            Offered(
                structure=structure(),
                rho_kcal_mol=0.1 + 0.2,
                force_sigma_kcal_mol_angstrom=1 / 3,
                reason="over",
            ),
            Offered(
                structure=structure(charge=0, multiplicity=2, origin=Origin()),
                rho_kcal_mol=None,
                force_sigma_kcal_mol_angstrom=None,
                reason="",
            ),
        ),
        judged=7,
        over_threshold=2,
        rejected={"clash": 1},
    ),
    "nothing sampled": Sampled(offers=(), judged=0, over_threshold=0, rejected={}),
    "trained": Trained(
        n_labels=3,
        errors=errors(
            energy_mae_kcal_mol=1 / 3,
            by_molecule={"a": MoleculeErrors(**{f.name: 0.1 for f in fields(MoleculeErrors)})},
            calibration=CALIBRATION,
        ),
        history=TrainingHistory(
            members=(MemberHistory(best_epoch=2, epochs=3, validation_loss=(1 / 3, 0.1)),),
            seconds=0.1,
            transfer="full",
            tried={"full": 1 / 7},
        ),
    ),
    "trained without a test set": Trained(n_labels=3, errors=None, history=TrainingHistory()),
    "judged": Judged(
        judgements=(
            Judgement(
                structure_id="s", rho_kcal_mol=0.1 + 0.2, force_sigma=1 / 3, energy_ev=-2e3 / 7
            ),
            Judgement(structure_id="t", rho_kcal_mol=0.0, force_sigma=5e-324, energy_ev=0.0),
        )
    ),
    "grown": Grown(
        molecules=(
            NewMolecule(molecule=molecule_from_smiles("CO", name="methanol"), reason="uncertain"),
        ),
        heavy_atoms=2,
        judged=5,
        skipped=1,
    ),
    "designed": Designed(known=("a",), informative=("c", "b")),
    "no design": Designed(known=(), informative=()),
    "nothing grown": Grown(molecules=(), heavy_atoms=None, judged=5, skipped=0),
    "broken": Broken(kind="resource", message="out of memory: ½"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_comes_back_from_the_spool_bit_for_bit(tmp_path, answer):
    (tmp_path / "spool").mkdir()
    (tmp_path / "logs").mkdir()
    spool = result_spool(tmp_path)
    result = TaskResult(answer=answer, cost=COST)
    spool.compute_once("key", lambda: result)
    ((key, read),) = spool.collect()
    assert key == "key"
    assert type(read.answer) is type(answer)
    assert plain(read) == plain(result)


@pytest.mark.parametrize("name", ["failure", "broken"])
def test_the_log_calls_failures_failed(tmp_path, name):
    (tmp_path / "spool").mkdir()
    (tmp_path / "logs").mkdir()
    result_spool(tmp_path).compute_once("key", lambda: TaskResult(answer=ANSWERS[name], cost=COST))
    events = [line.split()[2] for line in (tmp_path / "logs/tasks.log").read_text().splitlines()]
    assert events == ["started", "failed"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document | {"schema": 0},
        lambda document: document | {"schema": "1"},
        lambda document: document | {"type": "unknown"},
        lambda document: {k: v for k, v in document.items() if k != "cost"},
        lambda document: document | {"cost": {"worker": "w"}},
        lambda document: document | {"answer": []},
        lambda document: [],
        lambda document: None,
    ],
)
def test_a_document_that_is_no_result_is_computed_again(tmp_path, damage):
    (tmp_path / "spool").mkdir()
    (tmp_path / "logs").mkdir()
    spool = result_spool(tmp_path)
    spool.compute_once("key", lambda: TaskResult(answer=ANSWERS["sampled"], cost=COST))
    file = tmp_path / "spool" / "key.json"
    file.write_text(json.dumps(damage(json.loads(file.read_text()))))
    assert list(spool.collect()) == []
    assert spool.read("key") is None
    again = spool.compute_once("key", lambda: TaskResult(answer=ANSWERS["broken"], cost=COST))
    assert again.answer == ANSWERS["broken"]


def test_a_result_of_a_newer_rung_is_left_alone(tmp_path):
    (tmp_path / "spool").mkdir()
    (tmp_path / "logs").mkdir()
    spool = result_spool(tmp_path)
    file = tmp_path / "spool" / "key.json"
    file.write_text('{"schema": 2, "whatever": "is new"}')
    with pytest.raises(StoreError, match="written by a newer rung"):
        spool.read("key")
    assert file.exists()


@settings(max_examples=25, deadline=None)
@given(
    positions=arrays(np.float64, (2, 3), elements=st.floats(-1e6, 1e6)),
    charge=st.integers(-9, 9),
    origin=st.builds(
        Origin,
        sampler=st.text(max_size=5),
        parent_id=st.none() | st.text(max_size=5),
        seed=st.none() | st.integers(0, 2**63),
    ),
)
def test_structures_survive_json(positions, charge, origin):
    written = replace(structure(), positions=positions, charge=charge, origin=origin)
    read = structure_from_json(json.loads(json.dumps(structure_to_json(written))))
    assert plain(read) == plain(written)
    assert read.structure_id == written.structure_id


def test_a_training_set_comes_back_line_by_line(tmp_path):
    energy_only = replace(label(), forces=None, dipole=np.array([0.1, -0.0, 1e-9]))
    data = [LabelledStructure(structure=structure(), label=one) for one in (label(), energy_only)]
    write_labelled(tmp_path / "data.jsonl", data)
    read = read_labelled(tmp_path / "data.jsonl")
    assert [plain(row.structure) for row in read] == [plain(row.structure) for row in data]
    assert [plain(row.label) for row in read] == [plain(row.label) for row in data]
    write_labelled(tmp_path / "empty.jsonl", [])
    assert read_labelled(tmp_path / "empty.jsonl") == []


def test_a_training_set_holds_no_failures(tmp_path):
    write_labelled(
        tmp_path / "data.jsonl", [LabelledStructure(structure=structure(), label=label())]
    )
    document = json.loads((tmp_path / "data.jsonl").read_text())
    document["label"] = asdict(ANSWERS["failure"]) | {"schema": 1, "type": "failure"}
    (tmp_path / "data.jsonl").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="holds a failure where a label should be"):
        read_labelled(tmp_path / "data.jsonl")


def test_a_label_of_before_surroundings_were_recorded_is_read() -> None:
    document = label_to_json(label())
    del document["provenance"]["surroundings"]
    read = label_from_json(document)
    assert isinstance(read, Label)
    assert read.provenance.surroundings == {}
