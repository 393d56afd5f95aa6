"""Data set formats, one module each."""

from pathlib import Path
from typing import Final

from workflow.campaign import Campaign
from workflow.disk import disk_errors_explained
from workflow.export.ani_hdf5 import AniHDF5
from workflow.export.base import Exporter
from workflow.export.extxyz import ExtendedXYZ
from workflow.store import Store

EXPORTERS: Final[dict[str, Exporter]] = {
    "extxyz": ExtendedXYZ(),
    "ani-hdf5": AniHDF5(),
}


def write_export(store: Store, name: str, path: Path) -> int:
    """Write all labels of a run in one format and return how many; the file appears whole.

    Raises
    ------
    StoreError
        The file cannot be written, or the store not be read.
    """
    unfinished = path.with_name(f".{path.name}.part")
    with disk_errors_explained(path):
        try:
            count = EXPORTERS[name].write(store.export_rows(), unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return count


def write_exports(store: Store, folder: Path, campaign: Campaign) -> None:
    """Write the exports that a campaign asks for into a folder."""
    for name in campaign.exports:
        write_export(store, name, folder / f"{campaign.name}{EXPORTERS[name].suffix}")
