"""Run or resume a campaign: everything between the command line and the driver."""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from chemistry.errors import InputError, Interrupted
from chemistry.records.level import find_level
from workflow.campaign.driver import Driver
from workflow.campaign.observers.progress import Progress
from workflow.campaign.observers.refresher import Refresher
from workflow.run.begun import take_start
from workflow.run.folder import RunFolder
from workflow.run.opened import OpenRun, opened_run
from workflow.run.start import find_start, start_line
from workflow.settings.backend import Backend
from workflow.settings.campaign import Campaign
from workflow.settings.devices import require_devices
from workflow.settings.molecules import check_levels, levels_of, read_campaign_molecules
from workflow.settings.teachers import teacher_name
from workflow.work.pools.workers import start_workers
from workflow.work.teachers import with_teachers


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
    require_devices(campaign, backend)
    backend = _require_potentials(campaign, backend, path)
    with progress, ExitStack() as stack:
        with progress.during("reading molecules and the run"):
            run = stack.enter_context(opened_run(campaign, path, force_new=force_new))
        for error in run.skipped:
            progress.said(f"skipped {error}")
        _remember_teachers(run, backend)
        if (begun := take_start(run)) is not None:
            progress.said(begun)
        _drive(run, backend, progress)
        with progress.during("writing the data sets"):
            # Not earlier: its formats take a second to import, which no worker should wait for.
            from workflow.datasets.export.write import write_exports

            write_exports(run.store, run.folder.exports, run.campaign)
    return run.folder


def _require_potentials(campaign: Campaign, backend: Backend, path: Path) -> Backend:
    """Refuse a start or a teacher that does not fit, before a run folder is made.

    Returns the backend with what is known of the teachers' files.
    """
    levels = levels_of(campaign)
    begins = campaign.start is not None and not RunFolder(path).store.exists()
    if not begins and not any(map(teacher_name, levels)):
        return backend
    molecules = [molecule for molecule, _ in read_campaign_molecules(campaign)]
    backend = with_teachers(backend, levels, molecules)
    if begins:
        find_start(campaign, molecules)
    return backend


def _remember_teachers(run: OpenRun, backend: Backend) -> None:
    """Note the files of the teachers; raises InputError where the run's labels are of others."""
    known = json.loads(run.store.diary.fact("teachers") or "{}")
    for rung in run.campaign.rungs:
        program = backend.teacher_of(find_level(rung.level))
        if program is None:
            continue
        then, now = known.setdefault(program.name, program.sha256), program.sha256
        if then != now:
            raise InputError(
                f"{run.folder.path} has labels of a teacher {program.name} of sha256 {then}, and "
                f"the backend file names one of {now}: give it another name, and the campaign too"
            )
    run.store.diary.set_fact("teachers", json.dumps(known))


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What a launch would do.

    Attributes
    ----------
    resumes : bool
        Whether there is a run to resume.
    skipped : tuple of str
        Entries of molecule files that are left out, and why.
    molecules, only_tested_on : tuple of str
    start : str or None
        What the committee begins with; None for random weights.
    rungs : tuple of RungIntent
    tasks_at_once : int
    """

    campaign: str
    run_folder: Path
    resumes: bool
    skipped: tuple[str, ...]
    molecules: tuple[str, ...]
    only_tested_on: tuple[str, ...]
    start: str | None
    rungs: tuple["RungIntent", ...]
    tasks_at_once: int


@dataclass(frozen=True, kw_only=True)
class RungIntent:
    """A level and the labels that a launch would make at it: at first, at most, held out."""

    level: str
    initial_labels: int
    budget_labels: int
    held_out_labels: int


def intent_of(campaign: Campaign, backend: Backend, path: Path) -> Intent:
    """Return what a launch would do; raises InputError like one."""
    require_devices(campaign, backend)
    levels = levels_of(campaign)
    skipped: list[InputError] = []
    molecules = read_campaign_molecules(campaign, skipped)
    alone = [molecule for molecule, _ in molecules]
    with_teachers(backend, levels, alone)
    check_levels(campaign, alone)
    begun_with = find_start(campaign, alone)
    return Intent(
        campaign=campaign.name,
        run_folder=path,
        resumes=RunFolder(path).store.exists(),
        skipped=tuple(str(error) for error in skipped),
        molecules=tuple(molecule.name for molecule, held_out in molecules if not held_out),
        only_tested_on=tuple(molecule.name for molecule, held_out in molecules if held_out),
        start=None if begun_with is None else start_line(begun_with),
        rungs=tuple(
            RungIntent(
                level=rung.level,
                initial_labels=rung.initial_labels,
                budget_labels=rung.budget.labels,
                held_out_labels=campaign.held_out_structures(index),
            )
            for index, rung in enumerate(campaign.rungs)
        ),
        tasks_at_once=backend.slots,
    )


def describe(intent: Intent) -> str:
    """Say what a launch would do."""
    action = "resume" if intent.resumes else "make"
    lines = [f"{intent.campaign}: would {action} {intent.run_folder}"]
    lines += [f"  skipped   {error}" for error in intent.skipped]
    lines += [f"  molecule  {name}" for name in intent.molecules]
    lines += [f"  molecule  {name} (only tested on)" for name in intent.only_tested_on]
    if intent.start is not None:
        lines.append(f"  start     {intent.start}")
    lines += [
        f"  rung      {rung.level}: {rung.initial_labels} labels at first, at most "
        f"{rung.budget_labels} to train on, {rung.held_out_labels} held out"
        for rung in intent.rungs
    ]
    lines.append(f"  workers   {intent.tasks_at_once} tasks at once")
    return "\n".join(lines)


def _drive(run: OpenRun, backend: Backend, progress: Progress) -> None:
    store, campaign, folder = run.store, run.campaign, run.folder
    driver: Driver | None = None
    try:
        with _sigterm_as_interrupt(), ExitStack() as stack:
            after_workers = stack.enter_context(ExitStack())
            with progress.during("starting the workers"):
                workers = stack.enter_context(start_workers(backend, folder.path, progress.said))
            stack.callback(
                lambda: after_workers.enter_context(progress.during("ending the workers"))
            )
            observer = stack.enter_context(Refresher(folder, progress))
            driver = Driver(store, campaign, backend, folder, workers, observer)
            launched = store.diary.begin_launch(backend.slots)
            try:
                driver.run()
            finally:
                store.diary.end_launch(launched)
    except KeyboardInterrupt as interrupt:
        # The workers are gone by now; what they finished until then lies in the spool.
        if driver is not None:
            driver.take_in_leftovers()
        raise Interrupted(
            f"stopped; everything computed is kept in {folder.path}: launch again to resume"
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
