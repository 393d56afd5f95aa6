"""The protocol of data set formats."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from chemistry.errors import InputError
from workflow.run.store.records import ExportRow


class Exporter(Protocol):
    """Writes a data set in one format."""

    @property
    def suffix(self) -> str:
        """Ending of the name of the file or folder, with its dot."""
        ...

    @property
    def units(self) -> str:
        """Units of energies, lengths and forces, for the data card."""
        ...

    @property
    def how_to_read(self) -> str:
        """One line of Python, or of a command, that reads {path}, for the data card."""
        ...

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows, in constant memory, as a new file or folder and return how many.

        Rows of one structure (labels at several levels) follow one another.
        """
        ...


def optional_library(name: str) -> Any:
    """Import a library that only some formats need.

    Raises
    ------
    InputError
        It is not installed; says how to install it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"this format needs {name.partition('.')[0]}: pip install 'rung[exports]'"
        ) from error
