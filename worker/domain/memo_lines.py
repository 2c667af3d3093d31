"""Which lines a credit memo gets, and what each of them is worth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.domain.money_math import Amount, RunningRounder, number, php_text
from worker.domain.order_lines import Document, OrderLine

#: State of a credit memo that was cancelled.
CANCELED: Final = 3


class RefundRefused(ValueError):
    """Magento refuses while it computes the memo, before any validator runs.

    Attributes:
        text: Magento's phrase with its placeholders.
        parameters: What belongs into `%1`, `%2`, ...
    """

    def __init__(self, text: str, parameters: tuple[str, ...] = ()) -> None:
        super().__init__(text, parameters)
        self.text, self.parameters = text, parameters

    def __str__(self) -> str:
        """Put the parameters into the phrase."""
        sentence = self.text
        for position, value in enumerate(self.parameters, 1):
            sentence = sentence.replace(f"%{position}", value)
        return sentence


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request to the order or the invoice service asks for.

    Attributes:
        quantities: Units by order item id; None stands for an entry without an id; empty means all that is left.
        shipping_amount: Base currency; None means all that is left.
        adjustment_positive: Base currency; None when not given.
        adjustment_negative: Base currency; None when not given.
        return_to_stock: Order item ids that go back on stock.
        entries: The item list as it was sent, where an id may come twice (the last quantity counts, each is checked).
    """

    quantities: Mapping[int | None, float] = field(default_factory=dict)
    entries: tuple[tuple[int | None, float], ...] = ()
    shipping_amount: float | None = None
    adjustment_positive: float | None = None
    adjustment_negative: float | None = None
    return_to_stock: tuple[int, ...] = ()


@dataclass(slots=True)
class MemoLine:
    """One line of a credit memo.

    Attributes:
        order_line: The line of the order it belongs to.
        qty: Units as asked for: may be negative or a fraction.
        amounts: By Magento's name; what was not computed is absent.
    """

    order_line: OrderLine
    qty: float
    amounts: dict[str, Amount] = field(default_factory=dict)

    @property
    def units(self) -> float:
        """Units that count: never negative, whole unless the product is sold in fractions.

        Raises:
            RefundRefused: More than is left.
        """
        return counted_units(self.order_line, self.qty, self.order_line.name)

    @property
    def is_last(self) -> bool:
        """Whether this line takes all that is left of its order line."""
        return php_text(self.units) == php_text(self.order_line.qty_to_refund)

    @property
    def _share_of(self) -> float:
        """Units that were left before this memo."""
        return self.order_line.qty_invoiced - self.order_line.qty_refunded

    def compute_rows(self, rounder: RunningRounder, incl_tax: Amount) -> None:
        """Compute the row totals: what is left of the row, or the share of it.

        Args:
            rounder: Of the memo.
            incl_tax: Row of the order line with tax, before the discount.
        """
        document, units = self.order_line.document, self.units
        row = Amount.read(document, "row_invoiced") - Amount.read(document, "amount_refunded")
        if not self.is_last and self.order_line.qty_invoiced > 0:
            row = rounder.amount(self._portion(row, units))
        self.amounts["row_total"] = row
        if incl_tax.order and incl_tax.base:
            ordered = number(document, "qty_ordered")
            share = Amount(incl_tax.order / ordered * units, incl_tax.base / ordered * units)
            self.amounts["row_total_incl_tax"] = rounder.amount(share, kinds=("including", "including_base"))

    def discount(self, rounder: RunningRounder) -> Amount | None:
        """Give the discount that goes with this line; None when the order line has none."""
        document = self.order_line.document
        invoiced = Amount.read(document, "discount_invoiced")
        if self.order_line.is_dummy or not invoiced.order or not self.order_line.qty_invoiced:
            return None
        left = invoiced - Amount.read(document, "discount_refunded")
        return left if self.is_last else rounder.amount(self._portion(left, self.qty), is_subtracted=True)

    def taxes(self, rounder: RunningRounder) -> tuple[Amount, Amount] | None:
        """Give the tax and the discount tax compensation of this line; None when it has no part in taxes."""
        line = self.order_line
        if line.is_dummy or self.qty <= 0 or not line.qty_invoiced:
            return None
        tax = _left(line.document, "tax")
        compensation = _left(line.document, "discount_tax_compensation")
        if not self.is_last:
            tax = rounder.amount(self._portion(tax, self.qty))
            compensation = rounder.amount(self._portion(compensation, self.qty))
        return tax, compensation

    def _portion(self, left: Amount, units: float) -> Amount:
        available = self._share_of
        if not available:  # nothing is left: PHP divides 0 units of 0, which only an empty line can reach
            return Amount()
        return Amount(left.order / available * units, left.base / available * units)


def counted_units(line: OrderLine, qty: float, name: str) -> float:
    """Give the units that count of a quantity asked for.

    Args:
        line: The order line.
        qty: As asked for.
        name: What to call the product in the refusal.

    Raises:
        RefundRefused: More than is left, unless the line is a dummy.
    """
    units = max(qty if line.is_decimal else float(int(qty)), 0.0)
    if units > line.qty_to_refund and not line.is_dummy:
        raise RefundRefused('We found an invalid quantity to refund item "%1".', (name,))
    return units


def asked_lines(lines: Mapping[int, OrderLine], asked: Mapping[int | None, float]) -> list[MemoLine]:
    """Give the lines of a memo for a whole order: every line that can be refunded, those not asked for with 0."""
    return [MemoLine(line, _qty(line, asked, {})) for line in lines.values() if _may_refund(line, asked, {})]


def invoiced_lines(
    lines: Mapping[int, OrderLine], invoice: Document, memos: Iterable[Document], asked: Mapping[int | None, float]
) -> list[MemoLine]:
    """Give the lines of a memo for one invoice: used-up lines are dropped and quantities capped, silently.

    Args:
        lines: Lines of the order.
        invoice: The invoice.
        memos: Credit memos of this invoice.
        asked: Units by order item id; empty means all that is left.
    """
    limits = {int(item["order_item_id"]): number(item, "qty") for item in invoice.get("items") or ()}
    for memo in memos:
        for item in () if memo.get("state") == CANCELED else memo.get("items") or ():
            if item["order_item_id"] in limits:
                limits[item["order_item_id"]] -= number(item, "qty")
    found = []
    for item in invoice.get("items") or ():
        line = lines.get(int(item["order_item_id"]))
        if line is not None and _may_refund(line, asked, limits):
            found.append(MemoLine(line, min(_qty(line, asked, limits), number(item, "qty"))))
    return found


def _left(document: Document, name: str) -> Amount:
    return Amount.read(document, f"{name}_invoiced") - Amount.read(document, f"{name}_refunded")


def _may_refund(line: OrderLine, asked: Mapping[int | None, float], limits: Mapping[int, float]) -> bool:
    """Whether a line gets onto the memo; a dummy follows the lines that it stands for."""
    if not line.is_dummy:
        return limits.get(line.item_id, 1.0) > 0
    relatives = line.children or ([line.parent] if line.parent else [])
    if asked:
        return any(asked.get(relative.item_id, 0.0) > 0 for relative in relatives)
    return any(limits.get(relative.item_id, 1.0) > 0 for relative in relatives)


def _qty(line: OrderLine, asked: Mapping[int | None, float], limits: Mapping[int, float]) -> float:
    if line.is_dummy:
        return _dummy_qty(line, asked)
    qty = asked.get(line.item_id, 0.0) if asked else line.qty_to_refund
    if asked and line.item_id not in asked:
        return 0.0
    return min(qty, limits.get(line.item_id, qty))


def _dummy_qty(line: OrderLine, asked: Mapping[int | None, float]) -> float:
    """Give the units of a dummy line; the parent of a dynamic bundle always takes all its units."""
    if line.parent is not None and line.parent.item_id in asked:
        return asked[line.parent.item_id] * line.units_per_parent
    if line.document.get("product_type") == "bundle":
        return line.qty_invoiced
    return line.parent.qty_to_refund * line.units_per_parent if line.parent else 1.0
