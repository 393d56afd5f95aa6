"""Commands that use a potential: what it is, relaxation, vibrations, torsions, dynamics."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chemistry.errors import InputError
from workflow.cli.options import AsJSON, PotentialSource, Run, echo_json, echo_record

if TYPE_CHECKING:
    from rich.console import RenderableType

    from chemistry.records.structure import Structure
    from model.left_out import LeftOut
    from workflow.use.subject import Subject

app = typer.Typer()

PotentialOrLevel = Annotated[
    Path,
    typer.Argument(
        help="A checkpoint, a run folder for its newest, a folder with a published ensemble, or "
        "a level of theory."
    ),
]
MoleculeSource = Annotated[
    str, typer.Argument(help="A SMILES, or a .xyz, .sdf or .smi file of one molecule.")
]
Output = Annotated[
    Path | None,
    typer.Option(help="Beginning of the names of the files written; default: the command's name."),
]
MaxForce = Annotated[float, typer.Option(min=1e-5, help="Largest force on an atom at rest, eV/Å.")]
MaxSteps = Annotated[int, typer.Option(min=1, help="Steps of a relaxation at most.")]


@app.command("potential")
def potential_(
    potential: PotentialSource,
    program: Annotated[
        str | None,
        typer.Option(
            "--for", help="Print lines of Python that use it in ase, openmm, torchsim, lammps, …"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Name of the file that --for torchani writes; default: FILE.torchani.pt."
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Say what a potential is, and how it is used in the programs that people simulate with.

    Example: rung potential runs/demo

    Use it: rung potential runs/demo --for openmm > simulate.py
    """
    from workflow.report.screen import new_console
    from workflow.use.description import describe, description_screen, use_in

    if program is not None:
        text, written = use_in(program, potential, output)
        for path in written:
            typer.echo(f"wrote {path}", err=True)
        typer.echo(text, nl=False)
    elif output is not None:
        raise InputError("--output goes with --for: say for which program")
    elif as_json:
        echo_record(describe(potential))
    else:
        new_console().print(description_screen(describe(potential)))


@app.command()
def relax(
    potential: PotentialOrLevel,
    molecule: MoleculeSource,
    max_force_ev_per_angstrom: MaxForce = 0.01,
    max_steps: MaxSteps = 300,
    output: Output = None,
    as_json: AsJSON = False,
) -> None:
    """Relax a molecule; writes its geometry as extended XYZ.

    Example: rung relax runs/demo CO
    """
    from workflow.use.relaxation import relax_subject
    from workflow.use.screens import relaxation_screen
    from workflow.use.subject import read_subject

    subject = read_subject(potential, molecule)
    found = relax_subject(
        subject, max_force_ev_per_angstrom=max_force_ev_per_angstrom, max_steps=max_steps
    )
    files = _leave(subject, output or Path("relax"), [found.structure])
    _tell(subject, "Relaxation", found, relaxation_screen(found), files, as_json=as_json)


@app.command()
def vibrations(
    potential: PotentialOrLevel,
    molecule: MoleculeSource,
    output: Output = None,
    as_json: AsJSON = False,
) -> None:
    """Relax a molecule and compute its harmonic vibrations; writes a plot.

    Example: rung vibrations runs/demo CO

    The same of a level of theory: rung vibrations "ccsd(t)/cc-pvtz" O
    """
    from workflow.use.plots import plot_vibrations
    from workflow.use.screens import vibrations_screen
    from workflow.use.subject import read_subject
    from workflow.use.vibrations import vibrations_of

    subject = read_subject(potential, molecule)
    found = vibrations_of(subject)
    files = _leave(
        subject,
        output or Path("vibrations"),
        [found.relaxation.structure],
        partial(plot_vibrations, found),
    )
    _tell(subject, "Vibrations", found, vibrations_screen(found), files, as_json=as_json)


@app.command()
def torsion(
    potential: PotentialOrLevel,
    molecule: MoleculeSource,
    atoms: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(help="The torsion, atoms counted from 1; default: a bond that turns."),
    ] = None,
    points: Annotated[int, typer.Option(min=2, help="Angles, over 360 degrees.")] = 24,
    max_force_ev_per_angstrom: MaxForce = 0.02,
    max_steps: MaxSteps = 300,
    output: Output = None,
    as_json: AsJSON = False,
) -> None:
    """Compute a relaxed torsion profile; writes the geometries and a plot.

    Example: rung torsion runs/demo CO --points 36
    """
    from workflow.use.plots import plot_torsion
    from workflow.use.screens import torsion_screen
    from workflow.use.subject import read_subject
    from workflow.use.torsion import torsion_profile

    subject = read_subject(potential, molecule)
    profile = torsion_profile(
        subject,
        torsion=None if atoms is None else (atoms[0] - 1, atoms[1] - 1, atoms[2] - 1, atoms[3] - 1),
        points=points,
        max_force_ev_per_angstrom=max_force_ev_per_angstrom,
        max_steps=max_steps,
    )
    files = _leave(
        subject,
        output or Path("torsion"),
        profile.structures,
        partial(plot_torsion, profile),
        torsion_degree=profile.angles_degree.tolist(),
    )
    _tell(subject, "Torsion profile", profile, torsion_screen(profile), files, as_json=as_json)


@app.command()
def dynamics(
    potential: PotentialOrLevel,
    molecule: MoleculeSource,
    temperature_k: Annotated[float, typer.Option(min=0.1)] = 300.0,
    timestep_fs: Annotated[float, typer.Option(min=0.01, max=5)] = 0.5,
    steps: Annotated[int, typer.Option(min=1)] = 2000,
    friction_per_fs: Annotated[
        float, typer.Option(min=0, help="Of the Langevin thermostat; 0: constant energy.")
    ] = 0.01,
    frame_every: Annotated[int, typer.Option(min=1, help="Steps from frame to frame.")] = 10,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    output: Output = None,
    as_json: AsJSON = False,
) -> None:
    """Run molecular dynamics of a molecule; writes the trajectory and a plot.

    Example: rung dynamics runs/demo CO --temperature-k 500
    """
    from workflow.use.dynamics import run_dynamics
    from workflow.use.plots import plot_dynamics
    from workflow.use.screens import dynamics_screen
    from workflow.use.subject import read_subject

    subject = read_subject(potential, molecule)
    trajectory = run_dynamics(
        subject,
        temperature_k=temperature_k,
        timestep_fs=timestep_fs,
        steps=steps,
        friction_per_fs=friction_per_fs,
        frame_every=frame_every,
        seed=seed,
    )
    files = _leave(
        subject,
        output or Path("dynamics"),
        trajectory.structures,
        partial(plot_dynamics, trajectory),
        time_fs=trajectory.times_fs.tolist(),
    )
    _tell(subject, "Dynamics", trajectory, dynamics_screen(trajectory), files, as_json=as_json)


@app.command()
def intervals(
    run: Run,
    folds: Annotated[
        int, typer.Option(min=2, help="Parts of the molecules; each is left out once.")
    ] = 10,
    members: Annotated[
        int | None,
        typer.Option(min=2, help="Of committees that leave molecules out; default: train.members."),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Measure error bars for molecules never seen; trains all rungs anew without some of them.

    Example: rung intervals runs/demo
    """
    from workflow.campaign.intervals import intervals_screen, measure_intervals
    from workflow.report.screen import new_console

    def say(found: "LeftOut") -> None:
        typer.echo(
            f"part {found.fold + 1}: {found.committee.level_name} without "
            f"{len({row.structure.molecule_id for row in found.left_out})} molecules",
            err=True,
        )

    measured = measure_intervals(run, folds=folds, members=members, on_committee=say)
    if as_json:
        echo_record(measured)
    else:
        new_console().print(intervals_screen(measured))


def _leave(
    subject: "Subject",
    prefix: Path,
    structures: Sequence["Structure"],
    plot: Callable[[Path, str], None] | None = None,
    **each: list[float],
) -> list[Path]:
    """Write geometries and a plot, and return their paths."""
    from workflow.use.files import write_geometries

    geometries = prefix.with_name(f"{prefix.name}.extxyz")
    write_geometries(geometries, subject, structures, **each)
    if plot is None:
        return [geometries]
    picture = prefix.with_name(f"{prefix.name}.svg")
    plot(picture, subject.molecule.name)
    return [geometries, picture]


def _tell(
    subject: "Subject",
    what: str,
    result: Any,
    screen: "RenderableType",
    files: list[Path],
    *,
    as_json: bool,
) -> None:
    from workflow.report.screen import new_console
    from workflow.use.screens import as_json as document
    from workflow.use.screens import headline, said_of

    if as_json:
        names = [str(path) for path in files]
        echo_json({**said_of(subject), **document(result), "files": names})
        return
    console = new_console()
    console.print(headline(subject, what))
    console.print(screen)
    for path in files:
        console.print(f"wrote       {path}", markup=False)
