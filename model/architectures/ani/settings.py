"""What a person sets about the training of an ANI committee. No torch here."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from model.settings import TrainingSettings

NAME = "ani"
"""Of the architecture, in campaign files and checkpoints."""

TRAINED_TOGETHER = 4
"""Members in one matrix product, on processors. Another number would change the last bits."""


WarmStartFactor: TypeAlias = Annotated[
    float,
    Field(gt=0, le=1, description="Multiplies the learning rate when starting from a committee."),
]
TransferFactor: TypeAlias = Annotated[
    float,
    Field(gt=0, le=1, description="Multiplies the learning rate when climbing to another level."),
]


def groups_of(members: int, device: str) -> tuple[range, ...]:
    """Return which members are trained together; a graphics processor takes all at once."""
    step = TRAINED_TOGETHER if device == "cpu" else members
    return tuple(range(members)[first : first + step] for first in range(0, members, step))


class PretrainedSettings(BaseModel):
    """A published ensemble whose weights the first training starts from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["neurochem"] = Field(
        default="neurochem", description="Format: the folders of ANI-1x, ANI-1ccx and ANI-2x."
    )
    path: Path = Field(description="Folder that holds *.params, sae_*.dat and train0, train1, …")
    frozen_layers: tuple[int, ...] = Field(
        default=(), description="Layers of each network that stay, from 0; ANI-1ccx froze 0 and 2."
    )
    learning_rate_factor: float = Field(
        default=0.1, gt=0, le=1, description="Multiplies the learning rate of the first training."
    )


class AniSettings(TrainingSettings):
    """How an ANI committee is trained; the same data, seed and settings give the same weights."""

    paths: ClassVar[tuple[str, ...]] = ("pretrained.path",)

    architecture: Literal["ani"] = Field(default="ani", description="Kind of potential.")
    max_epochs: int = Field(default=100, ge=1, description="Passes over the data at most.")
    patience_epochs: int | None = Field(
        default=None,
        ge=1,
        description="A member stops after so many epochs without gain on its own part, and keeps "
        "its best weights; null: it trains to the last epoch and keeps the last weights.",
    )
    learning_rate: float = Field(default=2e-3, gt=0, description="Adam's largest step size.")
    warm_start_learning_rate_factor: WarmStartFactor = 1.0
    warm_start_max_epochs: int = Field(
        default=100,
        ge=1,
        description="max_epochs when starting from a committee, if less.",
    )
    transfer_learning_rate_factor: TransferFactor = 0.45
    start_learning_rate_factor: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Multiplies the learning rate when learning further what a run began with, of "
        "the same level: a few labels at a higher rate spoil what it knows.",
    )
    batch_size: int = Field(default=16, ge=1, description="Structures in one step.")
    force_weight: float = Field(
        default=1.0,
        ge=0,
        description="Weight, in Å^2, of a structure's mean squared force component beside its "
        "squared energy error over the number of atoms.",
    )
    weight_average_decay: float = Field(
        default=0.95,
        ge=0,
        lt=1,
        description="Decay a step of the average of weights that is kept.",
    )
    max_gradient_norm: float = Field(
        default=0.3,
        gt=0,
        description="A member's gradient is cut to this.",
    )
    pretrained: PretrainedSettings | None = Field(
        default=None,
        description="Start the first training from published weights; the campaign's `start` "
        "explores with them, too.",
    )
    hidden_layers: dict[str, tuple[int, ...]] = Field(
        default_factory=dict,
        description="Hidden layer sizes by element symbol; others have 96, 64 and 48.",
    )
    cache_memory_gb: float = Field(
        default=1.0,
        ge=0,
        description="Memory for descriptors kept between epochs; past it, recomputed.",
    )
