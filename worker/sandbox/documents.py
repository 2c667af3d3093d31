"""Credit memo documents: as the order and invoice services build them, and comments on them."""

from typing import Any, Final

from worker.domain.totals import MemoTotals
from worker.sandbox.rows import clean
from worker.sandbox.store import INCREMENT_LENGTH, Document, Memo, Store, now_text

_FROM_ORDER: Final = (
    "base_currency_code", "base_to_global_rate", "base_to_order_rate", "billing_address_id", "discount_description",
    "global_currency_code", "order_currency_code", "store_currency_code", "store_id", "store_to_base_rate",
    "store_to_order_rate",
)  # fmt: skip
_FROM_ITEM: Final = (
    "base_price", "base_price_incl_tax", "name", "price", "price_incl_tax", "product_id", "sku", "weee_tax_applied",
)  # fmt: skip
#: Characters that the columns of a memo hold, by the end of their name.
_LENGTHS: Final = {
    "increment_id": INCREMENT_LENGTH, "transaction_id": 255, "discount_description": 255, "currency_code": 3,
}  # fmt: skip
_LARGEST_THREE_BYTE_CHARACTER: Final = 0xFFFF


def memo_document(order: Document, totals: MemoTotals, store: Store) -> Document:
    """Build the memo of an order or invoice refund; it gets its id when it is stored."""
    doc: Document = {key: order[key] for key in _FROM_ORDER if order.get(key) is not None}
    assignments = (order.get("extension_attributes") or {}).get("shipping_assignments") or [{}]
    address = ((assignments[0].get("shipping") or {}).get("address") or {}).get("entity_id")
    if address is not None and not order.get("is_virtual"):
        doc["shipping_address_id"] = address
    doc |= {key: clean(float(value)) for key, value in totals.fields().items()}
    doc |= {"order_id": order["entity_id"], "state": 2, "items": [], "comments": []}
    for line in totals.lines:
        if line.qty <= 0:
            continue
        item: Document = {
            "base_cost": line.order_line.document.get("base_cost"),
            "order_item_id": line.order_line.item_id,
        }
        item |= {k: line.order_line.document[k] for k in _FROM_ITEM if line.order_line.document.get(k) is not None}
        for name, amount in line.amounts.items():
            item[name], item[f"base_{name}"] = clean(float(amount.order)), clean(float(amount.base))
        if not line.order_line.is_dummy:
            item |= {
                "base_weee_tax_row_disposition": 0,
                "weee_tax_applied_row_amount": 0,
                "weee_tax_row_disposition": 0,
            }
        item |= {"entity_id": store.next_id("memo_item"), "qty": clean(float(line.qty))}
        doc["items"].append(item)
    return doc


def as_stored(text: str) -> str:
    """Give a text as the utf8mb3 column keeps it: a 4-byte character becomes `????`."""
    return "".join("????" if ord(char) > _LARGEST_THREE_BYTE_CHARACTER else char for char in text)


def cut(column: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Give a text as its column keeps it: Magento's connection cuts what is too long and says nothing."""
    if not isinstance(value, str):
        return value
    length = next((length for suffix, length in _LENGTHS.items() if column.endswith(suffix)), None)
    return as_stored(value)[:length]


def is_blank(text: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether PHP's `empty()` holds."""
    return text in (None, "", "0", 0)


def add_comment(memo: Memo, store: Store, given: Document) -> Document:
    """Append a comment to a memo.

    Returns:
        The comment as it is stored.
    """
    comment = {
        "comment": as_stored(str(given.get("comment") or "")),
        "created_at": now_text(),
        "entity_id": store.next_id("comment"),
        "is_customer_notified": int(given.get("is_customer_notified") or 0),
        "is_visible_on_front": int(given.get("is_visible_on_front") or 0),
        "parent_id": memo.doc["entity_id"],
    }
    memo.doc["comments"] = [*memo.doc["comments"], comment]
    return comment
