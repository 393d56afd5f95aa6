"""Put labels that failed, or that a quality gate refused, back: the next launch computes them."""

from collections.abc import Collection, Sequence

from chemistry.errors import InputError
from chemistry.names import nearest
from chemistry.records.level import find_level
from workflow.run.folder import RunFolder
from workflow.run.held import held_store
from workflow.run.store.records import Unusable
from workflow.run.store.store import StoreReader
from workflow.run.stored_campaign import stored_campaign


def unusable_labels(folder: RunFolder) -> list[Unusable]:
    """Return the labels of a run that failed or were refused.

    Raises
    ------
    StoreError
    """
    with StoreReader.open(folder.store) as store:
        return store.unusable.all()


def retry(
    folder: RunFolder, *, kinds: Collection[str] = (), structures: Sequence[str] = ()
) -> list[Unusable]:
    """Put labels back and return them; those of some kinds, of some structures, or all.

    Parameters
    ----------
    folder : RunFolder
    kinds : collection of str
        FailureKinds; empty: all.
    structures : sequence of str
        Beginnings of structure_ids; empty: all.

    Raises
    ------
    InputError
        There is no such kind or structure among them, or a launch works in the folder.
    StoreError
    """
    with held_store(folder) as store:
        found = store.unusable.all()
        known = sorted({label.kind for label in found})
        for kind in kinds:
            if kind not in known:
                raise InputError(f"no label of the run failed as `{kind}`: {_offer(kind, known)}")
        for start in structures:
            if not any(label.structure_id.startswith(start) for label in found):
                raise InputError(
                    f"no label of a structure {start}… failed: `rung status {folder.path} "
                    "--failures` lists those that did"
                )
        chosen = [
            label
            for label in found
            if (not kinds or label.kind in kinds)
            and (not structures or label.structure_id.startswith(tuple(structures)))
        ]
        levels = [find_level(rung.level).level_id for rung in stored_campaign(store).rungs]
        for label in chosen:
            store.unusable.put_back(
                levels.index(label.level_id), label.structure_id, label.level_id
            )
        if chosen:
            store.diary.add_event("retry", f"{len(chosen)} labels were put back")
        return chosen


def _offer(kind: str, known: Sequence[str]) -> str:
    return nearest(kind, known) if known else "none failed at all"
