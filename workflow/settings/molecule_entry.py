"""The molecules of a campaign file: a SMILES or a file of them, and which states they take."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from chemistry.readers.electrons import SpinMeans
from workflow.settings.yaml_file import StrictModel


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
