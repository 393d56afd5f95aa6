"""Fields of a person's file that name a plug-in: held against its registry when a file is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Union

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from chemistry.errors import PluginNotLoaded
from chemistry.registry import Registry, load


@dataclass(frozen=True, kw_only=True, eq=False)
class ByKind:
    """Marks a field that holds a plug-in with its settings; its `kind` says which.

    It is what pydantic makes of the union of all models of a registry, but those of other packages
    are imported only where a file names them.

    Attributes
    ----------
    registry : Registry
        Of pydantic models, each with a field `kind` whose one value is the model's name.
    base : type
        What the models of other packages must be derived from.
    """

    registry: Registry[Any]
    base: type[BaseModel]

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        """Return what pydantic runs."""
        return core_schema.no_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return what editors and messages know of the field: all kinds that there are."""
        outside = [self._from_outside(kind) for kind in self.registry.outside]
        return handler(self._one_of(outside).core_schema)

    def _validated(self, value: Any) -> Any:
        kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
        ours = self.registry.ours
        if isinstance(kind, str) and kind not in ours and kind in self.registry:
            return self._one_of([self._from_outside(kind)]).validate_python(value)
        return self._one_of_ours.validate_python(value)

    @cached_property
    def _one_of_ours(self) -> TypeAdapter[Any]:
        return self._one_of([])

    def _one_of(self, outside: Sequence[type[BaseModel]]) -> TypeAdapter[Any]:
        ours = [self.registry[kind] for kind in self.registry.ours]
        models: Any = Union[(*ours, *outside)]
        return TypeAdapter(Annotated[models, Field(discriminator="kind")])

    def _from_outside(self, kind: str) -> type[BaseModel]:
        model = self.registry[kind]
        if not (isinstance(model, type) and issubclass(model, self.base)):
            raise PluginNotLoaded(
                f"{self.registry.what} {kind} ({self.registry.outside[kind].value}) is not "
                f"derived from {self.base.__module__}.{self.base.__name__}"
            )
        if model.model_fields["kind"].default != kind:
            raise PluginNotLoaded(
                f"{self.registry.what} {kind} ({self.registry.outside[kind].value}) calls "
                "itself otherwise: its `kind` and the name of its entry point must be the same"
            )
        return model


@dataclass(frozen=True, kw_only=True, eq=False)
class ByName:
    """Marks a text field that names a plug-in.

    Attributes
    ----------
    registry : str
        Where the registry is, "module:attribute". It may stand in a room above the file's: it is
        imported when a file is read, and holds no more than names and places.
    """

    registry: str

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        """Return what pydantic runs."""
        return core_schema.no_info_after_validator_function(self._known, core_schema.str_schema())

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return what editors know of the field: all names that there are."""
        return {"type": "string", "enum": list(self._names)}

    def _known(self, name: str) -> str:
        if name not in self._names:
            expected = " or ".join(f"'{known}'" for known in self._names)
            raise PydanticKnownError("literal_error", {"expected": expected})
        return name

    @property
    def _names(self) -> Registry[Any]:
        registry: Registry[Any] = load(self.registry, "the registry")
        return registry
