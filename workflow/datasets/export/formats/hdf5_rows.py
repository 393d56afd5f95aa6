"""Rows of HDF5 groups that grow batch by batch."""

from typing import Any

import h5py
import numpy as np

_FEWEST_CHUNK_ROWS = 8


def append_rows(group: Any, arrays: dict[str, Any]) -> None:
    """Put a batch of rows behind those that a group has; a new column is missing in those."""
    start = len(group["coordinates"]) if "coordinates" in group else 0
    n_rows = start + len(arrays["coordinates"])
    for name, values in arrays.items():
        if name not in group:
            make_column(group, name, values.shape[1:], values.dtype, n_rows=n_rows)
        column = group[name]
        column.resize(n_rows, axis=0)
        column[start:] = values


def make_column(
    group: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, n_rows: int
) -> None:
    """Make a column of missing values; a chunk is as long as what comes first, for small files."""
    group.create_dataset(
        name,
        shape=(n_rows, *shape),
        maxshape=(None, *shape),
        chunks=(max(n_rows, _FEWEST_CHUNK_ROWS), *shape),
        dtype=h5py.string_dtype() if dtype.hasobject else dtype,
        fillvalue=np.nan if np.issubdtype(dtype, np.floating) else None,
    )
