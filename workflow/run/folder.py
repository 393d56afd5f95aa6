"""The folder of a run: where its files are, who holds it, and whether it may be gone on with."""

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

import yaml
from pydantic import ValidationError

from chemistry.errors import InputError, RunInUse, StoreError
from workflow.run.resume import as_begun, require_same_campaign
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign
from workflow.work.system.disk import own_folder

_BEFORE_THE_STORE = ("run.lock", "spool", "models", "exports", "logs")
_PROGRAMS = ("rung", "parsl", "pyscf", "tblite", "rdkit", "torch", "ase", "numpy", "scipy")


@dataclass(frozen=True)
class RunFolder:
    """runs/NAME: the resolved campaign, the store, the spool, models, exports and logs."""

    path: Path

    @property
    def store(self) -> Path:
        """The store: all that the campaign knows."""
        return self.path / "store.sqlite"

    @property
    def campaign(self) -> Path:
        """The campaign file as it was resolved: every default spelled out."""
        return self.path / "campaign.yaml"

    @property
    def spool(self) -> Path:
        """Results that workers have finished and the store does not hold yet."""
        return self.path / "spool"

    @property
    def models(self) -> Path:
        """Checkpoints of the committee, one for each training."""
        return self.path / "models"

    @property
    def exports(self) -> Path:
        """Data sets for others."""
        return self.path / "exports"

    @property
    def report(self) -> Path:
        """The report: one page for people."""
        return self.path / "report.html"

    @property
    def climb_report(self) -> Path:
        """What `rung climb-report` found, for the report."""
        return self.path / "climb-report.json"

    @property
    def logs(self) -> Path:
        """Logs of Parsl and of the engines."""
        return self.path / "logs"

    def checkpoint(self, rung: int, version: int) -> Path:
        """Return the path of a committee."""
        return self.path / checkpoint_name(rung, version)


def checkpoint_name(rung: int, version: int) -> str:
    """Return the path of a committee, relative to the run folder."""
    return f"models/rung{rung}-v{version:03d}.safetensors"


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
            with Store.open(folder.store, read_only=True) as store:
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


def stored_campaign(store: Store) -> Campaign:
    """Return the campaign of a run as it was last launched.

    Raises
    ------
    StoreError
        Another version of rung wrote it.
    """
    try:
        return Campaign.model_validate_json(store.meta("campaign") or "")
    except ValidationError as error:
        raise StoreError(
            f"{store.path} holds a campaign that this rung cannot read: "
            f"use the version of rung in {store.path.parent / 'versions.json'}"
        ) from error


def as_launched(store: Store, campaign: Campaign) -> Campaign:
    """Return the campaign of a new launch: what its file leaves open is as the run began."""
    was_given = store.meta("campaign_given")
    if was_given is None:
        return campaign
    return as_begun(campaign, stored_campaign(store), json.loads(was_given))


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


def is_locked(folder: RunFolder) -> bool:
    """Say whether a launch holds a run folder."""
    try:
        with (folder.path / "run.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold a run folder: the kernel lets go when the process ends, however it ends.

    Raises
    ------
    RunInUse
        Another launch holds it.
    """
    with (folder.path / "run.lock").open("a+") as file:
        try:
            _lock(file)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise RunInUse(
                f"{folder.path} is in use by {holder}: wait for it, or stop it with Ctrl-C there"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        yield


def _lock(file: IO[str]) -> None:
    """Lock a file; who only looks whether it is locked holds it for a moment."""
    for pause in (0.05, 0.2, 0.5):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(pause)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
