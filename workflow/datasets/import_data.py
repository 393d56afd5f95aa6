"""`rung import`: labels of somebody's data set become labels of a run."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from chemistry.checksum import sha256_of
from chemistry.engines import default_engine
from chemistry.errors import EngineNotInstalled, InputError
from chemistry.names import nearest
from chemistry.records.label import Checked, Label, LabelFailure
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure
from workflow.datasets.comparison import tolerance_of
from workflow.datasets.layouts import read_labels
from workflow.datasets.layouts.base import Reading, Stated
from workflow.datasets.recheck import Given, Recompute, Sample, in_a_child, require_recomputed
from workflow.datasets.recognised import recognised
from workflow.datasets.repeated import FirstOfEach, known_otherwise
from workflow.run.opened import opened_run
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign
from workflow.settings.molecules import rung_level

_ROWS_AT_ONCE = 500
_BAD_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ImportChoice:
    """What a person says of a data set and of its import.

    Attributes
    ----------
    level_name : str or None
        None takes that of the first rung.
    stated : Stated
        Units, signs and spins that the file does not state.
    net_force_limit_ev_angstrom : float or None
        None takes the rule of `workflow.datasets.layouts.admission`.
    skip_bad : bool
        Labels that cannot be used are counted and left out; else they refuse the file.
    trust : bool
        Nothing is recomputed, and the labels remember that nobody has checked them.
    """

    level_name: str | None = None
    stated: Stated = field(default_factory=Stated)
    net_force_limit_ev_angstrom: float | None = None
    skip_bad: bool = False
    trust: bool = False

    @property
    def checked(self) -> Checked:
        """What the labels shall remember."""
        return "nobody" if self.trust else "sample"


@dataclass
class Imported:
    """What an import did.

    Attributes
    ----------
    new, known, repeated : int
        Labels that the run has gained, those that it had, and those that the file has once more.
    otherwise : list of str
        Where the file has another energy than the run, which keeps its own.
    without_forces : int
        Labels of a level that gives forces, without them.
    by_purpose : Counter of str
        Labels that the run has of the file, by what they are for.
    left_out : Counter of str
        Structures of no molecule of the campaign, by formula.
    bad : list of InputError
        Labels that cannot be used.
    notes : Counter of str
        What was decided for so many labels.
    recomputed : int or None
        Labels that were recomputed and agree; None where nobody checked.
    forgotten : int
        Labels that the run had and that were no finite numbers.
    """

    new: int = 0
    known: int = 0
    repeated: int = 0
    otherwise: list[str] = field(default_factory=list)
    without_forces: int = 0
    by_purpose: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    bad: list[InputError] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    recomputed: int | None = None
    forgotten: int = 0


def import_data(
    campaign: Campaign,
    path: Path,
    data: Path,
    choice: ImportChoice,
    recompute: Recompute = in_a_child,
) -> Imported:
    """Take the labels of a file into a run, which is made if need be.

    The file is read to its end, and a few of its labels are recomputed, before any is taken in.
    A label that the run has already stays as it is. Structures are recognised by their bonds;
    those of no molecule of the campaign are left out. What the file calls held out, and every
    structure of a molecule that is only tested on, is held out; all else is trained on.

    Parameters
    ----------
    campaign : Campaign
    path : Path
        The run folder.
    data : Path
        Of one of the layouts in `workflow.datasets.layouts`.
    choice : ImportChoice
    recompute : Recompute
        Asked only for labels that the run has not computed itself.

    Raises
    ------
    InputError
        The level is of no rung, or the file cannot be used, or nothing in it, or its labels are
        not those of the level.
    StoreError, RunInUse
    """
    index, level = _rung_of(campaign, choice.level_name)
    if not choice.trust:
        _require_engine(campaign, index, data)
    with opened_run(campaign, path, computes=not choice.trust) as run:
        store = run.store
        store.labels.add_level(level)
        molecules = store.molecules.all()
        imported = Imported(forgotten=store.labels.forget_broken(index, level.level_id))
        if imported.forgotten:
            store.diary.add_event(
                "import", f"forgot {imported.forgotten} labels that were no numbers"
            )
        sample, first = Sample(), FirstOfEach(tolerance_of(level))
        reading = _reading(level, choice)
        labels = recognised(read_labels(data, reading), molecules, level, data, choice.checked)
        for found in labels:
            if isinstance(found, str):
                imported.left_out[found] += 1
                continue
            try:
                first.look_at(found)
            except InputError as error:
                reading.refuse(error)
                continue
            label, (known, _) = found
            sample.add(Given(where=label.where, known=known, units=label.units))
        imported.bad, imported.notes = reading.bad, reading.notes
        chosen = sample.chosen()
        if not chosen:
            raise InputError(
                f"{data}: none of its {imported.left_out.total()} structures is of a molecule of "
                f"the campaign ({_listed(imported.left_out)}): name theirs under `molecules`"
            )
        if not choice.trust:
            engine = campaign.rungs[index].engine or default_engine(level)
            at_hand = _known_or(store, recompute)
            imported.recomputed = require_recomputed(chosen, level, engine, at_hand, str(data))
        _take_in(store, index, level, molecules, data, choice, first, imported)
    return imported


def _require_engine(campaign: Campaign, index: int, data: Path) -> None:
    """Refuse labels of a level that no program here can recompute."""
    try:
        rung_level(campaign, index)
    except EngineNotInstalled as error:
        raise InputError(
            f"{data}: its labels cannot be recomputed here: {error}; or import with --trust, and "
            "the run remembers that nobody has checked them"
        ) from error


def _take_in(
    store: Store,
    index: int,
    level: LevelOfTheory,
    molecules: Iterable[tuple[Molecule, bool]],
    data: Path,
    choice: ImportChoice,
    first: FirstOfEach,
    imported: Imported,
) -> None:
    """Read the file once more and keep its labels."""
    origin = f"imported from {data.name}, sha256 {sha256_of(data)}"
    labels = read_labels(data, _reading(level, choice))
    found = recognised(labels, molecules, level, data, choice.checked)
    rows = (each for each in found if not isinstance(each, str))
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        once = first.taken_once(batch)
        new = store.labels.import_labels(index, [row for _, row in once], origin)
        if new < len(once):
            imported.otherwise += known_otherwise(store, once, tolerance_of(level))
        imported.new += new
        imported.known += len(once) - new
        imported.repeated += len(batch) - len(once)
        if level.gives_forces:
            imported.without_forces += sum(known.label.forces is None for _, (known, _) in once)
        imported.by_purpose.update(purpose for _, (_, purpose) in once)
    checked = "nobody checked them" if choice.trust else f"{imported.recomputed} recomputed"
    store.diary.add_event("import", f"{imported.new} labels of {level.name}, {origin}, {checked}")


def _reading(level: LevelOfTheory, choice: ImportChoice) -> Reading:
    return Reading(
        level=level,
        stated=choice.stated,
        net_force_limit_ev_angstrom=choice.net_force_limit_ev_angstrom,
        skip_bad=choice.skip_bad,
    )


def _known_or(store: Store, recompute: Recompute) -> Recompute:
    """Return a Recompute that takes what the run has computed itself from its store."""

    def answer(
        structure: Structure, level: LevelOfTheory, engine: str, seconds: float
    ) -> Label | LabelFailure:
        known = store.labels.find(structure.structure_id, level.level_id)
        if known is not None and known.provenance.checked == "computed":
            return known
        return recompute(structure, level, engine, seconds)

    return answer


def describe_import(imported: Imported, campaign: Campaign, level_name: str | None) -> list[str]:
    """Say what an import did, and what it means for the campaign."""
    index, level = _rung_of(campaign, level_name)
    training = sum(n for purpose, n in imported.by_purpose.items() if purpose != "held_out")
    held_out = imported.by_purpose["held_out"]
    lines = [
        f"{imported.new} new labels of {level.name}, {imported.known} were known; "
        f"{training} to train on, {held_out} held out"
    ]
    if imported.recomputed is None:
        lines.append("none was recomputed: the run remembers that nobody has checked them")
    else:
        lines.append(f"{imported.recomputed} of them were recomputed and agree")
    if imported.without_forces:
        lines.append(f"{imported.without_forces} of them have no forces, which the level gives")
    if imported.repeated:
        lines.append(f"{imported.repeated} labels stand in the file once more, and count once")
    if imported.otherwise:
        lines.append(
            f"{len(imported.otherwise)} labels contradict those of the run, which stay as they are"
        )
        lines += [f"  {said}" for said in imported.otherwise[:_BAD_SHOWN]]
    if imported.forgotten:
        lines.append(
            f"{imported.forgotten} earlier labels were not finite numbers and are forgotten: the "
            "next launch computes those that this file does not bring"
        )
    lines += [f"{note} ({n} labels)" for note, n in imported.notes.items()]
    if imported.bad:
        lines.append(f"left out because they cannot be used: {len(imported.bad)}")
        lines += [f"  {error}" for error in imported.bad[:_BAD_SHOWN]]
    if imported.left_out:
        lines.append(
            f"{imported.left_out.total()} structures are of no molecule of the campaign and left "
            f"out ({_listed(imported.left_out)})"
        )
    budget = campaign.rungs[index].budget.labels
    if training >= budget:
        lines.append(
            f"rungs.{index}.budget.labels is {budget} and counts them: raise it, or the campaign "
            "only trains on what it has"
        )
    return lines


def _listed(counts: Mapping[str, int]) -> str:
    shown = Counter(counts).most_common(5)
    text = ", ".join(f"{name} {n}" for name, n in shown)
    return f"{text}, …" if len(counts) > len(shown) else text


def _rung_of(campaign: Campaign, level_name: str | None) -> tuple[int, LevelOfTheory]:
    level = find_level(level_name or campaign.rungs[0].level)
    names = [find_level(rung.level).name for rung in campaign.rungs]
    if level.name not in names:
        raise InputError(
            f"--level {level.name}: no rung of the campaign has it: {nearest(level.name, names)}"
        )
    return names.index(level.name), level
