"""Molecules of some sizes from a file of SMILES that may be larger than the memory."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chemistry.errors import InputError
from chemistry.readers.molecules import molecule_from_line, smi_fields
from chemistry.records.molecule import Molecule

# Whatever stands for one atom in a SMILES; hydrogen stands in brackets only.
_ATOM = re.compile(r"\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops]")
_HYDROGEN = re.compile(r"\[\d*H[+-]?\d*(:\d+)?\]")


@dataclass(frozen=True, kw_only=True)
class PoolEntry:
    """One line of a pool, not yet understood.

    Attributes
    ----------
    source : str
        File and line, for messages.
    smiles : str
    name : str or None
        All that stands behind the SMILES: charge=… and multiplicity=…, too.
    """

    source: str
    smiles: str
    name: str | None

    def molecule(self) -> Molecule:
        """Return the molecule; InputError where the line is not one."""
        return molecule_from_line(self.smiles, self.name, source=self.source)


def pool_entries(path: Path) -> Iterator[PoolEntry]:
    """Yield the entries of a `.smi` file, one after the other.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                fields = smi_fields(line)
                if fields is not None:
                    smiles, name = fields
                    yield PoolEntry(source=f"{path}:{number}", smiles=smiles, name=name)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error


def heavy_atoms_of(smiles: str) -> int:
    """Count the heavy atoms in the text of a SMILES, which takes no understanding of it."""
    return sum(not _HYDROGEN.fullmatch(atom) for atom in _ATOM.findall(smiles))


def draw_by_size(
    entries: Iterable[PoolEntry], *, heavy_atoms: tuple[int, int], each: int, seed: int
) -> dict[int, list[PoolEntry]]:
    """Draw up to so many entries of each number of heavy atoms at random, in one pass.

    Algorithm R (Vitter, doi:10.1145/3147.3165): each entry is as likely as any other of its size,
    and no more than those drawn are held.
    """
    generator = np.random.default_rng(seed)
    drawn: dict[int, list[PoolEntry]] = defaultdict(list)
    seen: dict[int, int] = defaultdict(int)
    least, most = heavy_atoms
    for entry in entries:
        size = heavy_atoms_of(entry.smiles)
        if not least <= size <= most:
            continue
        seen[size] += 1
        if len(drawn[size]) < each:
            drawn[size].append(entry)
        elif (place := int(generator.integers(seen[size]))) < each:
            drawn[size][place] = entry
    return {size: drawn[size] for size in sorted(drawn)}
