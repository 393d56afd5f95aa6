"""Names of molecules that speak of other electrons than the molecule has."""

import re
from collections.abc import Mapping
from typing import Final

from chemistry.errors import InputError

_MULTIPLICITIES: Final[Mapping[str, int]] = {
    word: number
    for number, word in enumerate(
        ("singlet", "doublet", "triplet", "quartet", "quintet", "sextet", "septet"), start=1
    )
}
_ION = re.compile(r"(?:mono|di|tri|carb[ao])?(cation|anion)")
_TWO_NUMBERS = re.compile(r"[+-]?\d[\s,;]+[1-9]")


def refuse_contradicting_name(name: str, charge: int, multiplicity: int, where: str) -> None:
    """Refuse a name such as "triplet oxygen", "methyl cation" or "0 3" of another molecule.

    Raises
    ------
    InputError
        Name and electrons contradict each other.
    """
    if _TWO_NUMBERS.fullmatch(name):
        raise InputError(
            f"{where}: is {name!r} charge and multiplicity? Say charge=… and multiplicity=…, or "
            "give another name"
        )
    for word in re.findall(r"[a-z]+", name.lower()):
        ion = _ION.fullmatch(word)
        fits = ion is None or (charge > 0 if ion[1] == "cation" else charge < 0)
        if not fits or _MULTIPLICITIES.get(word, multiplicity) != multiplicity:
            raise InputError(
                f"{where}: the name {name!r} says {word!r}, and the molecule has charge {charge} "
                f"and multiplicity {multiplicity}: state charge=… and multiplicity=…"
            )
