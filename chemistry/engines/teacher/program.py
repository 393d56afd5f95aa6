"""Which potential a teacher is, and what it can be asked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from ase.data import atomic_numbers

from chemistry.records.structure import Structure

StateNumber: TypeAlias = Literal["charge", "multiplicity", "unpaired_electrons"]
"""What of a molecule's state a calculator wants to know, in `atoms.info`."""

_NON_COMMERCIAL = re.compile(r"(?:^|[-\s])nc(?:$|[-\s])|non-?commercial|academic|^asl\b", re.I)


@dataclass(frozen=True, kw_only=True)
class TeacherProgram:
    """A potential, and how it is made in a process of its own.

    Attributes
    ----------
    name : str
        Its level is `teacher:NAME`.
    calculator : str
        "module:name" of what returns an ASE calculator.
    arguments : str
        Its keyword arguments, a JSON object.
    info : tuple of (key, StateNumber)
        What it reads from `atoms.info`.
    python : str or None
        Another environment's Python; None: rung's own.
    sha256 : str or None
        Of the file or folder that it was made from; None where there is none beside the library.
    license : str or None
    charges, multiplicities, elements : tuple or None
        What it can be asked (e, 2S + 1, symbols); None: anything.
    """

    name: str
    calculator: str
    arguments: str = "{}"
    info: tuple[tuple[str, StateNumber], ...] = ()
    python: str | None = None
    sha256: str | None = None
    license: str | None = None
    charges: tuple[int, ...] | None = None
    multiplicities: tuple[int, ...] | None = None
    elements: tuple[str, ...] | None = None

    def refuse(self, charge: int, multiplicity: int, numbers: set[int]) -> str | None:
        """Say in a few words what of a molecule it cannot do; None if it can."""
        if self.charges is not None and charge not in self.charges:
            return f"teacher {self.name} knows charges {_listed(self.charges)}, not {charge}"
        if self.multiplicities is not None and multiplicity not in self.multiplicities:
            known = _listed(self.multiplicities)
            return f"teacher {self.name} knows multiplicities {known}, not {multiplicity}"
        if self.elements is not None:
            strange = numbers - {atomic_numbers[symbol] for symbol in self.elements}
            if strange:
                symbols = [s for s, z in atomic_numbers.items() if z in strange]
                return f"teacher {self.name} knows {_listed(self.elements)}, not {_listed(symbols)}"
        return None

    def state_of(self, structure: Structure) -> dict[str, int]:
        """Return what `atoms.info` must hold of a structure."""
        numbers: dict[StateNumber, int] = {
            "charge": structure.charge,
            "multiplicity": structure.multiplicity,
            "unpaired_electrons": structure.multiplicity - 1,
        }
        return {key: numbers[number] for key, number in self.info}


def is_non_commercial(license_: str) -> bool:
    """Say whether a licence's name says that it bars commercial use."""
    return _NON_COMMERCIAL.search(license_) is not None


def _listed(values: object) -> str:
    return ", ".join(map(str, values))  # type: ignore[call-overload]


def _published(name: str, elements: tuple[str, ...]) -> TeacherProgram:
    return TeacherProgram(
        name=name,
        calculator="model.teacher:committee_calculator",
        arguments=f'{{"source": "torchani:{name}"}}',
        license="MIT",
        charges=(0,),
        multiplicities=(1,),
        elements=elements,
    )


KNOWN: Mapping[str, TeacherProgram] = MappingProxyType(
    {
        program.name: program
        for program in (
            _published("ani-1x", ("H", "C", "N", "O")),
            _published("ani-1ccx", ("H", "C", "N", "O")),
            _published("ani-2x", ("H", "C", "N", "O", "F", "S", "Cl")),
            TeacherProgram(
                name="so3lr",
                calculator="so3krates_torch.calculator.so3:SO3LRCalculator",
                arguments='{"device": "cpu", "default_dtype": "float64"}',
                info=(("charge", "charge"), ("total_spin", "unpaired_electrons")),
                license="MIT",
                multiplicities=(1,),
                elements=("H", "C", "N", "O", "F", "P", "S", "Cl"),
            ),
        )
    }
)
"""Teachers that need no more than their library, or torchani's own files. Others are configured."""
