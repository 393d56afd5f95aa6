"""Which molecule, at which geometry, by which potential or level of theory."""

from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from chemistry.engines import default_engine, find_engine
from chemistry.engines.base import Resources
from chemistry.engines.level_potential import LevelPotential
from chemistry.errors import InputError
from chemistry.readers.molecules import READERS, molecule_from_line, read_molecules, smi_fields
from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure
from model import Committee, CommitteeCalculator
from model.intervals import NO_FACTORS, IntervalFactors, Intervals, intervals_of
from workflow.run.potential import read_potential
from workflow.settings.molecules import one_geometry, require_computable
from workflow.use.level_calculator import LevelCalculator

_SEED = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A molecule and what describes it.

    Attributes
    ----------
    molecule : Molecule
    structure : Structure
        Where to start.
    committee : Committee or LevelPotential
        A level of theory is a committee of one member that computes.
    """

    molecule: Molecule
    structure: Structure
    committee: Committee | LevelPotential

    @property
    def intervals(self) -> Intervals | None:
        """What is known of error bars; None for a level, and a committee never calibrated."""
        if isinstance(self.committee, LevelPotential):
            return None
        return intervals_of(self.committee.record)

    @property
    def factors(self) -> IntervalFactors:
        """Half-widths of this molecule's intervals over the members' standard deviations."""
        found = self.intervals and self.intervals.of_molecule(self.molecule.molecule_id)
        return found or NO_FACTORS

    def atoms(self, structure: Structure | None = None) -> Atoms:
        """Return the molecule with what describes it as its calculator."""
        at = structure or self.structure
        atoms = Atoms(numbers=at.atomic_numbers, positions=at.positions)
        if isinstance(self.committee, LevelPotential):
            atoms.calc = LevelCalculator(self.committee, at)
        else:
            atoms.calc = CommitteeCalculator(
                self.committee,
                charge=at.charge,
                multiplicity=at.multiplicity,
                molecule_id=self.molecule.molecule_id,
            )
        return atoms


def read_subject(potential: Path, molecule: str) -> Subject:
    """Read a potential or a level, and a molecule at the geometry of its file or an embedded one.

    Parameters
    ----------
    potential : Path
        A checkpoint, a run folder (its newest committee) or a folder with a published ensemble;
        where there is nothing of this name, a level of theory.
    molecule : str
        A SMILES, or a file with one molecule.

    Raises
    ------
    InputError
        One of them cannot be read, or the committee or level does not know an element of the
        molecule or its state.
    """
    if not potential.exists():
        return _by_level(potential, _read_molecule(molecule))
    _, committee = read_potential(potential)
    one = _read_molecule(molecule)
    structure = one_geometry(one, seed=_SEED)
    committee.predict([structure])  # an element or a state that it does not know is said now
    return Subject(molecule=one, structure=structure, committee=committee)


def _by_level(name: Path, molecule: Molecule) -> Subject:
    try:
        level = find_level(str(name))
        engine = find_engine(default_engine(level))
        if (refusal := engine.refuse(level)) is not None:
            raise InputError(refusal)
    except InputError as error:
        raise InputError(
            f"there is no committee at {name}; as a level of theory: {error}"
        ) from error
    require_computable(level, engine, [molecule])
    return Subject(
        molecule=molecule,
        structure=one_geometry(molecule, seed=_SEED),
        # One thread: molecules for which this is affordable gain next to nothing by more.
        committee=LevelPotential(level, engine(level, Resources())),
    )


def _read_molecule(text: str) -> Molecule:
    path = Path(text)
    if path.suffix.lower() not in READERS:
        # As on a line of a .smi file, so that a multiplicity can stand behind the SMILES.
        smiles, rest = smi_fields(text) or ("", None)
        return molecule_from_line(smiles, rest, source="")
    found = read_molecules(path)
    if len(found) > 1:
        raise InputError(f"{path} holds {len(found)} molecules: give a file with one of them")
    return found[0]
