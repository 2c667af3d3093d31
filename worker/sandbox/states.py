"""The state of an order after a refund: Magento's resolver, and the check that runs whenever an order is saved."""

from collections.abc import Collection
from typing import Final

from worker.domain.money_math import number, php_round
from worker.domain.order_lines import Document, OrderLine, order_lines

_TOLERANCE: Final = 0.0001
Lines = Collection[OrderLine]
#: Statuses of each state as Magento is delivered; the first is the default.
STATUSES: Final = {
    "new": ("pending",),
    "processing": ("processing", "fraud"),
    "complete": ("complete",),
    "closed": ("closed",),
    "canceled": ("canceled",),
    "holded": ("holded",),
    "payment_review": ("payment_review", "fraud"),
    "pending_payment": ("pending_payment",),
}
_STANDARD: Final = frozenset(status for statuses in STATUSES.values() for status in statuses)


def default_status(state: str) -> str:
    """Give the default status of a state."""
    return STATUSES.get(state, (state,))[0]


def kept_status(order: Document, state: str) -> str:
    """Keep the order's status if it belongs to the new state, else give the default.

    Custom statuses are not known to REST; one is taken to belong to the state that the order has now.
    """
    status = str(order.get("status") or "")
    is_custom = status not in _STANDARD and order.get("state") == state
    return status if is_custom or status in STATUSES.get(state, ()) else default_status(state)


def resolved_state(order: Document) -> str:
    """Give the state for an order as it stands in memory after a refund was booked."""
    lines = order_lines(order).values()
    initial = "processing" if order.get("state") == "processing" else "new"
    if order.get("state") in {"canceled", "holded"} or _can_invoice(order, lines) or _can_ship(order, lines):
        return initial
    if not number(order, "base_grand_total") or _can_creditmemo(order, lines):
        return "complete"
    return "closed" if number(order, "total_refunded") else initial


def on_save(order: Document) -> tuple[str, str]:
    """Give state and status as the save-time check leaves them."""
    lines = order_lines(order).values()
    state, status = str(order.get("state") or ""), str(order.get("status") or "")
    if state in {"canceled", "holded"} or _can_invoice(order, lines):
        return state, status
    is_virtual = bool(order.get("is_virtual"))
    can_ship = _can_ship(order, lines)
    if state in {"processing", "complete"} and not is_virtual and not can_ship and not _can_creditmemo(order, lines):
        return "closed", "closed"
    if is_virtual and status == "closed":
        return "closed", "closed"
    if state == "processing" and (not can_ship or _is_rest_shipped(order, lines)):
        return "complete", "complete"
    return state, status


def _can_invoice(order: Document, lines: Lines) -> bool:
    if order.get("state") in {"complete", "closed", "canceled", "holded", "payment_review"}:
        return False
    return any(
        not line.is_dummy
        and number(line.document, "qty_ordered") - line.qty_invoiced - number(line.document, "qty_canceled") > 0
        for line in lines
    )


def _can_ship(order: Document, lines: Lines) -> bool:
    if order.get("is_virtual") or order.get("state") in {"canceled", "holded", "payment_review"}:
        return False
    return any(_is_shippable(line) for line in lines)


def _is_shippable(line: OrderLine) -> bool:
    """Whether units are left to ship; children travel with their parent.

    Bundles can also be shipped in parts, which REST does not tell; together is Magento's default.
    """
    if line.parent is not None:
        return False
    document = line.document
    gone = max(number(document, "qty_shipped"), line.qty_refunded) + number(document, "qty_canceled")
    ordered = number(document, "qty_ordered")
    return ordered - gone > 0 and not document.get("is_virtual") and line.qty_refunded != ordered


def _can_creditmemo(order: Document, lines: Lines) -> bool:
    if order.get("state") in {"closed", "canceled", "holded", "payment_review"}:
        return False
    paid, refunded = number(order, "total_paid"), number(order, "total_refunded")
    left = php_round(paid) - refunded
    if abs(number(order, "grand_total")) < _TOLERANCE:  # an order that cost nothing can be refunded once
        if paid > number(order, "grand_total"):
            return abs(left - number(order, "adjustment_negative")) >= _TOLERANCE
        return not _can_invoice(order, lines) and not (refunded == paid and order.get("has_creditmemos"))
    return abs(left) >= _TOLERANCE and abs(left - number(order, "adjustment_negative")) >= _TOLERANCE


def _is_rest_shipped(order: Document, lines: Lines) -> bool:
    shipped = sum(int(number(line.document, "qty_shipped")) for line in lines)
    refunded = sum(int(line.qty_refunded) for line in lines if line.document.get("product_type") == "simple")
    return shipped > 0 and number(order, "total_qty_ordered") <= refunded + shipped
