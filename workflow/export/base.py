"""The protocol of data set formats."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from workflow.records import ExportRow


class Exporter(Protocol):
    """Writes a data set in one format."""

    @property
    def suffix(self) -> str:
        """Ending of the file's name, with its dot."""
        ...

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows, in constant memory, and return how many; an old file is replaced.

        Rows of one structure (labels at several levels) follow one another.
        """
        ...
