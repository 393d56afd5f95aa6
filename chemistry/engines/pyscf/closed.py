"""PySCF closed to a person's settings: neither its configuration file nor its variables count.

PySCF runs a configuration file as it is imported, and its modules read what that has set as they
are loaded, some of them late. So the import has to happen without it; afterwards it is too late.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

from chemistry.errors import InputError

_NO_SETTINGS = Path(__file__).with_name("no_settings.py")
_VARIABLES = ("PYSCF_MAX_MEMORY", "PYSCF_EXT_PATH", "PYSCF_ARGPARSE")
_WITHOUT_EFFECT = ("TMPDIR", "conf_file")
"""Where scratch files go, and the path of the file that was read."""


def import_closed() -> None:
    """Import PySCF without settings.

    Raises
    ------
    InputError
        Something else has imported PySCF before, with settings; or Python leaves out docstrings,
        which PySCF puts together as it is imported.
    """
    if sys.flags.optimize > 1:
        raise InputError(
            "PySCF cannot be imported where Python leaves out docstrings: unset PYTHONOPTIMIZE, or "
            "start python without -OO"
        )
    with _closed_environment():
        import_module("pyscf")
    refuse_settings()


def refuse_settings() -> None:
    """Raise InputError where PySCF's configuration is not the one that it brings itself."""
    changed = _changed()
    if changed:
        source = _configuration().get("conf_file")
        raise InputError(
            f"PySCF was given settings ({', '.join(changed)}"
            f"{f', from {source}' if source and Path(source) != _NO_SETTINGS else ''}) before rung "
            "could shut them off, and they may change energies: import chemistry.engines.pyscf "
            "before pyscf, or start Python without PYSCF_CONFIG_FILE and .pyscf_conf.py"
        )


def _changed() -> list[str]:
    """Return which settings differ from those of a PySCF without any."""
    found, own = _configuration(), _own_configuration()
    names = {*found, *own} - {*_WITHOUT_EFFECT}
    return sorted(
        name
        for name in names
        if not name.startswith("__") and (name not in own or found.get(name, own) != own[name])
    )


def _configuration() -> dict[str, Any]:
    return vars(sys.modules["pyscf.__config__"])


@lru_cache
def _own_configuration() -> dict[str, Any]:
    """Import PySCF's configuration module once more, without settings."""
    spec = sys.modules["pyscf.__config__"].__spec__
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with _closed_environment():
        spec.loader.exec_module(module)
    return vars(module)


@contextmanager
def _closed_environment() -> Iterator[None]:
    """Take away PySCF's variables and point it to an empty file, so that it looks for no other."""
    before = {name: os.environ.get(name) for name in (*_VARIABLES, "PYSCF_CONFIG_FILE")}
    for name in _VARIABLES:
        os.environ.pop(name, None)
    os.environ["PYSCF_CONFIG_FILE"] = str(_NO_SETTINGS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
