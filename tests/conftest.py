"""Programs that a test needs and the machine lacks: a visible skip, or a failure in CI."""

import os
import shutil

import pytest

PROGRAMS = {"psi4": ("psi4",), "slurm": ("sinfo", "slurmctld", "slurmd")}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, programs in PROGRAMS.items():
        if item.get_closest_marker(marker) is None:
            continue
        missing = [program for program in programs if shutil.which(program) is None]
        if missing:
            message = f"{', '.join(missing)} not installed: run `make system-deps` as root"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
