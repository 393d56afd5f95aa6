"""Plug-ins by name: when they are imported, when entry points are looked up, what is refused."""

import importlib.metadata
import sys
from importlib.metadata import EntryPoint
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from chemistry.errors import InputError, PluginNotLoaded
from chemistry.names import closest, nearest
from chemistry.plugin_fields import ByKind, ByName
from chemistry.registry import Registry

HERE = __name__


class Shape(BaseModel):
    kind: str


class Round(Shape):
    kind: Literal["round"] = "round"
    radius: float = 1.0


class Square(Shape):
    kind: Literal["square"] = "square"


class Hexagon(Shape):
    kind: Literal["hexagon"] = "hexagon"
    side: float = 1.0


class Alone(BaseModel):
    kind: Literal["alone"] = "alone"


def shapes() -> Registry[type[Shape]]:
    ours = {"round": f"{HERE}:Round", "square": f"{HERE}:Square"}
    return Registry("shape", group="rung.shapes", ours=ours)


SHAPES = shapes()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Entry points as packages would have them: fill it."""
    places: dict[str, str] = {}

    def found(*, group: str) -> list[EntryPoint]:
        return [EntryPoint(name=n, value=v, group=group) for n, v in places.items()]

    monkeypatch.setattr(importlib.metadata, "entry_points", found)
    return places


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise AssertionError("entry points were looked up")

    monkeypatch.setattr(importlib.metadata, "entry_points", refuse)


def field(registry: Registry[type[Shape]]) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[Shape, ByKind(registry=registry, base=Shape)])


@pytest.mark.usefixtures("unasked")
def test_a_name_of_ours_needs_no_entry_points():
    registry = shapes()
    assert registry.find("round") is Round
    assert "square" in registry
    assert field(registry).validate_python({"kind": "round", "radius": 2}) == Round(radius=2)


def test_a_plugin_is_imported_when_it_is_asked_for(installed, monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    installed["colour"] = "colorsys:rgb_to_hsv"
    registry = shapes()
    assert list(registry) == ["round", "square", "colour"]
    assert len(registry) == 3
    assert "colorsys" not in sys.modules
    colour: Any = registry["colour"]
    assert colour(0, 0, 0) == (0, 0, 0)


def test_no_package_takes_a_name_of_ours(installed):
    installed["round"] = f"{HERE}:Hexagon"
    assert shapes().find("round") is Round
    assert list(shapes()) == ["round", "square"]


def test_an_unknown_name_is_refused_with_the_nearest(installed):
    installed["hexagon"] = f"{HERE}:Hexagon"
    with pytest.raises(InputError, match="no shape `hexagn`: did you mean `hexagon`"):
        shapes().find("hexagn")
    with pytest.raises(InputError, match="use one of `round`, `square`, `hexagon`"):
        shapes().find("line")


@pytest.mark.parametrize("place", ["a_package_that_is_not_here:Thing", f"{HERE}:Absent"])
def test_what_cannot_be_imported_is_told_in_one_sentence(installed, place):
    installed["lost"] = place
    with pytest.raises(PluginNotLoaded, match=f"shape lost cannot be loaded from {place}: ") as it:
        shapes().find("lost")
    assert "\n" not in str(it.value)


def test_a_field_takes_what_another_package_adds(installed):
    installed["hexagon"] = f"{HERE}:Hexagon"
    adapter = field(shapes())
    found = adapter.validate_python({"kind": "hexagon", "side": 3})
    assert found == Hexagon(side=3)
    assert adapter.validate_python(found) is found
    assert adapter.validate_json(adapter.dump_json(found)) == found
    assert set(adapter.json_schema()["discriminator"]["mapping"]) == {"round", "square", "hexagon"}
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python({"kind": "hexagon", "side": "long"})
    assert caught.value.errors()[0]["loc"] == ("hexagon", "side")
    with pytest.raises(ValidationError, match="'round', 'square'"):
        adapter.validate_python({"kind": "hexagn"})


@pytest.mark.parametrize(
    ("name", "place", "said"),
    [
        ("alone", f"{HERE}:Alone", f"is not derived from {HERE}.Shape"),
        ("shapes", f"{HERE}:shapes", f"is not derived from {HERE}.Shape"),
        ("six", f"{HERE}:Hexagon", "its `kind` and the name of its entry point"),
    ],
)
def test_a_plugin_that_does_not_keep_the_rules_is_refused(installed, name, place, said):
    installed[name] = place
    with pytest.raises(PluginNotLoaded, match=said):
        field(shapes()).validate_python({"kind": name})


def test_a_text_field_names_a_plugin():
    adapter = TypeAdapter(Annotated[str, ByName(registry=f"{HERE}:SHAPES")])
    assert adapter.validate_python("round") == "round"
    assert adapter.json_schema() == {"type": "string", "enum": ["round", "square"]}
    with pytest.raises(ValidationError, match="'round' or 'square'"):
        adapter.validate_python("rond")
    with pytest.raises(ValidationError, match="valid string"):
        adapter.validate_python(3)


def test_the_nearest_name_is_offered_where_one_is_near():
    assert nearest("Slrum", ["slurm", "sge"]) == "did you mean `slurm`?"
    assert nearest("max epochs", ["max_epochs", "lr"]) == "did you mean `max_epochs`?"
    assert nearest("xyz", ["slurm", "sge"]) == "use one of `slurm`, `sge`"
    assert nearest("xyz", ["slurm"]) == "use `slurm`"
    assert closest("xyz", ["slurm", "yz"]) == "yz"
