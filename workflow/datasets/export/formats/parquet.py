"""Parquet, a file a split in one folder: Hugging Face `datasets`, pandas and DuckDB open it.

One row a label: `atomic_numbers`, `positions_angstrom`, `energy_ev`, `forces_ev_angstrom` and
`dipole_e_angstrom` (null where there are none), `components_ev` and `diagnostics` as JSON, and the
facts that every format has. `load_dataset("FOLDER")` finds train, validation and test by name.
"""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chemistry.records.structure import hill_formula
from workflow.datasets.export.base import optional_library
from workflow.datasets.export.batches import batched
from workflow.datasets.export.facts import row_facts
from workflow.run.store.records import ExportRow


class Parquet:
    """A row group a batch."""

    suffix = ".parquet"
    units = "eV, Å, eV/Å, e·Å"
    how_to_read = 'pandas.read_parquet("{path}")  # or datasets.load_dataset("{path}")'

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows and return how many."""
        pa, parquet = optional_library("pyarrow"), optional_library("pyarrow.parquet")
        schema = _schema(pa)
        count = 0
        path.mkdir()
        with ExitStack() as stack:
            writers: dict[str, Any] = {}
            for split, batch in batched(rows, lambda row: row.split, lambda r: len(r.structure)):
                count += len(batch)
                if split not in writers:
                    writer = parquet.ParquetWriter(path / f"{split}.parquet", schema)
                    writers[split] = stack.enter_context(writer)
                records = [_record(row) for row in batch]
                writers[split].write_table(pa.Table.from_pylist(records, schema=schema))
            if not writers:
                parquet.write_table(schema.empty_table(), path / "train.parquet")
        return count


PARQUET = Parquet()


def _schema(pa: Any) -> Any:
    vectors = pa.list_(pa.list_(pa.float64(), 3))
    texts = (
        *("structure_id", "molecule", "molecule_id", "formula", "level", "level_id", "split"),
        *("purpose", "sampler", "block", "program", "program_version", "attempts"),
        *("components_ev", "diagnostics"),
    )
    numbers = ("energy_ev", "cpu_seconds", "wall_seconds", "finished_at")
    return pa.schema(
        [
            ("atomic_numbers", pa.list_(pa.int16())),
            ("positions_angstrom", vectors),
            ("forces_ev_angstrom", vectors),
            ("dipole_e_angstrom", pa.list_(pa.float64())),
            *[(name, pa.float64()) for name in numbers],
            *[(name, pa.int32()) for name in ("charge", "multiplicity")],
            *[(name, pa.string()) for name in texts],
        ]
    )


def _record(row: ExportRow) -> dict[str, Any]:
    label = row.label
    return {
        **row_facts(row),
        "formula": hill_formula(row.structure.atomic_numbers),
        "atomic_numbers": row.structure.atomic_numbers.tolist(),
        "positions_angstrom": row.structure.positions.tolist(),
        "energy_ev": float(label.energy),
        "forces_ev_angstrom": None if label.forces is None else label.forces.tolist(),
        "dipole_e_angstrom": None if label.dipole is None else label.dipole.tolist(),
        "components_ev": json.dumps(dict(label.components)),
        "diagnostics": json.dumps(dict(label.diagnostics)),
    }
