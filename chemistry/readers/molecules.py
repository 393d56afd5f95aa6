"""Read molecules: a SMILES, or a .smi, .sdf, .xyz or .extxyz file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

from rdkit import Chem, rdBase

from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import from_rdkit, sanitize
from chemistry.readers.electrons import SpinMeans, pairs_in, without_pairs
from chemistry.readers.files.sdf import read_sdf
from chemistry.readers.files.xyz import read_xyz
from chemistry.readers.given import NOTHING_GIVEN, Given
from chemistry.readers.ground_states import multiplicity_of
from chemistry.readers.matching import bonds_as_text, in_order_of, is_same_molecule
from chemistry.readers.names import refuse_contradicting_name
from chemistry.records.molecule import Molecule

_ERRORS_SHOWN = 5


def molecule_from_smiles(
    smiles: str,
    *,
    name: str | None = None,
    charge: int | None = None,
    multiplicity: int | None = None,
    source: str = "",
) -> Molecule:
    """Read one molecule, hydrogens added.

    Parameters
    ----------
    smiles : str
    name : str or None
        For people; None takes the SMILES.
    charge : int or None, e
        None takes the sum of formal charges.
    multiplicity : int or None
        2S + 1; None takes what the formula settles (`settled_multiplicity`): `[CH3]` is a doublet,
        `[SiH2]` a singlet, of `[CH2]` and `O=O` it has to be said.
    source : str
        Where it stands, for messages: "campaign.yaml, molecule 3".

    Raises
    ------
    InputError
        Not a SMILES, more than one molecule, no element, electrons that do not fit, or a
        multiplicity that is not settled.
    """
    smiles = smiles.strip()
    where = f"{source}: {smiles!r}" if source else f"SMILES {smiles!r}"
    if not smiles:
        raise InputError(f"{source or 'SMILES'}: the SMILES is empty")
    mol = _parse_smiles(smiles, where)
    if len(Chem.GetMolFrags(mol)) > 1:
        raise InputError(f"{where} holds several molecules, separated by '.': give them one by one")
    mol = Chem.AddHs(mol)
    charge = int(Chem.GetFormalCharge(mol)) if charge is None else charge
    if multiplicity is None:
        multiplicity = multiplicity_of(mol, charge, where)
    molecule = from_rdkit(
        mol, name=name or smiles, charge=charge, multiplicity=multiplicity, source=where
    )
    return replace(molecule, source=source)


def read_molecules(
    path: Path | str,
    *,
    charge: int | None = None,
    multiplicity: int | None = None,
    spin_means: SpinMeans | None = None,
    skipped: list[InputError] | None = None,
) -> list[Molecule]:
    """Read all molecules of a file, each once, in the order of their first appearance.

    Where several entries are the same molecule, their geometries are collected in one Molecule.
    A `.smi` file has a SMILES and perhaps a name on each line, `#` starts a comment. Behind a
    SMILES, in the data fields of `.sdf` and in the comment lines of `.xyz` and `.extxyz` stand
    charge and multiplicity, by any of the names that `electrons_from` knows; without them a `.sdf`
    has those of its atoms and an `.xyz` is neutral and a singlet, if its bonds are those of one.

    Parameters
    ----------
    path : Path or str
    charge, multiplicity : int or None
        Overrule what the file says, for all its molecules.
    spin_means : "2s", "2s+1" or None
        What `spin` and `total_spin` in the file count; None refuses them.
    skipped : list of InputError or None
        Entries that cannot be used are left out and reported here; None refuses the file for them.

    Raises
    ------
    InputError
        No such file, another kind of file, nothing in it, or what cannot be used, with its line.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: molecules are read from {', '.join(READERS)} files only")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error
    bad: list[InputError] = []
    given = Given(charge=charge, multiplicity=multiplicity, spin_means=spin_means)
    molecules = merge_molecules(reader(path, text, given, bad))
    if bad and skipped is None:
        raise InputError(listed(bad))
    if skipped is not None:
        skipped.extend(bad)
    if not molecules:
        raise InputError(f"{path}: there is no molecule in the file")
    return molecules


def listed(bad: Sequence[InputError]) -> str:
    """Return what is wrong with the first entries that cannot be used, and how many more are."""
    more = len(bad) - _ERRORS_SHOWN
    shown = "; ".join(str(error) for error in bad[:_ERRORS_SHOWN])
    return shown + (f"; and {more} more entries that cannot be used" if more > 0 else "")


def merge_molecules(molecules: Iterable[Molecule]) -> list[Molecule]:
    """Return each molecule once, with the geometries of all that are the same.

    Name, bonds as drawn and order of atoms are those of the first.
    """
    merged: dict[str, Molecule] = {}
    # By what molecules that are drawn in two ways have in common.
    alike: dict[str, list[str]] = {}
    for molecule in molecules:
        known = alike.setdefault(bonds_as_text(molecule), [])
        first = next((i for i in known if is_same_molecule(merged[i], molecule)), None)
        if first is None:
            known.append(molecule.molecule_id)
            merged[molecule.molecule_id] = molecule
        else:
            geometries = merged[first].geometries + in_order_of(merged[first], molecule)
            merged[first] = replace(merged[first], geometries=geometries)
    return list(merged.values())


def smi_fields(line: str) -> tuple[str, str | None] | None:
    """Return SMILES and the rest of a line of a `.smi` file; None for an empty one or a comment."""
    # A `#` inside a SMILES is a triple bond: only one after white space starts a comment.
    fields = f" {line}".split(" #")[0].replace("\t", " ").split(maxsplit=1)
    if not fields:
        return None
    return fields[0], fields[1].strip() if len(fields) > 1 else None


def molecule_from_line(
    smiles: str, rest: str | None, *, source: str, given: Given = NOTHING_GIVEN
) -> Molecule:
    """Read a molecule of a `.smi` file.

    Parameters
    ----------
    smiles : str
    rest : str or None
        What stands behind it: a name, and charge=… and multiplicity=… where they are needed.
    source : str
        File and line, for messages; empty for a SMILES that stands by itself.
    given : Given

    Raises
    ------
    InputError
        As `molecule_from_smiles`, and where the rest contradicts itself.
    """
    rest, where = rest or "", source or "SMILES"
    charge, multiplicity = given.or_stated(pairs_in(rest, where), where, place=f"behind {smiles}")
    name = without_pairs(rest)
    molecule = molecule_from_smiles(
        smiles, name=name or None, charge=charge, multiplicity=multiplicity, source=source
    )
    refuse_contradicting_name(name, molecule.charge, molecule.multiplicity, where)
    return molecule


def _read_smi(path: Path, text: str, given: Given, bad: list[InputError]) -> list[Molecule]:
    molecules: list[Molecule] = []
    for line_number, line in enumerate(text.splitlines(), start=1):
        fields = smi_fields(line)
        if fields is None:
            continue
        smiles, rest = fields
        try:
            molecules.append(
                molecule_from_line(smiles, rest, source=f"{path}:{line_number}", given=given)
            )
        except InputError as error:
            bad.append(error)
    return molecules


def _parse_smiles(smiles: str, where: str) -> Any:
    """Return the sanitized RDKit Mol of a SMILES; InputError says what RDKit says."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles, sanitize=False)
        if mol is None:
            raise InputError(f"{where} is not a SMILES: correct its syntax")
        sanitize(mol, where)
        # Reading again lets RDKit do what it does after sanitizing (stereo, merging hydrogens).
        return Chem.MolFromSmiles(smiles)


class _Reader(Protocol):
    """Reads a text; entries that cannot be used go to `bad`, in the order of the file."""

    def __call__(
        self,
        path: Path,
        text: str,
        given: Given,
        bad: list[InputError],
        /,
    ) -> list[Molecule]: ...


READERS: Final[Mapping[str, _Reader]] = MappingProxyType(
    {".smi": _read_smi, ".sdf": read_sdf, ".xyz": read_xyz, ".extxyz": read_xyz}
)
"""How each kind of file is read."""
