"""The science file: what a campaign is about, as strict pydantic models.

Nothing here says where the work runs: that is the backend file, `workflow/settings/backend.py`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from chemistry.errors import InputError
from chemistry.gates import Gates
from chemistry.names import nearest
from chemistry.plugin_fields import ByName
from chemistry.readers.electrons import SpinMeans
from chemistry.records.level import find_level
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
from model.architectures import ARCHITECTURES, find_architecture
from model.settings import AUTO
from workflow.settings.growth import GrowSettings
from workflow.settings.start import StartField, check_rungs, check_training
from workflow.settings.training import AnyTrainingSettings, default_training
from workflow.settings.yaml_file import StrictModel, read_yaml_model

ExportFormat = Annotated[str, ByName(registry="workflow.datasets.export.formats:EXPORTERS")]


class StateEntry(StrictModel):
    """A charge and a multiplicity."""

    charge: int | None = Field(None, description="In e; default: as the SMILES or file says.")
    multiplicity: int | None = Field(
        None, ge=1, description="2S + 1; default: as charge and formula settle it."
    )


class MoleculeEntry(StrictModel):
    """One molecule, or a file of them."""

    smiles: str | None = Field(None, description="SMILES of one molecule; quote it in YAML.")
    file: Path | None = Field(
        None,
        description="A .smi, .sdf, .xyz or .extxyz file, relative to the campaign file. It may "
        "state charge and multiplicity: behind a SMILES, in a data field, in a comment line.",
    )
    skip_bad: bool = Field(
        False, description="Leave out entries of the file that cannot be used, instead of refusing."
    )
    name: str | None = Field(None, description="How people call it; default: the SMILES.")
    charge: int | None = Field(None, description="In e; default: as the SMILES or file says.")
    multiplicity: int | None = Field(
        None,
        ge=1,
        description="2S + 1; default: as the SMILES or file says, which is refused where it "
        "leaves it open ([CH2], O=O).",
    )
    states: tuple[StateEntry, ...] = Field(
        (),
        description="Several charges and multiplicities in the place of one: each makes a molecule "
        "of its own, as {charge: 1} makes the cation.",
    )
    spin_means: SpinMeans | None = Field(
        None,
        description="What `spin` and `total_spin` in the file count: unpaired electrons (2s) or "
        "the multiplicity (2s+1); default: files that have them are refused.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.smiles is None) == (self.file is None):
            raise ValueError("a molecule needs either `smiles` or `file`")
        if self.spin_means is not None and self.file is None:
            raise ValueError("`spin_means` is of a `file`: give a SMILES its `multiplicity`")
        if self.states and (self.charge, self.multiplicity) != (None, None):
            raise ValueError("give either `states`, or one `charge` and `multiplicity`")
        return self

    @property
    def each_state(self) -> tuple[StateEntry, ...]:
        """The states, or the one that is given beside the source."""
        return self.states or (StateEntry(charge=self.charge, multiplicity=self.multiplicity),)


def _smiles_shorthand(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("YAML reads an unquoted NO or ON as a truth value: quote the SMILES")
    return {"smiles": value} if isinstance(value, str) else value


MoleculeField = Annotated[
    MoleculeEntry,
    BeforeValidator(_smiles_shorthand, json_schema_input_type=str | MoleculeEntry),
]


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
        None, ge=2, description="Default: as many as held_out.structures."
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


def _gives_forces(level: str) -> bool:
    try:
        return find_level(level).gives_forces
    except InputError:
        return False  # the check of a campaign says what is wrong with it


def _by_default(rung: Rung, way: str) -> Rung:
    """Return a rung whose way to climb, where none is given, is spelled out as a default."""
    if rung.transfer is not None:
        return rung
    spelled_out = rung.model_copy(update={"transfer": way})
    spelled_out.model_fields_set.discard("transfer")
    return spelled_out


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


class Selection(StrictModel):
    """Which explored structures deserve a label."""

    by: Annotated[str, ByName(registry="workflow.planning.selectors:SELECTORS")] = Field(
        "uncertain_per_cost",
        description="How they are picked from the candidates. uncertain_per_cost: those over the "
        "threshold, by how far per CPU second of their label, spread over the geometries; random: "
        "any, to compare with.",
    )
    threshold_kcal_mol: PositiveFloat | Literal["adaptive"] = Field(
        "adaptive",
        description="On the committee's energy disagreement / sqrt(atoms); ANI-1x had 0.23. "
        "adaptive: from the committee's errors on the held-out set, anew with each training.",
    )
    error_quantile: float = Field(
        0.9,
        ge=0.1,
        le=0.95,
        description="Adaptive: a structure is uncertain where its expected error is larger than "
        "that of this share of the held-out ones …",
    )
    accuracy_kcal_mol: PositiveFloat = Field(
        0.1, description="… and larger than this, both over sqrt(atoms)."
    )
    anchor_accuracy_kcal_mol: PositiveFloat = Field(
        0.05,
        description="The same for anchors (relaxed conformers and torsions, saddle points, room "
        "temperature), whose threshold comes from the errors on held-out anchors.",
    )
    force_threshold_kcal_mol_angstrom: float | None = Field(
        None, gt=0, description="On the largest force disagreement of an atom; none: not used."
    )
    random_share: float = Field(
        0.1, ge=0, le=1, description="Share of labels picked at random, against blind spots."
    )
    molecule_share: float = Field(
        0.5, gt=0, le=1, description="Share of the labels between two trainings one molecule gets."
    )


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
        rungs = tuple(
            _by_default(
                rung,
                architecture.default_way_with_forces
                if _gives_forces(rung.level)
                else architecture.default_way,
            )
            for rung in self.rungs
        )
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
