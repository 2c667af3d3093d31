"""What the rows of an order come to with tax and before the discount, which the order's GET routes do not show."""

from collections.abc import Mapping

from worker.domain.money_math import Amount, RunningRounder, number
from worker.domain.order_lines import OrderLine


def rows_incl_tax(lines: Mapping[int, OrderLine]) -> dict[int, Amount]:
    """Give `row_total_incl_tax` of each order line as it is stored, by item id.

    The GET routes show `row_total` and `row_total_incl_tax` with the discount taken off (contract 2.8). A line without
    a discount is shown as it is stored; of the others the tax before the discount is reckoned again, rounded with one
    carry per rate over all lines of the order, as Magento's total-based calculation does.
    """
    rounders: dict[float, RunningRounder] = {}
    found = {}
    for item_id, line in lines.items():
        document = line.document
        shown, discount = Amount.read(document, "row_total_incl_tax"), Amount.read(document, "discount_amount")
        found[item_id] = shown
        percent = number(document, "tax_percent")
        if line.is_dummy or not shown.order:
            continue
        whole = Amount.read(document, "row_total") + discount
        tax = rounders.setdefault(percent, RunningRounder()).amount(whole.times(percent / 100))
        if discount.order:
            includes_tax = number(document, "discount_tax_compensation_amount") != 0
            found[item_id] = shown + discount if includes_tax else whole + tax
    return found
