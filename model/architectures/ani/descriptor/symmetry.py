"""The ANI symmetry functions of pairs and triples of atoms, and their slopes.

Equations: Smith, Isayev, Roitberg, doi:10.1039/C6SC05720A, eqs. 2 to 4, with the factors of the
authors' program: 0.25 on radial functions, and 0.95 on the cosine of the angle, which keeps the
angle's derivative finite for three atoms in a line.
"""

from dataclasses import dataclass
from math import cos, log, pi, sin

import torch
from torch import Tensor

from model.architectures.ani.shape import SymmetryFunctions

_COSINE_SCALE = 0.95


def cutoff(distance: Tensor, cutoff_angstrom: float) -> tuple[Tensor, Tensor]:
    """Return the cosine cutoff function (eq. 2) of distances and its slope (1/Å)."""
    scaled = distance * (pi / cutoff_angstrom)
    return 0.5 * torch.cos(scaled) + 0.5, torch.sin(scaled) * (-0.5 * pi / cutoff_angstrom)


def radial(distance: Tensor, functions: SymmetryFunctions) -> tuple[Tensor, Tensor]:
    """Return the radial functions (eq. 3) of P pairs and their slopes, both (P, R)."""
    eta = functions.radial_eta_per_angstrom2
    fade, fade_slope = cutoff(distance, functions.radial_cutoff_angstrom)
    offset = distance[:, None] - distance.new_tensor(functions.radial_shifts_angstrom)
    gaussian = 0.25 * _gaussian(eta, offset)
    slope = gaussian * (fade_slope[:, None] - 2 * eta * fade[:, None] * offset)
    return gaussian * fade[:, None], slope


@dataclass(frozen=True, kw_only=True, eq=False)
class AngularFactors:
    """The angular functions of T triples, each a product of a stretch and a bend, with slopes.

    The few numbers a triple are kept as (few, T): operations then run over long rows, which is
    several times faster than over rows of four and eight. The S = Z B products of a triple (Z
    stretches, B bends) are never written down where only their sums are wanted.

    Attributes
    ----------
    stretch : (Z, T)
        Factors that depend on the distances of both neighbours, by radial shift.
    by_first, by_second : (Z, T)
        Their slopes by the distance of the first and of the second neighbour, 1/Å.
    bend : (B, T)
        Factors that depend on the cosine of the angle, by angular section.
    by_cosine : (B, T)
        Their slopes by it.
    """

    stretch: Tensor
    by_first: Tensor
    by_second: Tensor
    bend: Tensor
    by_cosine: Tensor

    def slopes(self) -> Tensor:
        """Return the slopes of the functions by both distances and the cosine, (T, 3, S)."""
        n_stretch, n_bend = len(self.stretch), len(self.bend)
        # Repeating along S by a product with zeros and ones is faster than broadcasting.
        eye = torch.eye(max(n_stretch, n_bend), dtype=self.bend.dtype, device=self.bend.device)
        spread = torch.repeat_interleave(eye[:n_stretch, :n_stretch], n_bend, dim=1)
        tile = eye[:n_bend, :n_bend].repeat(1, n_stretch)
        bends = self.bend.T @ tile
        slopes = bends.new_empty(len(bends), 3, n_stretch * n_bend)
        torch.mul(self.by_first.T @ spread, bends, out=slopes[:, 0])
        torch.mul(self.by_second.T @ spread, bends, out=slopes[:, 1])
        torch.mul(self.by_cosine.T @ tile, self.stretch.T @ spread, out=slopes[:, 2])
        return slopes


def angular(
    first: Tensor, second: Tensor, cosine: Tensor, functions: SymmetryFunctions
) -> AngularFactors:
    """Return the factors of the angular functions (eq. 4) of T triples.

    Parameters
    ----------
    first, second : (T,)
        Distances of both neighbours, Å.
    cosine : (T,)
        Of the angle between them.
    functions : SymmetryFunctions
    """
    bend, by_cosine = _bend(cosine, functions)
    eta, cutoff_angstrom = functions.angular_eta_per_angstrom2, functions.angular_cutoff_angstrom
    fade_1, fade_slope_1 = cutoff(first, cutoff_angstrom)
    fade_2, fade_slope_2 = cutoff(second, cutoff_angstrom)
    shifts = first.new_tensor(functions.angular_shifts_angstrom)[:, None]
    offset = 0.5 * (first + second) - shifts
    gaussian = _gaussian(eta, offset)
    stretch = gaussian * (fade_1 * fade_2)
    by_mean = offset.mul_(stretch).mul_(-eta)  # half of the slope by the mean distance
    return AngularFactors(
        stretch=stretch,
        by_first=torch.addcmul(by_mean, gaussian, fade_slope_1 * fade_2),
        by_second=torch.addcmul(by_mean, gaussian, fade_1 * fade_slope_2),
        bend=bend,
        by_cosine=by_cosine,
    )


def _gaussian(eta: float, offset: Tensor) -> Tensor:
    """Return exp(-eta offset^2); powers of two are about 2.5 times as fast as those of e."""
    return torch.square(offset).mul_(-eta / log(2)).exp2_()


def _bend(cosine: Tensor, functions: SymmetryFunctions) -> tuple[Tensor, Tensor]:
    """Return 2 ((1 + cos(theta - theta_s)) / 2)^zeta and its slope by the cosine, both (n, T).

    cos(theta - theta_s) is expanded, so that no arc cosine is needed.
    """
    zeta = functions.angular_zeta
    cosines = cosine.new_tensor([cos(s) for s in functions.angular_sections_radian])[:, None]
    sines = cosine.new_tensor([sin(s) for s in functions.angular_sections_radian])[:, None]
    scaled = _COSINE_SCALE * cosine
    sine = torch.sqrt(1 - scaled**2)
    half = (scaled * cosines).addcmul_(sine, sines).add_(1).mul_(0.5)
    power = _power(half, zeta - 1)
    slope = torch.addcmul(cosines, scaled / sine, sines, value=-1).mul_(power)
    return half.mul_(power).mul_(2), slope.mul_(zeta * _COSINE_SCALE)


def _power(base: Tensor, exponent: float) -> Tensor:
    """Return base ** exponent; a whole exponent by repeated squaring, three times as fast."""
    if exponent != int(exponent):
        return torch.pow(base, exponent)
    result, square, left = torch.ones_like(base), base, int(exponent)
    while left:
        if left & 1:
            result *= square
        left >>= 1
        if left:
            square = square * square
    return result
