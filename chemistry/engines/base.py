"""The protocol that every quantum chemistry engine follows: found, refuse, label."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from chemistry.engines.teacher.program import TeacherProgram
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import Structure


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one label may use.

    Attributes
    ----------
    threads : int
    memory_gb : float
        What the program is told; the hard limit around the task is set by its caller.
    scratch : Path or None
        An existing folder of the task's own, deleted by its caller; None: the program's default.
    teacher : TeacherProgram or None
        Of a level that is a potential; None: the one that is known by the level's name.
    """

    threads: int = 1
    memory_gb: float = 4.0
    scratch: Path | None = None
    teacher: TeacherProgram | None = None


class Engine(Protocol):
    """One program at one level of theory: `PySCFEngine(level, Resources()).label(structure)`."""

    name: ClassVar[str]

    def __init__(self, level: LevelOfTheory, resources: Resources) -> None: ...

    @classmethod
    def version(cls) -> str:
        """Return the program's version; raise EngineNotInstalled that says how to install it."""
        ...

    @classmethod
    def refuse(cls, level: LevelOfTheory) -> str | None:
        """Say in one sentence why this engine cannot compute the level; None if it can.

        Raises EngineNotInstalled where only the program could tell and it is missing.
        """
        ...

    @classmethod
    def unsupported_elements(
        cls, level: LevelOfTheory, atomic_numbers: Iterable[int]
    ) -> tuple[int, ...]:
        """Return which of the elements the level's method or basis lacks, in increasing order.

        Asked only of a level that `refuse` accepts. Raises EngineNotInstalled like `refuse`.
        """
        ...

    def label(self, structure: Structure, *, is_second: bool = False) -> Label | LabelFailure:
        """Compute energy and, where the level has them, forces; only bugs raise.

        A second opinion starts from another initial guess and, where the program can, looks for
        solutions below the one that it finds.
        """
        ...
