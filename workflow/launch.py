"""Run or resume a campaign: everything between the command line and the driver."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from chemistry.errors import InputError, Interrupted
from workflow.backend import Backend
from workflow.campaign import Campaign
from workflow.disk import disk_errors_explained
from workflow.driver import Driver
from workflow.export import write_exports
from workflow.inputs import check_levels, read_campaign_molecules
from workflow.progress import Progress
from workflow.run_folder import RunFolder, locked, open_run, write_facts
from workflow.store import Store
from workflow.workers import start_workers


def launch_campaign(
    campaign: Campaign, backend: Backend, path: Path, progress: Progress, *, force_new: bool
) -> RunFolder:
    """Run a campaign to its end, from where it is; return its folder.

    Raises
    ------
    InputError, StoreError, CampaignFailed
    Interrupted
        After Ctrl-C or SIGTERM.
    """
    with opened_run(campaign, path, force_new=force_new) as (folder, store, skipped), progress:
        for error in skipped:
            progress.said(f"skipped {error}")
        _drive(store, campaign, backend, folder, progress)
        write_exports(store, folder.exports, campaign)
    return folder


@contextmanager
def opened_run(
    campaign: Campaign, path: Path, *, force_new: bool = False
) -> Iterator[tuple[RunFolder, Store, list[InputError]]]:
    """Hold the folder and the store of a run, made if need be; the store knows all molecules.

    The third of what is given are the entries of molecule files that were skipped.

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
        write_facts(folder, campaign)
        store.add_molecules(molecules)
        yield folder, store, skipped


def describe(campaign: Campaign, backend: Backend, path: Path) -> str:
    """Say what a launch would do; raises InputError like one."""
    skipped: list[InputError] = []
    molecules = read_campaign_molecules(campaign, skipped)
    check_levels(campaign, [molecule for molecule, _ in molecules])
    action = "go on in" if RunFolder(path).store.exists() else "make"
    lines = [f"{campaign.name}: would {action} {path}"]
    lines += [f"  skipped   {error}" for error in skipped]
    for molecule, held_out in molecules:
        lines.append(f"  molecule  {molecule.name}{' (only tested on)' if held_out else ''}")
    for rung in campaign.rungs:
        lines.append(
            f"  rung      {rung.level}: {rung.initial_labels} labels at first, at most "
            f"{rung.budget.labels} to train on, {campaign.held_out.structures} held out"
        )
    lines.append(f"  workers   {backend.slots} tasks at once")
    return "\n".join(lines)


def _open_store(folder: RunFolder, campaign: Campaign) -> Store:
    if not folder.store.exists():
        return Store.create(folder.store, campaign.model_dump_json())
    store = Store.open(folder.store)
    store.set_meta("campaign", campaign.model_dump_json())
    return store


def _drive(
    store: Store, campaign: Campaign, backend: Backend, folder: RunFolder, progress: Progress
) -> None:
    driver: Driver | None = None
    try:
        with _sigterm_as_interrupt(), start_workers(backend, folder.path) as workers:
            driver = Driver(store, campaign, backend, folder, workers, progress)
            launched = store.begin_launch(backend.slots)
            try:
                driver.run()
            finally:
                store.end_launch(launched)
    except KeyboardInterrupt as interrupt:
        # The workers are gone by now; what they finished until then lies in the spool.
        if driver is not None:
            driver.take_in_leftovers()
        raise Interrupted(
            f"stopped; everything computed is kept in {folder.path}: launch again to go on"
        ) from interrupt


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Make SIGTERM end the campaign as cleanly as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
