"""Extended XYZ, as ASE and MACE read it: eV, Å, eV/Å.

ASE's own writer rounds positions and forces to eight decimals; this one writes every digit, so
that a data set equals the store.
"""

from collections.abc import Iterable
from pathlib import Path

from ase.data import chemical_symbols

from workflow.records import ExportRow


class ExtendedXYZ:
    """One frame a label; a label without forces has no forces column."""

    suffix = ".extxyz"

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows and return how many."""
        count = 0
        with path.open("w", encoding="utf-8") as file:
            for row in rows:
                count += 1
                file.write(frame(row))
        return count


def frame(row: ExportRow) -> str:
    """Return one row as a frame of an extended XYZ file."""
    structure, label = row.structure, row.label
    columns = [structure.positions]
    properties = "species:S:1:pos:R:3"
    if label.forces is not None:
        columns.append(label.forces)
        properties += ":forces:R:3"
    facts: dict[str, object] = {
        "Properties": properties,
        "energy": label.energy,
        "pbc": "F F F",
        "charge": structure.charge,
        "multiplicity": structure.multiplicity,
        "structure_id": structure.structure_id,
        "level": row.level_name,
        "molecule": row.molecule_name,
        "molecule_id": structure.molecule_id,
        "sampler": structure.origin.sampler,
        "split": row.split,
        "purpose": row.purpose,
    }
    if label.dipole is not None:
        facts["dipole"] = " ".join(repr(float(x)) for x in label.dipole)
    comment = " ".join(f"{key}={_quoted(value)}" for key, value in facts.items())
    lines = [str(len(structure)), comment]
    for i, number in enumerate(structure.atomic_numbers):
        numbers = [repr(float(x)) for column in columns for x in column[i]]
        lines.append(" ".join([chemical_symbols[number], *numbers]))
    return "\n".join(lines) + "\n"


def _quoted(value: object) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    # Quotes also keep a name such as 1234 or T from being read as a number or a truth value.
    if isinstance(value, str) and not value.startswith("species:"):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
