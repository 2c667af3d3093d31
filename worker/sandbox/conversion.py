"""From the JSON of a request to the arguments of a service, with PHP's idea of what a number is."""

import re
from collections.abc import Mapping
from typing import Any, Final

from worker.sandbox.errors import masked, php_error, required, wrong_type
from worker.sandbox.schemas import ListOf, ObjectType, TypeOf, accessor

_NUMERIC: Final = re.compile(r"[ \t\n\r\v\f]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\n\r\v\f]*")
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_LARGEST_INT: Final = 2**63 - 1
#: Extension attributes that no module of Open Source adds to.
_NO_MEMBERS: Final = ObjectType({})
#: What PHP calls the types of JSON's scalars.
_TYPES: Final[dict[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "double"}


def arguments(
    given: Mapping[str, Any], parameters: Mapping[str, TypeOf], needed: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Convert the parameters of a service.

    Args:
        given: Body, query and path variables merged; unknown names are ignored.
        parameters: Types by name; a snake_case name in `given` is found too.
        needed: Names that may not be missing or null.

    Raises:
        ShopError: As Magento answers.
    """
    found: dict[str, Any] = {}
    missing = []
    for name, kind in parameters.items():
        value = given.get(name)
        if value is None:
            value = given.get(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
        if value is not None:
            found[name] = converted(value, kind, ())
        elif name in needed:
            missing.append(name)
    if missing:
        raise required(*missing)
    return found


def converted(value: Any, kind: TypeOf, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value
    """Convert one value.

    Args:
        value: Any JSON value.
        kind: What the interface declares.
        path: Properties around it, for the message.

    Raises:
        ShopError: As Magento answers.
    """
    if value is None:
        return None
    if isinstance(kind, ListOf) or kind == "int[]":
        value = _unwrapped(value)
    if isinstance(kind, ListOf):
        return _list(value, kind.item, path)
    if isinstance(kind, ObjectType):
        return _object(value, kind, path)
    if kind == "int[]":
        return _ints(value, path)
    return _scalar(value, kind, path)


def _unwrapped(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Take a list out of the `item` node that SOAP puts around it; REST takes that too."""
    if not isinstance(value, dict) or value.get("item") is None:
        return value
    inner = value["item"]
    return inner if isinstance(inner, list) else [inner]


def _list(value: Any, item: ObjectType, path: tuple[str, ...]) -> list[dict[str, Any]] | None:  # noqa: ANN401 - JSON of any kind
    """Convert each value of a list, or of an object; a scalar is null, which no service takes as a parameter."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        if not path:
            raise php_error()
        return None
    return [_object(entry, item, path) for entry in value]


def _object(value: Any, kind: ObjectType, path: tuple[str, ...]) -> dict[str, Any]:  # noqa: ANN401 - JSON of any kind
    """Convert an object key by key; anything else becomes an object without members."""
    found: dict[str, Any] = {}
    if isinstance(value, list) and value:
        raise masked()  # keys 0, 1, ... have no setter
    for key, inner in value.items() if isinstance(value, dict) else ():
        member = kind.member(key)
        if member is None and accessor(key) == "ExtensionAttributes":
            converted(inner, _NO_MEMBERS, (*path, key))
            continue
        if member is None:
            raise masked()
        found[member[0]] = converted(inner, member[1], (*path, key))
    return found


def _ints(value: Any, path: tuple[str, ...]) -> list[int]:  # noqa: ANN401 - JSON of any kind
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        raise wrong_type(_TYPES[type(value)], "int[]", path)  # the type stands where else the value does
    return [_loose_int(entry) for entry in value]


def _loose_int(value: Any) -> int:  # noqa: ANN401 - JSON of any kind
    """Cast as PHP's `settype` does: what is no number is 0."""
    if isinstance(value, bool | int | float):
        return int(value)
    match = re.match(r"\s*[+-]?[0-9]+", value) if isinstance(value, str) else None
    return int(match.group()) if match else 0


def _scalar(value: Any, kind: str, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON of any kind
    if isinstance(value, list | dict):
        raise wrong_type("array", kind, path)
    if kind == "bool":
        return _shown(value).lower() in _TRUE
    if kind == "string":
        return _shown(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and _NUMERIC.fullmatch(value)):
        raise wrong_type(_shown(value), kind, path)
    real = float(value)
    if kind == "float":
        return real
    return int(value) if isinstance(value, int) else int(max(min(real, _LARGEST_INT), -_LARGEST_INT))


def _shown(value: Any) -> str:  # noqa: ANN401 - JSON of any kind
    """Write a scalar as PHP casts it to a string."""
    if isinstance(value, bool):
        return "1" if value else ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
