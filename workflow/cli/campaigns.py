"""Commands that make, run and look at campaigns."""

from pathlib import Path
from typing import Annotated

import typer

from chemistry.errors import InputError
from workflow.cli.options import (
    AsJSON,
    BackendFile,
    CampaignFile,
    Run,
    RunFolderOption,
    echo_json,
    echo_record,
    machine,
)

app = typer.Typer()


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
    from workflow.settings.templates import write_templates

    for path in write_templates(folder, backend):
        typer.echo(f"wrote {path}")
    typer.echo(f"edit them, then: rung check {folder / 'campaign.yaml'}{_option(folder, backend)}")


def _option(folder: Path, kind: str) -> str:
    return "" if kind == "local" else f" --backend {folder / 'backend.yaml'}"


@app.command()
def schema(
    what: Annotated[str, typer.Argument(help="campaign or backend")] = "campaign",
) -> None:
    """Print the JSON schema of campaign or backend files, for editors.

    Example: rung schema campaign > campaign.schema.json
    """
    from workflow.settings.backend import Backend
    from workflow.settings.campaign import Campaign

    schemas = {"campaign": Campaign.model_json_schema, "backend": Backend.model_json_schema}
    if what not in schemas:
        raise InputError(f"there is no schema `{what}`: ask for campaign or backend")
    echo_json(schemas[what]())


@app.command()
def check(
    campaign: CampaignFile,
    backend: BackendFile = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="How long to wait for a worker of each pool.")
    ] = 10,
    as_json: AsJSON = False,
) -> None:
    """Check files, engines and workers, and forecast the cost, without starting the campaign.

    One worker of each pool is started, which reports where it runs and what is installed there.

    Example: rung check runs/demo.yaml
    """
    from rich.console import Console

    from workflow.campaign.check import check_campaign
    from workflow.report.screen import new_console
    from workflow.settings.campaign import read_campaign

    found = check_campaign(
        read_campaign(campaign),
        machine(backend),
        Console(quiet=True) if as_json else new_console(),
        beside=campaign.parent,
        patience_seconds=60 * minutes,
    )
    if as_json:
        echo_record(found)


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
    as_json: AsJSON = False,
) -> None:
    """Run a campaign, or resume it where it stopped.

    Example: rung launch runs/demo.yaml
    """
    from workflow.campaign.launch import describe, intent_of, launch_campaign
    from workflow.campaign.observers.progress import Progress
    from workflow.report.screen import new_console, summary_screen
    from workflow.report.summary import summarize
    from workflow.report.waits import shown_wait
    from workflow.settings.campaign import read_campaign

    console = new_console()
    read, pools = read_campaign(campaign), machine(backend)
    path = run_folder or campaign.parent / read.name
    if dry_run:
        intent = intent_of(read, pools, path)
        if as_json:
            echo_record(intent)
        else:
            console.print(describe(intent), markup=False)
        return
    if as_json:
        raise InputError("--json of a launch is for --dry-run: a running one answers status --json")
    progress = Progress(console, read, slots=pools.slots)
    folder = launch_campaign(read, pools, path, progress, force_new=force_new)
    console.print(summary_screen(summarize(folder), folder))
    with shown_wait(console, "writing the report"):
        # Not earlier: it loads torch, for which no worker should wait.
        from workflow.report.page import try_report

        written = try_report(folder)
    console.print(f"report      {written}", markup=False)
    if len(read.rungs) > 1:
        console.print(f"compare ways of climbing: rung climb-report {folder.path}", markup=False)


@app.command()
def status(
    run: Run,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Also save what is shown as a picture.")
    ] = None,
    failures: Annotated[
        bool, typer.Option("--failures", help="List labels that failed or were refused instead.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Show what a run has done: labels, held-out errors, cost, files. Safe while it runs.

    Example: rung status runs/demo
    """
    from workflow.campaign.retry import unusable_labels
    from workflow.report.screen import failures_screen, new_console, save_picture, summary_screen
    from workflow.report.status_json import failures_json, summary_json
    from workflow.report.summary import summarize
    from workflow.run.folder import RunFolder

    folder = RunFolder(run)
    if as_json:
        document = (
            failures_json(unusable_labels(folder)) if failures else summary_json(summarize(folder))
        )
        echo_json(document)
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
    from workflow.campaign.retry import retry as put_back
    from workflow.run.folder import RunFolder

    chosen = put_back(RunFolder(run), kinds=kind or (), structures=structures or ())
    typer.echo(f"put {len(chosen)} labels back: launch the campaign again to compute them")


@app.command()
def explain(
    run: Run,
    structure: Annotated[str, typer.Argument(help="structure_id, or its beginning.")],
    as_json: AsJSON = False,
) -> None:
    """Say why a structure was made and chosen, and what came of its labels.

    Example: rung explain runs/demo 454d0ac6
    """
    from workflow.report.explain import explain as known_of
    from workflow.report.explain import sentences
    from workflow.run.folder import RunFolder

    known = known_of(RunFolder(run), structure)
    if as_json:
        echo_json(known)
    else:
        typer.echo("\n".join(sentences(known)))


@app.command()
def watch(run: Run) -> None:
    """Show a running campaign live until it ends; q leaves. Safe from another terminal.

    Example: rung watch runs/demo
    """
    from workflow.report.screen import new_console
    from workflow.report.watch import watch
    from workflow.run.folder import RunFolder

    watch(RunFolder(run), new_console())


@app.command()
def report(
    run: Run,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Write it anew after each training until the launch ends."),
    ] = False,
) -> None:
    """Write a run's report: one HTML page that needs nothing else. Safe while it runs.

    Example: rung report runs/demo
    """
    from workflow.report.page import follow_run, write_report
    from workflow.report.screen import new_console
    from workflow.report.waits import shown_wait
    from workflow.report.watch import KILLED
    from workflow.run.folder import RunFolder
    from workflow.run.launches import was_killed

    folder = RunFolder(run)
    if not follow:
        with shown_wait(new_console(stderr=True), "writing the report"):
            path = write_report(folder)
        typer.echo(f"wrote {path}")
        return
    for path in follow_run(folder):
        typer.echo(f"wrote {path}")
    if was_killed(folder):
        typer.echo(KILLED)


@app.command("climb-report")
def climb_report(run: Run, as_json: AsJSON = False) -> None:
    """Compare ways of climbing on the highest rung's held-out labels.

    It trains those that the campaign has not trained on the same labels already.

    Example: rung climb-report runs/demo
    """
    from workflow.report.climb_report import climb_report, report_screen, save_plot, save_report
    from workflow.report.screen import new_console
    from workflow.report.waits import shown_wait
    from workflow.run.folder import RunFolder

    console, quietly = new_console(), new_console(stderr=True)
    report = climb_report(run, shown=lambda text: shown_wait(quietly, text))
    plot = run / "climb-report.svg"
    save_plot(report, plot)
    save_report(report, RunFolder(run).climb_report)
    if as_json:
        echo_record(report)
        return
    console.print(report_screen(report))
    console.print(f"plot        {plot}")
