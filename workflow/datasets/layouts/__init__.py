"""Layouts of labelled data that are read, one file each, and the one list of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chemistry.engines.outcome import NET_FORCE_LIMIT_EV_ANGSTROM
from chemistry.errors import InputError
from workflow.datasets.layouts.admission import require_admissible
from workflow.datasets.layouts.ase_db import ASEDatabase
from workflow.datasets.layouts.base import FileLabel, Layout, Reading
from workflow.datasets.layouts.deepmd import DeePMD
from workflow.datasets.layouts.extxyz import ExtendedXYZ
from workflow.datasets.layouts.hdf5 import HDF5
from workflow.datasets.layouts.hdf5_groups.ani1 import ANI1
from workflow.datasets.layouts.hdf5_groups.ani1x import ANI1x
from workflow.datasets.layouts.hdf5_groups.spice import SPICE
from workflow.datasets.layouts.parquet import Parquet
from workflow.datasets.layouts.qcschema import QCSchema
from workflow.datasets.layouts.torchani import TorchANI

LAYOUTS: Final[tuple[Layout, ...]] = (
    ExtendedXYZ(),
    HDF5(
        "HDF5 of ANI-1, ANI-1x, ANI-2x, SPICE or rung (.h5, .hdf5)",
        (ANI1x(), ANI1(), SPICE()),
    ),
    QCSchema(),
    Parquet(),
    DeePMD(),
    TorchANI(),
    ASEDatabase(),
)
"""The first that fits a path reads it."""

_SEEN_SHOWN = 12


def read_labels(path: Path, reading: Reading) -> Iterator[FileLabel]:
    """Yield the labels of a file that are wanted and can be used.

    Those that name no level are taken to be of the one that is wanted.

    Raises
    ------
    InputError
        No such file, another layout, unreadable, a label that cannot be used (unless they are
        skipped), or none that is wanted: the message says what was found instead.
    """
    found = False
    for label in layout_of(path).read(path, reading):
        try:
            if isinstance(label, InputError):
                raise label
            net_force = require_admissible(label, reading.net_force_limit_ev_angstrom)
        except InputError as error:
            reading.refuse(error)
            continue
        found = True
        if net_force > NET_FORCE_LIMIT_EV_ANGSTROM:
            reading.notes[
                f"forces add up to more than {NET_FORCE_LIMIT_EV_ANGSTROM:g} eV/Å: a coarse grid?"
            ] += 1
        yield label
    if not found:
        raise _nothing_found(path, reading)


def layout_of(path: Path) -> Layout:
    """Return the layout of a file or folder, by its name and kind.

    Raises
    ------
    InputError
        There is none there, or it is of a kind that is not read.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    layout = next((layout for layout in LAYOUTS if layout.fits(path)), None)
    if layout is None:
        known = "; ".join(layout.name for layout in LAYOUTS)
        held = ""
        if path.is_dir():
            names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*"))
            held = f"; the folder has {_listed(names)}"
        raise InputError(f"{path}: labels are read from {known}{held}")
    return layout


def _nothing_found(path: Path, reading: Reading) -> InputError:
    """Say what a file has where nothing in it was wanted."""
    wanted = "" if reading.level is None else f" of {reading.level.name}"
    if reading.bad:
        return InputError(
            f"{path}: none of its {len(reading.bad)} labels can be used: {reading.bad[0]}"
        )
    if reading.levels:
        levels = ", ".join(f"{name} ({n})" for name, n in reading.levels.most_common())
        return InputError(
            f"{path}: there are no labels{wanted}: it has {levels}"
            + (f", in {_listed(list(reading.seen))}" if reading.seen else "")
        )
    return InputError(
        f"{path}: there are no labels{wanted}: what it has ({_listed(list(reading.seen))}) is none "
        f"of the layouts {'; '.join(layout.name for layout in LAYOUTS)}"
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_SEEN_SHOWN])
    return (f"{shown} and more" if len(names) > _SEEN_SHOWN else shown) or "nothing"
