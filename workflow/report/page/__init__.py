"""The report of a run: one self-contained HTML page."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from workflow.report.page.page import render
from workflow.report.page.read import read_run
from workflow.run.folder import RunFolder
from workflow.run.launches import is_over
from workflow.run.store.store import StoreReader
from workflow.work.system.disk import disk_errors_explained

_LOOK_SECONDS = 2.0


def write_report(folder: RunFolder) -> Path:
    """Write the report of a run, in any state of it, and return its path; the file appears whole.

    Raises
    ------
    StoreError
        The folder has no readable store, or the file cannot be written.
    """
    page = render(read_run(folder))
    unfinished = folder.report.with_name(f".{folder.report.name}.{os.getpid()}.part")
    with disk_errors_explained(folder.report):
        try:
            unfinished.write_text(page, encoding="utf-8")
            unfinished.replace(folder.report)
        finally:
            unfinished.unlink(missing_ok=True)
    return folder.report


def try_report(folder: RunFolder) -> str:
    """Write the report of a run that has ended; return its path, or why there is none.

    The run is whole without it, so that nothing here may fail a campaign.
    """
    try:
        return str(write_report(folder))
    except Exception as error:  # noqa: BLE001 - whatever it is, the campaign has succeeded
        return f"could not be written ({error}); try again with: rung report {folder.path}"


def follow_run(folder: RunFolder) -> Iterator[Path]:
    """Write the report now, after each training, and when the launch is over; yield its path.

    Raises StoreError as `write_report` does.
    """
    reported = None
    while True:
        ended = is_over(folder)
        trained = _trainings(folder)
        if ended or trained != reported:
            yield write_report(folder)
            reported = trained
        if ended:
            return
        time.sleep(_LOOK_SECONDS)


def _trainings(folder: RunFolder) -> list[int]:
    """Return the number of trainings of each rung."""
    with StoreReader.open(folder.store) as store:
        return [len(store.trainings.all(rung)) for rung in store.trainings.rungs()]
