"""Extended XYZ, as ASE and MACE read it: eV, Å, eV/Å.

ASE takes `energy`, `forces` and `dipole` for results of a calculator; MACE looks by default for
`REF_energy` and `REF_forces` (`DefaultKeys` in mace/tools/default_keys.py of mace-torch 0.3.16),
which ASE leaves where they are. Hence two formats. MACE's default for dipoles is `dipole`, which
ASE would take away: `--dipole_key REF_dipole` tells MACE ours.

ASE's own writer rounds positions and forces to eight decimals; this one writes every digit, so
that a data set equals the store.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ase.data import chemical_symbols

from workflow.datasets.export.facts import row_facts
from workflow.run.store.records import ExportRow


@dataclass(frozen=True, kw_only=True)
class ExtendedXYZ:
    """One frame a label; a label without forces has no forces column.

    Attributes
    ----------
    suffix : str
    prefix : str
        Stands before the names of what was computed.
    """

    suffix: str = ".extxyz"
    prefix: str = ""
    units = "eV, Å, eV/Å, e·Å"

    @property
    def how_to_read(self) -> str:
        """One line of Python."""
        return 'ase.io.read("{path}", index=":")'

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows and return how many."""
        count = 0
        with path.open("w", encoding="utf-8") as file:
            for row in rows:
                count += 1
                file.write(frame(row, self.prefix))
        return count


EXTXYZ = ExtendedXYZ()
MACE = ExtendedXYZ(suffix=".mace.xyz", prefix="REF_")


def frame(row: ExportRow, prefix: str = "") -> str:
    """Return one row as a frame of an extended XYZ file."""
    structure, label = row.structure, row.label
    columns = [structure.positions]
    properties = "species:S:1:pos:R:3"
    if label.forces is not None:
        columns.append(label.forces)
        properties += f":{prefix}forces:R:3"
    facts = {
        "Properties": properties,
        f"{prefix}energy": repr(float(label.energy)),
        "pbc": '"F F F"',
    }
    for key, value in row_facts(row).items():
        facts[key] = _text(value) if isinstance(value, str) else repr(value)
    if label.dipole is not None:
        facts[f"{prefix}dipole"] = '"' + " ".join(repr(float(x)) for x in label.dipole) + '"'
    comment = " ".join(f"{key}={value}" for key, value in facts.items())
    symbols = [chemical_symbols[number] for number in structure.atomic_numbers]
    rows = zip(symbols, *(column.tolist() for column in columns), strict=True)
    lines = [
        " ".join([symbol, *(repr(x) for vector in vectors for x in vector)])
        for symbol, *vectors in rows
    ]
    return "\n".join([str(len(structure)), comment, *lines]) + "\n"


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
