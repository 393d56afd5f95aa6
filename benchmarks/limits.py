"""What a computation with torch takes at the least: its matrix products and exponentials alone.

Each is timed by itself, at the size and layout in which it occurs, on the same threads, again and
again on the same numbers: as fast as torch computes it when nothing else is done in between, and
what fits into a cache stays there.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_ATEN: Final = torch.ops.aten
_PRODUCTS: Final = frozenset(
    {
        _ATEN.mm.default,
        _ATEN.addmm.default,
        _ATEN.addmm_.default,
        _ATEN.bmm.default,
        _ATEN.bmm.out,
        _ATEN.baddbmm.default,
        _ATEN.baddbmm_.default,
    }
)
_EXPONENTIALS: Final = frozenset({_ATEN.exp2_.default, _ATEN.exp2.default})
_LEAST_SECONDS: Final = 2e-3


@dataclass(frozen=True)
class _Layout:
    """A tensor but for its numbers."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def tensor(self) -> Tensor:
        extent = 1 + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        return torch.rand(extent, dtype=self.dtype).as_strided(self.size, self.stride)


@dataclass(frozen=True)
class _Call:
    """A call of an operator of torch's, by the layout of its arguments."""

    operator: Any
    arguments: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...] = field(default=())

    @classmethod
    def of(cls, operator: Any, arguments: Sequence[Any], options: Mapping[str, Any]) -> "_Call":
        return cls(
            operator,
            tuple(map(_laid_out, arguments)),
            tuple((name, _laid_out(value)) for name, value in options.items()),
        )

    def ready(self) -> Callable[[], object]:
        """Return the call with numbers of its own."""
        arguments = list(map(_with_numbers, self.arguments))
        if self.operator in _EXPONENTIALS:  # in place they would soon be infinite
            return partial(torch.exp2, arguments[0], out=torch.empty_like(arguments[0]))
        options = {name: _with_numbers(value) for name, value in self.options}
        return partial(self.operator, *arguments, **options)


def _laid_out(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _Layout(tuple(value.shape), value.stride(), value.dtype)
    return value


def _with_numbers(value: Any) -> Any:
    return value.tensor() if isinstance(value, _Layout) else value


class _Watching(TorchDispatchMode):
    """Counts the calls of some operators."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[_Call] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if func in _PRODUCTS | _EXPONENTIALS:
            self.calls[_Call.of(func, args, kwargs or {})] += 1
        return func(*args, **(kwargs or {}))


def least_seconds(
    work: Callable[[], object], clock: Callable[[], float], rounds: int
) -> tuple[float, float]:
    """Return what the matrix products of a computation take, and its exponentials."""
    with _Watching() as watching:
        work()
    products = exponentials = 0.0
    for call, times in watching.calls.items():
        taken = times * min(_seconds(call.ready(), clock) for _ in range(rounds))
        if call.operator in _PRODUCTS:
            products += taken
        else:
            exponentials += taken
    return products, exponentials


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the seconds of one call, from so many that the clock can tell."""
    work()  # warm up
    repeats = 1
    while True:
        began = clock()
        for _ in range(repeats):
            work()
        taken = clock() - began
        if taken >= _LEAST_SECONDS:
            return taken / repeats
        repeats *= 4
