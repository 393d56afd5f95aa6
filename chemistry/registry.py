"""Plug-ins of one kind by name: ours by import path, those of other packages by entry point."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from chemistry.errors import InputError, PluginNotLoaded
from chemistry.names import nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PluginT = TypeVar("PluginT")


class Registry(Mapping[str, PluginT]):
    """Name -> plug-in, imported when it is asked for.

    Entry points are looked up only where a name is not ours, or where all names are wanted. A name
    of ours cannot be taken by another package.

    Parameters
    ----------
    what : str
        What people call one of them: "engine".
    group : str
        The group of entry points in which other packages name theirs: "rung.engines".
    ours : mapping of str to str
        Name -> "module:attribute", in the order in which people shall see them.
    """

    def __init__(self, what: str, *, group: str, ours: Mapping[str, str]) -> None:
        self.what = what
        self.group = group
        self.ours = dict(ours)

    def __getitem__(self, name: str) -> PluginT:
        place = self.ours.get(name) or self.outside[name].value
        found: PluginT = load(place, f"{self.what} {name}")
        return found

    def __iter__(self) -> Iterator[str]:
        yield from self.ours
        yield from self.outside

    def __len__(self) -> int:
        return len(self.ours) + len(self.outside)

    def __contains__(self, name: object) -> bool:
        return name in self.ours or name in self.outside

    @cached_property
    def outside(self) -> "dict[str, EntryPoint]":
        """What other packages add, in order of name."""
        from importlib.metadata import entry_points  # slow to import, and seldom needed

        found = sorted(entry_points(group=self.group), key=lambda entry: entry.name)
        return {entry.name: entry for entry in found if entry.name not in self.ours}

    def find(self, name: str) -> PluginT:
        """Return the plug-in of a name.

        Raises
        ------
        InputError
            There is none; the message offers the nearest known one.
        PluginNotLoaded
            It cannot be imported.
        """
        if name not in self:
            raise InputError(f"there is no {self.what} `{name}`: {nearest(name, self)}")
        return self[name]


def load(place: str, what: str) -> Any:
    """Return what stands at "module:attribute"; `what` names it in the message.

    Raises
    ------
    PluginNotLoaded
        The module, or what it needs, is not installed, or it has no such attribute.
    """
    module, _, attribute = place.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PluginNotLoaded(f"{what} cannot be loaded from {place}: {error}") from error
