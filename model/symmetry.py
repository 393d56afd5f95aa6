"""The ANI symmetry functions of pairs and triples of atoms, and their slopes.

Equations: Smith, Isayev, Roitberg, doi:10.1039/C6SC05720A, eqs. 2 to 4, with the factors of the
authors' program: 0.25 on radial functions, and 0.95 on the cosine of the angle, which keeps the
angle's derivative finite for three atoms in a line.
"""

from math import cos, pi, sin

import torch
from torch import Tensor

from model.architecture import SymmetryFunctions

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
    gaussian = 0.25 * torch.exp(-eta * offset**2)
    slope = gaussian * (fade_slope[:, None] - 2 * eta * fade[:, None] * offset)
    return gaussian * fade[:, None], slope


def angular(
    first: Tensor, second: Tensor, cosine: Tensor, functions: SymmetryFunctions
) -> tuple[Tensor, Tensor]:
    """Return the angular functions (eq. 4) of T triples (T, S) and their slopes (T, 3, S).

    The slopes are those by the distance of the first and of the second neighbour (1/Å) and by the
    cosine of the angle between them; functions run over radial shifts, then over angular sections.
    """
    # The few numbers a triple are kept as (few, T): operations then run over long rows, which is
    # several times faster than broadcasting over rows of four and eight.
    bend, bend_slope = _bend(cosine, functions)
    eta, cutoff_angstrom = functions.angular_eta_per_angstrom2, functions.angular_cutoff_angstrom
    fade_1, fade_slope_1 = cutoff(first, cutoff_angstrom)
    fade_2, fade_slope_2 = cutoff(second, cutoff_angstrom)
    shifts = first.new_tensor(functions.angular_shifts_angstrom)[:, None]
    offset = 0.5 * (first + second) - shifts
    gaussian = torch.exp(-eta * offset**2)
    stretch = gaussian * (fade_1 * fade_2)
    by_mean = offset.mul_(stretch).mul_(-eta)  # half of the slope by the mean distance
    by_first = torch.addcmul(by_mean, gaussian, fade_slope_1 * fade_2)
    by_second = torch.addcmul(by_mean, gaussian, fade_1 * fade_slope_2)
    # For the same reason functions are repeated along S by a product with zeros and ones.
    n_stretch, n_bend = len(stretch), len(bend)
    spread = torch.repeat_interleave(torch.eye(n_stretch, dtype=first.dtype), n_bend, dim=1)
    tile = torch.eye(n_bend, dtype=first.dtype).repeat(1, n_stretch)
    bends, stretches = bend.T @ tile, stretch.T @ spread
    slopes = first.new_empty(len(first), 3, n_stretch * n_bend)
    torch.mul(by_first.T @ spread, bends, out=slopes[:, 0])
    torch.mul(by_second.T @ spread, bends, out=slopes[:, 1])
    torch.mul(bend_slope.T @ tile, stretches, out=slopes[:, 2])
    return stretches.mul_(bends), slopes


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
