"""Teachers that label for a campaign: there, whole, and fit for its molecules."""

from collections.abc import Iterable

from chemistry.checksum import sha256_of
from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.teacher.calls import version_of
from chemistry.engines.teacher.program import TeacherProgram
from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import elements
from chemistry.records.level import LevelOfTheory
from chemistry.records.molecule import Molecule
from workflow.settings.backend import Backend
from workflow.settings.pools.local import LocalPool
from workflow.settings.teachers import TeacherSettings, teacher_name


def with_teachers(
    backend: Backend, levels: Iterable[LevelOfTheory], molecules: Iterable[Molecule] = ()
) -> Backend:
    """Return a backend whose teachers know the hash of their files, of those that levels need.

    Where labels are made on this machine, each is asked to answer.

    Raises
    ------
    InputError
        A teacher is not configured, its file is missing or another one, its library is not there,
        or it cannot do a molecule.
    """
    molecules = list(molecules)
    found = dict(backend.teachers)
    for level in levels:
        name = teacher_name(level)
        if name is None:
            continue
        settings = found[name] = _with_hash(name, backend.teachers.get(name, TeacherSettings()))
        program = settings.program(name)
        _require_states(program, molecules)
        if isinstance(backend.pool("label"), LocalPool):
            _require_answer(program)
    return backend.model_copy(update={"teachers": found})


def _with_hash(name: str, settings: TeacherSettings) -> TeacherSettings:
    path = settings.path
    if path is None:
        return settings
    if not path.exists():
        raise InputError(
            f"teachers.{name}.path: there is no {path}: correct it in the backend file"
        )
    actual = sha256_of(path)
    if settings.sha256 not in (None, actual):
        raise InputError(
            f"teachers.{name}.sha256: {path} is another file than was meant, its sha256 is "
            f"{actual}: put the right file there, or correct the hash"
        )
    return settings.model_copy(update={"sha256": actual})


def _require_states(program: TeacherProgram, molecules: Iterable[Molecule]) -> None:
    for molecule in molecules:
        numbers = set(elements(molecule))
        refusal = program.refuse(molecule.charge, molecule.multiplicity, numbers)
        if refusal is not None:
            raise InputError(
                f"molecule {molecule.name}: {refusal}: leave it out, or take another level"
            )


def _require_answer(program: TeacherProgram) -> None:
    try:
        version_of(program)
    except CalculationFailed as error:
        where = program.python or "rung's own environment"
        raise InputError(
            f"{error.message}: install its library in {where}, or name a `python` that has it "
            f"under teachers.{program.name} in the backend file"
        ) from error
    except OSError as error:
        raise InputError(
            f"teachers.{program.name}.python: {program.python} cannot be started "
            f"({error.strerror}): correct it in the backend file"
        ) from error
