"""Psi4 as a program of its own: found on PATH, called through QCSchema files.

Psi4 is not a Python package of this environment: Debian's runs under the system's Python, and
conda's in its own environment. A call is a QCSchema (version 1) record in a file; the answer comes
back in the same file.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from chemistry.engines.base import Resources
from chemistry.engines.outcome import CalculationFailed
from chemistry.errors import EngineNotInstalled

_HOW_TO_INSTALL = (
    "`apt-get install psi4 libopenblas0-pthread` on Debian and Ubuntu, or "
    "`conda install -c conda-forge psi4`"
)
_OLDEST = (1, 3)
_QCSCHEMA_SINCE = (1, 4)

_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "OPENBLAS_CORETYPE")
"""All that Psi4 gets of the environment, but for rung's own: so nothing points Python, Psi4 or its
BLAS at other data or settings."""

_BASIS_ELEMENT = re.compile(r"^([A-Za-z]{1,2})\s+0\s*$", re.MULTILINE)
_BEYOND_D = re.compile(r"^[FGHIfghi]\s+\d+\s+[\d.]+\s*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Psi4:
    """An installed Psi4.

    Attributes
    ----------
    path : Path
        The executable.
    version : str
    release : (int, int)
        Major and minor version.
    """

    path: Path
    version: str
    release: tuple[int, int]

    def call(self, request: dict[str, Any], resources: Resources) -> dict[str, Any]:
        """Run one QCSchema request in a folder of its own and return the answer.

        Raises
        ------
        CalculationFailed
            The program crashed or left no answer. An answer that says `success: false` is
            returned: what went wrong is in its `error`.
        """
        with tempfile.TemporaryDirectory(dir=resources.scratch, prefix="psi4-") as name:
            folder = Path(name)
            file = folder / "call.json"
            if self.release < _QCSCHEMA_SINCE:
                request = request | {"memory": int(resources.memory_gb * 1e9)}
            file.write_text(json.dumps(request))
            done = subprocess.run(
                self._command(file, resources),
                cwd=folder,
                env=_environment(resources.threads, folder),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            answer: dict[str, Any] = json.loads(file.read_text())
        # Psi4 1.3 exits with 0 after a failure, too: only the answer says what happened.
        if "success" not in answer:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise CalculationFailed(
                "resource" if done.returncode < 0 else "infrastructure",
                f"Psi4 ended with code {done.returncode} and no answer: {' '.join(last)}",
            )
        return answer

    def _command(self, file: Path, resources: Resources) -> list[str]:
        mode = "--json" if self.release < _QCSCHEMA_SINCE else "--qcschema"
        command = [str(self.path), mode, str(file), "--scratch", str(file.parent)]
        command += ["--nthread", str(resources.threads)]
        if self.release >= _QCSCHEMA_SINCE:
            command += ["--memory", f"{resources.memory_gb * 1000:.0f} MB"]
        return command

    def basis_elements(self, basis: str) -> frozenset[str] | None:
        """Return the symbols of the elements that a basis has; None if Psi4 has no such basis."""
        file = self._basis_folder() / f"{_file_name(basis)}.gbs"
        if not file.is_file():
            return None
        return frozenset(s.capitalize() for s in _BASIS_ELEMENT.findall(file.read_text()))

    def elements_beyond_d(self, basis: str) -> frozenset[str]:
        """Return the symbols of the elements that have f or higher functions in a basis."""
        file = self._basis_folder() / f"{_file_name(basis)}.gbs"
        _, *parts = _BASIS_ELEMENT.split(file.read_text())
        each = zip(parts[::2], parts[1::2], strict=True)
        return frozenset(symbol.capitalize() for symbol, text in each if _BEYOND_D.search(text))

    def bases(self) -> list[str]:
        """Return the names of all bases, in the spelling of their files."""
        return sorted(file.stem for file in self._basis_folder().glob("*.gbs"))

    def _basis_folder(self) -> Path:
        """Both Debian's and conda's packages keep the bases beside the executable's folder."""
        return self.path.resolve().parents[1] / "share" / "psi4" / "basis"


def find_psi4() -> Psi4:
    """Return the Psi4 that is first on PATH.

    Raises
    ------
    EngineNotInstalled
        There is none, or it is too old, or it does not say its version.
    """
    path = shutil.which("psi4")
    if path is None:
        raise EngineNotInstalled(f"Psi4 is not installed: {_HOW_TO_INSTALL}")
    return _ask(path)


@lru_cache
def _ask(path: str) -> Psi4:
    with tempfile.TemporaryDirectory(prefix="psi4-") as folder:  # it leaves a timer.dat
        done = subprocess.run(
            [path, "--version"],
            cwd=folder,
            env=_environment(1, Path(folder)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.match(r"(\d+)\.(\d+)", done.stdout.strip())
    if found is None:
        raise EngineNotInstalled(
            f"{path} --version says {done.stdout.strip()[:60]!r}, which is no version of Psi4; "
            f"install it anew: {_HOW_TO_INSTALL}"
        )
    release = (int(found[1]), int(found[2]))
    if release < _OLDEST:
        raise EngineNotInstalled(
            f"{path} is Psi4 {done.stdout.strip()}; rung needs 1.3 or later: {_HOW_TO_INSTALL}"
        )
    return Psi4(path=Path(path), version=done.stdout.strip(), release=release)


def _environment(threads: int, home: Path) -> dict[str, str]:
    """Return the environment of a call: an empty home has no ~/.psi4rc, which Psi4 would run."""
    kept = {k: v for k, v in os.environ.items() if k in _KEPT_VARIABLES or k.startswith("RUNG_")}
    own = {"HOME": str(home), "PYTHONNOUSERSITE": "1"}
    return kept | own | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))


def _file_name(basis: str) -> str:
    """Spell a basis as Psi4 names its file: 6-31+g(d,p) is 6-31pg_d_p_."""
    for character, letter in (("*", "s"), ("+", "p"), ("(", "_"), (")", "_"), (",", "_")):
        basis = basis.replace(character, letter)
    return basis
