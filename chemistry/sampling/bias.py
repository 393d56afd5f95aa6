"""A bias potential that draws dynamics to where the members of a committee disagree."""

from dataclasses import dataclass

import numpy as np

from chemistry.records.structure import FloatArray


@dataclass(frozen=True, kw_only=True)
class DisagreementBias:
    """A well as deep as the amplitude, with its rim where members agree.

    Uncertainty-driven dynamics, Kulichenko et al., doi:10.1038/s43588-023-00406-5:
    E_bias = A (exp(-sigma² / (M N B²)) - 1), with sigma² half the sum of the squared deviations of
    M members' energies from their mean, and N the number of atoms.

    Attributes
    ----------
    amplitude_ev : float
        A: the bias lowers the energy by so much where the disagreement is large.
    width_ev : float
        B: the bias pulls hardest where the members' standard deviation over sqrt(N) is this.
    n_atoms : int
    """

    amplitude_ev: float
    width_ev: float
    n_atoms: int

    def energies(self, member_energies: FloatArray) -> FloatArray:
        """Return the bias (R,) eV for members' energies (R, M) eV."""
        return np.asarray(self.amplitude_ev * (self._fading(member_energies) - 1.0))

    def weights(self, member_energies: FloatArray) -> FloatArray:
        """Return the derivative of mean energy plus bias by each member's energy, (R, M).

        The forces of the biased surface are the members' forces, summed with these weights.
        """
        members = member_energies.shape[1]
        deviations = member_energies - member_energies.mean(axis=1, keepdims=True)
        pull = self.amplitude_ev * self._fading(member_energies) / (self.n_atoms * self.width_ev**2)
        return np.asarray((1.0 - pull[:, None] * deviations) / members)

    def _fading(self, member_energies: FloatArray) -> FloatArray:
        """Return the exponential of the bias, (R,): 1 where members agree."""
        variances = member_energies.var(axis=1)  # 2 sigma² / M
        return np.asarray(np.exp(-variances / (2.0 * self.n_atoms * self.width_ev**2)))
