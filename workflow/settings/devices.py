"""Where committees compute: what the pools of a backend say and the architecture can."""

from chemistry.errors import InputError
from model.architectures import find_architecture
from workflow.settings.backend import Backend, Role
from workflow.settings.campaign import Campaign

_WITH_A_COMMITTEE: tuple[Role, ...] = ("explore", "judge", "train")


def require_devices(campaign: Campaign, backend: Backend) -> None:
    """Refuse a pool whose device the campaign's architecture cannot use.

    Raises
    ------
    InputError
        Names the pool and the devices that can be used.
    """
    architecture = find_architecture(campaign.train.architecture)
    for role in _WITH_A_COMMITTEE:
        name, device = backend.pool_name(role), backend.pool(role).device
        if device not in architecture.devices:
            raise InputError(
                f"pools.{name}.device is {device}, and architecture {architecture.name}, for which "
                f"this pool would {role}, computes on {' or '.join(architecture.devices)}: "
                f"set it to that"
            )
