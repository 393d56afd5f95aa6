"""The ensembles that the ANI authors have published: what their files do not say of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from ase.data import chemical_symbols

from chemistry.records.level import find_level
from chemistry.units import EV_PER_HARTREE
from model.architectures.ani.committee import AniCommittee

_SAME_SELF_ENERGY_HARTREE = 1e-7


@dataclass(frozen=True, kw_only=True)
class PublishedEnsemble:
    """One of them.

    Attributes
    ----------
    name : str
    level : str
        Of its labels.
    self_energies_hartree : mapping of str to float
        By element symbol, as in its `sae_linfit.dat`: what it is recognised by.
    license, doi : str
    """

    name: str
    level: str
    self_energies_hartree: Mapping[str, float]
    license: str
    doi: str


PUBLISHED = (
    PublishedEnsemble(
        name="ani-1x",
        level="wb97x/6-31g*",
        self_energies_hartree={
            "H": -0.60095298,
            "C": -38.08316124,
            "N": -54.7077577,
            "O": -75.19446356,
        },
        license="MIT",
        doi="10.1063/1.5023802",
    ),
    PublishedEnsemble(
        name="ani-1ccx",
        level="dlpno-ccsd(t)*/cbs",
        self_energies_hartree={
            "H": -0.5991501324919538,
            "C": -38.03750806057356,
            "N": -54.67448347695333,
            "O": -75.16043537275567,
        },
        license="MIT",
        doi="10.1038/s41467-019-10827-4",
    ),
    PublishedEnsemble(
        name="ani-2x",
        level="wb97x/6-31g*",
        self_energies_hartree={
            "H": -0.5978583943827134,
            "C": -38.08933878049795,
            "N": -54.711968298621066,
            "O": -75.19106774742086,
            "S": -398.1577125334925,
            "F": -99.80348506781634,
            "Cl": -460.1681939421027,
        },
        license="MIT",
        doi="10.1021/acs.jctc.0c00121",
    ),
)


def recognised(committee: AniCommittee) -> AniCommittee:
    """Return a committee with level, licence and source, if it is one of `PUBLISHED`."""
    symbols = [chemical_symbols[z] for z in committee.elements]
    found = dict(zip(symbols, committee.self_energies_ev / EV_PER_HARTREE, strict=True))
    for known in PUBLISHED:
        if found.keys() == known.self_energies_hartree.keys() and all(
            np.isclose(found[s], e, rtol=0, atol=_SAME_SELF_ENERGY_HARTREE)
            for s, e in known.self_energies_hartree.items()
        ):
            return named(committee, known)
    return committee


def named(committee: AniCommittee, known: PublishedEnsemble) -> AniCommittee:
    """Return a committee that says which of `PUBLISHED` it is."""
    level = find_level(known.level)
    facts = {"name": known.name, "license": known.license, "doi": known.doi}
    return replace(
        committee,
        level_id=level.level_id,
        level_name=level.name,
        record={**committee.record, "published": facts},
    )
