"""A disk that is full or closed, said in one sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chemistry.errors import StoreError

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
