"""`train:` of a campaign file: the settings of whichever architecture it names.

Which settings there are is asked when a campaign is read, not when this is imported: so an
architecture from outside can be named, and those that nobody names are not loaded.
"""

from collections.abc import Hashable
from typing import Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticCustomError,
    PydanticKnownError,
    core_schema,
)

from chemistry.errors import InputError
from model.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, find_architecture
from model.settings import TrainingSettings

_TAG = "architecture"


class _OfItsArchitecture:
    """Tells pydantic how to read settings whose architecture they name, and what may be named.

    Errors and the JSON schema are those of a union that `architecture` discriminates.
    """

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_settings_of)

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        choices: dict[Hashable, CoreSchema] = {
            name: find_architecture(name).settings.__pydantic_core_schema__
            for name in ARCHITECTURES
        }
        return handler(core_schema.tagged_union_schema(choices, discriminator=_TAG))


AnyTrainingSettings: TypeAlias = Annotated[TrainingSettings, _OfItsArchitecture()]


def default_training() -> TrainingSettings:
    """Return the settings of a campaign that has none."""
    return _settings_of({})


def _settings_of(value: Any) -> TrainingSettings:
    if isinstance(value, TrainingSettings):
        return value
    name = value.get(_TAG, DEFAULT_ARCHITECTURE) if isinstance(value, dict) else None
    if name is not None and not (isinstance(name, str) and name in ARCHITECTURES):
        tags = ", ".join(map(repr, ARCHITECTURES))
        context = {"discriminator": f"'{_TAG}'", "tag": str(name), "expected_tags": tags}
        raise PydanticKnownError("union_tag_invalid", context)
    try:
        architecture = find_architecture(name or DEFAULT_ARCHITECTURE)
    except InputError as error:
        raise ValueError(str(error)) from error
    try:
        return architecture.settings.model_validate(value)
    except ValidationError as error:
        lines = [
            InitErrorDetails(
                type=PydanticCustomError(line["type"], line["msg"], line.get("ctx")),
                loc=(architecture.name, *line["loc"]),
                input=line["input"],
            )
            for line in error.errors()
        ]
        raise ValidationError.from_exception_data(error.title, lines) from error
