"""Disks that are full or closed, said in one sentence, and folders closed to other users."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chemistry.errors import InputError, StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_CLOSED = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG),
)


@contextmanager
def disk_errors_explained(place: Path) -> Iterator[None]:
    """Turn the errors of a full disk, or of a place that cannot be written, into a StoreError.

    Parameters
    ----------
    place : Path
        What is written, for messages: the error of a full disk does not name its file.
    """
    try:
        yield
    except OSError as error:
        if (explained := _explained(error, error.filename or place)) is None:
            raise
        raise explained from error


@contextmanager
def as_store_errors(folder: Path) -> Iterator[None]:
    """Turn every error of the system about a folder's files into a StoreError."""
    try:
        yield
    except OSError as error:
        unusable = StoreError(f"{folder} cannot be used: {error.strerror}")
        raise _explained(error, folder) or unusable from error


def _explained(error: OSError, where: Path | str) -> StoreError | None:
    if error.errno in _FULL:
        return StoreError(
            f"the disk that holds {where} is full: make room there and try again, "
            "nothing that was computed is lost"
        )
    if error.errno in _WITHOUT_LOCKS:
        return StoreError(
            f"the file system of {where} knows no locks: put the run folder on another one"
        )
    if error.errno in _CLOSED:
        return StoreError(
            f"{where} cannot be written ({error.strerror}): correct that and try again"
        )
    return None


def own_folder(path: Path) -> None:
    """Make a folder that only this user can enter; let nobody else write into one that exists.

    What others could put there would be taken for results of this user's.

    Raises
    ------
    InputError
        The folder belongs to another user.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise InputError(f"{path} belongs to another user: name another folder")
    if status.st_mode & 0o022:
        path.chmod(status.st_mode & 0o7755)
