"""The kind `python`: workers of an executor that a file of the person's configures."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from workflow.settings.pools.base import TaskPool


class PythonPool(TaskPool):
    """Workers of an executor that a Python file configures: what no other kind can say."""

    kind: Literal["python"] = "python"
    file: Path = Field(description="Runs at each launch; its `config` is a parsl.Config.")
    workers: int = Field(ge=1, description="How many tasks run at once when all blocks run.")

    @property
    def slots(self) -> int:
        """How many tasks run at once."""
        return self.workers

    def smallest(self) -> Self:
        """Return this pool: only its file can make it smaller."""
        return self
