"""`start:` of a campaign: found, and checked against the campaign."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ase.data import chemical_symbols

from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import elements
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.molecule import Molecule
from model import Committee, load_committee
from model.committees import read_installed, read_published
from model.settings import INSTALLED
from model.states import State, states_text
from workflow.run.folder import RunFolder
from workflow.run.store.store import StoreReader
from workflow.run.stored_campaign import stored_campaign
from workflow.settings.campaign import Campaign
from workflow.settings.start import Start

_USUAL: tuple[State, ...] = ((0, 1),)
_BOTH = " AND "


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundStart:
    """What `start` names, read and found fit for a campaign.

    Attributes
    ----------
    committee : Committee
    path : Path
        The file or folder that it was read from.
    title : str
        What people call it.
    license, doi : str or None
    level : LevelOfTheory
        That of the first rung.
    known : tuple of molecule_id
        The campaign's molecules that it knows.
    run : RunFolder or None
        The earlier run that it is of.
    """

    committee: Committee
    path: Path
    title: str
    license: str | None
    doi: str | None
    level: LevelOfTheory
    known: tuple[str, ...]
    run: RunFolder | None


def find_start(campaign: Campaign, molecules: Sequence[Molecule]) -> FoundStart | None:
    """Read what a campaign starts from; None where it starts from nothing.

    Raises
    ------
    InputError
        It cannot be read, is of another level, or does not fit the campaign's molecules.
    """
    start = campaign.start
    if start is None:
        return None
    level = find_level(campaign.rungs[0].level)
    run: RunFolder | None = None
    seen: frozenset[str] = frozenset()
    path = Path(start.source)
    if start.source.startswith(INSTALLED):
        path, committee = read_installed(start.source.removeprefix(INSTALLED))
    elif RunFolder(path).store.exists():
        run = RunFolder(path)
        path, seen = _newest_of_level(run, level)
        committee = load_committee(path)
    elif path.is_dir():
        committee = _published(path)
    else:
        committee = load_committee(path)
    if start.labels and run is None:
        raise InputError(
            f"start.labels: {start.source} is no run, so that it has no labels: leave it out, or "
            "`rung import` them"
        )
    _require_level(start, committee, level)
    known = tuple(m.molecule_id for m in molecules if _knows(committee, m, seen))
    _require_known(campaign, committee, molecules, known)
    published = committee.record.get("published", {})
    inherited = committee.record.get("start", {})
    return FoundStart(
        committee=committee,
        path=path,
        title=published.get("name") or (f"run {run.path.name}" if run else path.name),
        license=start.license or _license(committee),
        doi=published.get("doi") or inherited.get("doi"),
        level=level,
        known=known,
        run=run,
    )


def _published(folder: Path) -> Committee:
    found = read_published(folder)
    if found is None:
        raise InputError(
            f"start.from: {folder} is neither a run nor a published ensemble: give the folder that "
            "holds its *.params file, a checkpoint (.safetensors), or a run folder"
        )
    return found


def _newest_of_level(run: RunFolder, level: LevelOfTheory) -> tuple[Path, frozenset[str]]:
    """Return a run's newest checkpoint of a level, and the molecules that it has."""
    with StoreReader.open(run.store) as store:
        rungs = stored_campaign(store).rungs
        trained = {find_level(rungs[i].level).level_id: i for i in store.trainings.rungs()}
        if level.level_id not in trained:
            names = ", ".join(rungs[i].level for i in trained.values()) or "no level"
            raise InputError(
                f"start.from: {run.path} has trained committees of {names}, not of {level.name}, "
                "the level of the first rung: let the first rung have one of them"
            )
        newest = store.trainings.all(trained[level.level_id])[-1]
        known = frozenset(molecule_id for molecule_id, _, _ in store.molecules.names())
    return run.path / newest.checkpoint, known


def _require_level(start: Start, committee: Committee, level: LevelOfTheory) -> None:
    stated = None if start.level is None else find_level(start.level)
    if committee.level_id and stated is not None and stated.level_id != committee.level_id:
        raise InputError(
            f"start.level: {start.source} says itself that it is of {committee.level_name}, not of "
            f"{stated.name}: leave start.level out"
        )
    if not committee.level_id and stated is None:
        raise InputError(
            f"start.from: {start.source} does not say of which level of theory it is, and is no "
            "published ensemble that is known: state it, start: {from: …, level: …}"
        )
    found_id = committee.level_id if stated is None else stated.level_id
    if found_id != level.level_id:
        name = committee.level_name if stated is None else stated.name
        raise InputError(
            f"start.from: {start.source} is of {name}, and the first rung of {level.name}: put a "
            f"rung of {name} first, with `budget: {{labels: 0}}` if it needs no labels of its own"
        )


def _knows(committee: Committee, molecule: Molecule, seen: frozenset[str]) -> bool:
    """Say whether a committee can be asked of a molecule.

    Of a checkpoint that does not say for which states it was made, neutral closed shells are known,
    and others where a run has worked on that very molecule.
    """
    if not set(elements(molecule)) <= set(committee.elements):
        return False
    state = molecule.charge, molecule.multiplicity
    if committee.states:
        return state in committee.states
    return state in _USUAL or molecule.molecule_id in seen


def _require_known(
    campaign: Campaign,
    committee: Committee,
    molecules: Sequence[Molecule],
    known: Sequence[str],
) -> None:
    strangers = [m for m in molecules if m.molecule_id not in known]
    if molecules and len(strangers) == len(molecules):
        raise InputError(
            f"start.from: it knows none of the campaign's molecules ({_names(strangers)}): "
            f"{_knowledge(committee)}: leave `start` out"
        )
    if strangers and not campaign.rungs[0].budget.labels:
        raise InputError(
            f"rungs.0.budget.labels: the start does not know {_names(strangers)} "
            f"({_knowledge(committee)}), and a rung without labels cannot teach it: give the rung "
            "some"
        )


def _license(committee: Committee) -> str | None:
    """Return the licence of a committee's labels, and of the weights that it began with.

    An SPDX expression: all of it holds.
    """
    record = committee.record
    of_weights = (record.get(name, {}).get("license") for name in ("published", "start"))
    texts = filter(None, (record.get("license"), *of_weights))
    return _BOTH.join(dict.fromkeys(part for text in texts for part in text.split(_BOTH))) or None


def _knowledge(committee: Committee) -> str:
    return (
        f"its elements are {_symbols(committee.elements)}, its states "
        f"{states_text(committee.states or _USUAL)}"
    )


def _names(molecules: Iterable[Molecule]) -> str:
    names = [molecule.name for molecule in molecules]
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _symbols(numbers: Iterable[int]) -> str:
    return ", ".join(chemical_symbols[z] for z in numbers)


def start_line(found: FoundStart) -> str:
    """Say what a campaign starts from."""
    symbols = _symbols(found.committee.elements)
    return (
        f"{found.title}: {found.committee.n_members} members, {symbols}, {found.level.name}, "
        f"licence {found.license or 'not known'}, knows {len(found.known)} of the molecules"
    )
