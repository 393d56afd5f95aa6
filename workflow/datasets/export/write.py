"""How a run is written in a format, with a data card."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from chemistry.errors import InputError
from chemistry.names import nearest
from chemistry.records.level import find_level
from workflow.datasets.export.card import Tally, card_path, write_card
from workflow.datasets.export.choice import ExportChoice, chosen_rows, molecule_splits
from workflow.datasets.export.formats import EXPORTERS
from workflow.datasets.export.self_energies import fit_self_energies, minus_self_energies
from workflow.run.store.records import ExportRow
from workflow.run.store.store import StoreReader
from workflow.settings.campaign import Campaign
from workflow.work.system.disk import disk_errors_explained


def write_export(
    store: StoreReader, name: str, path: Path, choice: ExportChoice | None = None
) -> int:
    """Write labels of a run in one format, with a data card; return how many.

    File or folder and card appear whole; what an earlier export wrote there is replaced.

    Raises
    ------
    InputError
        There is no such format or level, or a folder that no export made is in the way.
    StoreError
        The file cannot be written, or the store not be read.
    """
    choice = choice or ExportChoice()
    exporter = EXPORTERS.find(name)
    if path.is_dir() and not card_path(path).exists():
        raise InputError(f"{path} is a folder that no export made: name another output")
    unfinished = path.with_name(f".{path.name}.part")
    tally = Tally()
    with disk_errors_explained(path):
        try:
            _remove(unfinished)
            rows = _rows(store, choice)
            self_energies = {}
            if choice.energy == "minus-self-energies":
                self_energies = fit_self_energies(_rows(store, choice))
                rows = minus_self_energies(rows, self_energies)
            exporter.write(tally.watch(rows), unfinished)
            _remove(path)
            unfinished.replace(path)
        finally:
            _remove(unfinished)
        write_card(
            path,
            exporter,
            tally,
            choice,
            self_energies=self_energies,
            unusable=store.unusable.count(),
        )
    return tally.labels


def write_exports(store: StoreReader, folder: Path, campaign: Campaign) -> None:
    """Write the exports that a campaign asks for into a folder."""
    for name in campaign.exports:
        path = folder / f"{campaign.name}{EXPORTERS.find(name).suffix}"
        write_export(store, name, path, ExportChoice(license=campaign.license))


def _rows(store: StoreReader, choice: ExportChoice) -> Iterator[ExportRow]:
    """Yield what is chosen of a store."""
    splits = None
    if choice.split == "molecule":
        only_tested = {m.molecule_id for m, held_out in store.molecules.all() if held_out}
        splits = molecule_splits(store.labels.count_by_molecule(), only_tested)
    rows = store.labels.export_rows(
        _level_ids(store, choice.levels), with_quarantined=choice.with_quarantined
    )
    return chosen_rows(rows, choice, splits)


def _level_ids(store: StoreReader, names: tuple[str, ...]) -> list[str] | None:
    if not names:
        return None
    known = store.labels.level_names()
    wanted = [find_level(name) for name in names]
    for level in wanted:
        if level.level_id not in known:
            raise InputError(
                f"the run has no labels of {level.name}: {nearest(level.name, known.values())}"
            )
    return [level.level_id for level in wanted]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
