"""What a report shows: read by `workflow.report.page.read`, drawn by the modules beside it."""

from dataclasses import dataclass, field

from chemistry.records.label import LabelledStructure
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Prediction
from model.intervals import Intervals
from workflow.report.climb_report import ClimbReport
from workflow.report.summary import RungSummary, RunSummary
from workflow.run.store.records import Unusable
from workflow.settings.campaign import Campaign
from workflow.settings.rung import Rung as PlannedRung
from workflow.work.results import Cost


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """A sample of labelled structures with what a committee says of each.

    Attributes
    ----------
    rows : tuple of LabelledStructure
    predictions : tuple of Prediction
        In the order of `rows`.
    n_all : int
        How many there are of which these were drawn.
    """

    rows: tuple[LabelledStructure, ...]
    predictions: tuple[Prediction, ...]
    n_all: int


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How many labels come from one sampler on one molecule for one purpose."""

    sampler: str
    molecule_id: str
    purpose: str
    n_labels: int


@dataclass(frozen=True, kw_only=True, eq=False)
class RungReport:
    """One rung of a report.

    Attributes
    ----------
    planned : PlannedRung
        As the campaign asks for it.
    n_held_out_planned : int
    summary : RungSummary
    cpu_hours_at : tuple of float
        For each training, the CPU hours of all tasks of the campaign that had ended with it.
    label_cpu_seconds : float
    origins : tuple of Origin
    held_out, trained_on : Predicted or None
        By the newest committee; None without a committee or without such labels.
    held_out_before : tuple of Prediction
        Of the same held-out structures by the rung's first committee.
    intervals : Intervals or None
        Of the newest committee; None where its checkpoint has none.
    """

    planned: PlannedRung
    n_held_out_planned: int
    summary: RungSummary
    cpu_hours_at: tuple[float, ...]
    label_cpu_seconds: float
    origins: tuple[Origin, ...]
    held_out: Predicted | None
    trained_on: Predicted | None
    held_out_before: tuple[Prediction, ...]
    intervals: Intervals | None

    @property
    def level_name(self) -> str:
        """Name of the level of theory."""
        return self.summary.level.name


@dataclass(frozen=True, kw_only=True, eq=False)
class RunReport:
    """All that a report shows.

    Attributes
    ----------
    molecules : tuple of (Molecule, whether it is only tested on)
    tasks : tuple of (kind, Cost)
        In order of their end.
    spans : tuple of (start, end, slots)
        Of the launches; seconds since 1970-01-01 UTC.
    climb : ClimbReport or None
        As `rung climb-report` left it.
    versions : dict of str
        Of the programs.
    written_at : float
        Seconds since 1970-01-01 UTC.
    snippets : dict of str
        Lines of Python that use the committee that was trained last, by program; empty without one.
    """

    campaign: Campaign
    summary: RunSummary
    molecules: tuple[tuple[Molecule, bool], ...]
    rungs: tuple[RungReport, ...]
    tasks: tuple[tuple[str, Cost], ...]
    spans: tuple[tuple[float, float, int], ...]
    unusable: tuple[Unusable, ...]
    climb: ClimbReport | None
    versions: dict[str, str | None]
    written_at: float
    snippets: dict[str, str] = field(default_factory=dict)

    @property
    def molecule_names(self) -> dict[str, str]:
        """What people call the molecules, by molecule_id."""
        return {m.molecule_id: m.name for m, _ in self.molecules}
