"""The lines of an order as Magento's refund code sees them: which can be refunded, and which only stand for others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.domain.money_math import number

Document = Mapping[str, Any]


@dataclass(slots=True)
class OrderLine:
    """One line of an order document.

    Attributes:
        document: The item as Magento's GET routes give it.
        parent: Line of the configurable or bundle product that this one belongs to.
        children: Lines that belong to this one.
        is_dummy: Whether it carries no money: the parent of a dynamic bundle, the child of anything else.
    """

    document: Document
    parent: "OrderLine | None" = None
    children: list["OrderLine"] = field(default_factory=list)
    is_dummy: bool = False

    @property
    def item_id(self) -> int:
        """Id of the order item."""
        return int(self.document["item_id"])

    @property
    def sku(self) -> str:
        """Article number."""
        return str(self.document.get("sku") or "")

    @property
    def name(self) -> str:
        """Name of the product."""
        return str(self.document.get("name") or "")

    @property
    def qty_invoiced(self) -> float:
        """Units invoiced."""
        return number(self.document, "qty_invoiced")

    @property
    def qty_refunded(self) -> float:
        """Units refunded so far."""
        return number(self.document, "qty_refunded")

    @property
    def is_decimal(self) -> bool:
        """Whether the product is sold in fractions."""
        return bool(int(number(self.document, "is_qty_decimal")))

    @property
    def counts_children(self) -> bool:
        """Whether the price of the product is the sum of its parts (a bundle with dynamic price).

        REST does not give `product_calculations`; a bundle whose parts have prices of their own is one.
        """
        if self.document.get("product_type") != "bundle":
            return False
        parts = [child.document for child in self.children]
        return any(
            number(part, "price") or number(part, "row_total") or part.get("price_incl_tax") is not None
            for part in parts
        )

    @property
    def qty_to_refund(self) -> float:
        """Units that can still be refunded; 0 for a dummy line."""
        return 0.0 if self.is_dummy else max(self.qty_invoiced - self.qty_refunded, 0.0)

    @property
    def units_per_parent(self) -> float:
        """Units of this line in one unit of its bundle; 1 for anything else."""
        if self.parent is None or self.parent.document.get("product_type") != "bundle":
            return 1.0
        ordered = number(self.parent.document, "qty_ordered")
        return number(self.document, "qty_ordered") / ordered if ordered else 1.0


def order_lines(order: Document) -> dict[int, OrderLine]:
    """Give the lines of an order by item id, in the order of the document, with parents and children linked."""
    items: Iterable[Document] = order.get("items") or ()
    lines = {int(item["item_id"]): OrderLine(item) for item in items}
    for line in lines.values():
        parent = lines.get(int(line.document.get("parent_item_id") or 0))
        if parent is not None:
            line.parent = parent
            parent.children.append(line)
    for line in lines.values():
        if line.children:
            line.is_dummy = line.counts_children
        elif line.parent is not None:
            line.is_dummy = not line.parent.counts_children
    return lines
