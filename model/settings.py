"""What a person sets about the training of any committee: the base of the campaign's `train:`.

Each architecture adds its own to it. No torch here.
"""

from pathlib import Path
from typing import ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

SectionT = TypeVar("SectionT", bound=BaseModel)

AUTO = "auto"
"""The way to climb that tries all ways of an architecture and keeps the best."""

INSTALLED = "torchani:"
"""Before the name of a potential whose files another package keeps, in the place of a path."""


class TrainingSettings(BaseModel):
    """Settings that all architectures have.

    Attributes
    ----------
    paths : tuple of str
        Fields that are paths, as "field" or "section.field".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    paths: ClassVar[tuple[str, ...]] = ()

    architecture: str = Field(description="Kind of potential.")
    members: int = Field(default=8, ge=2, le=64, description="Members of the committee.")
    folds: int = Field(
        default=8,
        ge=2,
        description="Parts that the data are cut into; member m validates on part m, learns the "
        "rest.",
    )

    def from_folder(self, folder: Path) -> Self:
        """Return the settings with relative paths taken from a folder: the campaign file's."""
        found = self
        for path in self.paths:
            found = _resolved(found, path.split("."), folder)
        return found


def _resolved(section: SectionT, field: list[str], folder: Path) -> SectionT:
    """Return a section of settings whose field, a path or in a section of its own, is absolute."""
    name, *deeper = field
    value = getattr(section, name)
    if value is None:
        return section
    found = _resolved(value, deeper, folder) if deeper else (folder / value).resolve()
    return section.model_copy(update={name: found})
