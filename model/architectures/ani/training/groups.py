"""Members that are trained apart from the others, and put together again.

How a training went travels in the record of each part's checkpoint, until all parts are there.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chemistry.errors import InputError
from model.architectures.ani.committee import AniCommittee, all_members
from model.history import TrainingHistory, history_from_json, history_to_json
from model.protocol import TrainingRequest, TrainingResult

_TRAINING = "training"
_ALIKE = ("seed", "settings", "data_hash", "n_structures", "started_from_data_hash", "start")


def as_asked(
    request: TrainingRequest, result: TrainingResult[AniCommittee]
) -> TrainingResult[AniCommittee]:
    """Return a result; where a part was asked for, with its history in the committee's record."""
    if request.members is None:
        return result
    history = TrainingHistory(
        members=result.members,
        n_with_forces=result.n_with_forces,
        notes=result.notes,
        seconds=result.seconds,
    )
    record = {**result.committee.record, _TRAINING: history_to_json(history)}
    return replace(result, committee=replace(result.committee, record=record))


def joined(parts: Sequence[AniCommittee]) -> TrainingResult[AniCommittee]:
    """Put committees whose histories `as_asked` has noted together.

    Raises
    ------
    InputError
        They have not learned the same.
    """
    first = parts[0]
    record = _learned(first)
    for part in parts[1:]:
        if (part.level_id, part.shape, _learned(part)) != (first.level_id, first.shape, record):
            raise InputError(
                "the parts of this committee have not learned the same data: train it again"
            )
    histories = [history_from_json(part.record[_TRAINING]) for part in parts]
    return TrainingResult(
        committee=replace(all_members(parts), record=record),
        members=tuple(member for history in histories for member in history.members),
        n_structures=int(record["n_structures"]),
        n_with_forces=histories[0].n_with_forces,
        notes=tuple(dict.fromkeys(note for history in histories for note in history.notes)),
        seconds=max(history.seconds for history in histories),
    )


def _learned(part: AniCommittee) -> dict[str, Any]:
    """Return what the records of all parts have in common."""
    return {name: part.record[name] for name in _ALIKE if name in part.record}
