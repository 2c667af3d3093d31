"""The shop's own books: what was really done, for tests and demos to compare with."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]


@dataclass
class Call:
    """One request to a service, as far as the books care.

    Attributes:
        service: `order_refund`, `invoice_refund`, `creditmemo_refund` or `creditmemo_save`.
        body: What was sent.
        nonce: OAuth nonce, if it was signed.
        is_declined: Whether the gateway will decline an online refund of this call.
    """

    service: str
    body: Any = None
    nonce: str | None = None
    is_declined: bool = False


@dataclass
class Oracle:
    """Counts calls and keeps every credit memo and every movement of money."""

    memos: list[Document] = field(default_factory=list)
    gateway: list[Document] = field(default_factory=list)
    calls: dict[str, Counter[str]] = field(default_factory=dict)
    overruns: int = 0
    max_in_flight: int = 0
    max_in_flight_per_order: int = 0
    _in_flight: int = 0
    _in_flight_of: Counter[int] = field(default_factory=Counter)

    def entered(self, order_id: int | None) -> int:
        """Count a service call that begins.

        Returns:
            How many are in flight now, this one included.
        """
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        if order_id is not None:
            self._in_flight_of[order_id] += 1
            self.max_in_flight_per_order = max(self.max_in_flight_per_order, self._in_flight_of[order_id])
        return self._in_flight

    def left(self, order_id: int | None) -> None:
        """Count a service call that ends."""
        self._in_flight -= 1
        if order_id is not None:
            self._in_flight_of[order_id] -= 1
            if not self._in_flight_of[order_id]:
                del self._in_flight_of[order_id]

    def answered(self, service: str, answer: int | str) -> None:
        """Count an answer by its HTTP status, or `dropped`."""
        self.calls.setdefault(service, Counter())[str(answer)] += 1

    def memo_made(self, call: Call, doc: Document, note: str | None) -> None:
        """Keep a credit memo that a call made."""
        kept = ("entity_id", "increment_id", "order_id", "invoice_id", "state", "base_grand_total", "grand_total")
        self.memos.append({
            **{key: doc.get(key) for key in (*kept, "transaction_id")},
            "service": call.service,
            "customer_note": note,
            "marker": note or doc.get("transaction_id"),
            "at": time.time(),
            "body": call.body,
            "auth": call.nonce,
        })  # fmt: skip

    def money_moved(self, order_id: int, invoice_id: int, amount: float, transaction_id: str | None) -> None:
        """Keep a call of the gateway; without a transaction id it was declined."""
        self.gateway.append({
            "at": time.time(),
            "order_id": order_id,
            "invoice_id": invoice_id,
            "amount": amount,
            "transaction_id": transaction_id,
            "outcome": "refunded" if transaction_id else "declined",
        })  # fmt: skip

    def ledger(self, since: int = 0) -> Document:
        """Give everything; `since` skips so many credit memos."""
        return {
            "creditmemos": self.memos[since:],
            "total": len(self.memos),
            "gateway": self.gateway,
            "calls": {service: dict(answers) for service, answers in self.calls.items()},
            "max_in_flight": self.max_in_flight,
            "max_in_flight_per_order": self.max_in_flight_per_order,
            "overruns": self.overruns,
        }
