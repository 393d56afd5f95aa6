"""`start:` of a campaign: found, checked against the campaign, and taken into its run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ase.data import chemical_symbols

from chemistry.checksum import sha256_of
from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import elements
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.molecule import Molecule
from model import Committee, find_architecture, load_committee
from model.committees import read_installed, read_published
from model.protocol import Fit
from workflow.planning.keys import derive_seed
from workflow.planning.records import Purpose, Training
from workflow.planning.start import FACT, StartFacts, start_facts
from workflow.run.folder import RunFolder, checkpoint_name
from workflow.run.opened import OpenRun
from workflow.run.store.store import Store, StoreReader
from workflow.run.stored_campaign import stored_campaign
from workflow.settings.campaign import Campaign
from workflow.settings.start import INSTALLED, Start


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
        license=start.license or published.get("license") or inherited.get("license"),
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

    Published ensembles have learned neutral closed shells alone, and no network sees a charge:
    other states are known where a run has worked on that very molecule.
    """
    if not set(elements(molecule)) <= set(committee.elements):
        return False
    is_usual = (molecule.charge, molecule.multiplicity) == (0, 1)
    return is_usual or molecule.molecule_id in seen


def _require_known(
    campaign: Campaign,
    committee: Committee,
    molecules: Sequence[Molecule],
    known: Sequence[str],
) -> None:
    strangers = [m for m in molecules if m.molecule_id not in known]
    if molecules and len(strangers) == len(molecules):
        raise InputError(
            f"start.from: it knows none of the campaign's molecules ({_names(strangers)}): its "
            f"elements are {_symbols(committee.elements)}, in neutral closed shells: leave "
            "`start` out"
        )
    if strangers and not campaign.rungs[0].budget.labels:
        raise InputError(
            f"rungs.0.budget.labels: the start does not know {_names(strangers)} (its elements are "
            f"{_symbols(committee.elements)}, in neutral closed shells), and a rung without labels "
            "cannot teach it: give the rung some"
        )


def _names(molecules: Iterable[Molecule]) -> str:
    names = [molecule.name for molecule in molecules]
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _symbols(numbers: Iterable[int]) -> str:
    return ", ".join(chemical_symbols[z] for z in numbers)


def take_start(run: OpenRun) -> str | None:
    """Copy what a campaign starts from into its run, once; say so, or None if that was done.

    Raises
    ------
    InputError
        As `find_start` does; or the run began with something else.
    """
    store, campaign = run.store, run.campaign
    if campaign.start is None:
        return None
    facts = start_facts(store.diary.fact(FACT))
    if facts is not None:
        _require_same(campaign.start, facts)
        return None
    molecules = [molecule for molecule, _ in store.molecules.all()]
    found = find_start(campaign, molecules)
    assert found is not None, "the campaign has a start"
    to_come = () if campaign.grow is None else campaign.grow.atomic_numbers
    needed = {z for molecule in molecules for z in elements(molecule)} | set(to_come)
    facts = StartFacts(
        source=campaign.start.source,
        title=found.title,
        sha256=sha256_of(found.path),
        license=found.license,
        doi=found.doi,
        level=found.level.name,
        members=found.committee.n_members,
        elements=found.committee.elements,
        known=found.known,
    )
    committee = find_architecture(campaign.train.architecture).fitted(
        found.committee,
        Fit(
            members=campaign.train.members,
            elements=tuple(sorted(needed)),
            level=found.level,
            seed=derive_seed(campaign, "start"),
            record={"start": _provenance(facts), "calibration": None},
        ),
    )
    committee.save(run.folder.checkpoint(0, 0))
    return _commit(store, found, facts, with_labels=campaign.start.labels)


def _provenance(facts: StartFacts) -> dict[str, str | None]:
    return {
        "title": facts.title,
        "sha256": facts.sha256,
        "license": facts.license,
        "doi": facts.doi,
        "level": facts.level,
    }


def _commit(store: Store, found: FoundStart, facts: StartFacts, *, with_labels: bool) -> str:
    """Note version 0 of the first rung's committee, and the labels that come with it."""
    said = (
        f"begins with {facts.title}, {facts.level}, licence {facts.license or 'not known'}, "
        f"sha256 {facts.sha256[:12]}"
    )
    with store.together():
        store.labels.add_level(found.level)
        n_trained_on = 0
        if with_labels and found.run is not None:
            n_trained_on, n_labels = _take_labels(store, found.run, found.level)
            facts = replace(facts, labels=n_labels)
            said += f", and with {n_labels} labels"
        store.trainings.add_start(
            Training(version=0, checkpoint=checkpoint_name(0, 0), n_labels=n_trained_on)
        )
        store.diary.set_fact(FACT, facts.to_json())
        store.diary.add_event("start", said)
    return said


def _take_labels(store: Store, run: RunFolder, level: LevelOfTheory) -> tuple[int, int]:
    """Copy a run's labels of a level; return how many are trained on, and how many there are.

    Of molecules that both have, and what was held out stays held out: the committee has not seen
    it, and all else it has. Labels of a molecule that is now only tested on are left behind.
    """
    only_tested_on = {key: held_out for key, _, held_out in store.molecules.names()}
    counts = {True: 0, False: 0}
    with StoreReader.open(run.store) as earlier:
        levels = [find_level(rung.level).level_id for rung in stored_campaign(earlier).rungs]
        rung = levels.index(level.level_id)
        for held_out in (False, True):
            rows = [
                row
                for row in earlier.labels.labelled(rung, level.level_id, held_out=held_out)
                if only_tested_on.get(row.structure.molecule_id) in (False, held_out)
            ]
            purpose: Purpose = "held_out" if held_out else "initial"
            reason = f"labelled by the run {run.path.name}"
            store.labels.import_labels(0, [(row, purpose) for row in rows], reason)
            counts[held_out] = len(rows)
    return counts[False], sum(counts.values())


def _require_same(start: Start, facts: StartFacts) -> None:
    """Refuse another start than the run began with; the one that it began with may be gone."""
    path = Path(start.source)
    is_elsewhere = start.source != facts.source and not start.source.startswith(INSTALLED)
    is_file = path.exists() and not RunFolder(path).store.exists()
    if is_elsewhere and is_file and sha256_of(path) != facts.sha256:
        raise InputError(
            f"start.from: {start.source} is not what this run began with ({facts.title}, sha256 "
            f"{facts.sha256[:12]}): give the campaign another name"
        )


def start_line(found: FoundStart) -> str:
    """Say what a campaign starts from."""
    symbols = _symbols(found.committee.elements)
    return (
        f"{found.title}: {found.committee.n_members} members, {symbols}, {found.level.name}, "
        f"licence {found.license or 'not known'}, knows {len(found.known)} of the molecules"
    )
