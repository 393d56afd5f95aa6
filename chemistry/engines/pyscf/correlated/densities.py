"""What a correlated method adds to the densities of its reference, before the orbitals relax."""

from dataclasses import dataclass

from chemistry.engines.pyscf.correlated.orbitals import OrbitalSet
from chemistry.records.structure import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Densities:
    """Densities of one set of orbitals, with fitted integrals: (pq|rs) = sum over P B_pPq B_rPs.

    The correlation energy changes with the Fock matrix as the sum of `one` F, and with the
    integrals as that of `pairs` dB.

    Attributes
    ----------
    orbitals : OrbitalSet
    one : (M, M) float64
        Among occupied, and among empty orbitals. What it has between both is as the orbitals relax.
    left, right : slice
        The orbitals of the first and of the last index of `pairs`.
    pairs : (L, P, R) float64
        The two-particle density times B of its second pair, spins summed.
    auxiliary : (P, P) float64
        Sum over p and q of `pairs` and B.
    """

    orbitals: OrbitalSet
    one: FloatArray
    left: slice
    right: slice
    pairs: FloatArray
    auxiliary: FloatArray
