"""`start:` of a campaign file: the committee that the first rung begins with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from model.settings import INSTALLED, TrainingSettings
from workflow.settings.rung import Rung
from workflow.settings.yaml_file import StrictModel

_FEWEST_INITIAL_LABELS = 2


class Start(StrictModel):
    """A potential that is there already, as version 0 of the first rung's committee."""

    model_config = ConfigDict(serialize_by_alias=True)

    source: str = Field(
        alias="from",
        min_length=1,
        description="Folder of a published ensemble (ANI-1x, ANI-1ccx, ANI-2x in the format of "
        "their authors), a checkpoint, the folder of an earlier run, each relative to the campaign "
        "file; or torchani:ani-1x, torchani:ani-1ccx, torchani:ani-2x, whose files torchani has "
        "fetched before. It is copied into the run.",
    )
    level: str | None = Field(
        None,
        description="Level of theory of its labels, where its files do not say; it must be the "
        "level of the first rung.",
    )
    license: str | None = Field(
        None, description="Its licence, an SPDX identifier, where its files do not say."
    )
    labels: bool = Field(
        False, description="Also take the labels that an earlier run has of the level."
    )

    def from_folder(self, folder: Path) -> Self:
        """Return it with a relative path taken from a folder: the campaign file's."""
        if self.source.startswith(INSTALLED):
            return self
        return self.model_copy(update={"source": str((folder / self.source).resolve())})


def _path_shorthand(value: Any) -> Any:
    return {"from": value} if isinstance(value, str) else value


StartField = Annotated[Start, BeforeValidator(_path_shorthand, json_schema_input_type=str | Start)]


def check_rungs(start: Start | None, rungs: "Sequence[Rung]") -> None:
    """Refuse rungs without labels, or without a first set, that no committee begins.

    Raises
    ------
    ValidationError
        At the field of the rung.
    """
    for index, rung in enumerate(rungs):
        begins = start is not None and index == 0
        if begins and (rung.budget.labels or len(rungs) > 1):
            continue
        if not rung.budget.labels:
            said = (
                "should be at least 1: only a first rung that has a `start` and a rung above it "
                "can do without labels"
            )
            raise _refused(("rungs", index, "budget", "labels"), 0, said)
        if rung.initial_labels < _FEWEST_INITIAL_LABELS:
            said = (
                f"should be at least {_FEWEST_INITIAL_LABELS}: only a first rung that has a "
                "`start` can do without"
            )
            raise _refused(("rungs", index, "initial_labels"), rung.initial_labels, said)


def check_training(start: Start | None, train: TrainingSettings) -> None:
    """Refuse a second answer to what the committee starts from.

    Raises
    ------
    ValueError
        The settings of the training name files of weights, too.
    """
    for section in {path.partition(".")[0] for path in train.paths}:
        if start is not None and getattr(train, section) is not None:
            raise ValueError(
                f"train.{section} and start both say what the committee begins with: leave "
                f"train.{section} out"
            )


def _refused(where: tuple[int | str, ...], value: int, said: str) -> ValidationError:
    line = InitErrorDetails(type=PydanticCustomError("value_error", said), loc=where, input=value)
    return ValidationError.from_exception_data("Campaign", [line])
