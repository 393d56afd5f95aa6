"""The committee of neural potentials.

    from model import CommitteeCalculator, load_committee

Names are loaded when they are first used: importing `model` does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from model.settings import TrainingSettings

if TYPE_CHECKING:
    from model.architectures import DEFAULT_ARCHITECTURE, find_architecture
    from model.calculator import CommitteeCalculator
    from model.committees import climb, load_committee, save_committee, train_committee
    from model.evaluation import held_out_errors
    from model.protocol import Committee, TrainingRequest

__all__ = [
    "DEFAULT_ARCHITECTURE",
    "Committee",
    "CommitteeCalculator",
    "TrainingRequest",
    "TrainingSettings",
    "climb",
    "find_architecture",
    "held_out_errors",
    "load_committee",
    "save_committee",
    "train_committee",
]

_MODULE_OF = {
    "DEFAULT_ARCHITECTURE": "model.architectures",
    "Committee": "model.protocol",
    "CommitteeCalculator": "model.calculator",
    "TrainingRequest": "model.protocol",
    "climb": "model.committees",
    "find_architecture": "model.architectures",
    "held_out_errors": "model.evaluation",
    "load_committee": "model.committees",
    "save_committee": "model.committees",
    "train_committee": "model.committees",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
