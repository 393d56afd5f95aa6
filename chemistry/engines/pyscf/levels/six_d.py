"""Six d beside seven f functions, as Gaussian has them in 6-31G(2df,p): PySCF cannot mix kinds.

Six Cartesian d functions are five spherical ones and r² exp(-a r²). The latter is minus the
derivative of exp(-a r²) by a: a contraction of two s functions whose exponents lie close together.
"""

from collections.abc import Sequence
from typing import Any

from pyscf import gto

_STEP = 3e-3
"""Of the exponent, relative: the energy of CH4/6-31G* is 6e-9 hartree from that of no step."""


def with_sixth_d(shells: Sequence[Any]) -> list[Any]:
    """Return spherical shells in PySCF's own form, and beside each d shell what lacks to six."""
    sixth = [
        [0, *_derivative([p for p in shell[1:] if not isinstance(p, int)])]
        for shell in shells
        if shell[0] == 2
    ]
    return [*shells, *sixth]


def _derivative(primitives: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return s primitives that sum to r² times the radial part of d primitives.

    Coefficients are those of normalised primitives, of one or more contractions.
    """
    found = []
    for exponent, *coefficients in primitives:
        step = _STEP * exponent
        for sign in (-1.0, 1.0):
            shifted = exponent + sign * step
            scale = -sign * gto.gto_norm(2, exponent) / (2.0 * step * gto.gto_norm(0, shifted))
            found.append([shifted, *(float(c * scale) for c in coefficients)])
    return found
