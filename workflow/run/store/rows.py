"""Records to rows of the store and back, without loss: pure functions."""

import json
import sqlite3
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from chemistry.records.label import Label, LabelFailure, Provenance
from chemistry.records.structure import FloatArray, IntArray, Origin, Structure
from model.evaluation import Errors, errors_from_json, errors_to_json
from model.history import TrainingHistory, history_from_json, history_to_json
from workflow.planning.keys import TaskKind
from workflow.planning.records import Candidate, Training
from workflow.run.store.records import (
    FinishedTask,
    GrowDetail,
    JudgeDetail,
    LabelDetail,
    NoDetail,
    SampleDetail,
    TaskDetail,
    TrainDetail,
)
from workflow.work.results import Cost

DetailT = TypeVar("DetailT", bound=TaskDetail)


def blob(array: FloatArray | None) -> bytes | None:
    """Return the bytes of an array as little-endian float64."""
    return None if array is None else np.ascontiguousarray(array, dtype="<f8").tobytes()


def _floats(data: bytes, shape: tuple[int, ...]) -> FloatArray:
    return np.frombuffer(data, dtype="<f8").reshape(shape).astype(np.float64)


def numbers(data: bytes | None) -> FloatArray:
    """Return the numbers of a blob, in a row; none where there is no blob."""
    return _floats(data or b"", (-1,))


def integers(data: bytes) -> IntArray:
    """Return the integers of a blob."""
    return np.frombuffer(data, dtype="<i8").astype(np.int64)


def structure_row(structure: Structure, *, is_start: bool) -> tuple[Any, ...]:
    """Return the values of the table `structures`, in the order of its columns."""
    return (
        structure.structure_id,
        structure.molecule_id,
        structure.atomic_numbers.astype("<i8").tobytes(),
        blob(structure.positions),
        structure.charge,
        structure.multiplicity,
        structure.origin.sampler,
        structure.origin.parent_id,
        structure.origin.seed,
        int(is_start),
    )


def structure_from(row: sqlite3.Row) -> Structure:
    """Return the structure of a row that holds the columns of the table `structures`."""
    structure = Structure(
        atomic_numbers=integers(row["atomic_numbers"]),
        positions=_floats(row["positions"], (-1, 3)),
        charge=row["charge"],
        multiplicity=row["multiplicity"],
        molecule_id=row["molecule_id"],
        origin=Origin(sampler=row["sampler"], parent_id=row["parent_id"], seed=row["seed"]),
    )
    # Known already: to hash all distances again would take five times as long as the rest.
    vars(structure)["structure_id"] = row["structure_id"]
    return structure


def label_row(label: Label) -> tuple[Any, ...]:
    """Return the values of the first columns of the table `labels`, in their order."""
    return (
        label.structure_id,
        label.level_id,
        label.energy,
        blob(label.forces),
        blob(label.dipole),
        _components_text(label),
        json.dumps(dict(label.diagnostics)),
        json.dumps(vars(label.provenance)),
        label.provenance.cpu_seconds,
    )


def label_from(row: sqlite3.Row) -> Label:
    """Return the label of a row that holds the columns of the table `labels`."""
    components, force_components = _components_from(row["components"])
    return Label(
        structure_id=row["structure_id"],
        level_id=row["level_id"],
        energy=row["energy"],
        forces=None if row["forces"] is None else _floats(row["forces"], (-1, 3)),
        dipole=None if row["dipole"] is None else _floats(row["dipole"], (3,)),
        components=components,
        force_components=force_components,
        diagnostics=json.loads(row["diagnostics"]),
        provenance=provenance_from(row["provenance"]),
    )


def _components_text(label: Label) -> str:
    """Return the components of a label as JSON: a number, or energy and forces where it has them.

    So rows of labels without them are as they have always been.
    """
    document: dict[str, Any] = dict(label.components)
    for name, forces in label.force_components.items():
        document[name] = {"energy": document.get(name), "forces": forces.tolist()}
    return json.dumps(document)


def _components_from(text: str) -> tuple[dict[str, float], dict[str, FloatArray]]:
    energies: dict[str, float] = {}
    forces: dict[str, FloatArray] = {}
    for name, value in json.loads(text).items():
        if not isinstance(value, dict):
            energies[name] = value
            continue
        if value["energy"] is not None:
            energies[name] = value["energy"]
        forces[name] = np.array(value["forces"], dtype=np.float64).reshape(-1, 3)
    return energies, forces


def provenance_from(text: str) -> Provenance:
    """Return the provenance of a label from its JSON."""
    provenance = json.loads(text)
    provenance["attempts"] = tuple(provenance["attempts"])
    # rung 0.1.0 took in labels of others without a check, and did not note it.
    if "checked" not in provenance:
        is_imported = provenance["host"].startswith("imported from ")
        provenance["checked"] = "nobody" if is_imported else "computed"
    return Provenance(**provenance)


def failure_row(failure: LabelFailure) -> tuple[Any, ...]:
    """Return the values of the table `failures`, in the order of its columns."""
    return (
        failure.structure_id,
        failure.level_id,
        failure.kind,
        failure.message,
        json.dumps(failure.attempts),
        failure.cpu_seconds,
    )


def failure_from(row: sqlite3.Row) -> LabelFailure:
    """Return the failure of a row of the table `failures`."""
    return LabelFailure(
        structure_id=row["structure_id"],
        level_id=row["level_id"],
        kind=row["kind"],
        message=row["message"],
        attempts=tuple(json.loads(row["attempts"])),
        cpu_seconds=row["cpu_seconds"],
    )


def candidate_from(row: sqlite3.Row) -> Candidate:
    """Return the candidate of a row that joins `candidates` with `structures`."""
    return Candidate(
        structure=structure_from(row),
        purpose=row["purpose"],
        rho_kcal_mol=row["rho_kcal_mol"],
        force_sigma_kcal_mol_angstrom=row["force_sigma_kcal_mol_angstrom"],
        energy_ev=row["energy_ev"],
        judged_by=row["judged_by"],
        reason=row["reason"],
    )


def training_from(row: sqlite3.Row) -> Training:
    """Return the training of a row of the table `trainings`."""
    return Training(
        version=row["version"],
        checkpoint=row["checkpoint"],
        n_labels=row["n_labels"],
        errors=None if row["errors"] is None else _errors(row["errors"]),
        history=_history(row["history"]),
    )


def training_texts(training: Training) -> tuple[str | None, str]:
    """Return the last two columns of the table `trainings`: errors and history as JSON."""
    errors = None if training.errors is None else json.dumps(errors_to_json(training.errors))
    return errors, json.dumps(history_to_json(training.history))


# The driver reads all trainings at each step, and their texts hardly ever change.
@lru_cache(maxsize=256)
def _errors(text: str) -> Errors:
    return errors_from_json(json.loads(text))


@lru_cache(maxsize=256)
def _history(text: str) -> TrainingHistory:
    return history_from_json(json.loads(text))


_DETAILS: dict[TaskKind, type[TaskDetail]] = {
    "sample": SampleDetail,
    "label": LabelDetail,
    "check": NoDetail,
    "train": TrainDetail,
    "judge": JudgeDetail,
    "grow": GrowDetail,
    "inherit": NoDetail,
    "design": NoDetail,
    "evaluate": TrainDetail,
}


def detail_text(detail: TaskDetail) -> str:
    """Return the detail of a task as JSON; of a label only what is not as usual."""
    if isinstance(detail, LabelDetail) and detail.failed is None:
        return "{}"
    return json.dumps(vars(detail))


def detail_from(text: str, kind: type[DetailT]) -> DetailT:
    """Read what `detail_text` wrote of a task."""
    document = json.loads(text)
    lists = {name: tuple(value) for name, value in document.items() if isinstance(value, list)}
    return kind(**document | lists)


def task_from(row: sqlite3.Row) -> FinishedTask:
    """Return the task of a row of the table `tasks`."""
    return FinishedTask(
        key=row["key"],
        kind=row["kind"],
        detail=detail_from(row["detail"], _DETAILS[row["kind"]]),
        cost=Cost(
            worker=row["worker"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            cpu_seconds=row["cpu_seconds"],
        ),
    )
