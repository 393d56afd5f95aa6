"""From a campaign file to molecules and levels that can be worked on; refuses what cannot."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from ase.data import chemical_symbols

from chemistry.engines import default_engine, find_engine
from chemistry.engines.base import Engine
from chemistry.errors import InputError
from chemistry.geometries.embedding import embedded
from chemistry.geometries.rdkit_bridge import elements, heavy_atoms
from chemistry.names import nearest
from chemistry.readers.files.smiles_pool import pool_entries
from chemistry.readers.molecules import (
    listed,
    merge_molecules,
    molecule_from_smiles,
    read_molecules,
)
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Origin, Structure
from model.architectures import find_architecture
from workflow.settings.campaign import Campaign
from workflow.settings.clusters import clusters
from workflow.settings.growth import GrowSettings
from workflow.settings.molecule_entry import MoleculeEntry, StateEntry
from workflow.settings.state_names import named_by_state

_ORDINARY_SHOWN = 20
"""Neutral singlets that are named, of more their number."""

# The most stable of so many is near enough to a minimum for a trial label.
_EMBEDDINGS = 5


def read_campaign_molecules(
    campaign: Campaign, skipped: list[InputError] | None = None
) -> list[tuple[Molecule, bool]]:
    """Return the molecules of a campaign, each with whether it is only tested on.

    What `skip_bad` leaves out of molecule files is reported in `skipped`.

    Raises
    ------
    InputError
        A molecule cannot be read, or `held_out.molecules` names one that is not there.
    """
    skipped = [] if skipped is None else skipped
    if campaign.grow is not None:
        check_pool(campaign.grow)
    entries = enumerate(campaign.molecules, start=1)
    molecules = merge_molecules(m for i, entry in entries for m in _read_entry(entry, i, skipped))
    found = _held_out_or_not(molecules, campaign.held_out.molecules)
    if campaign.clusters is None:
        return found
    made = clusters(
        campaign.clusters,
        found,
        geometries=campaign.conformers.max_conformers,
        seed=campaign.seed,
    )
    return [*found, *((cluster, False) for cluster in made)]


def _held_out_or_not(
    molecules: Sequence[Molecule], only_tested: Collection[str]
) -> list[tuple[Molecule, bool]]:
    """Return molecules, named by state, each with whether its name or that of its state is given.

    Raises InputError for a name that none has, and where all are only tested on.
    """
    named = named_by_state(molecules)
    names = [{molecule.name, other.name} for molecule, other in zip(molecules, named, strict=True)]
    known = sorted(set().union(*names))
    for name in only_tested:
        if name not in known:
            raise InputError(
                f"held_out.molecules: there is no molecule `{name}`: {nearest(name, known)}"
            )
    found = [(m, not own.isdisjoint(only_tested)) for m, own in zip(named, names, strict=True)]
    if all(held_out for _, held_out in found):
        raise InputError("held_out.molecules: no molecule is left to train on")
    return found


def described(molecules: Sequence[Molecule]) -> list[str]:
    """Say which charge and multiplicity molecules were taken with, and whence their geometry.

    Of many, only those that are not neutral singlets are all named.
    """
    lines, ordinary = [], 0
    for molecule in molecules:
        if (molecule.charge, molecule.multiplicity) == (0, 1):
            ordinary += 1
            if ordinary > _ORDINARY_SHOWN:
                continue
        count = len(molecule.geometries)
        geometry = f"read ({count})" if count else "embedded"
        lines.append(
            f"{molecule.name}: charge {molecule.charge}, multiplicity {molecule.multiplicity}, "
            f"geometry {geometry}"
        )
    if ordinary > _ORDINARY_SHOWN:
        lines.append(f"and {ordinary - _ORDINARY_SHOWN} more neutral singlets")
    return lines


def check_pool(growth: GrowSettings) -> None:
    """Refuse a pool that cannot be read, or, unless bad lines are skipped, one that has some.

    Raises
    ------
    InputError
        With the lines that are no molecule.
    """
    entries = pool_entries(growth.pool)
    if growth.skip_bad:
        entries = islice(entries, 1)
    n_entries, bad = 0, []
    for entry in entries:
        n_entries += 1
        try:
            if not growth.skip_bad:
                entry.molecule()
        except InputError as error:
            bad.append(error)
    if not n_entries:
        raise InputError(f"grow.pool: {growth.pool} has no molecule")
    if bad:
        raise InputError(f"{listed(bad)}: correct them, or set grow.skip_bad to pass over them")


def _read_entry(entry: MoleculeEntry, number: int, skipped: list[InputError]) -> Iterator[Molecule]:
    for state in entry.each_state:
        yield from _read_state(entry, state, number, skipped)


def _read_state(
    entry: MoleculeEntry, state: StateEntry, number: int, skipped: list[InputError]
) -> Iterator[Molecule]:
    if entry.smiles is not None:
        yield molecule_from_smiles(
            entry.smiles,
            name=entry.name,
            charge=state.charge,
            multiplicity=state.multiplicity,
            source=f"molecules, entry {number}",
        )
        return
    assert entry.file is not None, "a validated entry has smiles or file"
    found = read_molecules(
        entry.file,
        charge=state.charge,
        multiplicity=state.multiplicity,
        spin_means=entry.spin_means,
        skipped=skipped if entry.skip_bad else None,
    )
    if entry.name is not None and len(found) > 1:
        raise InputError(
            f"molecules, entry {number}: {entry.file} holds {len(found)} molecules, "
            "they cannot all have one name: leave `name` out"
        )
    for molecule in found:
        yield molecule if entry.name is None else replace(molecule, name=entry.name)


def labelled_rungs(campaign: Campaign) -> list[int]:
    """Return the rungs that make labels, for which there must be an engine."""
    return [index for index, rung in enumerate(campaign.rungs) if rung.budget.labels]


def levels_of(campaign: Campaign) -> list[LevelOfTheory]:
    """Return the level of each rung.

    Raises
    ------
    InputError
        Names the rung whose level is not known, or is none that the potential can learn.
    """
    architecture = find_architecture(campaign.train.architecture)
    levels = []
    for index, rung in enumerate(campaign.rungs):
        with _said_of(f"rungs.{index}.level"):
            level = find_level(rung.level)
            refusal = architecture.refuse(level)
            if refusal is not None:
                raise InputError(refusal)
            levels.append(level)
    return levels


def rung_level(campaign: Campaign, index: int) -> tuple[LevelOfTheory, type[Engine]]:
    """Return the level of a rung and the engine that will compute it.

    Raises
    ------
    InputError
        Level or engine is not known, or the engine cannot compute the level.
    EngineNotInstalled
        The message says how to install it.
    """
    rung = campaign.rungs[index]
    with _said_of(f"rungs.{index}.level"):
        level = find_level(rung.level)
    with _said_of(f"rungs.{index}.engine"):
        engine = find_engine(rung.engine or default_engine(level))
        engine.version()
    refusal = engine.refuse(level)
    if refusal is not None:
        raise InputError(f"rungs.{index}.level: {refusal}")
    return level, engine


@contextmanager
def _said_of(field: str) -> Iterator[None]:
    """Name the field of the campaign file in the message of what is raised."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{field}: {error}") from error


def check_levels(campaign: Campaign, molecules: Iterable[Molecule]) -> None:
    """Refuse a rung whose engine lacks the level, whose level a molecule, or two of a level.

    Raises
    ------
    InputError
    """
    molecules = list(molecules)
    rung_of_level: dict[str, int] = {}
    for index in labelled_rungs(campaign):
        level, engine = rung_level(campaign, index)
        first = rung_of_level.setdefault(level.level_id, index)
        if first != index:
            raise InputError(
                f"rungs.{index}.level: {level.name} is the level of rungs.{first}, too: raise "
                "that rung's budget instead"
            )
        require_computable(level, engine, molecules)
        to_come = () if campaign.grow is None else campaign.grow.atomic_numbers
        if lacking := engine.unsupported_elements(level, to_come):
            raise InputError(
                f"grow.elements: {level.name} has no {_symbols(lacking)}: leave it out, or take "
                "another basis set"
            )


def require_computable(
    level: LevelOfTheory, engine: type[Engine], molecules: Iterable[Molecule]
) -> None:
    """Refuse molecules with elements that a level lacks, and open shells where it takes none.

    Raises
    ------
    InputError
    """
    for molecule in molecules:
        lacking = engine.unsupported_elements(level, elements(molecule))
        if lacking:
            raise InputError(
                f"{level.name} has no {_symbols(lacking)}, which molecule {molecule.name} contains"
                ": take another basis set or leave the molecule out"
            )
        refusal = level.refuse_shell(
            multiplicity=molecule.multiplicity, heavy_atoms=heavy_atoms(molecule)
        )
        if refusal is not None:
            raise InputError(f"molecule {molecule.name}: {refusal}, or leave the molecule out")


def _symbols(numbers: Iterable[int]) -> str:
    return ", ".join(chemical_symbols[z] for z in numbers)


def one_geometry(molecule: Molecule, *, seed: int) -> Structure:
    """Return a geometry of a molecule: the first that its file gave, or an embedded one.

    Raises
    ------
    InputError
        None was given and none can be made.
    """
    if molecule.geometries:
        return molecule.geometries[0]
    found = embedded(molecule, _EMBEDDINGS, Origin(sampler="embedding", seed=seed))
    if not found:
        raise InputError(f"no geometry of {molecule.name} can be made: give one in an .xyz file")
    return found[0]
