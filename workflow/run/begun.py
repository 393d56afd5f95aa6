"""What a campaign starts from, taken into its run: copied, noted, with labels if it is asked to."""

from dataclasses import replace
from pathlib import Path

from chemistry.checksum import sha256_of
from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import elements
from chemistry.records.level import LevelOfTheory, find_level
from model import find_architecture
from model.protocol import Fit
from model.settings import INSTALLED
from workflow.planning.keys import derive_seed
from workflow.planning.records import Purpose, Training
from workflow.planning.start import FACT, StartFacts, start_facts
from workflow.run.folder import RunFolder, checkpoint_name
from workflow.run.opened import OpenRun
from workflow.run.start import FoundStart, find_start
from workflow.run.store.store import Store, StoreReader
from workflow.run.stored_campaign import stored_campaign
from workflow.settings.start import Start


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
            states=tuple({(molecule.charge, molecule.multiplicity) for molecule in molecules}),
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
