"""Compare a potential with a data set that it has not seen."""

from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chemistry.errors import InputError
from chemistry.records.label import Label, LabelledStructure, Provenance
from model.evaluation import Errors, MoleculeErrors, held_out_errors
from workflow.datasets.labelled_files import UNREADABLE_XYZ, structure_of_frame
from workflow.run.potential import read_potential


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How wrong a potential is on a data set.

    Attributes
    ----------
    potential, data : Path
    level_name : str
        Of the labels that the potential has learned.
    other_levels : tuple of str
        Levels of the data that are not this one, as far as frames name one.
    errors : Errors
    """

    potential: Path
    data: Path
    level_name: str
    other_levels: tuple[str, ...]
    errors: Errors


def evaluate_potential(potential: Path, data: Path) -> Evaluation:
    """Compare a potential with a data set, over all and by molecule.

    Parameters
    ----------
    potential : Path
        See `read_potential`.
    data : Path
        Extended XYZ with energies in eV and, where there are any, forces in eV/Å.

    Raises
    ------
    InputError
        A file is missing or unreadable, or a frame has no energy.
    """
    file, committee = read_potential(potential)
    rows, levels = read_extxyz(data)
    errors = held_out_errors(committee, rows)
    if errors is None:
        raise InputError(f"{data}: there is no structure in the file")
    return Evaluation(
        potential=file,
        data=data,
        level_name=committee.level_name,
        other_levels=tuple(sorted(levels - {committee.level_name})),
        errors=errors,
    )


def evaluation_screen(found: Evaluation) -> RenderableType:
    """Return the errors as a table."""
    structures = f"{found.data}, {found.errors.n_structures} structures"
    lines = [
        Text.assemble(("potential  ", "dim"), str(found.potential), f" ({found.level_name})"),
        Text.assemble(("data       ", "dim"), structures),
    ]
    if found.other_levels:
        others = ", ".join(found.other_levels)
        lines.append(Text(f"the data are of another level: {others}", style="yellow"))
    return Group(*lines, _table({"all": found.errors, **found.errors.by_molecule}))


def read_extxyz(path: Path) -> tuple[list[LabelledStructure], set[str]]:
    """Read labelled structures and the names of their levels, as far as frames name one.

    Raises
    ------
    InputError
        The file is missing or unreadable, or a frame has no energy.
    """
    try:
        frames = ase.io.read(path, index=":", format="extxyz")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except UNREADABLE_XYZ as error:
        raise InputError(f"{path}: not readable as extended XYZ ({error})") from error
    rows = [_row(atoms, path, i) for i, atoms in enumerate(frames)]
    return rows, {str(a.info["level"]) for a in frames if "level" in a.info}


def _row(atoms: Atoms, path: Path, index: int) -> LabelledStructure:
    results = atoms.calc.results if atoms.calc is not None else {}
    if "energy" not in results:
        raise InputError(f"{path}, frame {index}: there is no `energy`, which is read in eV")
    name = str(atoms.info.get("molecule", atoms.get_chemical_formula()))
    structure = structure_of_frame(atoms, molecule_id=name)
    forces = results.get("forces")
    label = Label(
        structure_id=structure.structure_id,
        level_id="",
        energy=float(results["energy"]),
        forces=None if forces is None else np.asarray(forces, dtype=np.float64),
        provenance=Provenance(
            program=path.name,
            version="",
            host="",
            cpu_seconds=0.0,
            wall_seconds=0.0,
            attempts=(),
            finished_at=0.0,
        ),
    )
    return LabelledStructure(structure=structure, label=label)


def _table(errors: dict[str, MoleculeErrors]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in (
        "molecule",
        "structures",
        "energy MAE\nkcal/mol",
        "energy RMSE\nkcal/mol",
        "relative\nenergy MAE",
        "force MAE\nkcal/mol/Å",
        "force RMSE\nkcal/mol/Å",
    ):
        table.add_column(heading, justify="left" if heading == "molecule" else "right")
    for name, e in errors.items():
        values = (
            e.energy_mae_kcal_mol,
            e.energy_rmse_kcal_mol,
            e.relative_energy_mae_kcal_mol,
            e.force_mae_kcal_mol_angstrom,
            e.force_rmse_kcal_mol_angstrom,
        )
        shown = ["-" if value is None else f"{value:.2f}" for value in values]
        table.add_row(name, str(e.n_structures), *shown)
    return table
