"""Ways to make new geometries of a molecule.

Other packages add samplers through the entry-point group "rung.samplers", whose entries name
classes derived from `chemistry.sampling.base.SamplerSettings`, each by its `kind`.
"""

from typing import Annotated, TypeAlias

from chemistry.plugin_fields import ByKind
from chemistry.registry import Registry
from chemistry.sampling.anchor_conformers import AnchorConformers
from chemistry.sampling.anchor_torsions import AnchorTorsions
from chemistry.sampling.anchor_vibrations import AnchorVibrations
from chemistry.sampling.base import Sampler, SamplerSettings
from chemistry.sampling.clusters import Clusters
from chemistry.sampling.conformers import Conformers
from chemistry.sampling.dynamics import AnchorDynamics, BiasedDynamics, LangevinDynamics
from chemistry.sampling.normal_modes import NormalModes
from chemistry.sampling.stretches import Stretches
from chemistry.sampling.torsions import TorsionScans

SAMPLERS: Registry[type[SamplerSettings]] = Registry(
    "sampler",
    group="rung.samplers",
    ours={
        "conformers": "chemistry.sampling.conformers:Conformers",
        "normal_modes": "chemistry.sampling.normal_modes:NormalModes",
        "langevin": "chemistry.sampling.dynamics:LangevinDynamics",
        "biased_langevin": "chemistry.sampling.dynamics:BiasedDynamics",
        "torsions": "chemistry.sampling.torsions:TorsionScans",
        "clusters": "chemistry.sampling.clusters:Clusters",
        "stretches": "chemistry.sampling.stretches:Stretches",
        "anchor_conformers": "chemistry.sampling.anchor_conformers:AnchorConformers",
        "anchor_torsions": "chemistry.sampling.anchor_torsions:AnchorTorsions",
        "anchor_vibrations": "chemistry.sampling.anchor_vibrations:AnchorVibrations",
        "anchor_langevin": "chemistry.sampling.dynamics:AnchorDynamics",
    },
)
"""Every sampler by its kind."""

AnySampler: TypeAlias = Annotated[Sampler, ByKind(registry=SAMPLERS, base=SamplerSettings)]
"""Any sampler with its settings, as a campaign file has it: `kind` says which."""

__all__ = [
    "SAMPLERS",
    "AnchorConformers",
    "AnchorDynamics",
    "AnchorTorsions",
    "AnchorVibrations",
    "AnySampler",
    "BiasedDynamics",
    "Clusters",
    "Conformers",
    "LangevinDynamics",
    "NormalModes",
    "Stretches",
    "TorsionScans",
]
