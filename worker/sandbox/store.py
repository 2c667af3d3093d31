"""The documents of the simulated shop, in memory, with the indexes and number sequences of Magento's tables."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from worker.sandbox.errors import NOT_UNIQUE, not_found, refused

Document = dict[str, Any]
#: `sales_creditmemo.increment_id` is varchar(50).
INCREMENT_LENGTH: Final = 50


@dataclass(slots=True)
class Memo:
    """A stored credit memo.

    Attributes:
        doc: What the GET routes show.
        columns: What only a search can see (`customer_note`, ...).
    """

    doc: Document
    columns: Document = field(default_factory=dict)


def _as_printed(number: str) -> int | float:
    """Read a number as Magento prints it: a whole one has no fraction."""
    value = float(number)
    return int(value) if value.is_integer() else value


def now_text() -> str:
    """Give the time as Magento stores it (UTC)."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


class Store:
    """Orders, invoices and credit memos of one shop."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, number sequences too."""
        self.orders: dict[int, Document] = {}
        self.invoices: dict[int, Document] = {}
        self.memos: dict[int, Memo] = {}
        self.memos_of_order: dict[int, dict[int, Memo]] = {}
        self.invoices_of_order: dict[int, dict[int, Document]] = {}
        self.item_order: dict[int, int] = {}
        self._numbers: dict[tuple[str, int], int] = {}
        self._last: dict[str, int] = {}

    def next_id(self, kind: str) -> int:
        """Give the next id of a sequence such as `memo`, `memo_item` or `comment`."""
        self._last[kind] = self._last.get(kind, 0) + 1
        return self._last[kind]

    def _saw(self, kind: str, used: object) -> None:
        self._last[kind] = max(self._last.get(kind, 0), int(str(used or 0)))

    def seed(self, documents: Mapping[str, Iterable[Document]]) -> dict[str, int]:
        """Take documents as Magento's GET routes give them; an order replaces its older self and all that hung on it.

        Returns:
            How many of each were taken.
        """
        text = json.dumps({key: list(value) for key, value in documents.items()})
        copied: dict[str, list[Document]] = json.loads(text, parse_float=_as_printed)
        for order in copied.get("orders") or []:
            self._seed_order(order)
        for invoice in copied.get("invoices") or []:
            self._seed_invoice(invoice)
        for memo in copied.get("creditmemos") or []:
            self._seed_memo(memo)
        return {key: len(copied.get(key) or []) for key in ("orders", "invoices", "creditmemos")}

    def _seed_order(self, order: Document) -> None:
        order_id = int(order["entity_id"])
        for memo_id in list(self.memos_of_order.pop(order_id, {})):
            self._forget_memo(memo_id)
        for invoice_id in self.invoices_of_order.pop(order_id, {}):
            self.invoices.pop(invoice_id, None)
        items = {item["item_id"]: item for item in order.get("items") or []}
        for item in items.values():
            self.item_order[item["item_id"]] = order_id
            if item.get("parent_item_id") in items:
                item["parent_item"] = items[item["parent_item_id"]]
        for assignment in (order.get("extension_attributes") or {}).get("shipping_assignments") or []:
            assignment["items"] = list(items.values())
        for history in order.get("status_histories") or []:
            self._saw("history", history.get("entity_id"))
        self.orders[order_id] = order

    def _seed_invoice(self, invoice: Document) -> None:
        self.invoices[invoice["entity_id"]] = invoice
        self.invoices_of_order.setdefault(invoice["order_id"], {})[invoice["entity_id"]] = invoice

    def _seed_memo(self, doc: Document) -> None:
        self._forget_memo(doc["entity_id"])
        columns: Document = {
            key: doc.pop(key) for key in ("customer_note", "customer_note_notify", "send_email") if key in doc
        }
        comments = doc["comments"] = doc.get("comments") or []
        if comments and "customer_note" not in columns:
            columns["customer_note"] = min(comments, key=lambda c: c.get("entity_id") or 0).get("comment")
        doc["items"] = doc.get("items") or []
        self._saw("memo", doc["entity_id"])
        doc |= {key: doc.get(key) or now_text() for key in ("created_at", "updated_at")}
        for kind, rows in (("memo_item", doc["items"]), ("comment", comments)):
            for row in rows:
                self._saw(kind, row.get("entity_id"))
            for row in rows:
                row["entity_id"] = row.get("entity_id") or self.next_id(kind)
        for item in doc["items"]:
            item.setdefault("order_item_id", None)
        if str(doc.get("increment_id") or "").isdigit():
            self._saw("increment", int(doc["increment_id"]) % 10**9)
        self._index(Memo(doc, columns))

    def _forget_memo(self, memo_id: int) -> None:
        memo = self.memos.pop(memo_id, None)
        if memo is not None:
            self.memos_of_order.get(memo.doc["order_id"], {}).pop(memo_id, None)
            self._numbers.pop(self._number(memo.doc) or ("", 0), None)

    def _index(self, memo: Memo) -> None:
        self.memos[memo.doc["entity_id"]] = memo
        self.memos_of_order.setdefault(memo.doc["order_id"], {})[memo.doc["entity_id"]] = memo
        number = self._number(memo.doc)
        if number:
            self._numbers[number] = memo.doc["entity_id"]

    @staticmethod
    def _number(doc: Document) -> tuple[str, int] | None:
        """Give the unique key; a memo without a store has none."""
        if doc.get("increment_id") is None or doc.get("store_id") is None:
            return None
        return str(doc["increment_id"])[:INCREMENT_LENGTH].lower().rstrip(), int(doc["store_id"])

    def check_number(self, doc: Document) -> None:
        """Refuse a number that another memo of the store has.

        Raises:
            ShopError: 400, as the unique constraint answers.
        """
        holder = self._numbers.get(self._number(doc) or ("", 0))
        if holder is not None and holder != doc.get("entity_id"):
            raise refused(NOT_UNIQUE)

    def fresh_number(self, store_id: int | None) -> str:
        """Give the next free increment id of a store."""
        prefix = str(store_id) if store_id and store_id > 1 else ""
        while True:
            number = f"{prefix}{self.next_id('increment'):09d}"
            if (number, store_id or 0) not in self._numbers:
                return number

    def add_memo(self, memo: Memo) -> None:
        """Insert a memo: gives it its id, number and times.

        Raises:
            ShopError: The number is taken.
        """
        doc = memo.doc
        if not doc.get("increment_id"):
            doc["increment_id"] = self.fresh_number(doc.get("store_id"))
        self.check_number(doc)
        doc["entity_id"] = self.next_id("memo")
        doc["created_at"] = doc["updated_at"] = now_text()
        self._index(memo)

    def change_memo(self, memo: Memo, changes: Document) -> None:
        """Overwrite columns of a memo; others stay.

        Raises:
            ShopError: The number is taken.
        """
        merged = {**memo.doc, **changes}
        self.check_number(merged)
        self._forget_memo(memo.doc["entity_id"])
        memo.doc.update(changes, updated_at=now_text())
        self._index(memo)

    def order(self, order_id: int) -> Document:
        """Give an order.

        Raises:
            ShopError: 404.
        """
        found = self.orders.get(order_id)
        if found is None:
            raise not_found()
        return found

    def skus(self, item_ids: Iterable[int]) -> dict[int, str]:
        """Give the SKUs of order items, whichever order they belong to; unknown ones are left out."""
        orders = {item_id: self.orders.get(self.item_order.get(item_id, 0)) for item_id in item_ids}
        items = [item for order in orders.values() if order for item in order.get("items") or []]
        return {item["item_id"]: str(item.get("sku") or "") for item in items if item["item_id"] in orders}

    def memos_in(self, order_id: int) -> list[Document]:
        """Give the memo documents of an order."""
        return [memo.doc for memo in self.memos_of_order.get(order_id, {}).values()]
