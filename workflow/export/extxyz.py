"""Extended XYZ, as ASE and MACE read it: eV, Å, eV/Å.

ASE's own writer rounds positions and forces to eight decimals; this one writes every digit, so
that a data set equals the store.
"""

import json
import re
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
    facts = {
        "Properties": properties,
        "energy": repr(float(label.energy)),
        "pbc": '"F F F"',
        "charge": str(structure.charge),
        "multiplicity": str(structure.multiplicity),
        "structure_id": _text(structure.structure_id),
        "level": _text(row.level_name),
        "molecule": _text(row.molecule_name),
        "molecule_id": _text(structure.molecule_id),
        "sampler": _text(structure.origin.sampler),
        "split": _text(row.split),
        "purpose": _text(row.purpose),
    }
    if label.dipole is not None:
        facts["dipole"] = '"' + " ".join(repr(float(x)) for x in label.dipole) + '"'
    comment = " ".join(f"{key}={value}" for key, value in facts.items())
    lines = [str(len(structure)), comment]
    for i, number in enumerate(structure.atomic_numbers):
        numbers = [repr(float(x)) for column in columns for x in column[i]]
        lines.append(" ".join([chemical_symbols[number], *numbers]))
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """Quote a text so that it is read as one.

    Quotes are not enough: readers such as ASE's turn into numbers and truth values what looks like
    them, a molecule named 1234, or one identity in some thousands that is all digits but for an e.
    """
    text = value if _reads_as_text(value) else f"_JSON {json.dumps(value, ensure_ascii=False)}"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _reads_as_text(value: str) -> bool:
    parts = re.findall(r"[^\s,]+", value)
    return (
        value.isprintable()
        and not value.startswith("_JSON")
        and not all(_looks_like_a_number_or_truth(part) for part in parts)
    )


def _looks_like_a_number_or_truth(part: str) -> bool:
    if part.lower() in ("t", "f", "true", "false"):
        return True
    try:
        float(part)
    except ValueError:
        return False
    return True
