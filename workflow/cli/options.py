"""Arguments and options that several commands have."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from workflow.settings.backend import Backend

CampaignFile = Annotated[Path, typer.Argument(help="The campaign file (YAML).")]
BackendFile = Annotated[
    Path | None,
    typer.Option("--backend", help="The backend file (YAML); default: all cores of this machine."),
]
RunFolderOption = Annotated[
    Path | None,
    typer.Option(help="The run folder; default: one named after the campaign, beside its file."),
]
Run = Annotated[Path, typer.Argument(help="A run folder.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
SpinMeans = Annotated[
    Literal["2s", "2s+1"] | None,
    typer.Option(
        help="What `spin` and `total_spin` in the file count: unpaired electrons (2s) or the "
        "multiplicity (2s+1); default: files that have them are refused."
    ),
]
PotentialSource = Annotated[
    Path,
    typer.Argument(
        help="A checkpoint, a run folder for its newest, or a folder with a published ensemble."
    ),
]


def machine(path: Path | None) -> "Backend":
    """Read a backend file, and say so where it brings code that will run."""
    from workflow.settings.backend import read_backend

    backend = read_backend(path)
    for file in backend.python_files:
        typer.echo(f"rung: {path} has {file} run as code", err=True)
    return backend


def echo_record(record: Any) -> None:
    """Print a record as JSON; what is not a finite number is null."""
    from pydantic import TypeAdapter

    typer.echo(TypeAdapter(type(record)).dump_json(record, indent=2))


def echo_json(document: Any) -> None:
    """Print a document as JSON, for programs."""
    typer.echo(json.dumps(document, indent=2))
