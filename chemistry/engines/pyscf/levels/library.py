"""Orbital bases of PySCF's library, with the core potentials that belong to them.

Files are read by their place in the installed PySCF: by name, PySCF would prefer a file of that
name in the current folder, and ask the package basis-set-exchange where that is installed.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers, chemical_symbols
from pyscf.gto import basis as pyscf_basis
from pyscf.gto.basis import parse_nwchem, parse_nwchem_ecp
from pyscf.lib.exceptions import BasisNotFoundError

from chemistry.names import closest

_FOLDER = Path(pyscf_basis.__file__).parent
_POPLE = re.compile(r"([346](?:21|31|311))(\+{0,2}g)\((?!\))(\d?d)?(\d?f)?(?:,(\d?p)(\d?d)?)?\)")
_NOT_ORBITALS = re.compile(r"fit\b|fit\.dat|[-_]ri\b|optri|^sap|soecp|_pp\.dat", re.IGNORECASE)
_SPLIT = re.compile(r"(pople-basis/6-31G-polarization-)([23])([dp]\.dat)")
_RELATIVISTIC = re.compile(r"dkh?\d?$|^anorcc")
_CONTRACTION = re.compile(r"(\d[spdfghi])+")
_BRACKETS_AS_IN_FILES = re.compile(r"_\w+_$")
"""`def2-sv_p_` is def2-SV(P), and not def2-SVP."""
_POTENTIALS = (
    (re.compile(r"(ccecp(?:he|reg|28|36)?)(?:aug)?ccpv.z"), r"\1"),
    (re.compile(r"bfdv.z"), "bfd"),
    (re.compile(r"(?:aug)?ccpw?c?v(.)zpp"), r"ccpv\1zpp"),
    (re.compile(r"ccpv.zppnr"), ""),  # of the non-relativistic ones there are none
)
"""Bases whose core potentials stand in another file, and that have one for every element."""
_POTENTIALS_OF_HEAVY = ((re.compile(r"def2mtzvpp?"), "def2tzvp"),)

_TIGHTEST_EXPONENT = 1.5
"""Of the s functions of an all-electron basis, in units of Z²: STO-3G has 1.6 for helium, every
other one more, and most valence bases less than 1."""
_NOBLE_GASES = (0, 2, 10, 18, 36, 54, 86)


@lru_cache(maxsize=4096)
def functions(basis: str, symbol: str) -> tuple[Any, ...]:
    """Return the shells of an element in PySCF's own form; empty where there are none."""
    name, at, contraction = basis.partition("@")
    if at and not _CONTRACTION.fullmatch(contraction):
        return ()
    found: list[Any] = []
    try:
        for file in _files(name, symbol):
            split = _SPLIT.fullmatch(file)
            if split is None:
                found += _read(file, symbol)
            else:
                found += _split(_read(split[1] + split[3], symbol), int(split[2]))
        if contraction:
            scheme = pyscf_basis._convert_contraction(contraction)
            found = pyscf_basis._truncate(found, scheme, symbol, (name, contraction))
    except (BasisNotFoundError, AssertionError):
        return ()
    return tuple(found)


@lru_cache(maxsize=4096)
def core_potential(basis: str, symbol: str) -> tuple[Any, ...] | None:
    """Return the core potential of an element in PySCF's own form; None without one."""
    own = _potential_in(_files(basis.partition("@")[0], symbol), symbol)
    if own is not None:
        return own
    key = _key(basis)
    for pattern, family in _POTENTIALS + _POTENTIALS_OF_HEAVY:
        if pattern.fullmatch(key):
            return _potential_in(_files(pattern.sub(family, key), symbol), symbol)
    return None


def core_electrons(basis: str, symbol: str) -> int:
    """Return how many electrons of an element a core potential stands for."""
    potential = core_potential(basis, symbol)
    return 0 if potential is None else int(potential[0])


def why_unusable(basis: str, symbol: str) -> str | None:
    """Say why a basis cannot describe an element: no functions, or a potential that is missing."""
    shells = functions(basis, symbol)
    if not shells:
        return f"basis {basis} has no functions for {symbol}"
    if core_potential(basis, symbol) is not None:
        return None
    needs_one = any(pattern.fullmatch(_key(basis)) for pattern, _ in _POTENTIALS)
    if needs_one or not _describes_the_core(shells, atomic_numbers[symbol]):
        return (
            f"basis {basis} describes only the valence electrons of {symbol}, and PySCF has no "
            "core potential that belongs to it; take def2-svp or another all-electron basis"
        )
    return None


def refuse_basis(basis: str) -> str | None:
    """Say why a name is no orbital basis; None if it is one."""
    key = _key(basis)
    if key.startswith("gth"):
        return f"basis {basis} needs a GTH pseudopotential, which this engine does not take"
    entry = pyscf_basis.ALIAS.get(key.partition("@")[0], "")
    if any(_NOT_ORBITALS.search(file) for file in _listed(entry)):
        return f"{basis} is no orbital basis: it is there for fitting, or a potential alone"
    if _RELATIVISTIC.search(key) or key.startswith("sarc"):
        return (
            f"basis {basis} is contracted for a relativistic Hamiltonian, and rung computes "
            "without relativity; take the basis without -dk, or cc-pvtz"
        )
    if any(functions(basis, chemical_symbols[z]) for z in range(1, 55)):
        return None
    offer = closest(basis, known_bases())
    return f"PySCF knows no basis {basis!r}; the nearest known one is {offer!r}"


def known_bases() -> list[str]:
    """Return the basis names that PySCF lists, in their usual spelling where it keeps it."""
    pople = "6-31g 6-31g* 6-31g** 6-31+g* 6-31g(2df,p) 6-311g** 6-311++g** 6-311++g(3df,3pd)"
    common = ("sto-3g", "3-21g", *pople.split())
    families = [f"{a}cc-pv{x}z" for a in ("", "aug-", "ccecp-") for x in "dtq5"]
    families += [f"def2-{s}" for s in ("svp", "svpd", "tzvp", "tzvpd", "tzvpp", "qzvp", "qzvpp")]
    return [*common, *families, *pyscf_basis.ALIAS]


def _key(basis: str) -> str:
    """Spell a basis as PySCF's list does."""
    if basis in pyscf_basis.ALIAS or _BRACKETS_AS_IN_FILES.search(basis):
        return basis
    return basis.replace("-", "").replace("_", "").replace(" ", "")


def _listed(entry: str | tuple[str, ...]) -> tuple[str, ...]:
    return (entry,) if isinstance(entry, str) else tuple(entry)


def _files(basis: str, symbol: str) -> tuple[str, ...]:
    """Return the files of a basis, or the module; empty where PySCF has no such basis."""
    key = _key(basis)
    if key in pyscf_basis.ALIAS:
        return _listed(pyscf_basis.ALIAS[key])
    bracket = _POPLE.fullmatch(key)
    if bracket is None or bracket[1] + bracket[2] not in pyscf_basis.ALIAS:
        return ()
    core, _, d, f, p, light_d = bracket.groups()
    wanted = (p, light_d) if symbol in ("H", "He") else (d, f)
    place = f"pople-basis/{core[0]}-{core[1:]}G-polarization-{{}}.dat"
    plain = _listed(pyscf_basis.ALIAS[bracket[1] + bracket[2]])
    files = (*plain, *(place.format(polarisation) for polarisation in wanted if polarisation))
    return files if all((_FOLDER / file).is_file() for file in files) else ()


def _read(file: str, symbol: str) -> list[Any]:
    if "dat" in file:
        return list(parse_nwchem.load(str(_FOLDER / file), symbol, False))
    return list(getattr(import_module(f"pyscf.gto.basis.{file}"), symbol, ()))


def _split(single: Sequence[Any], number: int) -> list[Any]:
    """Return two or three polarisation functions in place of one, as Gaussian splits them.

    Frisch, Pople and Binkley (doi:10.1063/1.447079) multiply the exponent by 2 and 1/2, or by 4, 1
    and 1/4. PySCF's files of 6-31G hold what comes of the exponents of 6-311G: with them water in
    6-31G(2df,p) lies 3.3 millihartree above QM9's energy, with these within a microhartree.
    """
    factors = {2: (2.0, 0.5), 3: (4.0, 1.0, 0.25)}[number]
    return [
        [momentum, [factor * exponent, coefficient]]
        for momentum, (exponent, coefficient) in single
        for factor in factors
    ]


def _potential_in(files: tuple[str, ...], symbol: str) -> tuple[Any, ...] | None:
    for file in files:
        if "dat" in file:
            try:
                found = parse_nwchem_ecp.load(str(_FOLDER / file), symbol)
            except BasisNotFoundError:
                continue
            if found:
                return tuple(found)
    return None


def _describes_the_core(shells: Sequence[Any], atomic_number: int) -> bool:
    """Whether there is an s function for each occupied s shell, and one tight enough for 1s."""
    s_shells = [_primitives(shell) for shell in shells if shell[0] == 0]
    period = bisect_left(_NOBLE_GASES, atomic_number)
    tightest = max((p[0] for primitives in s_shells for p in primitives), default=0.0)
    contracted = sum(len(primitives[0]) - 1 for primitives in s_shells)
    return bool(contracted >= period and tightest >= _TIGHTEST_EXPONENT * atomic_number**2)


def _primitives(shell: Sequence[Any]) -> list[Any]:
    """Return (exponent, coefficient of each contraction) of a shell's primitives."""
    return [primitive for primitive in shell[1:] if not isinstance(primitive, int)]


def functions_by_momentum(basis: str, symbol: str) -> tuple[int, ...]:
    """Return how many contracted functions of s, p, d, … kind an element has."""
    counted: Counter[int] = Counter()
    for shell in functions(basis, symbol):
        counted[shell[0]] += len(_primitives(shell)[0]) - 1
    return tuple(counted[momentum] for momentum in range(max(counted, default=-1) + 1))
