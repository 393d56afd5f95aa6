"""Ways to make new geometries of a molecule."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from chemistry.sampling.base import SamplerSettings
from chemistry.sampling.clusters import Clusters
from chemistry.sampling.conformers import Conformers
from chemistry.sampling.dynamics import BiasedDynamics, LangevinDynamics
from chemistry.sampling.normal_modes import NormalModes
from chemistry.sampling.stretches import Stretches
from chemistry.sampling.torsions import TorsionScans

AnySampler: TypeAlias = Annotated[
    Conformers
    | NormalModes
    | LangevinDynamics
    | BiasedDynamics
    | TorsionScans
    | Clusters
    | Stretches,
    Field(discriminator="kind"),
]
"""Any sampler with its settings, as a campaign file has it: `kind` says which."""

SAMPLERS: Final[Mapping[str, type[SamplerSettings]]] = MappingProxyType(
    {
        "conformers": Conformers,
        "normal_modes": NormalModes,
        "langevin": LangevinDynamics,
        "biased_langevin": BiasedDynamics,
        "torsions": TorsionScans,
        "clusters": Clusters,
        "stretches": Stretches,
    }
)
"""Every sampler by its kind."""

__all__ = [
    "SAMPLERS",
    "AnySampler",
    "BiasedDynamics",
    "Clusters",
    "Conformers",
    "LangevinDynamics",
    "NormalModes",
    "Stretches",
    "TorsionScans",
]
