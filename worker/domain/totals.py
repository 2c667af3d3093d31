"""What a credit memo of Magento will come to, computed before it is asked for.

Restates the totals collectors of Magento 2.4.6 (subtotal, discount, shipping, tax, grand total) for the order and the
invoice service. Pure: documents in, amounts out. Fixed product taxes and shipping shown incl. tax are not covered.

    totals = memo_by_order(order, Asked(quantities={12: 1.0}, shipping_amount=0.0))
    totals.grand_total.base
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.domain import tax_share
from worker.domain.incl_tax import rows_incl_tax
from worker.domain.memo_lines import Asked, MemoLine, RefundRefused, asked_lines, invoiced_lines
from worker.domain.money_math import (
    NOTHING,
    Amount,
    RunningRounder,
    adjustment_number,
    base_to_order_rate,
    number,
    php_round,
    price_text,
)
from worker.domain.order_lines import Document, OrderLine, order_lines

__all__ = ["Asked", "MemoTotals", "RefundRefused", "memo_by_invoice", "memo_by_order"]

#: Magento compares amounts with this tolerance, in units of the currency.
TOLERANCE: Final = 0.0001


@dataclass(slots=True)
class MemoTotals:
    """A credit memo that was computed and not yet made. Amounts are in order and base currency.

    Attributes:
        lines: Lines of the memo; those with a quantity of 0 or less will not be stored.
        adjustment_positive: None when none was asked for.
        adjustment_negative: None when none was asked for.
        discount: Negative, as Magento stores it.
    """

    lines: list[MemoLine]
    subtotal: Amount = NOTHING
    subtotal_incl_tax: Amount = NOTHING
    discount: Amount = NOTHING
    shipping: Amount = NOTHING
    shipping_incl_tax: Amount = NOTHING
    tax: Amount = NOTHING
    shipping_tax: Amount = NOTHING
    discount_tax_compensation: Amount = NOTHING
    adjustment_positive: Amount | None = None
    adjustment_negative: Amount | None = None
    grand_total: Amount = NOTHING
    rounder: RunningRounder = field(default_factory=RunningRounder)

    @property
    def adjustment(self) -> Amount:
        """Goodwill less fee."""
        return (self.adjustment_positive or NOTHING) - (self.adjustment_negative or NOTHING)

    def fields(self) -> dict[str, float]:
        """Give the amounts under the names of Magento's credit memo document."""
        named = {
            "adjustment": self.adjustment,
            "adjustment_negative": self.adjustment_negative,
            "adjustment_positive": self.adjustment_positive,
            "discount_amount": self.discount,
            "discount_tax_compensation_amount": self.discount_tax_compensation,
            "grand_total": self.grand_total,
            "shipping_amount": self.shipping,
            "shipping_incl_tax": self.shipping_incl_tax,
            "shipping_tax_amount": self.shipping_tax,
            "subtotal": self.subtotal,
            "subtotal_incl_tax": self.subtotal_incl_tax,
            "tax_amount": self.tax,
        }
        given = {name: amount for name, amount in named.items() if amount is not None}
        return {n: a.order for n, a in given.items()} | {f"base_{n}": a.base for n, a in given.items()}


def memo_by_order(order: Document, asked: Asked) -> MemoTotals:
    """Compute the memo that `POST /V1/order/:orderId/refund` makes.

    Args:
        order: GET /V1/orders/:id.
        asked: What the request asks for; no shipping amount means all that is left.

    Raises:
        RefundRefused: A collector refuses the quantity or the shipping.
    """
    lines = order_lines(order)
    return _collected(order, asked_lines(lines, asked.quantities), asked, _Source(lines, asked.shipping_amount))


def memo_by_invoice(order: Document, invoice: Document, memos: Iterable[Document], asked: Asked) -> MemoTotals:
    """Compute the memo that `POST /V1/invoice/:invoiceId/refund` makes; quantities are capped to the invoice's.

    Args:
        order: GET /V1/orders/:id.
        invoice: GET /V1/invoices/:id.
        memos: Credit memos of the order, whichever invoice they belong to.
        asked: What the request asks for; no shipping amount means what is left of the invoice's.

    Raises:
        RefundRefused: A collector refuses the quantity or the shipping.
    """
    lines = order_lines(order)
    of_invoice = [memo for memo in memos if memo.get("invoice_id") == invoice["entity_id"]]
    shipping = asked.shipping_amount
    if shipping is None:
        left = number(order, "base_shipping_amount") - number(order, "base_shipping_refunded")
        shipping = min(left, number(invoice, "base_shipping_amount"))
    source = _Source(lines, shipping, invoice, of_invoice, is_shipping_given=asked.shipping_amount is not None)
    return _collected(order, invoiced_lines(lines, invoice, of_invoice, asked.quantities), asked, source)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a memo is made from; `base_shipping` None means all that is left of the order's."""

    lines: Mapping[int, OrderLine]
    base_shipping: float | None
    invoice: Document | None = None
    memos: list[Document] = field(default_factory=list)
    is_shipping_given: bool = True


def _collected(order: Document, lines: list[MemoLine], asked: Asked, source: _Source) -> MemoTotals:
    """Run the collectors in Magento's order; each adds to the grand total."""
    memo = MemoTotals(lines)
    rate = base_to_order_rate(order)
    memo.adjustment_positive = _adjustment(asked.adjustment_positive, rate)
    memo.adjustment_negative = _adjustment(asked.adjustment_negative, rate)
    _collect_subtotal(memo, rows_incl_tax(source.lines))
    _collect_discount(memo, order, source)
    _collect_shipping(memo, order, source.base_shipping)
    if source.invoice is None:
        tax_share.collect_by_order(memo, order, source.lines)
    else:
        tax_share.collect_by_invoice(memo, order, source.lines, source.invoice, source.memos)
    memo.grand_total += memo.adjustment
    return memo


def _adjustment(value: float | None, rate: float) -> Amount | None:
    """Round an adjustment in base currency, then convert it."""
    if value is None:
        return None
    base = php_round(adjustment_number(value))
    return Amount(php_round(base * rate), base)


def _collect_subtotal(memo: MemoTotals, incl_tax: Mapping[int, Amount]) -> None:
    for line in memo.lines:
        if line.order_line.is_dummy:
            continue
        line.compute_rows(memo.rounder, incl_tax[line.order_line.item_id])
        memo.subtotal += line.amounts["row_total"]
        memo.subtotal_incl_tax += line.amounts.get("row_total_incl_tax", NOTHING)
    memo.grand_total += memo.subtotal


def _collect_discount(memo: MemoTotals, order: Document, source: _Source) -> None:
    total = _shipping_discount(order, source)
    for line in memo.lines:
        discount = line.discount(memo.rounder)
        if discount is not None:
            line.amounts["discount_amount"] = discount
            total += discount
    memo.discount = -total
    memo.grand_total -= total


def _shipping_discount(order: Document, source: _Source) -> Amount:
    """Give the share of the order's shipping discount that belongs to the shipping refunded.

    Without an amount, or with 0, Magento falls back to shipping incl. tax less shipping tax, which it copied from the
    *order*. So an explicit 0 on a taxed order gives a negative share: a known fault of Magento, reproduced on purpose.
    """
    base = source.base_shipping or 0.0
    if not base:
        is_given = source.base_shipping is not None and source.is_shipping_given
        incl_tax = 0.0 if is_given else number(order, "base_shipping_incl_tax")
        base = incl_tax - number(order, "base_shipping_tax_amount")
    ordered = Amount.read(order, "shipping_amount")
    if not base:
        return NOTHING
    if ordered.base <= 0:
        raise RefundRefused("You can not refund shipping if there is no shipping amount.")
    share = base * number(order, "base_shipping_discount_amount") / ordered.base
    return Amount(ordered.order * share / ordered.base, share)


def _collect_shipping(memo: MemoTotals, order: Document, asked: float | None) -> None:
    ordered, incl_tax = Amount.read(order, "shipping_amount"), Amount.read(order, "shipping_incl_tax")
    refunded, tax_refunded = Amount.read(order, "shipping_refunded"), Amount.read(order, "shipping_tax_refunded")
    left = ordered - refunded
    if asked is None:
        tax_left = number(order, "shipping_tax_amount") - tax_refunded.order
        base_incl_tax = max(incl_tax.base - refunded.base - tax_refunded.base, 0.0)
        memo.shipping = left
        memo.shipping_incl_tax = Amount(php_round(left.order + tax_left), php_round(base_incl_tax))
    else:
        desired = php_round(asked)
        if desired >= php_round(left.base) + TOLERANCE:
            limit = price_text(left.base, str(order.get("base_currency_code") or ""))
            raise RefundRefused("Maximum shipping amount allowed to refund is: %1", (limit,))
        ratio = desired / ordered.base if ordered.base > 0 else 0.0
        memo.shipping = left if desired > left.base - TOLERANCE else _cents(ordered.times(ratio))
        memo.shipping_incl_tax = _cents(incl_tax.times(ratio))
    memo.grand_total += memo.shipping


def _cents(amount: Amount) -> Amount:
    return Amount(php_round(amount.order), php_round(amount.base))
