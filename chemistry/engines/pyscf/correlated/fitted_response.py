"""How orbitals answer to a perturbation where Coulomb and exchange matrices are fitted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf.correlated.orbitals import OrbitalSet
from chemistry.engines.pyscf.fitting import unpacked
from chemistry.records.structure import FloatArray

_TOLERANCE = 1e-8
_CYCLES = 60


class FittedResponse:
    """The electronic part G of the Fock matrix as a function of changes of the density.

    Attributes
    ----------
    half : tuple of (P, nao, core + O) arrays
        Fitted integrals with the occupied orbitals of each set.
    """

    def __init__(self, mf: Any, sets: Sequence[OrbitalSet]) -> None:
        self._mf, self._sets = mf, sets
        auxiliary = mf.with_df.get_naoaux()
        self.half = tuple(np.empty((auxiliary, *o.occupied.shape)) for o in sets)
        for start, end, block in unpacked(mf.with_df):
            for o, half in zip(sets, self.half, strict=True):
                half[start:end] = block @ o.occupied

    def of_density(self, densities: Sequence[FloatArray]) -> list[FloatArray]:
        """Return G of any density over orbitals, (M, M) of each set."""
        changes = [o.in_functions(d) for o, d in zip(self._sets, densities, strict=True)]
        response = self._mf.gen_response(hermi=1)
        if len(changes) == 1:
            found = [response(2.0 * changes[0])]
        else:
            found = list(response(np.array(changes)))
        return [o.in_orbitals(g) for o, g in zip(self._sets, found, strict=True)]

    def of_rotation(self, rotation: Sequence[FloatArray]) -> list[FloatArray]:
        """Return G of virtual-occupied blocks, (V, core + O), of a density: far cheaper."""
        moved = [o.virtual @ z for o, z in zip(self._sets, rotation, strict=True)]
        exchange = [np.zeros((len(x), len(x))) for x in moved]
        coulomb = np.zeros_like(exchange[0])
        for start, end, block in unpacked(self._mf.with_df):
            charges = np.zeros(end - start)
            for o, x, half, k in zip(self._sets, moved, self.half, exchange, strict=True):
                part = half[start:end]
                charges += 2.0 * o.spins * np.tensordot(part, x, axes=2)
                k += np.tensordot(block @ x, part, axes=([0, 2], [0, 2]))
            coulomb += np.tensordot(charges, block, axes=1)
        return [o.in_orbitals(coulomb - k - k.T) for o, k in zip(self._sets, exchange, strict=True)]

    def solve(self, right: Sequence[FloatArray]) -> list[FloatArray]:
        """Solve the Z-vector equation gaps z + G(z) = right, (V, core + O) of each set.

        Raises
        ------
        CalculationFailed
            The equation is not solved in many cycles.
        """
        gaps = [o.gaps for o in self._sets]
        ends = np.cumsum([gap.size for gap in gaps])[:-1]

        def blocks(vector: FloatArray) -> list[FloatArray]:
            parts = np.split(vector, ends)
            return [part.reshape(gap.shape) for part, gap in zip(parts, gaps, strict=True)]

        def scaled(values: Sequence[FloatArray]) -> FloatArray:
            return np.concatenate([(v / gap).ravel() for v, gap in zip(values, gaps, strict=True)])

        def product(vector: FloatArray) -> FloatArray:
            found = self.of_rotation(blocks(vector))
            return scaled(
                [g[o.filled :, : o.filled] for o, g in zip(self._sets, found, strict=True)]
            )

        start = scaled(right)
        solution, unsolved = gmres(
            LinearOperator((start.size, start.size), matvec=lambda v: v + product(v)),
            start,
            rtol=_TOLERANCE,
            restart=_CYCLES,
            maxiter=1,
        )
        if unsolved:
            raise CalculationFailed(
                "convergence", "the orbital response is not converged; try another geometry"
            )
        return blocks(solution)
