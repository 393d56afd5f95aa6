"""What a person sets about the training of a committee on top of GFN2-xTB. No torch here."""

from typing import ClassVar, Literal

from pydantic import Field

from model.architectures.ani.settings import AniSettings, TransferFactor, WarmStartFactor

NAME = "ani+gfn2-xtb"
"""Of the architecture, in campaign files and checkpoints."""

BASELINE = "gfn2-xtb"
"""The level of theory that is added."""


class OnXtbSettings(AniSettings):
    """How the networks are trained on what labels are above GFN2-xTB."""

    paths: ClassVar[tuple[str, ...]] = ()

    architecture: Literal["ani+gfn2-xtb"] = Field(  # type: ignore[assignment]  # of its own
        default="ani+gfn2-xtb", description="Kind of potential."
    )
    # Its labels are dear: on few of them twice the epochs at twice the rate are worth it.
    max_epochs: int = Field(default=200, ge=1, description="Passes over the data at most.")
    learning_rate: float = Field(default=4e-3, gt=0, description="Adam's largest step size.")
    warm_start_learning_rate_factor: WarmStartFactor = 0.5
    transfer_learning_rate_factor: TransferFactor = 0.15
    pretrained: None = Field(
        default=None, description="Published weights are of whole energies: none fits."
    )
