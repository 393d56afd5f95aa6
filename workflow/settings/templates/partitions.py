"""The partitions that Slurm's `sinfo` names, for the backend file that `rung init` writes."""

import re
import subprocess
from dataclasses import dataclass

_ANSWER_SECONDS = 10
_TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
_MB_PER_GB = 1024


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Machines of one kind, as a cluster offers them.

    Attributes
    ----------
    is_default : bool
        Whether jobs go there that name none.
    limit_hours : float or None
        Of a job's walltime; None is no limit.
    cores, memory_gb : int
        Of the smallest node.
    nodes : int
    """

    name: str
    is_default: bool
    limit_hours: float | None
    cores: int
    memory_gb: int
    nodes: int

    def __str__(self) -> str:
        limit = "no limit" if self.limit_hours is None else f"at most {self.limit_hours:g} h"
        return (
            f"{self.name}{' (default)' if self.is_default else ''}: {limit}, {self.nodes} nodes "
            f"of {self.cores} cores and {self.memory_gb} GB"
        )


def find_partitions() -> list[Partition]:
    """Return the partitions of this machine's Slurm, the default first; none where there is none.

    Of nodes that differ within a partition the smallest counts.
    """
    command = ["sinfo", "--noheader", "--format=%P|%l|%c|%m|%D"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return read_partitions(answer)


def read_partitions(answer: str) -> list[Partition]:
    """Read lines of sinfo: name|walltime limit|cores|memory in MB|nodes."""
    found: dict[str, Partition] = {}
    for line in answer.splitlines():
        name, limit, cores, memory_mb, nodes = line.strip().split("|")
        partition = Partition(
            name=name.removesuffix("*"),
            is_default=name.endswith("*"),
            limit_hours=_hours(limit),
            cores=int(cores.rstrip("+")),  # "+": there are larger ones too
            memory_gb=max(1, int(memory_mb.rstrip("+")) // _MB_PER_GB),
            nodes=int(nodes),
        )
        found[partition.name] = _joined(found.get(partition.name), partition)
    return sorted(found.values(), key=lambda partition: not partition.is_default)


def _joined(one: Partition | None, other: Partition) -> Partition:
    """Return the partition of which two lines speak."""
    if one is None:
        return other
    return Partition(
        name=one.name,
        is_default=one.is_default,
        limit_hours=one.limit_hours,
        cores=min(one.cores, other.cores),
        memory_gb=min(one.memory_gb, other.memory_gb),
        nodes=one.nodes + other.nodes,
    )


def _hours(limit: str) -> float | None:
    """Read Slurm's days-hours:minutes:seconds, of which the first parts may be missing."""
    match = _TIME.fullmatch(limit)
    if match is None:
        return None  # infinite
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 24 * days + hours + minutes / 60 + seconds / 3600
