"""What every label must be before it is taken in, whatever layout it stood in."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chemistry.engines.outcome import NET_FORCE_LIMIT_EV_ANGSTROM
from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import require_electrons_fit
from chemistry.records.structure import FloatArray, Structure
from workflow.datasets.layouts.base import FileLabel

_NUMBERS = ("cpu_seconds", "wall_seconds", "finished_at")


_NET_SHARE = 0.1
"""Share of the largest force that a net force may have beside what engines are allowed. The grids
of published data leave some hundredths of eV/Å; a wrong gradient leaves much of itself."""


def require_admissible(label: FileLabel, net_force_limit_ev_angstrom: float | None = None) -> float:
    """Refuse a label whose numbers cannot be those of a molecule in vacuum.

    Returns
    -------
    float
        What its forces add up to, eV/Å.

    Raises
    ------
    InputError
        A number is not finite, an array has another shape than the molecule, electrons and
        multiplicity do not fit, or the forces do not add up to nothing.
    """
    where, structure = label.where, label.structure
    _require_finite(label.energy, (), "the energy", where)
    _require_finite(structure.positions, (len(structure), 3), "a position", where)
    if label.forces is not None:
        _require_finite(label.forces, (len(structure), 3), "a force", where)
    if label.dipole is not None:
        _require_finite(label.dipole, (3,), "the dipole", where)
    for name, value in label.components.items():
        _require_finite(value, (), name, where)
    for name in _NUMBERS:
        _require_time(label.facts, name, where)
    _require_electrons(structure, where)
    if label.forces is None:
        return 0.0
    return _require_no_net_force(label.forces, net_force_limit_ev_angstrom, where)


def _require_finite(values: Any, shape: tuple[int, ...], what: str, where: str) -> None:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{where}: {what} is {values!r}, which is no number") from None
    if array.shape != shape:
        raise InputError(f"{where}: {what} has the shape {array.shape}, not {shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{where}: {what} is not a finite number")


def _require_time(facts: Mapping[str, Any], name: str, where: str) -> None:
    try:
        seconds = float(facts.get(name, 0.0))
    except (TypeError, ValueError):
        seconds = np.nan
    if not np.isfinite(seconds) or seconds < 0.0:
        raise InputError(f"{where}: {name}={facts[name]} is not a number of seconds")


def _require_electrons(structure: Structure, where: str) -> None:
    numbers = structure.atomic_numbers
    if not len(numbers) or numbers.min() < 1:
        raise InputError(f"{where}: it has no atoms, or one of an atomic number below 1")
    require_electrons_fit(numbers, structure.charge, structure.multiplicity, where)


def _require_no_net_force(forces: FloatArray, limit_ev_angstrom: float | None, where: str) -> float:
    net_force = float(np.abs(forces.sum(axis=0)).max())
    if limit_ev_angstrom is None:
        limit_ev_angstrom = NET_FORCE_LIMIT_EV_ANGSTROM + _NET_SHARE * float(np.abs(forces).max())
    if net_force > limit_ev_angstrom:
        raise InputError(
            f"{where}: its forces add up to {net_force:.3f} eV/Å instead of nothing (limit "
            f"{limit_ev_angstrom:.3f}): they are not those of a molecule in vacuum, or of other "
            "atoms; --net-force-ev-angstrom sets another limit"
        )
    return net_force
