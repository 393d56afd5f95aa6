"""Programs that compute labels, by name.

The registry holds import paths, so that naming an engine does not load its program (PySCF alone
takes 0.6 s). Other packages add engines through the entry-point group "rung.engines", whose
entries name classes that follow `chemistry.engines.base.Engine`.
"""

from functools import cache

from chemistry.engines.base import Engine
from chemistry.errors import EngineNotInstalled, InputError, PluginNotLoaded
from chemistry.names import closest
from chemistry.records.level import LevelOfTheory
from chemistry.records.recipe import PairNaturalOrbitals
from chemistry.registry import Registry

ENGINES: Registry[type[Engine]] = Registry(
    "engine",
    group="rung.engines",
    ours={
        "psi4": "chemistry.engines.psi4.engine:Psi4Engine",
        "pyscf": "chemistry.engines.pyscf.engine:PySCFEngine",
        "tblite": "chemistry.engines.tblite:TBLiteEngine",
        "teacher": "chemistry.engines.teacher.engine:TeacherEngine",
    },
)
"""Every engine by its name."""


@cache
def find_engine(name: str) -> type[Engine]:
    """Return the engine class of this name.

    Raises
    ------
    InputError
        There is no engine of this name; the message offers the nearest known one.
    EngineNotInstalled
        Its program is a Python library that cannot be imported.
    """
    if name not in ENGINES:
        raise InputError(
            f"unknown engine {name!r}; the nearest known one is {closest(name, ENGINES)!r}: "
            f"take one of {', '.join(sorted(ENGINES))}"
        )
    try:
        return ENGINES[name]
    except PluginNotLoaded as error:
        raise EngineNotInstalled(
            f"engine {name} cannot be loaded ({error.__cause__}): pip install {name}"
        ) from error


def default_engine(level: LevelOfTheory) -> str:
    """Return the name of the engine that computes the level where a person names none."""
    if all(c.kind == "teacher" for c in level.calculations):
        return "teacher"
    if all(c.kind == "semiempirical" for c in level.calculations):
        return "tblite"
    dlpno = any(isinstance(c.truncation, PairNaturalOrbitals) for c in level.calculations)
    return "psi4" if dlpno else "pyscf"
