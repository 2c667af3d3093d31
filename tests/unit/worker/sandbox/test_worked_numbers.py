"""The worked numbers of the contract (3.6): a coupon of 10 % and tax, refunded in four steps to the last cent."""

from collections.abc import Callable
from typing import Any

import pytest

from worker.sandbox import order_services
from worker.sandbox.oracle import Call, Oracle
from worker.sandbox.order_services import Commit
from worker.sandbox.store import Document, Store

Refund = Callable[[Store, Oracle, Document, Call], Commit]


def both(**amounts: float) -> dict[str, float]:
    """Give amounts in the order's and in the base currency."""
    return amounts | {f"base_{name}": amount for name, amount in amounts.items()}


def a_line(item_id: int, price: float, qty: int, discount: float, tax: float) -> dict[str, Any]:
    row = round(price * qty, 2)
    kept = {"item_id": item_id, "sku": f"LAB-{item_id}", "name": f"Lab {item_id}", "product_type": "simple"}
    quantities = {"qty_ordered": qty, "qty_invoiced": qty, "qty_refunded": 0, "qty_shipped": 0, "tax_percent": 8.25}
    amounts = both(
        price=price,
        row_invoiced=row,
        discount_amount=discount,
        discount_invoiced=discount,
        tax_amount=tax,
        tax_invoiced=tax,
    )
    return kept | quantities | amounts


@pytest.mark.parametrize("refund", [order_services.refund_order, order_services.refund_invoice])
def test_four_refunds_are_those_of_the_contract_and_add_up(refund: Refund) -> None:
    lines = [a_line(1, 7.33, 11, 8.06, 5.98), a_line(2, 10.0, 7, 7.0, 5.2)]
    money = both(grand_total=236.75, total_paid=236.75, shipping_amount=90, shipping_incl_tax=90, tax_invoiced=11.18)
    order = {"entity_id": 1, "state": "processing", "status": "processing", "items": lines, **money}
    order["payment"] = {"method": "gateway", "amount_paid": 236.75}
    invoice: dict[str, Any] = {"entity_id": 1, "order_id": 1, "state": 2, **both(shipping_amount=90, tax_amount=11.18)}
    invoice["items"] = [{"order_item_id": 1, "qty": 11}, {"order_item_id": 2, "qty": 7}]
    store = Store()
    store.seed({"orders": [order], "invoices": [invoice]})

    def refunded(quantities: dict[int, float], shipping: float | None) -> float:
        items = [{"order_item_id": item_id, "qty": qty} for item_id, qty in quantities.items()]
        args = {"orderId": 1, "invoiceId": 1, "items": items, "arguments": {"shipping_amount": shipping}}
        memo_id = refund(store, Oracle(), args, Call("refund"))()
        return float(store.memos[int(memo_id)].doc["grand_total"])

    steps = [refunded({1: 3}, 0), refunded({1: 3, 2: 1}, 0), refunded({1: 5}, 1.99), refunded({}, None)]
    assert steps == [21.42, 31.17, 37.7, 146.46]
    assert (store.orders[1]["total_refunded"], store.orders[1]["tax_refunded"]) == (236.75, 11.18)
    assert store.orders[1]["state"] == "closed"
