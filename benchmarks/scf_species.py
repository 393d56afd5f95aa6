"""Open shells, diradicals and stretched bonds whose self-consistent field has several solutions."""

import numpy as np
from ase import Atoms
from ase.build import molecule

from chemistry.records.structure import Structure


def structure(atoms: Atoms, charge: int, multiplicity: int) -> Structure:
    return Structure(
        atomic_numbers=atoms.numbers,
        positions=atoms.positions,
        charge=charge,
        multiplicity=multiplicity,
    )


def diatomic(formula: str, distance_angstrom: float) -> Atoms:
    return Atoms(formula, positions=[[0, 0, 0], [0, 0, distance_angstrom]])


def pulled(name: str, fixed: int, moved: tuple[int, ...], factor: float) -> Atoms:
    """Return a molecule of the G2 set with one bond stretched by a factor.

    Parameters
    ----------
    fixed : int
        The atom of the bond that stays.
    moved : tuple of int
        The other atom of the bond, and all that moves with it.
    """
    atoms = molecule(name)
    atoms.positions[list(moved)] += (factor - 1) * (
        atoms.positions[moved[0]] - atoms.positions[fixed]
    )
    return atoms


def twisted_ethylene(degrees: float) -> Atoms:
    atoms = molecule("C2H4")
    upper = [i for i in range(6) if atoms.positions[i, 2] > 0]
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    atoms.positions[upper, :2] = atoms.positions[upper, :2] @ rotation.T
    return atoms


def phenyl() -> Atoms:
    atoms = molecule("C6H6")
    del atoms[int(np.flatnonzero(atoms.numbers == 1)[0])]
    return atoms


def hydroperoxyl(o_o: float = 1.33) -> Atoms:
    angle = np.radians(104.3)
    return Atoms(
        "OOH",
        positions=[[0, 0, 0], [0, 0, o_o], [0, 0.97 * np.sin(angle), o_o - 0.97 * np.cos(angle)]],
    )


def bent(formula: str, first: float, second: float, degrees: float) -> Atoms:
    """Return a triatomic: the middle atom is the second one."""
    turn = np.radians(degrees)
    return Atoms(
        formula,
        positions=[[first, 0, 0], [0, 0, 0], [second * np.cos(turn), second * np.sin(turn), 0]],
    )


def closed_shells() -> dict[str, Structure]:
    """Singlets that a restricted solution may not describe."""
    found = {
        **{f"H2 {r}": diatomic("H2", r) for r in (1.1, 1.3, 1.6, 2.2)},
        **{f"F2 {r}": diatomic("F2", r) for r in (1.55, 1.7, 2.0)},
        **{f"N2 {r}": diatomic("N2", r) for r in (1.3, 1.5, 1.9)},
        **{f"CO {r}": diatomic("CO", r) for r in (1.4, 1.6, 2.0)},
        **{f"HF {r}": diatomic("HF", r) for r in (1.4, 1.8, 2.2)},
        **{f"HCl {r}": diatomic("HCl", r) for r in (1.9, 2.4)},
        "LiH 2.8": diatomic("LiH", 2.8),
        "C2 1.24": diatomic("C2", 1.24),
        "O2 singlet": diatomic("O2", 1.21),
        "NH singlet": diatomic("NH", 1.04),
        "CH2 singlet": molecule("CH2_s1A1d"),
        "SiH2 singlet": molecule("SiH2_s1A1d"),
        "O3": molecule("O3"),
        "O3 stretched": bent("OOO", 1.27, 1.7, 116.8),
        **{f"C2H4 twisted {a}": twisted_ethylene(a) for a in (45, 70, 90)},
        "C2H4 stretched": pulled("C2H4", 0, (1, 4, 5), 1.3),
        "water OH 1.4": bent("HOH", 0.96, 1.4, 104.5),
        "water OH 2.0": bent("HOH", 0.96, 2.0, 104.5),
        "water both 1.7": bent("HOH", 1.7, 1.7, 104.5),
        "methanol CO x1.4": pulled("CH3OH", 0, (1, 3), 1.4),
        "methanol CO x1.7": pulled("CH3OH", 0, (1, 3), 1.7),
        "ethane CC x1.5": pulled("C2H6", 0, (1, 5, 6, 7), 1.5),
        "CH4 CH x1.6": pulled("CH4", 0, (1,), 1.6),
        "CH4 CH x2.0": pulled("CH4", 0, (1,), 2.0),
        "formaldehyde CO x1.3": pulled("H2CO", 1, (0,), 1.3),
        "formaldehyde CO x1.6": pulled("H2CO", 1, (0,), 1.6),
        "HCN CN x1.3": pulled("HCN", 0, (1,), 1.3),
        "H2O2 OO x1.3": pulled("H2O2", 0, (1, 3), 1.3),
        "acetylene CC x1.3": pulled("C2H2", 0, (1, 3), 1.3),
        "NH3 NH x1.8": pulled("NH3", 0, (1,), 1.8),
        "CO2 CO x1.4": pulled("CO2", 0, (1,), 1.4),
    }
    return {name: structure(atoms, 0, 1) for name, atoms in found.items()}


def open_shells() -> dict[str, Structure]:
    found = {
        "CN": (diatomic("CN", 1.17), 0, 2),
        "CN 1.5": (diatomic("CN", 1.5), 0, 2),
        "C2-": (diatomic("C2", 1.27), -1, 2),
        "C2- 1.6": (diatomic("C2", 1.6), -1, 2),
        "N2+": (diatomic("N2", 1.12), 1, 2),
        "CO+": (diatomic("CO", 1.12), 1, 2),
        "O2": (diatomic("O2", 1.21), 0, 3),
        "O2-": (diatomic("O2", 1.35), -1, 2),
        "O2+": (diatomic("O2", 1.12), 1, 2),
        "C2 triplet": (diatomic("C2", 1.31), 0, 3),
        "NO": (diatomic("NO", 1.15), 0, 2),
        "NO 1.6": (diatomic("NO", 1.6), 0, 2),
        "NF triplet": (diatomic("NF", 1.32), 0, 3),
        "BN triplet": (diatomic("BN", 1.33), 0, 3),
        "BO": (diatomic("BO", 1.21), 0, 2),
        "BC": (diatomic("BC", 1.49), 0, 4),
        "OH": (diatomic("OH", 0.97), 0, 2),
        "OH 1.6": (diatomic("OH", 1.6), 0, 2),
        "CH": (diatomic("CH", 1.12), 0, 2),
        "NH": (diatomic("NH", 1.04), 0, 3),
        "SH": (diatomic("SH", 1.34), 0, 2),
        "ClO": (diatomic("ClO", 1.57), 0, 2),
        "SO": (diatomic("SO", 1.48), 0, 3),
        "S2": (diatomic("S2", 1.89), 0, 3),
        "F2-": (diatomic("F2", 1.9), -1, 2),
        "H2O+": (molecule("H2O"), 1, 2),
        "CH2": (molecule("CH2_s3B1d"), 0, 3),
        "NO2": (molecule("NO2"), 0, 2),
        "NO2 stretched": (bent("ONO", 1.2, 1.6, 134), 0, 2),
        "NO3": (
            Atoms(
                "NO3",
                positions=[
                    [0, 0, 0],
                    *([1.24 * np.cos(a), 1.24 * np.sin(a), 0] for a in np.radians([0, 120, 240])),
                ],
            ),
            0,
            2,
        ),
        "O3-": (bent("OOO", 1.34, 1.34, 115), -1, 2),
        "HO2": (hydroperoxyl(), 0, 2),
        "HO2 OO 1.7": (hydroperoxyl(1.7), 0, 2),
        "HCO": (molecule("HCO"), 0, 2),
        "CCH": (molecule("CCH"), 0, 2),
        "NCO": (bent("NCO", 1.2, 1.19, 180), 0, 2),
        "N3": (bent("NNN", 1.18, 1.18, 180), 0, 2),
        "FOO": (bent("FOO", 1.65, 1.2, 111), 0, 2),
        "CH3O": (molecule("CH3O"), 0, 2),
        "vinyl": (molecule("C2H3"), 0, 2),
        "H2COH": (molecule("H2COH"), 0, 2),
        "CH3CO": (molecule("CH3CO"), 0, 2),
        "C2H4 triplet twisted": (twisted_ethylene(90), 0, 3),
        "C2H4+": (molecule("C2H4"), 1, 2),
        "formaldehyde triplet": (molecule("H2CO"), 0, 3),
        "water triplet stretched": (bent("HOH", 0.96, 1.6, 104.5), 0, 3),
        "phenyl": (phenyl(), 0, 2),
    }
    return {name: structure(*parts) for name, parts in found.items()}
