"""The tax collector of a credit memo: what the lines carry, what the shipping carries, and what is still allowed."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from worker.domain.memo_lines import MemoLine
from worker.domain.money_math import NOTHING, Amount, RunningRounder, number
from worker.domain.order_lines import Document, OrderLine

_SHIPPING_COMPENSATION = "shipping_discount_tax_compensation_amount"
_BASE_SHIPPING_COMPENSATION = "base_shipping_discount_tax_compensation_amnt"  # spelled so by Magento


class Memo(Protocol):
    """The part of a credit memo that the collector reads and writes."""

    lines: list[MemoLine]
    shipping: Amount
    tax: Amount
    shipping_tax: Amount
    discount_tax_compensation: Amount
    grand_total: Amount
    rounder: RunningRounder


def collect_by_order(memo: Memo, order: Document, lines: Mapping[int, OrderLine]) -> None:
    """Add the taxes of a memo made from the whole order."""
    tax, compensation = _line_taxes(memo)
    base_left = number(order, "base_shipping_amount") - number(order, "base_shipping_refunded")
    ordered = Amount.read(order, "shipping_amount")
    order_compensation = Amount.read(order, _SHIPPING_COMPENSATION, _BASE_SHIPPING_COMPENSATION)
    shipping_tax = shipping_compensation = NOTHING
    is_partial = False
    if base_left > memo.shipping.base:
        part = memo.shipping.order / ordered.order if ordered.order else 0.0
        base_part = memo.shipping.base / ordered.base if ordered.base else 0.0
        shipping_tax = memo.rounder.amount(_parts(Amount.read(order, "shipping_tax_amount"), part, base_part))
        shipping_compensation = memo.rounder.amount(_parts(order_compensation, part, base_part))
        is_partial = part < 1 and (number(order, "shipping_tax_amount") > 0 or _is_shipping_free(order))
    elif base_left == memo.shipping.base:
        shipping_tax = Amount.read(order, "shipping_tax_amount") - Amount.read(order, "shipping_tax_refunded")
        shipping_compensation = order_compensation - Amount.read(order, "shipping_discount_tax_compensation_refunded")
    memo.shipping_tax = shipping_tax
    _settle(memo, tax + shipping_tax, compensation + shipping_compensation, _allowed_by_order(order),
            takes_all=not is_partial and _is_last(memo, lines))  # fmt: skip


def collect_by_invoice(
    memo: Memo, order: Document, lines: Mapping[int, OrderLine], invoice: Document, memos: Iterable[Document]
) -> None:
    """Add the taxes of a memo made from one invoice.

    Args:
        memo: Gets the taxes.
        order: The order.
        lines: Lines of the order.
        invoice: The invoice.
        memos: Earlier memos of this invoice.
    """
    tax, compensation = _line_taxes(memo)
    is_partial = False
    base_ordered = number(order, "base_shipping_amount")
    if base_ordered:
        factor = memo.shipping.base / base_ordered
        shipping_compensation = Amount.read(invoice, _SHIPPING_COMPENSATION, _BASE_SHIPPING_COMPENSATION)
        compensation += shipping_compensation.times(factor)
        memo.shipping_tax = memo.rounder.amount(Amount.read(invoice, "shipping_tax_amount").times(factor))
        compensation = memo.rounder.amount(compensation)
        is_partial = (factor < 1 and number(invoice, "shipping_tax_amount") > 0) or _is_shipping_free(order)
        tax += memo.shipping_tax
    earlier = list(memos)
    # Only the invoice counts, not the order: after an order refund this can be more tax than the order has left.
    tax_allowed = Amount.read(invoice, "tax_amount") - _sum(earlier, "tax_amount")
    compensation_allowed = (
        Amount.read(invoice, "discount_tax_compensation_amount")
        + Amount.read(invoice, _SHIPPING_COMPENSATION, _BASE_SHIPPING_COMPENSATION)
        - _sum(earlier, "discount_tax_compensation_amount")
    )
    allowed = (tax_allowed, compensation_allowed)
    _settle(memo, tax, compensation, allowed, takes_all=not is_partial and _is_last(memo, lines))


def _line_taxes(memo: Memo) -> tuple[Amount, Amount]:
    tax = compensation = NOTHING
    for line in memo.lines:
        taxes = line.taxes(memo.rounder)
        if taxes is None:
            continue
        line.amounts["tax_amount"], line.amounts["discount_tax_compensation_amount"] = taxes
        tax, compensation = tax + taxes[0], compensation + taxes[1]
    return tax, compensation


def _settle(memo: Memo, tax: Amount, compensation: Amount, allowed: tuple[Amount, Amount], *, takes_all: bool) -> None:
    """Cap to what is allowed; the memo that empties the order takes exactly what is left."""
    memo.tax = allowed[0] if takes_all else tax.capped(allowed[0])
    memo.discount_tax_compensation = allowed[1] if takes_all else compensation.capped(allowed[1])
    memo.grand_total += memo.tax + memo.discount_tax_compensation


def _allowed_by_order(order: Document) -> tuple[Amount, Amount]:
    tax = Amount.read(order, "tax_invoiced") - Amount.read(order, "tax_refunded")
    compensation = (
        Amount.read(order, "discount_tax_compensation_invoiced")
        + Amount.read(order, _SHIPPING_COMPENSATION, _BASE_SHIPPING_COMPENSATION)
        - Amount.read(order, "discount_tax_compensation_refunded")
        - Amount.read(order, "shipping_discount_tax_compensation_refunded")
    )
    return tax, compensation


def _is_last(memo: Memo, lines: Mapping[int, OrderLine]) -> bool:
    """Whether every line of the memo takes all that is left; a memo without lines: whether nothing is left at all."""
    if not memo.lines:
        return not any(line.qty_to_refund > 0 for line in lines.values())
    return all(line.order_line.is_dummy or line.is_last for line in memo.lines)


def _is_shipping_free(order: Document) -> bool:
    return number(order, "shipping_discount_amount") >= number(order, "shipping_amount")


def _parts(amount: Amount, part: float, base_part: float) -> Amount:
    return Amount(amount.order * part, amount.base * base_part)


def _sum(memos: Iterable[Document], key: str) -> Amount:
    total = NOTHING
    for memo in memos:
        total += Amount.read(memo, key)
    return total
