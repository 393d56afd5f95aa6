"""Commands for labels: data sets out and in, labels without a campaign, errors on them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from workflow.cli.options import (
    AsJSON,
    BackendFile,
    CampaignFile,
    PotentialSource,
    Run,
    RunFolderOption,
    echo_json,
    echo_record,
    machine,
)

SplitRule = Literal["molecule", "campaign"]
EnergyReference = Literal["total", "minus-self-energies"]

app = typer.Typer()


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
    from workflow.datasets.export import find_exporter, write_export
    from workflow.datasets.export.card import card_path
    from workflow.datasets.export.choice import ExportChoice, parse_condition
    from workflow.run.folder import RunFolder
    from workflow.run.store.store import Store

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
    from workflow.datasets.import_data import describe_import, import_data
    from workflow.settings.campaign import read_campaign

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
    from workflow.datasets.label_file import label_file
    from workflow.report.screen import new_console

    label_file(file, level, engine, machine(backend), output, new_console(), skip_bad=skip_bad)


@app.command()
def level(
    name: Annotated[str, typer.Argument(help="Level of theory: wb97x/6-31g*, ccsd(t)*/cbs, …")],
    engine: Annotated[str | None, typer.Option(help="Default: the level's own.")] = None,
    molecule: Annotated[
        str | None, typer.Option(help="A SMILES: its elements, and the cost of its label.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Print what will be computed: functional, dispersion, basis, core, engine, and the cost.

    Example: rung level b3lyp-d3bj/def2-svp --molecule CCO
    """
    from workflow.report.level import report_level

    found = report_level(name, engine, molecule)
    if as_json:
        echo_json(found.document())
    else:
        for line in found.lines():
            typer.echo(line)


@app.command()
def evaluate(
    potential: PotentialSource,
    data: Annotated[Path, typer.Argument(help="Labelled structures: extended XYZ.")],
    as_json: AsJSON = False,
) -> None:
    """Compare a potential with a data set: errors in kcal/mol and kcal/mol/Å.

    Example: rung evaluate runs/demo test-set.extxyz
    """
    from workflow.datasets.evaluate import evaluate_potential, evaluation_screen
    from workflow.report.screen import new_console

    found = evaluate_potential(potential, data)
    if as_json:
        echo_record(found)
    else:
        new_console().print(evaluation_screen(found))
