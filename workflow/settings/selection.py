"""How a campaign file chooses structures to label among those that were explored."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from chemistry.plugin_fields import ByName
from workflow.settings.yaml_file import StrictModel


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
