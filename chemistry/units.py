"""Conversion factors: the only place where numbers such as 27.2 or 627.5 live.

Inside rung everything is in eV, Å, fs, e and float64. The constants are those of CODATA 2022
(Mohr, Newell, Taylor and Tiesinga, doi:10.1103/RevModPhys.97.025002); the exact ones (e, N_A, k_B)
are fixed by the SI of 2019.
"""

import math
from typing import Final

EV_PER_HARTREE: Final = 27.211386245981
"""One hartree in eV."""

ANGSTROM_PER_BOHR: Final = 0.529177210544
"""One bohr in Å."""

EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR: Final = EV_PER_HARTREE / ANGSTROM_PER_BOHR
"""One hartree/bohr (a force in atomic units) in eV/Å."""

_ELEMENTARY_CHARGE_C: Final = 1.602176634e-19
_AVOGADRO_PER_MOL: Final = 6.02214076e23
_ATOMIC_MASS_KG: Final = 1.66053906892e-27

E_ANGSTROM_PER_DEBYE: Final = 1e-11 / 299792458.0 / _ELEMENTARY_CHARGE_C
"""One debye (1e-21 C m²/s over the speed of light) in e Å."""

EV_PER_KCAL_MOL: Final = 4184.0 / _AVOGADRO_PER_MOL / _ELEMENTARY_CHARGE_C
"""One (thermochemical) kcal/mol in eV; also kcal/mol/Å in eV/Å."""

KCAL_MOL_PER_EV: Final = 1.0 / EV_PER_KCAL_MOL
"""One eV in kcal/mol; also eV/Å in kcal/mol/Å."""

KJ_MOL_PER_EV: Final = 4.184 * KCAL_MOL_PER_EV
"""One eV in kJ/mol."""

BOLTZMANN_EV_PER_K: Final = 1.380649e-23 / _ELEMENTARY_CHARGE_C
"""The Boltzmann constant in eV/K."""

HBAR_EV_FS: Final = 6.62607015e-34 / (2.0 * math.pi) / _ELEMENTARY_CHARGE_C * 1e15
"""The reduced Planck constant in eV fs: a vibration of angular frequency w has quanta of ħ w."""

EV_PER_DALTON_ANGSTROM2_PER_FS2: Final = _ATOMIC_MASS_KG * 1e10 / _ELEMENTARY_CHARGE_C
"""One dalton Å²/fs² (mass times velocity squared) in eV: 1 Å/fs is 1e5 m/s."""

PER_FS_PER_INVERSE_CM: Final = 2.0 * math.pi * 2.99792458e-5
"""Angular frequency in 1/fs of one wavenumber (1/cm): 2 pi times the speed of light in cm/fs."""

BYTES_PER_GB: Final = 1e9
"""One gigabyte in bytes, as memory limits mean it."""
