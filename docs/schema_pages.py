"""Fills in the pages that are made from the program: schemas of the files, help of the commands.

A page names what it wants on a line of its own: `{{ schema campaign }}` or `{{ commands }}`.
"""

import json
import re
from typing import Any

import typer

from workflow.cli import app
from workflow.settings.backend import Backend
from workflow.settings.campaign import Campaign

SCHEMAS = {"campaign": Campaign, "backend": Backend}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the placeholders of a page; mkdocs calls it."""
    markdown = re.sub(r"^{{ schema (\w+) }}$", lambda m: schema(m[1]), markdown, flags=re.M)
    return re.sub(r"^{{ commands }}$", lambda _: commands(), markdown, flags=re.M)


def schema(name: str) -> str:
    """Return the tables of all parts of a file, the whole file first."""
    document = SCHEMAS[name].model_json_schema()
    parts = [table("The whole file", document)]
    parts += [
        table(part, found)
        for part, found in sorted(document.get("$defs", {}).items())
        if "properties" in found
    ]
    return "\n\n".join(parts)


def table(name: str, document: dict[str, Any]) -> str:
    """Return one part of a file as a table."""
    about = document.get("description", "").split("\n\n")[0].replace("\n", " ")
    rows = [
        f"| `{key}` | {kind(field)} | {default(key, field, document)} | {text(field)} |"
        for key, field in document["properties"].items()
    ]
    anchor = name.lower().replace(" ", "-")
    head = ["| key | kind | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {name} {{ #{anchor} }}\n\n{about}\n", *head, *rows])


def kind(field: dict[str, Any]) -> str:
    """Return what may stand there."""
    if "$ref" in field:
        part = field["$ref"].rsplit("/", 1)[1]
        return f"[{part}](#{part.lower()})"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(kind(choice) for choice in choices))
    if field.get("type") == "array":
        inner = field.get("items") or (field.get("prefixItems") or [{}])[0]
        return f"list of {kind(inner)}"
    return str(field.get("type", "anything"))


def default(key: str, field: dict[str, Any], document: dict[str, Any]) -> str:
    """Return the default; nothing for one that is a part with defaults of its own."""
    if key in document.get("required", []):
        return "**required**"
    value = field.get("default")
    return (
        ""
        if isinstance(value, (dict, list)) or "default" not in field
        else f"`{json.dumps(value)}`"
    )


def text(field: dict[str, Any]) -> str:
    """Return the description, fit for a cell."""
    return str(field.get("description", "")).replace("\n", " ").replace("|", "\\|")


def commands() -> str:
    """Return the help of every command."""
    group = typer.main.get_command(app)
    parts = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        options = [
            f"| `{' '.join(parameter.opts)}` | {text({'description': parameter.help or ''})} |"
            for parameter in command.params
            if parameter.name != "help"
        ]
        about = (command.help or "").replace("Example: ", "\n    ")
        head = ["| argument | meaning |", "|---|---|"]
        parts.append("\n".join([f"## rung {name}\n\n{about}\n", *head, *options]))
    return "\n\n".join(parts)
