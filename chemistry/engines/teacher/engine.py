"""TeacherEngine: energies and forces of a potential that others have trained."""

from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from chemistry.engines.base import Resources
from chemistry.engines.outcome import CalculationFailed, Outcome, attempt
from chemistry.engines.teacher.calls import teacher_process
from chemistry.engines.teacher.program import KNOWN, TeacherProgram
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LevelOfTheory
from chemistry.records.recipe import TEACHER, Calculation
from chemistry.records.structure import Structure


class TeacherEngine:
    """`TeacherEngine(level, Resources(teacher=program)).label(structure)`."""

    name: ClassVar[str] = "teacher"

    def __init__(self, level: LevelOfTheory, resources: Resources) -> None:
        self._level = level
        self._resources = resources
        self._cpu_seconds = 0.0

    @classmethod
    def version(cls) -> str:
        """Return the version of rung: what teaches says its own in each label."""
        return version("rung")

    @classmethod
    def refuse(cls, level: LevelOfTheory) -> str | None:
        """Say why the level is no teacher's."""
        recipe = level.recipe
        if isinstance(recipe, Calculation) and recipe.kind == "teacher":
            return None
        return f"engine teacher computes levels such as teacher:so3lr, not {level.name}"

    @classmethod
    def unsupported_elements(
        cls, level: LevelOfTheory, atomic_numbers: Iterable[int]
    ) -> tuple[int, ...]:
        """Return none: which elements a teacher knows, its configuration says."""
        del level, atomic_numbers
        return ()

    def label(self, structure: Structure, *, is_second: bool = False) -> Label | LabelFailure:
        """Compute energy and forces; a second opinion is the same once more."""
        del is_second
        found = attempt(
            structure,
            self._level,
            (self._level.name, ""),
            lambda _: self._run(structure),
            self._facts(),
        )
        if isinstance(found, LabelFailure):
            return found
        own = found.provenance
        # What the other process used is no child's of this one.
        seconds = own.cpu_seconds + self._cpu_seconds
        return replace(found, provenance=replace(own, version=self._version, cpu_seconds=seconds))

    def _run(self, structure: Structure) -> Outcome:
        program = self._program()
        numbers = structure.atomic_numbers.tolist()
        refusal = program.refuse(structure.charge, structure.multiplicity, set(numbers))
        if refusal is not None:
            raise CalculationFailed("input", refusal)
        process = teacher_process(program, self._resources.threads)
        self._version = str(process.ask({})["version"])
        answer = process.ask(
            {
                "numbers": numbers,
                "positions": structure.positions.tolist(),
                "info": program.state_of(structure),
            }
        )
        self._cpu_seconds = float(answer["cpu_seconds"])
        return Outcome(energy=answer["energy"], forces=np.array(answer["forces"]))

    def _program(self) -> TeacherProgram:
        name = self._level.name.removeprefix(TEACHER)
        program = self._resources.teacher or KNOWN.get(name)
        if program is None:
            raise CalculationFailed(
                "input",
                f"no teacher {name} is configured: name it under `teachers` in the backend file, "
                f"or take one of {', '.join(KNOWN)}",
            )
        return program

    def _facts(self) -> dict[str, str]:
        program = self._resources.teacher or KNOWN.get(self._level.name.removeprefix(TEACHER))
        if program is None:
            return {}
        facts = {"teacher_license": program.license, "teacher_sha256": program.sha256}
        return {key: value for key, value in facts.items() if value is not None}
