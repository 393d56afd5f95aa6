"""Names of tasks. A key says what a task does; the same key is never computed twice."""

import hashlib
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, cast

from workflow.settings.campaign import Campaign

SamplePurpose: TypeAlias = Literal["start", "initial", "held_out", "explore"]


@dataclass(frozen=True, kw_only=True)
class SampleTask:
    """One call of one sampler on one molecule.

    Attributes
    ----------
    sampler : int
        Index into the campaign's list of samplers for the purpose.
    version : int
        Of the exploring committee; 0 for none.
    sweep : int
        How many times the same was done before: another sweep has other random numbers.
    """

    rung: int
    purpose: SamplePurpose
    molecule_id: str
    sampler: int = 0
    version: int = 0
    sweep: int = 0

    @property
    def key(self) -> str:
        """The name of the task."""
        return (
            f"sample-{self.rung}-{self.purpose}-{self.version}-{self.sweep}"
            f"-{self.molecule_id}-{self.sampler}"
        )

    @classmethod
    def parse(cls, key: str) -> Self:
        """Return the task of a key."""
        _, rung, purpose, version, sweep, molecule_id, sampler = key.split("-")
        return cls(
            rung=int(rung),
            purpose=cast(SamplePurpose, purpose),
            molecule_id=molecule_id,
            sampler=int(sampler),
            version=int(version),
            sweep=int(sweep),
        )


def label_key(structure_id: str, level_id: str) -> str:
    """Name the computation of one label."""
    return f"label-{structure_id}-{level_id}"


def check_key(structure_id: str, level_id: str) -> str:
    """Name the second opinion on one label."""
    return f"check-{structure_id}-{level_id}"


def train_key(rung: int, version: int) -> str:
    """Name the training of one version of the committee."""
    return f"train-{rung}-{version}"


def judge_key(rung: int, version: int) -> str:
    """Name the judgement of the waiting structures by one version of the committee."""
    return f"judge-{rung}-{version}"


def grow_key(rung: int, version: int) -> str:
    """Name the search for new molecules by one version of the committee."""
    return f"grow-{rung}-{version}"


def inherit_key(rung: int) -> str:
    """Name the take-over of candidates from the rung below."""
    return f"inherit-{rung}"


def parse_version(key: str) -> tuple[int, int]:
    """Return (rung, version) of the key of a training, a judgement or a growth."""
    _, rung, version = key.split("-")
    return int(rung), int(version)


def derive_seed(campaign: Campaign, key: str) -> int:
    """Return the seed of a task: a hash of the campaign's seed and the task's key, 32 bits."""
    digest = hashlib.sha256(f"{campaign.seed}/{key}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def sample_tasks(
    campaign: Campaign,
    rung: int,
    purpose: SamplePurpose,
    molecule_id: str,
    *,
    version: int = 0,
    sweep: int = 0,
) -> tuple[SampleTask, ...]:
    """Return one task for each sampler that the campaign has for a purpose."""
    samplers = {
        "start": 1,
        "initial": len(campaign.initial),
        "held_out": len(campaign.initial),
        "explore": len(campaign.explore),
    }
    return tuple(
        SampleTask(
            rung=rung,
            purpose=purpose,
            molecule_id=molecule_id,
            sampler=i,
            version=version,
            sweep=sweep,
        )
        for i in range(samplers[purpose])
    )
