"""A rung of a campaign file: a level of theory with its own loop, budget and stop rules."""

from typing import Literal, Self

from pydantic import Field, JsonValue, PositiveInt, model_validator

from chemistry.errors import InputError
from chemistry.records.level import find_level
from model.architectures import ARCHITECTURES, find_architecture
from model.protocol import Architecture
from model.settings import AUTO
from workflow.settings.yaml_file import StrictModel


class Budget(StrictModel):
    """What a rung may spend; it stops at whichever comes first."""

    labels: int = Field(
        200,
        ge=0,
        description="Labels for training, the initial ones included; 0: a first rung that has a "
        "`start` makes none, and the rung above chooses from what its committee explores.",
    )
    cpu_hours: float | None = Field(None, gt=0, description="CPU hours of all labels of the rung.")


class StopRules(StrictModel):
    """When a rung is good enough; each rule that is set can end it."""

    uncertain_share: float | None = Field(
        0.02, ge=0, le=1, description="Share of explored structures over the threshold, at most."
    )
    sweeps: int = Field(
        2, ge=1, description="Successive sweeps of exploration that must meet uncertain_share."
    )
    energy_mae_kcal_mol: float | None = Field(
        None, gt=0, description="Held-out MAE of total energies to reach."
    )
    force_mae_kcal_mol_angstrom: float | None = Field(
        None, gt=0, description="Held-out force MAE to reach."
    )
    above_lowest_mae_kcal_mol: float | None = Field(
        None,
        gt=0,
        description="Held-out MAE to reach of energies above the molecule's lowest labelled "
        "structure.",
    )
    anchor_above_lowest_mae_kcal_mol: float | None = Field(
        None,
        gt=0,
        description="The same of held-out anchors alone: relaxed conformers and torsions, saddle "
        "points, room temperature.",
    )
    trainings: int | None = Field(None, ge=1, description="Trainings at most.")


def _name_ways(schema: dict[str, JsonValue]) -> None:
    """Add to the schema of `transfer` which ways the architectures have that are installed."""
    examples: list[JsonValue] = [AUTO]
    for architecture in map(find_architecture, ARCHITECTURES):
        ways = [f"{way}: {title}" for way, title in architecture.ways.items()]
        schema["description"] = (
            f"{schema['description']} Ways of {architecture.name} are {'; '.join(ways)}; its own "
            f"is {architecture.default_way}, and {architecture.default_way_with_forces} where the "
            "level gives forces."
        )
        examples += [way for way in architecture.ways if way not in examples]
    schema["examples"] = examples


class Rung(StrictModel):
    """One level of theory with its own loop, budget and stop rules."""

    level: str = Field(description="A named level (wb97x/6-31g*, gfn2-xtb) or functional/basis.")
    engine: str | None = Field(None, description="pyscf, tblite, …; default: the level's own.")
    initial_labels: int = Field(
        40,
        ge=0,
        description="Labels before the first training, spread evenly over the molecules; of a "
        "first rung that has a `start`, only molecules that it does not know get theirs.",
    )
    labels_per_training: PositiveInt | Literal["auto"] = Field(
        "auto",
        description="New labels after which the committee is trained again. auto: when what "
        "training and exploring cost is small beside the cost of labels, or the labels have grown "
        "so much that it pays in any case.",
    )
    held_out_structures: int | None = Field(
        None,
        ge=2,
        description="Default: as many as held_out.structures. A rung that climbs takes them from "
        "those of the rung below: at most as many.",
    )
    transfer: str | None = Field(
        None,
        description="How the committee climbs to this rung from the one below, and to the first "
        "from its `start`, if it has one; default: the architecture's own way. auto: all ways of "
        "train.architecture are tried, the one with the least held-out errors is kept (of "
        "energies, and of forces where the level gives them).",
        json_schema_extra=_name_ways,
    )
    budget: Budget = Budget()
    stop: StopRules = StopRules()

    @model_validator(mode="after")
    def _budget_covers_the_initial_set(self) -> Self:
        if not self.budget.labels and "initial_labels" not in self.model_fields_set:
            without = self.model_copy(update={"initial_labels": 0})
            without.model_fields_set.discard("initial_labels")
            return without
        if self.initial_labels > self.budget.labels:
            raise ValueError(
                f"initial_labels ({self.initial_labels}) exceeds budget.labels "
                f"({self.budget.labels}), which includes them: lower the one or raise the other"
            )
        return self


def with_default_way(rung: Rung, architecture: Architecture) -> Rung:
    """Return a rung whose way to climb, where none is given, is spelled out as a default."""
    if rung.transfer is not None:
        return rung
    has_forces = _gives_forces(rung.level)
    way = architecture.default_way_with_forces if has_forces else architecture.default_way
    spelled_out = rung.model_copy(update={"transfer": way})
    spelled_out.model_fields_set.discard("transfer")
    return spelled_out


def _gives_forces(level: str) -> bool:
    try:
        return find_level(level).gives_forces
    except InputError:
        return False  # the check of a campaign says what is wrong with it
