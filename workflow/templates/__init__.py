"""The files that `rung init` writes."""

import json
from importlib.resources import files
from pathlib import Path

from chemistry.errors import InputError
from workflow.backend import Backend
from workflow.campaign import Campaign


def write_templates(folder: Path) -> list[Path]:
    """Write a campaign file, a machine file and their schemas; return the paths of the former.

    Raises
    ------
    InputError
        One of the files exists already, or the folder cannot be made.
    """
    written = [folder / "campaign.yaml", folder / "backend.yaml"]
    for path in written:
        if path.exists():
            raise InputError(f"{path} exists already: it is not overwritten")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in written:
            text = files("workflow.templates").joinpath(path.name).read_text("utf-8")
            path.write_text(text, encoding="utf-8")
        for name, model in (("campaign", Campaign), ("backend", Backend)):
            schema = json.dumps(model.model_json_schema(), indent=2) + "\n"
            (folder / f"{name}.schema.json").write_text(schema, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror})") from error
    return written
