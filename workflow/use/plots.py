"""Plots of what a potential says of a molecule, with its error bars."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from workflow.use.dynamics import Trajectory
from workflow.use.torsion import TorsionProfile
from workflow.use.vibrations import VibrationsFound
from workflow.work.system.disk import disk_errors_explained

_COLOR = "#3b82c4"


@contextmanager
def _figure(path: Path, rows: int, title: str) -> Iterator[list[Any]]:
    """Give axes, one below the other, and save them as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none"}), disk_errors_explained(path):
        figure = Figure(figsize=(7.0, 1.2 + 2.2 * rows), layout="constrained")
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        axes[0].set_title(title)
        for one in axes:
            one.spines[["top", "right"]].set_visible(False)
        yield list(axes)
        figure.savefig(path)


def plot_vibrations(found: VibrationsFound, path: Path, title: str) -> None:
    """Draw a line at each wavenumber with its error bar."""
    with _figure(path, 1, title) as [axes]:
        number = np.arange(1, len(found.wavenumbers_per_cm) + 1)
        axes.errorbar(
            found.wavenumbers_per_cm,
            number,
            xerr=np.nan_to_num(found.error_bars_per_cm),
            fmt="|",
            markersize=10,
            capsize=3,
            color=_COLOR,
        )
        axes.set_xlabel("harmonic wavenumber, 1/cm")
        axes.set_ylabel("mode")


def plot_torsion(profile: TorsionProfile, path: Path, title: str) -> None:
    """Draw the energy by angle."""
    with _figure(path, 1, title) as [axes]:
        axes.errorbar(
            profile.angles_degree,
            profile.energies_kcal_mol,
            yerr=np.nan_to_num(profile.error_bars_kcal_mol),
            fmt="o-",
            markersize=4,
            capsize=3,
            color=_COLOR,
        )
        atoms = "-".join(str(atom + 1) for atom in profile.torsion)
        axes.set_xlabel(f"torsion {atoms}, degrees")
        axes.set_ylabel("energy, kcal/mol")
        axes.set_xticks(range(-180, 181, 60))


def plot_dynamics(trajectory: Trajectory, path: Path, title: str) -> None:
    """Draw energy, temperature and disagreement by time."""
    with _figure(path, 3, title) as [energy, temperature, rho]:
        energy.plot(trajectory.times_fs, trajectory.energies_kcal_mol, color=_COLOR)
        energy.set_ylabel("potential energy,\nkcal/mol")
        temperature.plot(trajectory.times_fs, trajectory.temperatures_k, color=_COLOR)
        temperature.set_ylabel("temperature, K")
        rho.plot(trajectory.times_fs, trajectory.rho_kcal_mol, color=_COLOR)
        rho.set_ylabel("disagreement,\nkcal/mol/√atoms")
        rho.set_xlabel("time, fs")
