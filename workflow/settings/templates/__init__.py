"""The files that `rung init` writes."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from chemistry.errors import InputError
from chemistry.names import nearest
from workflow.settings.backend import Backend
from workflow.settings.campaign import Campaign
from workflow.settings.pools import POOLS
from workflow.settings.pools.base import ClusterPool
from workflow.settings.templates.partitions import Partition, find_partitions

_USUAL = Partition(name="main", is_default=True, limit_hours=24, cores=16, memory_gb=64, nodes=1)
_MEMORY_OF_A_TASK_GB = 4.0
_LONGEST_HOURS = 24.0


def write_templates(folder: Path, kind: str = "local") -> list[Path]:
    """Write a campaign file, a machine file and their schemas; return the paths of the former.

    Raises
    ------
    InputError
        There is no such kind of pool, one of the files exists already, or the folder cannot be
        made.
    """
    if kind not in POOLS:
        raise InputError(f"there is no backend `{kind}`: {nearest(kind, POOLS)}")
    texts = {
        folder / "campaign.yaml": _template("campaign"),
        folder / "backend.yaml": backend_text(kind, find_partitions() if kind == "slurm" else []),
    }
    for path in texts:
        if path.exists():
            raise InputError(f"{path} exists already: it is not overwritten")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        for name, model in (("campaign", Campaign), ("backend", Backend)):
            schema = json.dumps(model.model_json_schema(), indent=2) + "\n"
            (folder / f"{name}.schema.json").write_text(schema, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror})") from error
    return list(texts)


def backend_text(kind: str, partitions: Sequence[Partition]) -> str:
    """Return a commented machine file for a kind of pool, with the first partition filled in."""
    pool = POOLS[kind]
    if not issubclass(pool, ClusterPool):
        return Template(_template(kind)).substitute()
    place = partitions[0] if partitions else _USUAL
    hours = min(place.limit_hours or _LONGEST_HOURS, _LONGEST_HOURS)
    task_memory_gb = min(_MEMORY_OF_A_TASK_GB, int(10 * place.memory_gb / place.cores) / 10)
    own = [Template(line).substitute(partition=place.name) for line in pool.template_lines]
    return Template(_template("cluster")).substitute(
        found="".join(f"# sinfo names {partition}\n" for partition in partitions),
        kind=kind,
        own="\n".join(f"    {line}" for line in own),
        provider=pool.provider.replace(":", "."),
        walltime=_clock(hours),
        cores=place.cores,
        memory=place.memory_gb,
        task_memory=f"{task_memory_gb:g}",
        label=_clock(min(1.0, hours / 2)),
        train=_clock(hours / 2),
    )


def _template(name: str) -> str:
    return files("workflow.settings.templates").joinpath(f"{name}.yaml").read_text("utf-8")


def _clock(hours: float) -> str:
    seconds = int(3600 * hours)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
