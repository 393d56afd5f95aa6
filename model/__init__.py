"""The committee of neural potentials.

    from model import CommitteeCalculator, Committee, load_committee

Names are loaded when they are first used: importing `model` does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from model.settings import TrainingSettings

if TYPE_CHECKING:
    from model.architectures.ani.checkpoint import load_committee, save_committee
    from model.architectures.ani.committee import AniCommittee as Committee
    from model.architectures.ani.training.train import train_committee
    from model.calculator import CommitteeCalculator
    from model.evaluation import held_out_errors

__all__ = [
    "Committee",
    "CommitteeCalculator",
    "TrainingSettings",
    "held_out_errors",
    "load_committee",
    "save_committee",
    "train_committee",
]

_MODULE_OF = {
    "AniCommittee": "model.architectures.ani.committee",
    "CommitteeCalculator": "model.calculator",
    "held_out_errors": "model.evaluation",
    "load_committee": "model.architectures.ani.checkpoint",
    "save_committee": "model.architectures.ani.checkpoint",
    "train_committee": "model.architectures.ani.training.train",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
