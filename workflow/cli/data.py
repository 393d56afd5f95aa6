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
    SpinMeans,
    echo_json,
    echo_record,
    machine,
)
from workflow.datasets.export.formats import EXPORTERS

SplitRule = Literal["molecule", "campaign"]
EnergyReference = Literal["total", "minus-self-energies"]

DataFile = Annotated[
    Path,
    typer.Argument(
        help="Labels: extended XYZ, HDF5 of ANI-1, ANI-1x, ANI-2x or SPICE, QCSchema, Parquet, "
        "deepmd/npy, a database of ASE, or any export."
    ),
]
EnergyUnit = Annotated[
    str | None,
    typer.Option(help="Of the file's energies, where it does not say: hartree, kcal/mol, …"),
]
ForceUnit = Annotated[
    str | None,
    typer.Option(help="Of the file's forces, where it does not say: hartree/bohr, …"),
]
Gradients = Annotated[
    bool | None,
    typer.Option(
        "--gradients/--no-gradients",
        help="The file has gradients in the place of forces, or not, whatever it calls them.",
    ),
]
SpinMeansOption = Annotated[
    Literal["2s", "2s+1"] | None,
    typer.Option("--spin-means", help="What the file means where it says `spin`."),
]

app = typer.Typer()


@app.command()
def export(
    run: Run,
    format_: Annotated[
        str, typer.Option("--format", help=f"One of {', '.join(EXPORTERS.ours)}.")
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
    from workflow.datasets.export.card import card_path
    from workflow.datasets.export.choice import ExportChoice, parse_condition
    from workflow.datasets.export.write import write_export
    from workflow.run.folder import RunFolder
    from workflow.run.store.store import StoreReader

    exporter = EXPORTERS.find(format_)
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
    with StoreReader.open(folder.store) as store:
        path = output or folder.exports / f"{run.resolve().name}{exporter.suffix}"
        count = write_export(store, format_, path, choice)
    typer.echo(f"wrote {count} labels to {path}, and what they are to {card_path(path)}")


@app.command("import")
def import_(
    campaign: CampaignFile,
    data: DataFile,
    level: Annotated[
        str | None, typer.Option(help="Of a rung of the campaign; default: of the first one.")
    ] = None,
    run_folder: RunFolderOption = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Do not recompute any; the run remembers that nobody has checked the labels.",
        ),
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Take the rest where labels cannot be used.")
    ] = False,
    energy_unit: EnergyUnit = None,
    force_unit: ForceUnit = None,
    gradients: Gradients = None,
    spin_means: SpinMeansOption = None,
    net_force_ev_angstrom: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="What the forces on a molecule may add up to; default: a tenth of the largest.",
        ),
    ] = None,
) -> None:
    """Let a campaign start from labels that there are: take them into its run, before or between
    launches. A few are recomputed first, to see that they are of the level.

    Example: rung import campaign.yaml ani1x.h5 --level wb97x/6-31g*
    """
    from workflow.datasets.import_data import ImportChoice, describe_import, import_data
    from workflow.datasets.layouts.base import Stated
    from workflow.settings.campaign import read_campaign

    read = read_campaign(campaign)
    path = run_folder or campaign.parent / read.name
    choice = ImportChoice(
        level_name=level,
        stated=Stated(
            energy_unit=energy_unit,
            force_unit=force_unit,
            gradients=gradients,
            spin_means=spin_means,
        ),
        net_force_limit_ev_angstrom=net_force_ev_angstrom,
        skip_bad=skip_bad,
        trust=trust,
    )
    if not trust:
        typer.echo("rung: recomputes a few of the labels; --trust skips it", err=True)
    for line in describe_import(import_data(read, path, data, choice), read, level):
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
    charge: Annotated[
        int | None, typer.Option(help="Of every molecule, in e; default: as the file says.")
    ] = None,
    multiplicity: Annotated[
        int | None, typer.Option(min=1, help="2S+1 of every molecule; default: as the file says.")
    ] = None,
    spin_means: SpinMeans = None,
) -> None:
    """Label the structures of a file without a campaign; molecules without geometry are embedded.

    Example: rung label molecules.xyz --level wb97x/6-31g*
    """
    from chemistry.readers.given import Given
    from workflow.datasets.label_file import label_file
    from workflow.report.screen import new_console

    label_file(
        file,
        level,
        engine,
        machine(backend),
        output,
        new_console(),
        skip_bad=skip_bad,
        given=Given(charge=charge, multiplicity=multiplicity, spin_means=spin_means),
    )


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
    data: DataFile,
    as_json: AsJSON = False,
    energy_unit: EnergyUnit = None,
    force_unit: ForceUnit = None,
    gradients: Gradients = None,
    spin_means: SpinMeansOption = None,
) -> None:
    """Compare a potential with a data set: errors in kcal/mol and kcal/mol/Å.

    Example: rung evaluate runs/demo test-set.extxyz
    """
    from workflow.datasets.evaluate import evaluate_potential, evaluation_screen
    from workflow.datasets.layouts.base import Stated
    from workflow.report.screen import new_console

    stated = Stated(
        energy_unit=energy_unit,
        force_unit=force_unit,
        gradients=gradients,
        spin_means=spin_means,
    )
    found = evaluate_potential(potential, data, stated)
    if as_json:
        echo_record(found)
    else:
        new_console().print(evaluation_screen(found))
