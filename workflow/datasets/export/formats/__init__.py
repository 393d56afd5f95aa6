"""The formats that data sets are written in, a file each.

Other packages add formats through the entry-point group "rung.exporters", whose entries name
objects that follow `workflow.datasets.export.base.Exporter`.
"""

from typing import TYPE_CHECKING

from chemistry.registry import Registry

if TYPE_CHECKING:  # whoever only reads a campaign file needs the names alone
    from workflow.datasets.export.base import Exporter

_HERE = "workflow.datasets.export.formats"

EXPORTERS: "Registry[Exporter]" = Registry(
    "format",
    group="rung.exporters",
    ours={
        "extxyz": f"{_HERE}.extxyz:EXTXYZ",
        "mace": f"{_HERE}.extxyz:MACE",
        "ani-hdf5": f"{_HERE}.ani_hdf5:ANI_HDF5",
        "torchani": f"{_HERE}.torchani_hdf5:TORCHANI",
        "deepmd": f"{_HERE}.deepmd:DEEPMD",
        "qcschema": f"{_HERE}.qcschema:QCSCHEMA",
        "parquet": f"{_HERE}.parquet:PARQUET",
        "ase-db": f"{_HERE}.ase_db:ASE_DB",
    },
)
"""Every format by its name."""
