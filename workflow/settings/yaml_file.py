"""Read a YAML file into a strict pydantic model, and say in one sentence what is wrong with it."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from chemistry.errors import InputError
from chemistry.names import nearest, one_of

ModelT = TypeVar("ModelT", bound=BaseModel)
Location = tuple[int | str, ...]
Schema = dict[str, Any]


class StrictModel(BaseModel):
    """What a person writes: unknown keys and infinite numbers are refused, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read_yaml_model(path: Path, model: type[ModelT]) -> ModelT:
    """Read `path` as YAML and validate it.

    Raises
    ------
    InputError
        One sentence that names the file, the line, the field, what is wrong and what to do; an
        unknown key or value comes with the nearest known one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file; `rung init FOLDER` writes one to start from"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_yaml_model(text, model, source=str(path))


def parse_yaml_model(text: str, model: type[ModelT], source: str) -> ModelT:
    """Validate YAML text as `read_yaml_model` does; `source` names it in messages."""
    try:
        root = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}, line {mark.line + 1}" if mark else source
        raise InputError(f"{place}: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{source}: not readable as YAML ({_first_line(error)})") from error
    if root is None:
        raise InputError(f"{source}: the file is empty")
    if not isinstance(data, dict):
        raise InputError(f"{source}: should be a mapping of `key: value` lines, not {_kind(data)}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InputError(_Explainer(source, root, model).explain(error.errors())) from error


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, where YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key `{key.value}` is given twice: keep one",
                        problem_mark=key.start_mark,
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Explainer:
    """Turns pydantic's errors into a sentence, with the file's nodes and the model's schema."""

    def __init__(self, source: str, root: yaml.Node, model: type[BaseModel]) -> None:
        self.source = source
        self.root = root
        self.schema: Schema = model.model_json_schema()

    def explain(self, errors: list[ErrorDetails]) -> str:
        # One field of a union type reports an error per alternative: they are told as one. Unknown
        # keys come first, for a misspelt key also makes the right one missing.
        by_field: dict[Location, list[ErrorDetails]] = {}
        for error in sorted(errors, key=lambda e: e["type"] != "extra_forbidden"):
            by_field.setdefault(self._field(error), []).append(error)
        field, first = next(iter(by_field.items()))
        more = len(by_field) - 1
        line = _node_at(self.root, field)[0].start_mark.line + 1
        place = f"{self.source}, line {line}: " + ".".join(map(str, field))
        tail = f" (and {more} more field{'s' * (more > 1)} to correct)" if more else ""
        return f"{place.removesuffix(': ')}{self._complaint(field, first)}{tail}"

    def _field(self, error: ErrorDetails) -> Location:
        """Return the error's location without the union tags that pydantic puts into it."""
        known: Location = ()
        for i, part in enumerate(error["loc"]):
            last_missing = error["type"] == "missing" and i == len(error["loc"]) - 1
            if last_missing or _node_at(self.root, (*known, part))[1]:
                known = (*known, part)
        if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
            known = (*known, error["ctx"]["discriminator"].strip("'"))
        return known

    def _complaint(self, field: Location, errors: list[ErrorDetails]) -> str:
        error = errors[0]
        node, exists = _node_at(self.root, field)
        match error["type"]:
            case "extra_forbidden":
                known = _known_keys(self.schema, error["loc"][:-1])
                return f" is an unknown key: {nearest(str(field[-1]), known)}"
            case "missing":
                return " is missing"
            case "union_tag_not_found":
                return f" is missing: it is {one_of(_known_tags(self.schema, error['loc']))}"
            case "union_tag_invalid":
                tags = _known_tags(self.schema, error["loc"])
                return (
                    f" is unknown (`{error['ctx']['tag']}`): {nearest(error['ctx']['tag'], tags)}"
                )
            case "value_error":
                return f": {error['msg'].removeprefix('Value error, ')}"
        # YAML reads 1:30:00 as 5400 and NO as false: a text that was meant needs quotes.
        wants_text = any(e["type"] in ("string_type", "string_sub_type") for e in errors)
        if wants_text and exists and isinstance(node, yaml.ScalarNode) and node.value:
            read_as = _shown(error["input"])
            but = "" if read_as == f"`{node.value}`" else f" YAML reads {node.value} as {read_as}:"
            return f' should be text:{but} quote it, "{node.value}"'
        literals = [e for e in errors if e["type"] in ("literal_error", "enum")]
        values = [v for e in literals for v in _quoted(e["ctx"]["expected"])]
        wanted = [_expectation(e) for e in errors if e not in literals]
        if values and (not wanted or isinstance(error["input"], str)):
            otherwise = f" (or give {' or '.join(wanted)})" if wanted else ""
            return (
                f" is unknown ({_shown(error['input'])}): "
                f"{nearest(str(error['input']), values)}{otherwise}"
            )
        if values:
            wanted.append(one_of(values))
        return f" should be {' or '.join(dict.fromkeys(wanted))}, not {_shown(error['input'])}"


def _node_at(root: yaml.Node, location: Location) -> tuple[yaml.Node, bool]:
    """Return the node at a location, or the deepest one on the way there, and whether it exists."""
    node = root
    for part in location:
        below: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            below = next((v for k, v in node.value if k.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            below = node.value[part] if part < len(node.value) else None
        if below is None:
            return node, False
        node = below
    return node, True


def _subschemas(root: Schema, location: Location) -> list[Schema]:
    """Return every alternative that the JSON schema of a model has at a location."""

    def flat(schema: Schema) -> list[Schema]:
        if "$ref" in schema:
            return flat(root["$defs"][schema["$ref"].rsplit("/", 1)[1]])
        alternatives = [*schema.get("anyOf", []), *schema.get("allOf", [])]
        if "discriminator" not in schema:
            alternatives += schema.get("oneOf", [])
        return [schema, *(s for alternative in alternatives for s in flat(alternative))]

    here = flat(root)
    for part in location:
        below: list[Schema] = []
        for schema in here:
            tagged = schema.get("discriminator", {}).get("mapping", {})
            if part in tagged:
                below += flat({"$ref": tagged[part]})
            elif part in schema.get("properties", {}):
                below += flat(schema["properties"][part])
            elif isinstance(part, int) and isinstance(schema.get("items"), dict):
                below += flat(schema["items"])
            else:  # a dict: of any keys, or of keys that match a pattern
                others = (
                    schema.get("additionalProperties"),
                    *schema.get("patternProperties", {}).values(),
                )
                below += [s for other in others if isinstance(other, dict) for s in flat(other)]
        here = below or here  # a part that leads nowhere is pydantic's name for an alternative
    return here


def _known_keys(root: Schema, location: Location) -> list[str]:
    return [key for s in _subschemas(root, location) for key in s.get("properties", {})]


def _known_tags(root: Schema, location: Location) -> list[str]:
    schemas = _subschemas(root, location)
    return [tag for s in schemas for tag in s.get("discriminator", {}).get("mapping", {})]


def _quoted(expected: str) -> list[str]:
    """Return the values in pydantic's "'a', 'b' or 'c'"."""
    return [text or number for text, number in re.findall(r"'([^']*)'|(\b\d+\b)", expected)]


def _expectation(error: ErrorDetails) -> str:
    ctx = error.get("ctx", {})
    match error["type"].split("_"):
        case ["int", *_]:
            return "a whole number"
        case ["float", *_] | ["decimal", *_]:
            return "a number"
        case ["finite", "number"]:
            return "a finite number"
        case ["string", "pattern", "mismatch"]:
            return f"text that matches {ctx['pattern']}"
        case ["string", "too", "short"]:
            return f"text of at least {ctx['min_length']} characters"
        case ["string", *_] | ["path", *_]:
            return "text"
        case ["bool", *_]:
            return "true or false"
        case ["greater", "than", "equal"]:
            return f"at least {ctx['ge']}"
        case ["less", "than", "equal"]:
            return f"at most {ctx['le']}"
        case ["greater", "than"]:
            return f"more than {ctx['gt']}"
        case ["less", "than"]:
            return f"less than {ctx['lt']}"
        case ["too", "short"]:
            return f"a list of at least {ctx['min_length']}"
        case ["too", "long"]:
            return f"a list of at most {ctx['max_length']}"
        case ["list" | "tuple" | "set", *_]:
            return "a list (lines that start with `- `)"
        case ["dict" | "model" | "dataclass" | "mapping", *_]:
            return "a mapping of `key: value` lines"
        case ["invalid", "key"]:
            return "text, in quotes"
        case ["none", *_]:
            return "left out"
    return f"what this asks for: {error['msg']}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return _kind(value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else _shown(value)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
