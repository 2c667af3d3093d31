"""The simulated shop behind its doors: every route of the API, answered from the store."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from worker.sandbox import memo_comments, memo_services, order_services, schemas
from worker.sandbox.auth import Gatekeeper
from worker.sandbox.columns import INVOICES, MEMOS, ORDERS, TRANSACTIONS
from worker.sandbox.conversion import arguments
from worker.sandbox.errors import ID_NEEDED, ShopError, not_found, refused, required
from worker.sandbox.faults import Faults
from worker.sandbox.oracle import Call, Oracle
from worker.sandbox.order_services import Commit
from worker.sandbox.requests import SERVICES
from worker.sandbox.scripted import Scripts
from worker.sandbox.search import criteria_of, found_by_key, searched
from worker.sandbox.store import Document, Store, now_text

_CHECKS: Final[dict[str, Callable[[Store, Oracle, Document, Call], Commit]]] = {
    "order_refund": order_services.refund_order,
    "invoice_refund": order_services.refund_invoice,
    "creditmemo_refund": memo_services.refund_memo,
    "creditmemo_save": memo_services.save_memo,
}
_PARAMETERS: Final = {
    "order_refund": (schemas.ORDER_REFUND, ("orderId",)),
    "invoice_refund": (schemas.INVOICE_REFUND, ("invoiceId",)),
    "creditmemo_refund": (schemas.MEMO_REFUND, ("creditmemo",)),
    "creditmemo_save": (schemas.MEMO_SAVE, ("entity",)),
}


@dataclass
class Shop:
    """Everything of one simulated shop.

    Attributes:
        latency_seconds: How long every refund takes.
    """

    gatekeeper: Gatekeeper
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    latency_seconds: float = 0.0
    store: Store = field(default_factory=Store)
    oracle: Oracle = field(default_factory=Oracle)
    scripts: Scripts = field(default_factory=Scripts)

    def __post_init__(self) -> None:
        """Start the random numbers."""
        self.random = random.Random(self.seed)  # noqa: S311 - faults, not secrets
        self._locks: dict[int, asyncio.Lock] = {}

    def set_faults(self, faults: Faults) -> None:
        """Let other things go wrong from now on."""
        self.faults = faults
        if faults.seed is not None:
            self.random.seed(faults.seed)

    def reset(self) -> None:
        """Forget all documents and books; tokens and faults stay."""
        self.store.clear()
        self.oracle = Oracle()

    async def answer(self, name: str, given: Document, call: Call) -> Any:  # noqa: ANN401 - any JSON value
        """Answer a call that was let in.

        Args:
            name: Name of the route.
            given: Body, query and path variables merged.
            call: For the books.

        Raises:
            ShopError: Magento refuses.
        """
        if name in SERVICES:
            return await self._refund(name, given, call)
        handler: Callable[[Document], Any] = getattr(self, f"_{name}")
        return handler(given)

    async def _refund(self, name: str, given: Document, call: Call) -> Any:  # noqa: ANN401 - JSON of any kind
        parameters, needed = _PARAMETERS[name]
        args = arguments(given, parameters, needed)
        pause = self.latency_seconds
        if self.faults.delay_seconds and self.random.random() < self.faults.delay:
            pause += self.faults.delay_seconds
        call.is_declined = self.faults.decline > 0 and self.random.random() < self.faults.decline
        check = _CHECKS[name]
        if not pause:
            return check(self.store, self.oracle, args, call)()
        if name != "order_refund":
            commit = check(self.store, self.oracle, args, call)
            await asyncio.sleep(pause)
            return commit()
        async with self._locks.setdefault(args["orderId"], asyncio.Lock()):
            await asyncio.sleep(pause)
            return check(self.store, self.oracle, args, call)()

    def order_of(self, name: str, given: Document) -> int | None:
        """Give the order that a service call is about, where that can be told before it runs."""
        try:
            if name == "order_refund":
                return int(given["orderId"])
            if name == "invoice_refund":
                return int(self.store.invoices[int(given["invoiceId"])]["order_id"])
            memo = given.get("creditmemo") or given.get("entity") or {}
            return int(memo["order_id"])
        except (KeyError, TypeError, ValueError):
            return None

    @staticmethod
    def _id(given: Document) -> int:
        found: int = arguments({"id": given["id"]}, {"id": "int"})["id"]
        if not found:
            raise refused(ID_NEEDED)
        return found

    def _order(self, given: Document) -> Document:
        return self.store.order(self._id(given))

    def _order_status(self, given: Document) -> str:
        return str(self._order(given).get("status"))

    def _orders(self, given: Document) -> Document:
        criteria = criteria_of(given)
        ids = found_by_key(criteria, "entity_id")
        rows = list(self.store.orders.values()) if ids is None else _picked(self.store.orders, ids)
        return searched(rows, ORDERS, criteria)

    def _order_comments(self, given: Document) -> Document:
        histories = self._order(given).get("status_histories") or []
        return _envelope(histories, "parent_id", given["id"])

    def _order_comment(self, given: Document) -> bool:
        order, comment = self._order(given), given.get("statusHistory") or given.get("status_history")
        if not isinstance(comment, dict):
            raise required("statusHistory")
        line = {
            "comment": comment.get("comment"),
            "created_at": now_text(),
            "entity_id": self.store.next_id("history"),
            "entity_name": "order",
            "is_customer_notified": int(bool(comment.get("is_customer_notified"))),
            "is_visible_on_front": int(bool(comment.get("is_visible_on_front"))),
            "parent_id": order["entity_id"],
            "status": comment.get("status") or order.get("status"),
        }
        order["status_histories"] = [line, *(order.get("status_histories") or [])]
        return True

    def _invoice(self, given: Document) -> Document:
        found = self.store.invoices.get(self._id(given))
        if found is None:
            raise not_found()
        return found

    def _invoices(self, given: Document) -> Document:
        criteria = criteria_of(given)
        orders = found_by_key(criteria, "order_id")
        rows = list(self.store.invoices.values())
        if orders is not None:
            rows = [row for group in _picked(self.store.invoices_of_order, orders) for row in group.values()]
        return searched(rows, INVOICES, criteria)

    def _creditmemo(self, given: Document) -> Document:
        return memo_services.memo_of(self.store, self._id(given)).doc

    def _creditmemos(self, given: Document) -> Document:
        criteria = criteria_of(given)
        orders, ids = found_by_key(criteria, "order_id"), found_by_key(criteria, "entity_id")
        if orders is not None:
            rows = [row for group in _picked(self.store.memos_of_order, orders) for row in group.values()]
            rows.sort(key=lambda memo: int(memo.doc["entity_id"]))
        else:
            rows = list(self.store.memos.values()) if ids is None else _picked(self.store.memos, ids)
        return searched(rows, MEMOS, criteria)

    @staticmethod
    def _creditmemo_cancel(_given: Document) -> None:
        raise refused("You can not cancel Credit Memo")

    def _creditmemo_comments(self, given: Document) -> Document:
        memo_id = arguments({"id": given["id"]}, {"id": "int"})["id"]
        memo = self.store.memos.get(memo_id)
        return _envelope(memo.doc["comments"] if memo else [], "parent_id", given["id"])

    def _creditmemo_comment(self, given: Document) -> Document:
        entity = arguments(given, schemas.COMMENT_SAVE, ("entity",))["entity"]
        return memo_comments.save_comment(self.store, entity)

    def _creditmemo_emails(self, given: Document) -> bool:
        self._creditmemo(given)["email_sent"] = 1
        return True

    def _transactions(self, given: Document) -> Document:
        criteria = criteria_of(given)
        orders = found_by_key(criteria, "order_id")
        groups = (
            self.store.invoices_of_order
            if orders is None
            else dict(enumerate(_picked(self.store.invoices_of_order, orders)))
        )
        rows = [
            {
                "transaction_id": invoice["entity_id"],
                "order_id": invoice["order_id"],
                "payment_id": invoice["order_id"],
                "txn_id": invoice["transaction_id"],
                "txn_type": "capture",
                "is_closed": 0,
                "additional_information": [],
                "created_at": invoice.get("created_at"),
                "child_transactions": [],
            }
            for group in groups.values()
            for invoice in group.values()
            if invoice.get("transaction_id")
        ]
        return searched(rows, TRANSACTIONS, criteria)

    def _admin_token(self, given: Document) -> str:
        args = arguments(given, schemas.ADMIN_TOKEN, ("username", "password"))
        return self.gatekeeper.admin_token(args["username"], args["password"])


def _picked(table: dict[int, Any], keys: list[str]) -> list[Any]:
    wanted = sorted({int(key) for key in keys if key.strip().isdigit()})
    return [table[key] for key in wanted if key in table]


def _envelope(items: list[Document], field_name: str, value: object) -> Document:
    condition = {"field": field_name, "value": str(value), "condition_type": "eq"}
    return {
        "items": items,
        "search_criteria": {"filter_groups": [{"filters": [condition]}]},
        "total_count": len(items),
    }


__all__ = ["Shop", "ShopError"]
