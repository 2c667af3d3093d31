"""Are the parts of a document that we compute with what they must be? Amounts are numbers, lists hold objects.

A field that is absent or null is fine: Magento leaves out what is 0. A word where an amount belongs is not: it comes
from an extension, a proxy or half an answer, and what is computed from it would be wrong.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final

from worker.domain.errors import Unreadable

_NUMBERS: Final = re.compile(
    r"(base_)?(grand_total|subtotal\w*|total_(paid|refunded)|shipping_(amount|incl_tax|refunded|tax\w*|discount\w*)"
    r"|tax_(amount|invoiced|refunded)|row_(invoiced|total)\w*|discount_(amount|invoiced|refunded|tax\w*)|amount_refunded"
    r"|adjustment\w*|price|price_incl_tax|to_order_rate)|qty\w*|is_qty_decimal|is_used_for_refund"
)
_IDS: Final = frozenset({"order_id", "invoice_id", "item_id", "order_item_id", "parent_item_id"})
_LISTS: Final = frozenset({"items", "comments"})
_OBJECTS: Final = frozenset({"payment", "extension_attributes"})  # PHP writes an empty one as a list


def shaped(document: dict[str, Any]) -> dict[str, Any]:
    """Give the document if it is what it must be.

    Raises:
        Unreadable: A field is of another type; the text names it.
    """
    if name := _wrong_field(document):
        raise Unreadable(f"{name} of entity {document.get('entity_id')!r:.40} cannot be read", reason="wrong_document")
    return document


def _wrong_field(document: Mapping[str, Any]) -> str | None:
    for name, value in document.items():
        if value is None:
            continue
        if name in _LISTS:
            if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
                return name
            if wrong := next(filter(None, map(_wrong_field, value)), None):
                return f"{name}.{wrong}"
        elif name in _OBJECTS:
            if value and (not isinstance(value, dict) or _wrong_field(value)):
                return name
        elif (name in _IDS and not isinstance(value, int)) or (_is_number(name) and not _is_numeric(value)):
            return name
    return None


@cache
def _is_number(name: str) -> bool:
    return _NUMBERS.fullmatch(name) is not None


def _is_numeric(value: object) -> bool:
    if isinstance(value, str):
        try:
            return Decimal(value).is_finite()
        except InvalidOperation:
            return False
    return isinstance(value, int | float | Decimal)
