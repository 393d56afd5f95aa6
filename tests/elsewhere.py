"""Tensors that say they are on another device: what a GPU would refuse is refused on any machine.

`pretended` runs code as if the device "meta" could compute: its tensors hold their numbers on the
CPU, and an operation that mixes them with tensors of the CPU raises, as it would with CUDA.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")


class Elsewhere(torch.Tensor):
    """A tensor on the pretended device."""

    inner: Any

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Elsewhere":
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype,
            device=DEVICE, requires_grad=False,
        )  # fmt: skip
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        return computed(function, args, kwargs or {})


class _Pretending(TorchDispatchMode):
    """Catches what makes tensors of nothing, too."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        return computed(function, args, kwargs or {})


class _Numbers(TorchFunctionMode):
    """Turns Python's numbers into tensors and back by way of the CPU: torch does so unseen."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        kwargs = dict(kwargs or {})
        if function is torch.tensor and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return torch.tensor(*args, **kwargs).to(device)
        if function is torch.Tensor.new_tensor:
            like, *rest = args
            return torch.tensor(*rest, dtype=like.dtype).to(like.device)
        if function is torch.Tensor.tolist and isinstance(args[0], Elsewhere):
            return args[0].inner.tolist()  # CUDA copies, subclasses may not
        return function(*args, **kwargs)


def computed(function: Any, args: Any, kwargs: Any) -> Any:
    """Carry out an operation; raises where tensors of both places meet."""
    given = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
    there = [x for x in given if isinstance(x, Elsewhere)]
    moves = function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    # Numbers (no dimensions) may come from anywhere.
    here = [x for x in given if not isinstance(x, Elsewhere) and x.dim() > 0]
    if there and here and not moves:
        raise RuntimeError(f"{function}: tensors of two devices meet")
    asked = kwargs.get("device")
    to = bool(there) if asked is None else torch.device(asked) == DEVICE
    if asked is not None and to:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain_args, plain_kwargs = tree_map(_inner, (args, kwargs))
    found = function(*plain_args, **plain_kwargs)
    if not to:
        return found
    known = {id(x.inner): x for x in there}  # what an operation changes in place stays itself

    def wrapped(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return known[id(value)] if id(value) in known else Elsewhere(value)

    return tree_map(wrapped, found)


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Elsewhere) else value


@contextmanager
def pretended() -> Iterator[torch.device]:
    """Run code with the pretended device."""
    with _Numbers(), _Pretending():
        yield DEVICE
