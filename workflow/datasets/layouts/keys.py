"""Which numbers of a frame are its label: one whole set of keys, never halves of two.

ASE writes `energy` and `forces`, MACE's data sets have `REF_energy` and `REF_forces` beside those
of a cheap calculator (DefaultKeys in mace/tools/default_keys.py of mace-torch 0.3.16), others have
names of their own. What a potential predicted (`MACE_energy`, `pbe_energy` …) is no label and stays
where it is.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from chemistry.errors import InputError

_ENERGY = re.compile(
    r"e|energy|energies|e_?tot|tot(al)?_?energy|energy_total|(potential|scf)_energy|dft_total_energy"
)
_FORCES = re.compile(r"f|forces?|(atomic|total)_forces|forces_total")
_GRADIENT = re.compile(r"grad(ient)?s?|energy_gradient|dft_total_gradient|dedr")
_DIPOLE = re.compile(r"dipoles?|dipole_moment")
_PREFIXES = ("ref_", "dft_", "qm_")
_WINS = "ref_"


@dataclass(frozen=True, kw_only=True)
class KeySet:
    """The keys of one label, as a frame spells them.

    Attributes
    ----------
    energy : str
    forces : str or None
    is_gradient : bool
        Whether `forces` holds gradients.
    dipole : str or None
    passed_over : tuple of str
        Keys of another set, whose numbers are not taken.
    """

    energy: str
    forces: str | None = None
    is_gradient: bool = False
    dipole: str | None = None
    passed_over: tuple[str, ...] = ()


def choose_keys(values: Iterable[str], vectors: Iterable[str], where: str) -> KeySet:
    """Choose the set of keys of a frame.

    Parameters
    ----------
    values : iterable of str
        Keys of the whole frame.
    vectors : iterable of str
        Keys of what has three numbers an atom, positions excluded.
    where : str
        For messages.

    Raises
    ------
    InputError
        There is no energy, or two sets of keys of which none is whole or none wins.
    """
    values, vectors = list(values), list(vectors)
    energies = _by_prefix(values, "energy")
    forces = _by_prefix(vectors, "force")
    if not energies:
        raise InputError(
            f"{where}: there is no `energy` or `REF_energy`; it has {_listed(values + vectors)}"
        )
    prefix = _chosen(energies, forces, where)
    energy = _only(energies[prefix], where)
    force = _only(forces[prefix], where) if prefix in forces else None
    dipoles = _by_prefix(values, "dipole")
    others = [
        key
        for found in (energies, forces)
        for other, keys in found.items()
        if other != prefix
        for key in keys
    ]
    return KeySet(
        energy=energy,
        forces=force,
        is_gradient=force is not None and _GRADIENT.fullmatch(_split(force)[1]) is not None,
        dipole=_only(dipoles[prefix], where) if prefix in dipoles else None,
        passed_over=tuple(others),
    )


@lru_cache(maxsize=1024)
def quantity_of(key: str) -> str | None:
    """Return what a key is of: energy, force or dipole; None for any other."""
    name = _split(key)[1]
    patterns = {"energy": (_ENERGY,), "force": (_FORCES, _GRADIENT), "dipole": (_DIPOLE,)}
    return next((q for q, known in patterns.items() if any(p.fullmatch(name) for p in known)), None)


def _chosen(energies: Mapping[str, list[str]], forces: Mapping[str, list[str]], where: str) -> str:
    """Return the prefix of the set that is taken."""
    found = sorted({*energies, *forces})
    if len(found) == 1:
        return found[0]
    listed = " and ".join(", ".join(f"`{k}`" for k in _keys(p, energies, forces)) for p in found)
    if all((prefix in energies) != (prefix in forces) for prefix in found):
        raise InputError(
            f"{where}: energy and forces stand under keys of different sets ({listed}), each half "
            "of one: rename or remove one"
        )
    if _WINS in energies:
        return _WINS
    if _WINS in forces or len(energies) > 1:
        raise InputError(
            f"{where}: it has several sets of keys ({listed}): call the one that counts "
            "REF_energy and REF_forces"
        )
    [prefix] = energies
    return prefix


def _keys(
    prefix: str, energies: Mapping[str, list[str]], forces: Mapping[str, list[str]]
) -> list[str]:
    return [*energies.get(prefix, ()), *forces.get(prefix, ())]


def _by_prefix(keys: Iterable[str], quantity: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        if quantity_of(key) == quantity:
            found.setdefault(_split(key)[0], []).append(key)
    return found


@lru_cache(maxsize=1024)
def _split(key: str) -> tuple[str, str]:
    """Return the prefix of a key and what it is a key of, in lower case."""
    text = key.lower().replace("-", "_")
    if _ENERGY.fullmatch(text) or _GRADIENT.fullmatch(text):
        return "", text  # dft_total_energy has no prefix
    prefix = next((p for p in _PREFIXES if text.startswith(p)), "")
    return prefix, text.removeprefix(prefix)


def _only(keys: list[str], where: str) -> str:
    if len(keys) > 1:
        listed = " and ".join(f"`{key}`" for key in keys)
        raise InputError(f"{where}: {listed} are the same quantity: remove what does not count")
    return keys[0]


def _listed(keys: list[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys) or "nothing else"
