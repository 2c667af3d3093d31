"""Order lines: which of them Magento refunds, how much is left, and what a job's lines mean.

Magento refuses "dummy" lines (contract section 8, rule 9): of a configurable product the parent is refunded,
of a bundle with dynamic price its children, of a bundle with fixed price the parent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from worker.domain.facts import Document
from worker.domain.job import Line, RefundJob
from worker.domain.money import cents
from worker.domain.order_lines import OrderLine, order_lines

#: Lines of an order that a refusal names.
_MOST_NAMED: Final = 10


class PreflightRefusal(Exception):
    """The live order says that Magento would refuse the job, or do more than was asked. Nothing was sent.

    Attributes:
        reason: Code, as in the dead letter.
        rule: Number of the rule in the contract's section 8; 0 for what no rule there says:
            another total than the producer expected, more tax than is left.
    """

    def __init__(self, reason: str, message: str, *, rule: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.rule = rule


@dataclass(frozen=True, kw_only=True)
class Refundable:
    """A line of the order that Magento refunds.

    Attributes:
        left: Quantity that was invoiced and not refunded.
        stands_for: The line ids that mean this one: itself and, for parents, its children.
    """

    item_id: int
    sku: str
    left: Decimal
    is_decimal: bool
    stands_for: frozenset[int]


def refundable_lines(order: Document) -> dict[int, Refundable]:
    """Give the lines that Magento refunds, by item id, in the order's own sequence."""
    return {item_id: _refundable(line) for item_id, line in order_lines(order).items() if not line.is_dummy}


def _refundable(line: OrderLine) -> Refundable:
    document = line.document
    left = Decimal(str(document.get("qty_invoiced") or 0)) - Decimal(str(document.get("qty_refunded") or 0))
    return Refundable(
        item_id=line.item_id,
        sku=line.sku,
        left=max(left, Decimal(0)),
        is_decimal=line.is_decimal,
        stands_for=frozenset({line.item_id, *(child.item_id for child in line.children)}),
    )


def left_of(order: Document) -> str:
    """Say what an order has left to refund: pieces of each line, shipping and money, in base currency."""
    left = [line for line in refundable_lines(order).values() if line.left > 0]
    pieces = [f"{line.left.normalize():f} x {line.sku} (line {line.item_id})" for line in left[:_MOST_NAMED]]
    if len(left) > _MOST_NAMED:
        pieces.append(f"{len(left) - _MOST_NAMED} more lines")
    shipping = cents(order.get("base_shipping_amount")) - cents(order.get("base_shipping_refunded"))
    money = cents(order.get("base_total_paid")) - cents(order.get("base_total_refunded"))
    return f"the order has left: {', '.join(pieces) or 'no pieces'}; shipping {shipping}; money {money}"


def wanted_lines(job: RefundJob, order: Document) -> dict[int, Decimal]:
    """Resolve a job's lines to `{item_id: qty}` of lines that Magento refunds.

    Raises:
        PreflightRefusal: An unknown line, an ambiguous SKU, or more than is left.
    """
    lines = refundable_lines(order)
    if job.full:
        return {line.item_id: line.left for line in lines.values() if line.left > 0}
    wanted: dict[int, Decimal] = {}
    for asked in job.items or ():
        for line, quantity in _meant(asked, order, lines):
            wanted[line.item_id] = wanted.get(line.item_id, Decimal(0)) + quantity
    for item_id, quantity in wanted.items():
        _check_quantity(lines[item_id], quantity)
    return wanted or dict.fromkeys(lines, Decimal(0))


def _meant(asked: Line, order: Document, lines: Mapping[int, Refundable]) -> Iterator[tuple[Refundable, Decimal]]:
    """Give the lines that one line of the job means: itself, its parent, or a bundle's children pro rata."""
    name = f"line {asked.order_item_id}" if asked.order_item_id else f"SKU {asked.sku}"
    if asked.order_item_id:
        found = [line for line in lines.values() if asked.order_item_id in line.stands_for]
    else:
        found = [line for line in lines.values() if line.sku == asked.sku]
        found = [line for line in found if line.left > 0] or found
    if len(found) > 1:
        ids = ", ".join(str(line.item_id) for line in found)
        raise PreflightRefusal("sku_ambiguous", f"{name} is on lines {ids}; name one by order_item_id", rule=7)
    if found:
        yield found[0], asked.qty
        return
    bundle = _bundle(asked, order)
    if bundle is None:
        raise PreflightRefusal("item_not_on_order", f"{name} is not on order {order.get('increment_id')}", rule=7)
    ordered = Decimal(str(bundle.get("qty_ordered") or 1))
    for child in order["items"]:
        if child.get("parent_item_id") == bundle["item_id"]:
            yield lines[int(child["item_id"])], asked.qty * Decimal(str(child["qty_ordered"])) / ordered


def _bundle(asked: Line, order: Document) -> Document | None:
    for item in order.get("items") or ():
        named = item["item_id"] == asked.order_item_id if asked.order_item_id else item.get("sku") == asked.sku
        if named and not item.get("parent_item_id") and item.get("product_type") == "bundle":
            return dict(item)
    return None


def _check_quantity(line: Refundable, quantity: Decimal) -> None:
    if quantity > line.left:
        message = f"{quantity:f} of {line.sku} (line {line.item_id}) asked, {line.left:f} left to refund"
        raise PreflightRefusal("qty_too_large", message, rule=3)
    if quantity % 1 and not line.is_decimal:
        message = f"{quantity:f} of {line.sku} (line {line.item_id}) asked, but it is sold in whole pieces"
        raise PreflightRefusal("qty_not_whole", message, rule=5)


def of_invoice(
    wanted: Mapping[int, Decimal],
    invoice: Document,
    memos: Sequence[Document],
    order: Document,
    *,
    full: bool,
) -> dict[int, Decimal]:
    """Hold the lines against what the invoice still has, since Magento caps them silently (rules 4 and 8).

    Raises:
        PreflightRefusal: A line that is not on the invoice, or more than it has left.
    """
    left: dict[int, Decimal] = {}
    for item in invoice.get("items") or ():
        line = int(item["order_item_id"])
        left[line] = left.get(line, Decimal(0)) + Decimal(str(item.get("qty") or 0))
    for memo in memos:
        if memo.get("invoice_id") == invoice["entity_id"] and memo.get("state") != 3:  # noqa: PLR2004 - 3 is canceled
            for item in memo.get("items") or ():
                line = int(item["order_item_id"])
                left[line] = left.get(line, Decimal(0)) - Decimal(str(item.get("qty") or 0))
    if full:
        capped = {line: min(quantity, left.get(line, Decimal(0))) for line, quantity in wanted.items()}
        return {line: quantity for line, quantity in capped.items() if quantity > 0}
    skus = {line.item_id: line.sku for line in refundable_lines(order).values()}
    for line, quantity in wanted.items():
        if quantity > max(left.get(line, Decimal(0)), Decimal(0)):
            message = (
                f"{quantity:f} of {skus.get(line)} (line {line}) asked, "
                f"{left.get(line, Decimal(0)):f} left on invoice {invoice['entity_id']}"
            )
            raise PreflightRefusal("qty_above_invoice", message, rule=4 if line in left else 8)
    return {line: quantity for line, quantity in wanted.items() if line in left}
