"""From the plan's wish for a training to orders: groups of members at the same time, then all.

A training that has begun ends with the data that it began with: they lie in files beside its
checkpoint until it is committed, so that members that are trained after an interruption learn the
same as those before.
"""

from dataclasses import replace
from pathlib import Path

from chemistry.records.level import LevelOfTheory
from model import find_architecture
from workflow.planning.keys import TrainKey, derive_seed
from workflow.run.folder import RunFolder
from workflow.run.store.store import StoreReader
from workflow.settings.campaign import Campaign
from workflow.work.orders import EvaluateOrder, TrainOrder
from workflow.work.training_set import write_labelled


def training_orders(
    version: int,
    store: StoreReader,
    campaign: Campaign,
    folder: RunFolder,
    rung: int,
    level: LevelOfTheory,
    *,
    device: str,
) -> dict[str, TrainOrder]:
    """Return by their keys the tasks of a training that can be done now.

    Those are the groups of members that are not trained yet; where all are, or the architecture
    has but one group, the task that ends the training.
    """
    whole = _whole(version, store, campaign, folder, rung, level)
    key = TrainKey(rung=rung, version=version)
    way = None if whole.start is None else whole.transfer
    groups = find_architecture(campaign.train.architecture).groups(campaign.train, way, device)
    if len(groups) == 1:
        return {key.key: whole}
    parts = {replace(key, members=(group.start + 1, group.stop)).key: group for group in groups}
    paths = {part: _part_path(whole.checkpoint, group) for part, group in parts.items()}
    finished = store.tasks.finished(rung, version)
    missing = {
        part: replace(whole, members=group, checkpoint=paths[part])
        for part, group in parts.items()
        if part not in finished
    }
    return missing or {key.key: replace(whole, parts=tuple(paths.values()))}


def forget_files(order: TrainOrder | EvaluateOrder) -> None:
    """Delete what a training or an evaluation needed, once it is committed or has failed.

    The store can write the labels again.
    """
    of_training = (order.training_set, *order.parts) if isinstance(order, TrainOrder) else ()
    for path in (order.held_out, *of_training):
        path.unlink(missing_ok=True)


def _part_path(checkpoint: Path, members: range) -> Path:
    return checkpoint.with_suffix(f".{members.start + 1}-{members.stop}.safetensors")


def _whole(
    version: int,
    store: StoreReader,
    campaign: Campaign,
    folder: RunFolder,
    rung: int,
    level: LevelOfTheory,
) -> TrainOrder:
    checkpoint = folder.checkpoint(rung, version)
    training_set = checkpoint.with_suffix(".training-set.jsonl")
    held_out = checkpoint.with_suffix(".held-out-set.jsonl")
    # In this order: a launch that is killed in between leaves no training set without the other.
    for path, is_held_out in ((held_out, True), (training_set, False)):
        if not training_set.exists():
            rows = store.labels.labelled(rung, level.level_id, held_out=is_held_out)
            write_labelled(path, rows)
    return TrainOrder(
        training_set=training_set,
        held_out=held_out,
        settings=campaign.train,
        level=level,
        elements=_elements(store, campaign),
        # One seed for all trainings: it deals the folds, and a member that started from weights
        # which have seen its validation part would find nothing to improve.
        seed=derive_seed(campaign, "train"),
        start=_start(version, store, folder, rung),
        transfer=campaign.rungs[rung].transfer if rung or campaign.start else None,
        checkpoint=checkpoint,
        license=campaign.license,
        states=store.molecules.states(),
    )


def _elements(store: StoreReader, campaign: Campaign) -> tuple[int, ...]:
    """Return the elements that a committee must know: those that are there and those to come."""
    to_come = () if campaign.grow is None else campaign.grow.atomic_numbers
    return tuple(sorted({*store.molecules.elements(), *to_come}))


def _start(version: int, store: StoreReader, folder: RunFolder, rung: int) -> Path | None:
    """Return the committee that a training starts from, or None.

    On the first rung it is the one before. A rung that climbs starts each time from the last of
    the rung below: what is frozen or corrected is that one. So does a first rung from what the run
    began with.
    """
    if rung:
        return folder.checkpoint(rung - 1, store.trainings.all(rung - 1)[-1].version)
    if store.trainings.find(0, 0) is not None:
        return folder.checkpoint(0, 0)
    return folder.checkpoint(rung, version - 1) if version > 1 else None
