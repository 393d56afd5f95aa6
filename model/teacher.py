"""A committee as a teacher: made by name in a process of its own."""

from pathlib import Path

from model.calculator import CommitteeCalculator
from model.committees import load_committee, read_installed, read_published
from model.settings import INSTALLED


def committee_calculator(source: str) -> CommitteeCalculator:
    """Return the calculator of a checkpoint, a published ensemble's folder, or torchani:NAME.

    Raises
    ------
    InputError
        It cannot be read.
    """
    if source.startswith(INSTALLED):
        return CommitteeCalculator(read_installed(source.removeprefix(INSTALLED))[1])
    folder = Path(source)
    published = read_published(folder) if folder.is_dir() else None
    return CommitteeCalculator(load_committee(folder) if published is None else published)
