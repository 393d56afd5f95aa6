"""Devices: where tensors lie and are computed with. Only the CPU is tested."""

import platform

import torch

from chemistry.errors import InputError


def require_device(name: str) -> torch.device:
    """Return a device; it is touched here for the first time, so never before a fork.

    Raises
    ------
    InputError
        torch has no such device on this machine.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"torch sees no CUDA device on {platform.node()}: give the pool a GPU "
            f"(gpus_per_node), install a torch built for CUDA there, or set its device to cpu"
        )
    return torch.device(name)
