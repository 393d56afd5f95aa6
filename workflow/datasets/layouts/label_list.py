"""labels.jsonl of rung's own exports: what is said of labels beside their numbers."""

import json
from pathlib import Path
from typing import Any

from chemistry.errors import InputError


def read_label_list(folder: Path) -> list[dict[str, Any]]:
    """Return the facts of each line; nothing where a folder, made by others, has no such file."""
    path = folder / "labels.jsonl"
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON lines ({error})") from error
