"""Where a potential comes from: a checkpoint, a run, or a published ensemble."""

from pathlib import Path

from chemistry.errors import InputError
from model import Committee, load_committee
from model.committees import read_published
from workflow.run.folder import RunFolder, checkpoint_name
from workflow.run.store.store import StoreReader


def read_potential(path: Path) -> tuple[Path, Committee]:
    """Read a potential and say which file or folder it is of.

    Parameters
    ----------
    path : Path
        A checkpoint, a run folder (its newest committee) or a folder with a published ensemble.

    Raises
    ------
    InputError
        It cannot be read, or the run has not trained a committee yet.
    """
    if not path.is_dir():
        return path, load_committee(path)
    published = None if RunFolder(path).store.exists() else read_published(path)
    if published is not None:
        return path, published
    file = _newest_checkpoint(path)
    return file, load_committee(file)


def _newest_checkpoint(run: Path) -> Path:
    with StoreReader.open(RunFolder(run).store) as store:
        rungs = store.trainings.rungs()
        if not rungs:
            raise InputError(f"{run} has no trained committee yet: `rung launch` goes on to one")
        return run / checkpoint_name(rungs[-1], store.trainings.all(rungs[-1])[-1].version)
