"""A path to the run folder that no shell can misread: Parsl writes paths into commands unquoted.

Its providers, the job scripts of schedulers and their file name patterns would take a blank, a
quote, `;`, `$` or `%` in a path for something else than a part of it.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chemistry.errors import InputError
from workflow.work.system.disk import own_folder

_SAFE = re.compile(r"[A-Za-z0-9_./@+=:,-]+")


@contextmanager
def shell_safe(folder: Path, *, is_shared: bool) -> Iterator[Path]:
    """Give a path to a folder that shells take as it is: its own, or that of a link to it.

    Parameters
    ----------
    folder : Path
    is_shared : bool
        Whether other machines must see the path: then the link lies in the home folder, which
        clusters share, else among temporary files.

    Raises
    ------
    InputError
        Neither the folder's path nor that of a link to it is safe.
    """
    folder = folder.resolve()
    if _SAFE.fullmatch(str(folder)):
        yield folder
        return
    place = _place_of_links(folder, is_shared=is_shared)
    own_folder(place)
    link = place / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    _point(link, folder)
    try:
        yield link
    finally:
        with suppress(FileNotFoundError):
            link.unlink()


def _place_of_links(folder: Path, *, is_shared: bool) -> Path:
    if is_shared:
        places = [Path.home() / ".cache" / "rung"]
    else:
        places = [Path(base) / f"rung-{os.geteuid()}" for base in (tempfile.gettempdir(), "/tmp")]
    for place in places:
        if _SAFE.fullmatch(str(place)):
            return place
    raise InputError(
        f"the run folder {folder} has characters in its path that commands of workers cannot hold, "
        f"and so has {places[-1]}, where a link to it would lie: put the campaign into another "
        "folder"
    )


def _point(link: Path, folder: Path) -> None:
    """Make a link whole or not at all; another launch of the same run may have left its own."""
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder, target_is_directory=True)
    fresh.replace(link)
