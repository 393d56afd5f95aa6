"""Programs that compute labels, by name.

The registry holds import paths, so that naming an engine does not load its program (PySCF alone
takes 0.6 s). Other packages add engines through the entry-point group "rung.engines", whose
entries name classes that follow `chemistry.engines.base.Engine`.
"""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from chemistry.engines.base import Engine
from chemistry.errors import EngineNotInstalled, InputError
from chemistry.records.level import LevelOfTheory, nearest
from chemistry.records.recipe import PairNaturalOrbitals

ENGINES: dict[str, str] = {
    "psi4": "chemistry.engines.psi4.engine:Psi4Engine",
    "pyscf": "chemistry.engines.pyscf.engine:PySCFEngine",
    "tblite": "chemistry.engines.tblite:TBLiteEngine",
}
"""Name -> where its class is; `find_engine` imports it."""


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
    places = {entry.name: entry.value for entry in entry_points(group="rung.engines")} | ENGINES
    if name not in places:
        raise InputError(
            f"unknown engine {name!r}; the nearest known one is {nearest(name, places)!r}: "
            f"take one of {', '.join(sorted(places))}"
        )
    module, _, attribute = places[name].partition(":")
    try:
        engine: type[Engine] = getattr(import_module(module), attribute)
    except ImportError as error:
        raise EngineNotInstalled(
            f"engine {name} cannot be loaded ({error}): pip install {name}"
        ) from error
    return engine


def default_engine(level: LevelOfTheory) -> str:
    """Return the name of the engine that computes the level where a person names none."""
    if all(c.kind == "semiempirical" for c in level.calculations):
        return "tblite"
    dlpno = any(isinstance(c.truncation, PairNaturalOrbitals) for c in level.calculations)
    return "psi4" if dlpno else "pyscf"
