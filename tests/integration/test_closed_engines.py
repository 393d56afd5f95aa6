"""Nobody's settings get through to a label: a hostile home and environment change no bit of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chemistry.engines.psi4.program import _environment

PYSCF_SETTINGS = """
B3LYP_WITH_VWN5 = True
dft_radi_ATOM_SPECIFIC_TREUTLER_GRIDS = False
scf_hf_SCF_conv_tol = 1e-3
scf_hf_SCF_init_guess = 'hcore'
scf_hf_SCF_conv_check = False
cc_ccsd_CCSD_conv_tol = 1e-2
dft_rks_RKS_grids_level = 0
gto_basis_parse_optimize = True
USER_BASIS_DIR = '.'
VERBOSE = 9
MAX_MEMORY = 10
"""

LABELS = """
import json, sys
{before}
from chemistry.engines import default_engine, find_engine
from chemistry.engines.base import Resources
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.structure import Structure

water = Structure(
    atomic_numbers=[8, 1, 1],
    positions=[[0.0, 0.02, 0.12], [0.03, 0.76, -0.48], [-0.02, -0.80, -0.47]],
)
found = {{}}
for name in sys.argv[2:]:
    level = find_level(name)
    engine = default_engine(level) if sys.argv[1] == "-" else sys.argv[1]
    label = find_engine(engine)(level, Resources(threads=1)).label(water)
    assert isinstance(label, Label), label
    forces = [] if label.forces is None else label.forces.ravel().tolist()
    found[name] = [x.hex() for x in (label.energy, *forces)]
    assert label.provenance.surroundings["threads"] == "1"
    assert "settings" in label.provenance.surroundings or engine == "tblite"
print(json.dumps(found))
"""

IN_PROCESS = ["hf/sto-3g", "b3lyp/sto-3g", "mp2/cc-pvdz", "ccsd(t)/cc-pvdz", "gfn2-xtb"]


def _hostile(home: Path) -> dict[str, str]:
    """Fill a home folder with settings and return the environment of somebody who lives there."""
    home.mkdir()
    for name in (".pyscf_conf.py", "settings.py"):
        (home / name).write_text(PYSCF_SETTINGS)
    # Where a current folder holds a file named as a basis is, PySCF reads it.
    for name in ("sto-3g", "cc-pvdz", "cc-pvtz-jkfit"):
        (home / name).write_text("BASIS SET\nO    S\n  1.0  1.0\nH    S\n  1.0  1.0\nEND\n")
    (home / ".psi4rc").write_text("set scf e_convergence 1e-2\nset puream true\n")
    nowhere = str(home / "nowhere")
    return {
        "HOME": str(home),
        "PYSCF_CONFIG_FILE": str(home / "settings.py"),
        "PYSCF_MAX_MEMORY": "10",
        "PYSCF_EXT_PATH": str(home),
        "PYSCF_ARGPARSE": "1",
        **dict.fromkeys(("PSIDATADIR", "PSI_SCRATCH", "PSIPATH", "PYTHONPATH"), nowhere),
        **dict.fromkeys(("XTBPATH", "XTBHOME", "DFTD4_HOME"), nowhere),
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2"),
        "OMP_DYNAMIC": "true",
        "OMP_SCHEDULE": "dynamic,1",
    }


def _labels(
    folder: Path, environment: dict[str, str], engine: str, *levels: str, before: str = ""
) -> subprocess.CompletedProcess[str]:
    variables = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")
    kept = {name: os.environ[name] for name in variables if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", LABELS.format(before=before), engine, *levels],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _found(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "levels"),
    [
        pytest.param("-", IN_PROCESS, id="pyscf and tblite"),
        pytest.param("psi4", ["hf/sto-3g", "b3lyp/6-31g*"], id="psi4", marks=pytest.mark.psi4),
    ],
)
def test_labels_are_the_same_bit_for_bit(tmp_path: Path, engine: str, levels: list[str]) -> None:
    hostile = _hostile(tmp_path / "home")
    clean = tmp_path / "clean"
    clean.mkdir()
    expected = _found(_labels(clean, {"HOME": str(clean)}, engine, *levels))
    assert set(expected) == set(levels)
    assert _found(_labels(tmp_path / "home", hostile, engine, *levels)) == expected


def test_the_hostile_settings_would_change_a_label(tmp_path: Path) -> None:
    """Else the test above proves nothing."""
    hostile = _hostile(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", "import pyscf.dft.libxc as x; print(x.parse_xc('b3lyp'))"],
        env={"PATH": os.environ["PATH"]} | {k: v for k, v in hostile.items() if "EXT" not in k},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "0.19" in done.stdout  # the share of VWN5, which B3LYP has as one part otherwise


def test_settings_that_came_before_are_refused(tmp_path: Path) -> None:
    hostile = _hostile(tmp_path / "home")
    done = _labels(tmp_path / "home", hostile, "pyscf", "b3lyp/sto-3g", before="import pyscf")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "InputError: PySCF was given settings" in last
    assert "B3LYP_WITH_VWN5" in last
    assert "settings.py" in last


def test_a_python_without_docstrings_is_refused() -> None:
    """PySCF ended with a traceback: it adds docstrings up."""
    done = subprocess.run(
        [sys.executable, "-OO", "-c", "import chemistry.engines.pyscf"],
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "InputError: PySCF cannot be imported where Python leaves out docstrings" in last


def test_pyscf_without_settings_may_come_before(tmp_path: Path) -> None:
    done = _labels(tmp_path, {"HOME": str(tmp_path)}, "pyscf", "hf/sto-3g", before="import pyscf")
    assert _found(done).keys() == {"hf/sto-3g"}


def test_psi4_gets_an_empty_home_and_no_foreign_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _hostile(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RUNG_SCRATCH", "/scratch")
    environment = _environment(3, tmp_path)
    assert environment["HOME"] == str(tmp_path)
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "3"
    assert environment["RUNG_SCRATCH"] == "/scratch"
    allowed = {"PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "OPENBLAS_CORETYPE", "HOME"}
    allowed |= {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONNOUSERSITE"}
    assert {name for name in environment if not name.startswith("RUNG_")} <= allowed
