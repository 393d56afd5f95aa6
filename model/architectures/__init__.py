"""The kinds of potential that can be trained, by name.

The registry holds import paths, so that naming an architecture does not load torch. Other packages
add architectures through the entry-point group "rung.architectures", whose entries name classes
that are derived from `model.protocol.Architecture`.
"""

from functools import cache

from chemistry.errors import InputError
from chemistry.registry import Registry
from model.protocol import Architecture

ARCHITECTURES: Registry[type[Architecture]] = Registry(
    "architecture",
    group="rung.architectures",
    ours={
        "ani": "model.architectures.ani.architecture:Ani",
        "ani+gfn2-xtb": "model.architectures.on_xtb.architecture:OnXtb",
    },
)
"""Every architecture by its name."""

DEFAULT_ARCHITECTURE = "ani"
"""Of a campaign that names none."""


@cache
def find_architecture(name: str) -> Architecture:
    """Return the architecture of this name.

    Raises
    ------
    InputError
        There is none of this name, it cannot be imported, or it is none.
    """
    found = ARCHITECTURES.find(name)
    if not (isinstance(found, type) and issubclass(found, Architecture)):
        raise InputError(
            f"architecture {name} is not derived from {Architecture.__module__}.Architecture: "
            f"mend the package that adds it"
        )
    if found.name != name:
        raise InputError(
            f"architecture {name} calls itself {found.name}: its `name` and the name of its entry "
            f"point must be the same"
        )
    return found()
