"""Disks that are full or closed, said in one sentence, and folders closed to other users."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chemistry.errors import InputError, StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENOENT)


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
        where = error.filename or place
        if error.errno in _FULL:
            raise StoreError(
                f"the disk that holds {where} is full: make room there and try again, "
                "nothing that was computed is lost"
            ) from error
        if error.errno in _CLOSED:
            raise StoreError(
                f"{where} cannot be written ({error.strerror}): correct that and try again"
            ) from error
        raise


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
