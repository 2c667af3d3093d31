"""What may be seeded: documents as Magento's GET routes give them. All are looked at before the first is taken."""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from worker.sandbox.store import Document

#: Ids that a document must have, by kind.
_IDS: Final = {
    "orders": ("entity_id",),
    "invoices": ("entity_id", "order_id"),
    "creditmemos": ("entity_id", "order_id"),
}
#: Ids that an item must have.
_ITEM_IDS: Final = {"orders": ("item_id",), "invoices": ("order_item_id",), "creditmemos": ()}
#: Ids that an item, comment or history line may have.
_ROW_IDS: Final = ("entity_id", "item_id", "order_item_id", "parent_item_id")
_LISTS: Final = ("items", "comments", "status_histories")
_OBJECTS: Final = ("payment", "extension_attributes")
#: How the names of amounts, rates and quantities begin and end.
_AMOUNT_STARTS: Final = ("qty", "base_to_", "store_to_")
_AMOUNT_ENDS: Final = (
    "_amount", "_total", "_invoiced", "_refunded", "_paid", "_canceled", "subtotal", "_incl_tax", "price",
)  # fmt: skip


def checked(given: Mapping[str, Any]) -> dict[str, list[Document]]:
    """Give the documents by kind.

    Raises:
        ValueError: Says which document cannot be taken, and why.
    """
    unknown = set(given) - set(_IDS)
    if unknown:
        raise ValueError(f"unknown documents: {', '.join(sorted(unknown))}; known are: {', '.join(_IDS)}")
    found = {kind: _objects(given.get(kind), kind) for kind in _IDS}
    for kind, documents in found.items():
        for position, document in enumerate(documents):
            _check(document, kind, f"{kind}[{position}]")
    return found


def _check(document: Document, kind: str, place: str) -> None:
    for name in _IDS[kind]:
        _check_id(document, name, place)
    for name in _LISTS:
        needed = _ITEM_IDS[kind] if name == "items" else ()
        for position, row in enumerate(_objects(document.get(name), f"{place}.{name}")):
            _check_row(row, needed, f"{place}.{name}[{position}]")
    for name in _OBJECTS:
        inner = document.get(name) or {}  # PHP writes an empty object as a list
        if not isinstance(inner, dict):
            raise _wrong(f"{place}.{name}", "an object", inner)
        _check_amounts(inner, f"{place}.{name}")
    _check_amounts(document, place)


def _check_row(row: Document, needed: tuple[str, ...], place: str) -> None:
    for name in (*needed, *(name for name in _ROW_IDS if row.get(name))):
        _check_id(row, name, place)
    _check_amounts(row, place)


def _objects(value: Any, place: str) -> list[Document]:  # noqa: ANN401 - any JSON value
    """Read a list of objects; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(place, "a list", value)
    for position, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise _wrong(f"{place}[{position}]", "an object", entry)
    return value


def _check_id(document: Document, name: str, place: str) -> None:
    if name not in document:
        raise ValueError(f"{place} has no {name}")
    value = document[name]
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise _wrong(f"{place}.{name}", "a whole number above 0", value)


def _check_amounts(document: Document, place: str) -> None:
    for name, value in document.items():
        if value is None or not _is_amount(name):
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            raise _wrong(f"{place}.{name}", "a number", value)


@lru_cache(maxsize=1024)
def _is_amount(name: str) -> bool:
    return name.startswith(_AMOUNT_STARTS) or name.endswith(_AMOUNT_ENDS)


def _wrong(place: str, wanted: str, value: Any) -> ValueError:  # noqa: ANN401
    return ValueError(f"{place} must be {wanted}, not {json.dumps(value)[:80]}")
