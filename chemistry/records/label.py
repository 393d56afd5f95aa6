"""What quantum chemistry says of a structure: a Label, or a LabelFailure that says why not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from chemistry.records.structure import FloatArray, Structure

FailureKind: TypeAlias = Literal[
    "input", "convergence", "resource", "infrastructure", "poison", "suspect"
]
"""What a failure calls for: `input` never again; `convergence` the ladder was walked to its end;
`resource` more time or memory; `infrastructure` try elsewhere; `poison` its worker or its process
was lost each time that it was tried; `suspect` a quality gate refused."""

Checked: TypeAlias = Literal["computed", "sample", "nobody"]
"""How far a label is known to be of its level: rung's engines computed it; it was imported, and a
sample of what came with it was recomputed and agreed; it was imported on trust."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who computed a label, where, and what it cost.

    Attributes
    ----------
    program, version : str
    host : str
    cpu_seconds, wall_seconds : float
    attempts : tuple of str
        Steps of the convergence ladder that were taken, the last one being the one that worked.
    finished_at : float
        Seconds since 1970-01-01 UTC.
    checked : Checked
    surroundings : mapping of str to str
        What around the program may matter: threads, the BLAS and the processor that it takes this
        for, versions of libraries, and that nobody's settings were read. Empty of labels of others.
    """

    program: str
    version: str
    host: str
    cpu_seconds: float
    wall_seconds: float
    attempts: tuple[str, ...]
    finished_at: float
    checked: Checked = "computed"
    surroundings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Label:
    """The answer of an engine; keyed by (structure_id, level_id), never computed twice.

    Attributes
    ----------
    structure_id, level_id : str
    energy : float, eV
        Total electronic energy.
    forces : (N, 3) float64, eV/Å, or None
        Minus the gradient; None means "not computed".
    dipole : (3,) float64, e Å, or None
    components : mapping of str to float, eV
        Parts of a composite energy, by name; empty for a plain level.
    force_components : mapping of str to (N, 3) float64, eV/Å
        The forces of components, by name; empty where a program gives only their sum.
    diagnostics : mapping of str to float
        For example s2, t1, gap_ev, scf_cycles.
    provenance : Provenance
    """

    structure_id: str
    level_id: str
    energy: float
    forces: FloatArray | None
    dipole: FloatArray | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    force_components: Mapping[str, FloatArray] = field(default_factory=dict)
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    provenance: Provenance


@dataclass(frozen=True, kw_only=True)
class LabelFailure:
    """Why there is no label: a recorded value, not an exception.

    Attributes
    ----------
    structure_id, level_id : str
    kind : FailureKind
    message : str
        One sentence: what happened and what to do.
    attempts : tuple of str
        Steps of the ladder that were tried.
    cpu_seconds : float
    """

    structure_id: str
    level_id: str
    kind: FailureKind
    message: str
    attempts: tuple[str, ...] = ()
    cpu_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledStructure:
    """A structure with its label: one row of a data set."""

    structure: Structure
    label: Label
