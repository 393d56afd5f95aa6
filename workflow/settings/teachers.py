"""`teachers:` of a backend file: potentials that label, and where they are on this machine."""

import json
from pathlib import Path
from typing import Self

from pydantic import Field, JsonValue, model_validator

from chemistry.engines.teacher.program import KNOWN, StateNumber, TeacherProgram
from chemistry.errors import InputError
from chemistry.names import nearest
from chemistry.records.level import LevelOfTheory
from chemistry.records.recipe import TEACHER
from workflow.settings.yaml_file import StrictModel

_COMMITTEE = "model.teacher:committee_calculator"


class TeacherSettings(StrictModel):
    """A potential that labels at the level teacher:NAME.

    A backend file is trusted: what it names here is run.
    """

    path: Path | None = Field(
        None,
        description="A committee: checkpoint of rung or folder of a published ensemble; or a "
        "calculator's own file, which its hash is of. Relative to the backend file.",
    )
    calculator: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="module:name of what returns an ASE calculator; default: that of a committee.",
    )
    arguments: dict[str, JsonValue] = Field(
        default_factory=dict, description="Its keyword arguments; {path} in a text is the path."
    )
    info: dict[str, StateNumber] = Field(
        default_factory=dict,
        description="What it reads from atoms.info: its key, and which number of the molecule.",
    )
    python: Path | None = Field(
        None, description="Python of another environment, which has its library and ASE."
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="Of the path; another file is refused."
    )
    license: str | None = Field(None, description="SPDX identifier, for provenance and data card.")
    charges: tuple[int, ...] | None = Field(None, description="That it can be asked; null: any.")
    multiplicities: tuple[int, ...] | None = Field(None, description="2S + 1; null: any.")
    elements: tuple[str, ...] | None = Field(None, description="Symbols; null: any.")

    @model_validator(mode="after")
    def _something_to_run(self) -> Self:
        if self.sha256 is not None and self.path is None:
            raise ValueError("`sha256` is of a `path`: give both")
        if self.arguments and self.calculator is None:
            raise ValueError("`arguments` are of a `calculator`: name it, or leave them out")
        return self

    def from_folder(self, folder: Path) -> Self:
        """Return it with relative paths taken from a folder: the backend file's."""
        found = {
            # Not resolved: the python of an environment is a link.
            name: (folder / value).absolute()
            for name, value in (("path", self.path), ("python", self.python))
            if value is not None and not (name == "python" and len(value.parts) == 1)
        }
        return self.model_copy(update=found)

    def program(self, name: str) -> TeacherProgram:
        """Return what is run; what is known of a teacher of this name holds where nothing is said.

        Raises
        ------
        InputError
            Neither path nor calculator, and the name is of no known teacher.
        """
        known = KNOWN.get(name)
        if self.path is None and self.calculator is None and known is None:
            raise InputError(
                f"teachers.{name} needs a `path`, of a committee, or a `calculator`: "
                f"{nearest(name, KNOWN)}"
            )
        calculator, arguments = self.calculator, self._arguments()
        if calculator is None:
            is_committee = known is None or known.calculator == _COMMITTEE
            calculator = _COMMITTEE if known is None else known.calculator
            if is_committee and self.path is not None:
                arguments = json.dumps({"source": str(self.path)})
            elif known is not None:
                arguments = known.arguments
        known = known or TeacherProgram(name=name, calculator=calculator)
        said = self.model_fields_set
        return TeacherProgram(
            name=name,
            calculator=calculator,
            arguments=arguments,
            info=tuple(sorted(self.info.items())) or known.info,
            python=None if self.python is None else str(self.python),
            sha256=self.sha256,
            license=self.license or known.license,
            charges=self.charges if "charges" in said else known.charges,
            multiplicities=self.multiplicities
            if "multiplicities" in said
            else known.multiplicities,
            elements=self.elements if "elements" in said else known.elements,
        )

    def _arguments(self) -> str:
        filled = {
            key: value.replace("{path}", str(self.path)) if isinstance(value, str) else value
            for key, value in self.arguments.items()
        }
        return json.dumps(filled, sort_keys=True)


def teacher_name(level: LevelOfTheory) -> str | None:
    """Return the name of the potential that a level is; None for other levels."""
    return level.name.removeprefix(TEACHER) if level.name.startswith(TEACHER) else None
