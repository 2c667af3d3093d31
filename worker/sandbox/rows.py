"""What one request holds in memory of the order it refunds, until it saves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from worker.domain.money_math import number, php_round
from worker.sandbox.store import Document, now_text

#: `is_customer_notified` of a line where nobody said whether to tell the customer.
NOT_APPLICABLE: Final = 2


def clean(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Give a value as Magento prints it after reading it back: 4 decimals, whole numbers without a fraction."""
    if not isinstance(value, float):
        return value
    if value.is_integer():
        return int(value)
    rounded = php_round(value, 4)
    return int(rounded) if rounded.is_integer() else rounded


def whole(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Print a whole number without a fraction, as PHP does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_alike(stored: Any, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return bool(stored == value or not (stored or value))


class Row:
    """A stored document and the columns that will be overwritten on save.

    Columns are written as absolute values, as Magento does: of two requests that read the same row, the later one wins.
    """

    def __init__(self, doc: Document) -> None:
        self.doc = doc
        self.changes: Document = {}

    def get(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Give the value as this request sees it."""
        return self.changes.get(key, self.doc.get(key))

    def add(self, key: str, amount: float, places: int | None = None) -> None:
        """Add to an amount; null counts as 0.

        Args:
            key: Column.
            amount: What to add.
            places: Decimals to round the sum to.
        """
        total = float(self.get(key) or 0) + amount
        self.changes[key] = total if places is None else php_round(total, places)

    def view(self) -> Document:
        """Give the whole row as this request sees it."""
        return {**self.doc, **self.changes}

    def save(self) -> bool:
        """Write the columns, if one differs: to Magento null and 0 are alike, so a row that only "gained" 0 stays.

        Returns:
            Whether the row was written.
        """
        if all(_is_alike(self.doc.get(key), clean(value)) for key, value in self.changes.items()):
            return False
        for key, value in self.changes.items():
            self.doc[key] = clean(value)
        return True


@dataclass
class Draft:
    """The order of one refund, with everything that is saved together."""

    order: Row
    items: dict[int, Row]
    payment: Row
    invoice: Row | None = None
    has_memos: bool = False
    histories: list[Document] = field(default_factory=list)

    @classmethod
    def of(cls, order: Document, invoice: Document | None = None, *, has_memos: bool = False) -> "Draft":
        """Read an order and, if it takes part, the invoice; and whether credit memos of it were stored before."""
        items = {int(item["item_id"]): Row(item) for item in order.get("items") or ()}
        payment = order.get("payment")
        if not isinstance(payment, dict):
            payment = order["payment"] = {}
        return cls(Row(order), items, Row(payment), Row(invoice) if invoice else None, has_memos)

    def view(self) -> Document:
        """Give the order document as this request sees it; `has_creditmemos` is not of Magento's document."""
        return {
            **self.order.view(),
            "has_creditmemos": self.has_memos,
            "items": [row.view() for row in self.items.values()],
            "payment": self.payment.view(),
        }

    def add_history(self, text: str, status: str, entity_id: int) -> None:
        """Note a line in the order's history."""
        notify = self.order.get("customer_note_notify")
        self.histories.append({
            "comment": text,
            "created_at": now_text(),
            "entity_id": entity_id,
            "entity_name": "creditmemo",
            "is_customer_notified": NOT_APPLICABLE if notify is None else int(notify),
            "is_visible_on_front": 0,
            "parent_id": self.order.doc["entity_id"],
            "status": status,
        })  # fmt: skip

    def save(self) -> None:
        """Write all rows."""
        for row in (*self.items.values(), self.payment, *([self.invoice] if self.invoice else [])):
            row.save()
        if self.order.save():
            self.order.doc["updated_at"] = now_text()
        _show_shipping(self.order.doc)
        if self.histories:
            self.order.doc["status_histories"] = [*self.histories, *(self.order.doc.get("status_histories") or [])]


def _show_shipping(order: Document) -> None:
    """Repeat the refunded shipping where the order shows its shipping once more."""
    names = [name for key in ("shipping_refunded", "shipping_tax_refunded") for name in (key, f"base_{key}")]
    for assignment in (order.get("extension_attributes") or {}).get("shipping_assignments") or ():
        total = (assignment.get("shipping") or {}).get("total")
        if isinstance(total, dict):
            total.update({name: order[name] for name in names if order.get(name) is not None})


#: Columns of an order item that grow, and the amount of the memo item by which they do.
_ITEM_COLUMNS = {
    "tax_refunded": "tax_amount",
    "discount_tax_compensation_refunded": "discount_tax_compensation_amount",
    "amount_refunded": "row_total",
    "discount_refunded": "discount_amount",
}
_ORDER_COLUMNS = {
    "subtotal_refunded": "subtotal",
    "tax_refunded": "tax_amount",
    "discount_tax_compensation_refunded": "discount_tax_compensation_amount",
    "shipping_refunded": "shipping_amount",
    "shipping_tax_refunded": "shipping_tax_amount",
    "adjustment_positive": "adjustment_positive",
    "adjustment_negative": "adjustment_negative",
    "discount_refunded": "discount_amount",
}


def register_item(row: Row, units: float, amounts: Mapping[str, Any]) -> None:
    """Book one memo item on its order item."""
    row.add("qty_refunded", units)
    for column, amount in _ITEM_COLUMNS.items():
        for prefix in ("", "base_"):
            row.add(prefix + column, number(amounts, prefix + amount))


def book(draft: Draft, memo: Mapping[str, Any], *, is_online: bool) -> None:
    """Book the amounts of a memo on its order and payment.

    Args:
        draft: The order.
        memo: Amounts by Magento's names; absent is 0.
        is_online: What was asked for, whether or not a gateway was called.
    """
    how = "online" if is_online else "offline"
    for prefix in ("", "base_"):
        draft.order.add(f"{prefix}total_refunded", number(memo, f"{prefix}grand_total"), places=2)
        for column, amount in _ORDER_COLUMNS.items():
            draft.order.add(prefix + column, number(memo, prefix + amount))
        draft.order.add(f"{prefix}total_{how}_refunded", number(memo, f"{prefix}grand_total"))
        if memo.get(f"{prefix}shipping_amount") is not None:  # unlike the order, the payment takes only what is given
            draft.payment.add(f"{prefix}shipping_refunded", number(memo, f"{prefix}shipping_amount"))
    if memo.get("grand_total") is not None:
        draft.payment.add("amount_refunded", number(memo, "grand_total"))
    draft.payment.add("base_amount_refunded", php_round(number(memo, "base_grand_total")))
