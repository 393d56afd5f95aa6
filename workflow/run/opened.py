"""A run that is held: nobody else can resume it until it is let go."""

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from chemistry.errors import InputError
from workflow.run.folder import RunFolder, locked
from workflow.run.resume import given, require_same_campaign, require_same_molecules
from workflow.run.store.store import Store, StoreReader
from workflow.run.stored_campaign import as_launched, stored_campaign
from workflow.settings.campaign import Campaign
from workflow.settings.molecules import check_levels, read_campaign_molecules
from workflow.work.system.disk import disk_errors_explained, own_folder

_BEFORE_THE_STORE = ("run.lock", "spool", "models", "exports", "logs")
_PROGRAMS = ("rung", "parsl", "pyscf", "tblite", "rdkit", "torch", "ase", "numpy", "scipy")


def open_run(campaign: Campaign, path: Path, *, force_new: bool = False) -> RunFolder:
    """Make the folder of a run, or check that the one that exists is of this campaign.

    Raises
    ------
    InputError
        The folder was made by another campaign file (the message says what differs), or holds
        something else.
    """
    folder = RunFolder(path)
    try:
        if force_new and path.exists():
            _set_aside(folder)
        if folder.store.exists():
            with StoreReader.open(folder.store) as store:
                require_same_campaign(stored_campaign(store), as_launched(store, campaign), path)
        else:
            _refuse_strangers(path)
        # Only the owner may write into the spool: what lies there is taken into the store.
        for part in (path, folder.spool, folder.models, folder.exports, folder.logs):
            own_folder(part)
    except OSError as error:
        raise InputError(
            f"{path} cannot be a run folder ({error.strerror}): "
            "name another one with --run-folder, or free it"
        ) from error
    return folder


def _set_aside(folder: RunFolder) -> None:
    """Rename a folder, unless another launch works in it."""
    with locked(folder):
        stamp = time.strftime("%Y%m%d-%H%M%S")
        folder.path.rename(folder.path.with_name(f"{folder.path.name}.{stamp}"))


def _refuse_strangers(path: Path) -> None:
    """Refuse a folder that holds more than what a launch makes before the store is there."""
    strangers = [
        entry.name
        for entry in (path.iterdir() if path.exists() else ())
        if entry.name not in _BEFORE_THE_STORE and not entry.name.startswith("store.sqlite.new")
    ]
    if strangers:
        raise InputError(
            f"{path} exists and is not a run folder (it holds {min(strangers)}): "
            "give the campaign another name"
        )


def write_facts(folder: RunFolder, campaign: Campaign) -> None:
    """Write the resolved campaign and the versions of all programs, for people."""
    text = yaml.safe_dump(campaign.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    folder.campaign.write_text(text, encoding="utf-8")
    versions = {name: _version(name) for name in _PROGRAMS}
    versions["python"] = platform.python_version()
    (folder.path / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """A run that nobody else can go on with.

    Attributes
    ----------
    folder : RunFolder
    store : Store
        Knows all molecules.
    campaign : Campaign
        What its file leaves open is as the run began.
    skipped : tuple of InputError
        Entries of molecule files that were left out.
    """

    folder: RunFolder
    store: Store
    campaign: Campaign
    skipped: tuple[InputError, ...]


@contextmanager
def opened_run(campaign: Campaign, path: Path, *, force_new: bool = False) -> Iterator[OpenRun]:
    """Hold the folder and the store of a run, made if need be.

    Raises
    ------
    InputError, StoreError
    """
    skipped: list[InputError] = []
    molecules = read_campaign_molecules(campaign, skipped)
    check_levels(campaign, [molecule for molecule, _ in molecules])
    folder = open_run(campaign, path, force_new=force_new)
    with (
        disk_errors_explained(folder.path),
        locked(folder),
        _open_store(folder, campaign) as store,
    ):
        require_same_molecules(store.molecules.given(), molecules, path)
        as_begun = _remember(store, campaign)
        write_facts(folder, as_begun)
        store.molecules.add(molecules)
        yield OpenRun(folder=folder, store=store, campaign=as_begun, skipped=tuple(skipped))


def _open_store(folder: RunFolder, campaign: Campaign) -> Store:
    if not folder.store.exists():
        return Store.create(folder.store, campaign.model_dump_json())
    return Store.open(folder.store)


def _remember(store: Store, campaign: Campaign) -> Campaign:
    """Keep the campaign of this launch in the store and return it."""
    launched = as_launched(store, campaign)
    store.diary.set_fact("campaign", launched.model_dump_json())
    store.diary.set_fact("campaign_given", given(campaign))
    return launched
