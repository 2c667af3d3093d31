"""Query strings as PHP reads them, and the `fields=` filter of Magento's answers."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

_BRACKETS: Final = re.compile(r"\[([^\]]*)\]")
_PIECE: Final = re.compile(r"[^,\[\]]+|[,\[\]]")


def php_query(text: str) -> dict[str, Any]:
    """Read a query string with bracketed names into nested objects.

    Args:
        text: Without the question mark.
    """
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, _, _ = name.partition("[")
        keys = [head, *_BRACKETS.findall(name[len(head) :])]
        place = found
        for key in keys[:-1]:
            inner = place.get(key)
            if not isinstance(inner, dict):
                inner = place[key] = {}
            place = inner
        place[keys[-1] or str(len(place))] = value
    return found


def trimmed(document: Any, fields: str) -> Any:  # noqa: ANN401 - any JSON value
    """Keep only the fields that are named, such as `items[entity_id,comments[comment]],total_count`."""
    wanted, _ = _wanted(_PIECE.findall(fields), 0)
    return _kept(document, wanted)


def _wanted(pieces: list[str], at: int) -> tuple[dict[str, Any], int]:
    """Read names up to the closing bracket; a name without a bracket wants all of it (None)."""
    found: dict[str, Any] = {}
    name = ""
    while at < len(pieces):
        piece = pieces[at]
        if piece == "]":
            return found, at
        if piece == "[":
            found[name], at = _wanted(pieces, at + 1)
        elif piece != ",":
            name = piece.strip()
            found[name] = None
        at += 1
    return found, at


def _kept(document: Any, wanted: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON of any kind
    if isinstance(document, list):
        return [_kept(entry, wanted) for entry in document]
    if not isinstance(document, dict):
        return document
    return {
        key: document[key] if inner is None else _kept(document[key], inner)
        for key, inner in wanted.items()
        if key in document
    }
