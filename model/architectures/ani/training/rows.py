"""The labelled structures of a training: checked, hashed, and what a checkpoint records of them."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.level import LevelOfTheory
from model.architectures.ani.committee import AniCommittee
from model.protocol import TrainingRequest
from model.states import State
from model.structures import check_structures


def check_rows(
    rows: Sequence[LabelledStructure],
    level: LevelOfTheory,
    elements: Sequence[int],
    states: Sequence[State] = (),
) -> None:
    """Refuse what cannot be learned.

    Raises
    ------
    InputError
        No data, a label of another level or one that is not finite, or a structure that
        `check_structures` refuses.
    """
    if not rows:
        raise InputError("there is nothing to train on: label some structures first")
    for row in rows:
        if row.label.level_id != level.level_id:
            raise InputError(
                f"the label of structure {row.label.structure_id} is of level "
                f"{row.label.level_id}, not of {level.name} ({level.level_id})"
            )
        forces = row.label.forces
        if not math.isfinite(row.label.energy) or (
            forces is not None and not np.isfinite(forces).all()
        ):
            raise InputError(f"the label of structure {row.label.structure_id} is not finite")
    check_structures([row.structure for row in rows], elements, states)


def data_hash(rows: Sequence[LabelledStructure]) -> str:
    """Return a hash of what was learned: which structures at which level."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.structure.structure_id}/{row.label.level_id}/".encode())
    return digest.hexdigest()[:20]


def training_record(
    request: TrainingRequest, rows: Sequence[LabelledStructure], start: AniCommittee | None
) -> dict[str, Any]:
    """Return how a committee came about, as its checkpoint keeps it.

    What a campaign began with stays known, whatever is learned from there.
    """
    begun_with = None if start is None else start.record.get("start")
    return {
        "seed": request.seed,
        "settings": request.settings.model_dump(mode="json"),
        "data_hash": data_hash(rows),
        "n_structures": len(rows),
        "started_from_data_hash": start and start.record.get("data_hash"),
        **({} if begun_with is None else {"start": begun_with}),
    }
