"""The science file: what a campaign is about, as strict pydantic models.

Nothing here says where the work runs: that is the backend file, `workflow/settings/backend.py`.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from chemistry.gates import Gates
from chemistry.names import nearest
from chemistry.plugin_fields import ByName
from chemistry.sampling import (
    AnchorConformers,
    AnchorDynamics,
    AnchorTorsions,
    AnchorVibrations,
    AnySampler,
    Conformers,
    LangevinDynamics,
    NormalModes,
    TorsionScans,
)
from chemistry.sampling.clusters import Contact
from model.architectures import find_architecture
from model.settings import AUTO
from workflow.settings.growth import GrowSettings
from workflow.settings.molecule_entry import MoleculeField
from workflow.settings.rung import Rung, with_default_way
from workflow.settings.selection import Selection
from workflow.settings.start import StartField, check_rungs, check_training
from workflow.settings.training import AnyTrainingSettings, default_training
from workflow.settings.yaml_file import StrictModel, read_yaml_model

ExportFormat = Annotated[str, ByName(registry="workflow.datasets.export.formats:EXPORTERS")]


class HeldOut(StrictModel):
    """The set that judges the potential: labelled once, never trained on."""

    structures: int = Field(
        40, ge=2, description="Structures, from trajectories of their own, over all molecules."
    )
    molecules: tuple[str, ...] = Field(
        (), description="Names of molecules that are only tested on, never trained on."
    )


class ClusterSettings(StrictModel):
    """Which molecules stand together, beside being molecules of their own."""

    count: int = Field(20, ge=1, description="Clusters at most; which ones is drawn at random.")
    size: Literal[2, 3, 4] = Field(2, description="Molecules of a cluster, also of one kind.")
    of: tuple[str, ...] | None = Field(
        None,
        description="Names of the molecules that clusters are made of; default: all that are "
        "trained on.",
    )
    contact: Contact = (0.7, 1.5)


class FailureBudget(StrictModel):
    """How much may go wrong before a launch stops."""

    share: float = Field(
        0.5, gt=0, le=1, description="Share of the labels that may fail or be refused by a gate."
    )
    tolerated: int = Field(
        9, ge=0, description="So many failed or refused labels of a rung stop nothing."
    )
    lost_tasks: int = Field(
        100,
        ge=0,
        description="Tasks whose process or worker may be lost in one launch; they are repeated.",
    )


class Campaign(StrictModel):
    """A campaign: molecules, rungs of levels of theory, and how to explore, choose and learn."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the run folder."
    )
    seed: int = Field(1, ge=0, description="Every random choice derives from it.")
    molecules: tuple[MoleculeField, ...] = Field(min_length=1)
    rungs: tuple[Rung, ...] = Field(min_length=1, description="From cheap to gold.")
    start: StartField | None = Field(
        None,
        description="A potential that the first rung begins with: it explores, judges and "
        "chooses before any label is made, and is trained further. Default: random weights.",
    )
    held_out: HeldOut = HeldOut()
    conformers: Conformers = Conformers()
    bootstrap: Literal["gfn2-xtb", "mmff94"] = Field(
        "gfn2-xtb",
        description="Potential that explores before there is a committee; for molecules that "
        "mmff94 does not cover it is gfn2-xtb in any case.",
    )
    initial: tuple[AnySampler, ...] = Field(
        (
            NormalModes(),
            LangevinDynamics(steps=500, trajectories=2, frames=10),
            TorsionScans(),
            AnchorConformers(),
            AnchorTorsions(bonds=3),
            AnchorDynamics(steps=300, trajectories=2, frames=6),
            AnchorVibrations(),
        ),
        min_length=1,
        description="Samplers of the initial and the held-out set, hot ones and of anchors.",
    )
    explore: tuple[AnySampler, ...] = Field(
        (
            NormalModes(),
            LangevinDynamics(),
            TorsionScans(),
            AnchorConformers(),
            AnchorTorsions(),
            AnchorDynamics(),
            AnchorVibrations(),
        ),
        min_length=1,
        description="Samplers that explore with the committee.",
    )
    clusters: ClusterSettings | None = Field(
        None, description="Dimers or small clusters of the molecules join the campaign."
    )
    grow: GrowSettings | None = Field(
        None, description="Take new molecules from a pool when those there are learned."
    )
    select: Selection = Selection()
    train: AnyTrainingSettings = Field(default_factory=default_training)
    gates: Gates = Field(Gates(), description="Which labels are worth training on.")
    failures: FailureBudget = FailureBudget()
    exports: tuple[ExportFormat, ...] = Field(
        ("extxyz", "ani-hdf5"), description="Formats of the data set written at the end."
    )
    license: str | None = Field(
        None, description="Licence of the data set, an SPDX identifier, for its data card."
    )
    synchronous: bool = Field(
        False, description="Classical rounds: explore, then label, then train; reproducible."
    )

    @model_validator(mode="after")
    def _ways_to_climb(self) -> Self:
        check_rungs(self.start, self.rungs)
        check_training(self.start, self.train)
        architecture = find_architecture(self.train.architecture)
        ways = [*architecture.ways, AUTO]
        for index, rung in enumerate(self.rungs):
            if rung.transfer is not None and rung.transfer not in ways:
                refused = PydanticCustomError(
                    "value_error",
                    f"architecture {architecture.name} does not climb by `{rung.transfer}`: "
                    f"{nearest(rung.transfer, ways)}",
                )
                line = InitErrorDetails(
                    type=refused, loc=("rungs", index, "transfer"), input=rung.transfer
                )
                raise ValidationError.from_exception_data(type(self).__name__, [line])
        rungs = tuple(with_default_way(rung, architecture) for rung in self.rungs)
        return self.model_copy(update={"rungs": rungs})

    def first_sets(self, rung: int) -> tuple[int, int]:
        """Return how large the initial and the held-out set of a rung are.

        Of a rung that makes no labels, what the rung above will choose from.
        """
        if not self.rungs[rung].budget.labels:
            return self.first_sets(rung + 1)
        return self.rungs[rung].initial_labels, self.held_out_structures(rung)

    def held_out_structures(self, rung: int) -> int:
        """Return how many structures judge the potential of a rung; none where none is labelled."""
        if not self.rungs[rung].budget.labels:
            return 0
        return self.rungs[rung].held_out_structures or self.held_out.structures


def read_campaign(path: Path) -> Campaign:
    """Read a campaign file; paths in it become absolute, taken from its folder.

    Raises
    ------
    InputError
        One sentence that names the file, the field, what is wrong and what to do.
    """
    campaign = read_yaml_model(path, Campaign)
    entries = tuple(
        entry
        if entry.file is None
        else entry.model_copy(update={"file": (path.parent / entry.file).resolve()})
        for entry in campaign.molecules
    )
    found: dict[str, object] = {"molecules": entries}
    if "train" in campaign.model_fields_set:
        found["train"] = campaign.train.from_folder(path.parent)
    if campaign.start is not None:
        found["start"] = campaign.start.from_folder(path.parent)
    if campaign.grow is not None:
        pool = (path.parent / campaign.grow.pool).resolve()
        found["grow"] = campaign.grow.model_copy(update={"pool": pool})
    return campaign.model_copy(update=found)
