"""A committee as one safetensors file: numbers as tensors, all else as JSON in its header.

Layout of version 1, so that anybody can read it without rung. The header's `__metadata__` has one
entry, `rung_committee`: a JSON document of

    version            1
    architecture_name  of which architecture it is: ani, …; rung 0.1.0, which had one, left it out
    architecture       what the architecture needs beside its tensors (the module of each says
                       which: `model/architectures/NAME/checkpoint.py`)
    level_id, level_name
    record             how it came about: seed, settings, data_hash, n_structures and, from a
                       campaign, calibration: null, or how errors on held-out labels go with
                       disagreement (standard deviation of the members' energies), both over
                       sqrt(atoms): factor (RMSE / root mean square disagreement),
                       rank_correlation (Spearman's), n_structures, and bins by growing
                       disagreement, each {n_structures, sigma_kcal_mol, rmse_kcal_mol}; intervals:
                       null, or what the members' standard deviations are multiplied by to get half
                       of an interval that holds the share `level` of errors: factors for known
                       molecules, whose molecule_ids are in `molecules`, and for unseen ones, each
                       {n_groups, source, energy, relative_energy, force}; rung 0.1.0 wrote none.
                       From a campaign, too: states, each [charge, multiplicity] among the training
                       set, and license, of the data set; rung 0.2.0 and before wrote none

No pickle: reading a file runs nothing that is in it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chemistry.errors import InputError

Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]

_KEY = "rung_committee"  # one entry, as safetensors writes several in no certain order
_VERSION = 1
_UNNAMED = "ani"
"""Of files that do not say their architecture: rung 0.1.0 had no other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What a file of a committee holds, whichever its architecture.

    Attributes
    ----------
    architecture : str
        Its name.
    shape : JSON document
        What the architecture needs beside the tensors.
    level_id, level_name : str
    record : mapping
    tensors : mapping of str to array
        Finite numbers.
    """

    architecture: str
    shape: Any
    level_id: str
    level_name: str
    record: Mapping[str, Any]
    tensors: Tensors


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a committee; the file is whole or absent, whatever happens."""
    from safetensors.numpy import save

    document = {
        "version": _VERSION,
        "architecture_name": checkpoint.architecture,
        "architecture": checkpoint.shape,
        "level_id": checkpoint.level_id,
        "level_name": checkpoint.level_name,
        "record": dict(checkpoint.record),
    }
    tensors = {name: np.ascontiguousarray(array) for name, array in checkpoint.tensors.items()}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(save(tensors, {_KEY: json.dumps(document)}))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def add_to_record(path: Path, **facts: Any) -> None:
    """Write a committee's file again with more in its record; whole or absent, as it was written.

    Raises InputError as `read_checkpoint` does.
    """
    checkpoint = read_checkpoint(path)
    write_checkpoint(replace(checkpoint, record={**checkpoint.record, **facts}), path)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what `write_checkpoint` wrote.

    Raises
    ------
    InputError
        The file is missing, cut short, not a committee, or of another version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError(f"there is no committee at {path}") from error
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as a committee, is it cut short? {error}"
        ) from error
    if _KEY not in metadata:
        raise InputError(f"{path} is a safetensors file, but not a committee of rung")
    document = json.loads(metadata[_KEY])
    if document.get("version") != _VERSION:
        raise InputError(
            f"{path} is a committee of format version {document.get('version')}, and this rung "
            f"reads version {_VERSION}: use the rung that wrote it, or train again"
        )
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise InputError(
            f"{path} is not a whole committee: some of its weights are not finite numbers"
        )
    try:
        return Checkpoint(
            architecture=document.get("architecture_name", _UNNAMED),
            shape=document["architecture"],
            level_id=document["level_id"],
            level_name=document["level_name"],
            record=document.get("record", {}),
            tensors=tensors,
        )
    except KeyError as error:
        raise InputError(f"{path} is not a whole committee: its header lacks {error}") from error
