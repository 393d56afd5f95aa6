"""The report of a run: one self-contained HTML page."""

from pathlib import Path

from workflow.disk import disk_errors_explained
from workflow.report.page import render
from workflow.report.read import read_run
from workflow.run_folder import RunFolder


def write_report(folder: RunFolder) -> Path:
    """Write the report of a run, in any state of it, and return its path; the file appears whole.

    Raises
    ------
    StoreError
        The folder has no readable store, or the file cannot be written.
    """
    page = render(read_run(folder))
    unfinished = folder.report.with_name(f".{folder.report.name}.part")
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
