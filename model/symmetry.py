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
    bend, bend_slope = _bend(cosine, functions)
    eta, cutoff_angstrom = functions.angular_eta_per_angstrom2, functions.angular_cutoff_angstrom
    fade_1, fade_slope_1 = cutoff(first, cutoff_angstrom)
    fade_2, fade_slope_2 = cutoff(second, cutoff_angstrom)
    offset = (0.5 * (first + second))[:, None] - first.new_tensor(functions.angular_shifts_angstrom)
    gaussian = torch.exp(-eta * offset**2)
    stretch = gaussian * (fade_1 * fade_2)[:, None]
    by_mean = -eta * offset * stretch  # half of the slope by the mean distance
    # Repeating each function along S by a product with zeros and ones makes all that follows run
    # over long contiguous rows; broadcasting over rows of four and eight is several times slower.
    n_stretch, n_bend = stretch.shape[1], bend.shape[1]
    spread = torch.repeat_interleave(torch.eye(n_stretch, dtype=first.dtype), n_bend, dim=1)
    tile = torch.eye(n_bend, dtype=first.dtype).repeat(1, n_stretch)
    bends, stretches = bend @ tile, stretch @ spread
    slopes = first.new_empty(len(first), 3, n_stretch * n_bend)
    by_first = by_mean + gaussian * (fade_slope_1 * fade_2)[:, None]
    by_second = by_mean + gaussian * (fade_1 * fade_slope_2)[:, None]
    torch.mul(by_first @ spread, bends, out=slopes[:, 0])
    torch.mul(by_second @ spread, bends, out=slopes[:, 1])
    torch.mul(bend_slope @ tile, stretches, out=slopes[:, 2])
    return stretches * bends, slopes


def _bend(cosine: Tensor, functions: SymmetryFunctions) -> tuple[Tensor, Tensor]:
    """Return 2 ((1 + cos(theta - theta_s)) / 2)^zeta and its slope by the cosine, both (T, n).

    cos(theta - theta_s) is expanded, so that no arc cosine is needed.
    """
    zeta = functions.angular_zeta
    cosines = cosine.new_tensor([cos(s) for s in functions.angular_sections_radian])
    sines = cosine.new_tensor([sin(s) for s in functions.angular_sections_radian])
    scaled = (_COSINE_SCALE * cosine)[:, None]
    sine = torch.sqrt(1 - scaled**2)
    half = 0.5 + 0.5 * (scaled * cosines + sine * sines)
    power = half ** (zeta - 1)
    return 2 * power * half, zeta * _COSINE_SCALE * power * (cosines - scaled / sine * sines)
