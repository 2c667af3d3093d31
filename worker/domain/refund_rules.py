"""What Magento's validators say to a credit memo that was computed, in their words and in their order.

All messages are collected; an empty list means that the memo will be made. Zero and negative totals are allowed, as
Magento 2.4.6 is delivered.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from worker.domain.decision import OFFLINE_METHODS
from worker.domain.memo_lines import Asked, MemoLine, RefundRefused
from worker.domain.money_math import number, php_round, php_text
from worker.domain.order_lines import Document, OrderLine, order_lines
from worker.domain.totals import TOLERANCE, MemoTotals

#: The method of an order that costs nothing: its invoices may be refunded although it cannot.
FREE: Final = "free"
ID_NEEDED: Final = "An ID is needed. Set the ID and try again."
#: States of an order in which Magento creates no credit memo (rule 10).
CLOSED_STATES: Final = frozenset({"payment_review", "holded", "canceled", "closed"})
#: The state of an invoice that can be refunded.
INVOICE_PAID: Final = 2


def by_order(
    order: Document, memo: MemoTotals, asked: Asked, *, elsewhere: Mapping[int, str] | None = None
) -> list[str]:
    """Give the messages of the order service; empty when it will make the memo.

    Args:
        order: GET /V1/orders/:id.
        memo: What was computed.
        asked: What the request asks for.
        elsewhere: SKUs of items of other orders by item id, as far as they are known.

    Raises:
        RefundRefused: An entry has no order item id: Magento stops at once.
    """
    lines = order_lines(order)
    return [*_of_memo(order, memo), *_of_items(lines, asked), *_of_stock(lines, memo, asked, elsewhere or {})]


def by_invoice(
    order: Document, invoice: Document, memo: MemoTotals, asked: Asked, *, elsewhere: Mapping[int, str] | None = None
) -> list[str]:
    """Give the messages of the invoice service; empty when it will make the memo.

    Args:
        order: GET /V1/orders/:id.
        invoice: GET /V1/invoices/:id.
        memo: What was computed.
        asked: What the request asks for.
        elsewhere: SKUs of items of other orders by item id, as far as they are known.

    Raises:
        RefundRefused: An entry has no order item id: Magento stops at once.
    """
    lines = order_lines(order)
    refusal = [] if may_refund_invoice(order, invoice) else ["We can't create creditmemo for the invoice."]
    return [*_of_memo(order, memo), *refusal, *_of_items(lines, asked), *_of_stock(lines, memo, asked, elsewhere or {})]


def payment_method(order: Document) -> str:
    """Give the code of the order's payment method; empty when the document has none."""
    return str((order.get("payment") or {}).get("method") or "")


def can_refund_online(order: Document) -> bool:
    """Whether the payment method can move money back."""
    return payment_method(order) not in OFFLINE_METHODS | {FREE, ""}


def may_refund_invoice(order: Document, invoice: Document) -> bool:
    """Whether an invoice may be refunded: paid, and by a method that can refund in parts and has money left."""
    if invoice.get("state") != INVOICE_PAID:
        return False
    if payment_method(order) == FREE:
        return True
    payment = order.get("payment") or {}
    has_money = number(payment, "amount_paid") > number(payment, "amount_refunded")
    return can_refund_online(order) and (has_money or not invoice.get("is_used_for_refund"))


def _of_memo(order: Document, memo: MemoTotals) -> list[str]:
    return [*_of_order(order), *_of_quantities(order, memo), *_of_totals(order, memo)]


def _of_order(order: Document) -> Iterable[str]:
    paid, refunded = number(order, "total_paid"), number(order, "total_refunded")
    if order.get("state") in CLOSED_STATES:
        yield f"A creditmemo can not be created when an order has a status of {order.get('status')}"
    elif paid and abs(php_round(paid) - refunded) < TOLERANCE:
        yield "The order does not allow a creditmemo to be created."


def _of_quantities(order: Document, memo: MemoTotals) -> Iterable[str]:
    total = 0.0
    for line in memo.lines:
        message = _of_quantity(line)
        if message:
            yield message
        else:
            total += line.qty
    shipping_left = php_round(number(order, "shipping_amount")) - number(order, "shipping_refunded")
    if total < 0 and not shipping_left:
        yield "You can't create a creditmemo without products."


def _of_quantity(line: MemoLine) -> str | None:
    if not line.order_line.is_decimal and line.qty % 1:
        return f'We found an invalid quantity to refund item "{line.order_line.sku}".'
    is_dummy = line.order_line.is_dummy
    if (is_dummy and line.qty <= 0) or (not is_dummy and line.qty > line.order_line.qty_to_refund):
        return (
            "The quantity to creditmemo must not be greater than the unrefunded quantity"
            f' for product SKU "{line.order_line.sku}".'
        )
    return None


def _of_totals(order: Document, memo: MemoTotals) -> Iterable[str]:
    paid, refunded = number(order, "base_total_paid"), number(order, "base_total_refunded")
    if php_round(refunded + memo.grand_total.base) > php_round(paid):
        yield f"The most money available to refund is {php_text(paid - refunded)}."


def _of_items(lines: Mapping[int, OrderLine], asked: Asked) -> Iterable[str]:
    for item_id, qty in asked.entries or asked.quantities.items():
        if not item_id:
            raise RefundRefused(ID_NEEDED)
        line = lines.get(item_id)
        if line is None:
            yield "The creditmemo contains product item that is not part of the original order."
        elif line.is_dummy:
            yield "The creditmemo contains incorrect product items."
        elif qty > line.qty_to_refund:
            yield "The quantity to refund must not be greater than the unrefunded quantity."


def _of_stock(
    lines: Mapping[int, OrderLine], memo: MemoTotals, asked: Asked, elsewhere: Mapping[int, str]
) -> Iterable[str]:
    """Only the first message is given."""
    on_memo = {line.order_line.item_id for line in memo.lines}
    for item_id in asked.return_to_stock:
        if not item_id:
            raise RefundRefused(ID_NEEDED)
        if item_id not in lines and item_id not in elsewhere:
            yield "The return to stock argument contains product item that is not part of the original order."
            return
        if item_id not in on_memo:
            sku = lines[item_id].sku if item_id in lines else elsewhere[item_id]
            yield f'The "{sku}" product is not part of the current creditmemo.'
            return
