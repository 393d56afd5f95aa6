"""The rung command. Heavy imports stand inside the commands, so that `rung --help` is quick."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from chemistry.errors import CampaignFailed, InputError, RungError, StoreError

if TYPE_CHECKING:
    from workflow.backend import Backend

SplitRule = Literal["molecule", "campaign"]
EnergyReference = Literal["total", "minus-self-energies"]

app = typer.Typer(
    help="From molecules to a neural potential: active learning on open quantum chemistry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CampaignFile = Annotated[Path, typer.Argument(help="The campaign file (YAML).")]
BackendFile = Annotated[
    Path | None,
    typer.Option("--backend", help="The machine file (YAML); default: all cores of this machine."),
]
RunFolderOption = Annotated[
    Path | None,
    typer.Option(help="The run folder; default: one named after the campaign, beside its file."),
]
Run = Annotated[Path, typer.Argument(help="A run folder.")]


def main() -> NoReturn:
    """Run the command line; every expected failure is one sentence and an exit code.

    0 done, 1 campaign failed, 2 bad input or an unusable file, 130 interrupted (state kept).
    """
    try:
        app(standalone_mode=True)
    except CampaignFailed as error:
        _fail(error, code=1)
    except (InputError, StoreError) as error:
        _fail(error, code=2)
    except RungError as error:
        _fail(error, code=130)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _fail(error: RungError, *, code: int) -> NoReturn:
    typer.secho(f"rung: {error}", err=True, fg=None if code == 130 else "red")
    sys.exit(code)


def _machine(path: Path | None) -> "Backend":
    """Read a machine file, and say so where it brings code that will run."""
    from workflow.backend import read_backend

    backend = read_backend(path)
    for file in backend.python_files:
        typer.echo(f"rung: {path} has {file} run as code", err=True)
    return backend


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    backend: Annotated[
        str, typer.Option(help="local, slurm, pbs, lsf, sge, htcondor, kubernetes or python.")
    ] = "local",
) -> None:
    """Write a commented campaign.yaml and backend.yaml to start from.

    Where Slurm's sinfo answers, the partitions that it names are filled in.

    Example: rung init my-campaign --backend slurm
    """
    from workflow.templates import write_templates

    for path in write_templates(folder, backend):
        typer.echo(f"wrote {path}")
    typer.echo(f"edit them, then: rung check {folder / 'campaign.yaml'}{_option(folder, backend)}")


def _option(folder: Path, kind: str) -> str:
    return "" if kind == "local" else f" --backend {folder / 'backend.yaml'}"


@app.command()
def schema(
    what: Annotated[str, typer.Argument(help="campaign or backend")] = "campaign",
) -> None:
    """Print the JSON schema of campaign or machine files, for editors.

    Example: rung schema campaign > campaign.schema.json
    """
    from workflow.backend import Backend
    from workflow.campaign import Campaign

    schemas = {"campaign": Campaign.model_json_schema, "backend": Backend.model_json_schema}
    if what not in schemas:
        raise InputError(f"there is no schema `{what}`: ask for campaign or backend")
    typer.echo(json.dumps(schemas[what](), indent=2))


@app.command()
def check(
    campaign: CampaignFile,
    backend: BackendFile = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="How long to wait for a worker of each pool.")
    ] = 10,
) -> None:
    """Check files, engines and workers, and forecast the cost, without starting the campaign.

    One worker of each pool is started, which tells where it runs and what is installed there.

    Example: rung check runs/demo.yaml
    """
    from workflow.campaign import read_campaign
    from workflow.check import check_campaign
    from workflow.screen import new_console

    check_campaign(
        read_campaign(campaign),
        _machine(backend),
        new_console(),
        beside=campaign.parent,
        patience_seconds=60 * minutes,
    )


@app.command()
def launch(
    campaign: CampaignFile,
    backend: BackendFile = None,
    run_folder: RunFolderOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the files and say what would be done.")
    ] = False,
    force_new: Annotated[
        bool, typer.Option("--force-new", help="Set an existing run folder aside and start anew.")
    ] = False,
) -> None:
    """Run a campaign, or go on with it where it stopped.

    Example: rung launch runs/demo.yaml
    """
    from workflow.campaign import read_campaign
    from workflow.launch import describe, launch_campaign
    from workflow.progress import Progress
    from workflow.report import try_report
    from workflow.screen import new_console, summary_screen
    from workflow.summary import summarize

    console = new_console()
    read, machine = read_campaign(campaign), _machine(backend)
    path = run_folder or campaign.parent / read.name
    if dry_run:
        console.print(describe(read, machine, path))
        return
    folder = launch_campaign(read, machine, path, Progress(console, read), force_new=force_new)
    console.print(summary_screen(summarize(folder), folder))
    if len(read.rungs) > 1:
        climb_report(folder.path)
    console.print(f"report      {try_report(folder)}", markup=False)


@app.command()
def status(
    run: Run,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Also save what is shown as a picture.")
    ] = None,
    failures: Annotated[
        bool, typer.Option("--failures", help="List labels that failed or were refused instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show what a run has done: labels, held-out errors, cost, files. Safe while it runs.

    Example: rung status runs/demo
    """
    from workflow.retry import unusable_labels
    from workflow.run_folder import RunFolder
    from workflow.screen import failures_screen, new_console, save_picture, summary_screen
    from workflow.status_json import failures_json, summary_json
    from workflow.summary import summarize

    folder = RunFolder(run)
    if as_json:
        document = (
            failures_json(unusable_labels(folder)) if failures else summary_json(summarize(folder))
        )
        typer.echo(json.dumps(document, indent=2))
        return
    screen = (
        failures_screen(unusable_labels(folder))
        if failures
        else summary_screen(summarize(folder), folder)
    )
    new_console().print(screen)
    if svg is not None:
        save_picture(screen, svg, title=f"rung status {run}")


@app.command()
def retry(
    run: Run,
    structures: Annotated[
        list[str] | None,
        typer.Argument(help="structure_ids or their beginnings; default: all that failed."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="convergence, resource, poison, input or suspect; may be repeated."),
    ] = None,
) -> None:
    """Put labels that failed or were refused back: the next launch computes them again.

    Example: rung retry runs/demo --kind resource
    """
    from workflow.retry import retry as put_back
    from workflow.run_folder import RunFolder

    chosen = put_back(RunFolder(run), kinds=kind or (), structures=structures or ())
    typer.echo(f"put {len(chosen)} labels back: launch the campaign again to compute them")


@app.command()
def explain(
    run: Run,
    structure: Annotated[str, typer.Argument(help="structure_id, or its beginning.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say why a structure was made and chosen, and what came of its labels.

    Example: rung explain runs/demo 454d0ac6
    """
    from workflow.explain import explain as known_of
    from workflow.explain import sentences
    from workflow.run_folder import RunFolder

    known = known_of(RunFolder(run), structure)
    typer.echo(json.dumps(known, indent=2) if as_json else "\n".join(sentences(known)))


@app.command()
def watch(run: Run) -> None:
    """Show a running campaign live until it ends; q leaves. Safe from another terminal.

    Example: rung watch runs/demo
    """
    from workflow.run_folder import RunFolder
    from workflow.screen import new_console
    from workflow.watch import watch

    watch(RunFolder(run), new_console())


@app.command()
def report(run: Run) -> None:
    """Write a run's report: one HTML page that needs nothing else. Safe while the run goes on.

    Example: rung report runs/demo
    """
    from workflow.report import write_report
    from workflow.run_folder import RunFolder

    typer.echo(f"wrote {write_report(RunFolder(run))}")


@app.command("climb-report")
def climb_report(run: Run) -> None:
    """Compare ways of climbing on the highest rung's held-out labels; trains each of them.

    Example: rung climb-report runs/demo
    """
    from workflow.climb_report import climb_report, report_screen, save_plot, save_report
    from workflow.run_folder import RunFolder
    from workflow.screen import new_console

    console = new_console()
    report = climb_report(run)
    plot = run / "climb-report.svg"
    save_plot(report, plot)
    save_report(report, RunFolder(run).climb_report)
    console.print(report_screen(report))
    console.print(f"plot        {plot}")


@app.command()
def export(
    run: Run,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="extxyz, mace, ani-hdf5, torchani, deepmd, qcschema, parquet or ase-db.",
        ),
    ] = "extxyz",
    output: Annotated[
        Path | None, typer.Option(help="What to write; default: in the run's exports folder.")
    ] = None,
    level: Annotated[
        list[str] | None, typer.Option(help="Only this level; may be given several times.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only labels that meet it: n_atoms<=20, sampler=normal_modes, …"),
    ] = None,
    split: Annotated[
        SplitRule, typer.Option(help="By whole molecules, or the campaign's held-out set.")
    ] = "molecule",
    energy: Annotated[
        EnergyReference, typer.Option(help="Total, or minus fitted self-energies of the atoms.")
    ] = "total",
    dedupe_angstrom: Annotated[
        float | None,
        typer.Option(min=1e-4, help="Leave out structures alike at this resolution of distances."),
    ] = None,
    with_quarantined: Annotated[
        bool, typer.Option("--with-quarantined", help="Also labels that a quality gate refused.")
    ] = False,
    license_: Annotated[
        str | None, typer.Option("--license", help="For the data card: CC-BY-4.0, …")
    ] = None,
) -> None:
    """Write labels of a run as a data set, with a data card.

    Example: rung export runs/demo --format ani-hdf5 --where "max_force_ev_angstrom<30"
    """
    from workflow.export import find_exporter, write_export
    from workflow.export.card import card_path
    from workflow.export.choice import ExportChoice, parse_condition
    from workflow.run_folder import RunFolder
    from workflow.store import Store

    exporter = find_exporter(format_)
    choice = ExportChoice(
        levels=tuple(level or ()),
        where=tuple(parse_condition(text) for text in where or ()),
        split=split,
        energy=energy,
        dedupe_angstrom=dedupe_angstrom,
        with_quarantined=with_quarantined,
        license=license_,
    )
    folder = RunFolder(run)
    with Store.open(folder.store, read_only=True) as store:
        path = output or folder.exports / f"{run.resolve().name}{exporter.suffix}"
        count = write_export(store, format_, path, choice)
    typer.echo(f"wrote {count} labels to {path}, and what they are to {card_path(path)}")


@app.command("import")
def import_(
    campaign: CampaignFile,
    data: Annotated[
        Path,
        typer.Argument(
            help="Labels: .h5 in the layout of ANI-1x, or extended XYZ (eV, Å); minus the gradient."
        ),
    ],
    level: Annotated[
        str | None, typer.Option(help="Of a rung of the campaign; default: of the first one.")
    ] = None,
    run_folder: RunFolderOption = None,
) -> None:
    """Let a campaign start from labels that there are: take them into its run, before or between
    launches.

    Example: rung import campaign.yaml ani1x.h5 --level wb97x/6-31g*
    """
    from workflow.campaign import read_campaign
    from workflow.import_data import describe_import, import_data

    read = read_campaign(campaign)
    path = run_folder or campaign.parent / read.name
    for line in describe_import(import_data(read, path, data, level), read, level):
        typer.echo(line)
    typer.echo(f"next: rung launch {campaign}")


@app.command()
def label(
    file: Annotated[Path, typer.Argument(help="A .xyz, .extxyz, .sdf or .smi file.")],
    level: Annotated[str, typer.Option(help="Level of theory: wb97x/6-31g*, gfn2-xtb, …")],
    engine: Annotated[str | None, typer.Option(help="Default: the level's own.")] = None,
    backend: BackendFile = None,
    output: Annotated[
        Path | None, typer.Option(help="Default: FILE.labels.extxyz beside the file.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Label the rest where entries cannot be used.")
    ] = False,
) -> None:
    """Label the structures of a file without a campaign; molecules without geometry are embedded.

    Example: rung label molecules.xyz --level wb97x/6-31g*
    """
    from workflow.label_file import label_file
    from workflow.screen import new_console

    label_file(file, level, engine, _machine(backend), output, new_console(), skip_bad=skip_bad)


@app.command()
def evaluate(
    potential: Annotated[
        Path, typer.Argument(help="A checkpoint, or a run folder for its newest.")
    ],
    data: Annotated[Path, typer.Argument(help="Labelled structures: extended XYZ.")],
) -> None:
    """Compare a potential with a data set: errors in kcal/mol and kcal/mol/Å.

    Example: rung evaluate runs/demo test-set.extxyz
    """
    from workflow.evaluate import evaluate_potential
    from workflow.screen import new_console

    new_console().print(evaluate_potential(potential, data))
