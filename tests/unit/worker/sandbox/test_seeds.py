"""Seeds that cannot be taken are refused with their place; partial ones are completed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from worker.sandbox.orders import sample_orders
from worker.sandbox.seeds import checked
from worker.sandbox.store import Store

Seeds = dict[str, Any]


def samples() -> Seeds:
    found: Seeds = json.loads(json.dumps(sample_orders(1)))
    return found


def put(*path: str | int, value: object) -> Callable[[Seeds], None]:
    def change(seeds: Seeds) -> None:
        place: Any = seeds
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("order", value=[]), "unknown documents: order; known are: orders, invoices, creditmemos"),
        (put("orders", value={"entity_id": 1}), 'orders must be a list, not {"entity_id": 1}'),
        (put("orders", 0, value="x"), 'orders[0] must be an object, not "x"'),
        (put("orders", 0, value={}), "orders[0] has no entity_id"),
        (put("orders", 0, "entity_id", value="7"), 'orders[0].entity_id must be a whole number above 0, not "7"'),
        (put("orders", 0, "items", value="x"), 'orders[0].items must be a list, not "x"'),
        (put("orders", 0, "items", 0, "item_id", value=True), "orders[0].items[0].item_id must be a whole number"),
        (put("orders", 0, "items", 0, "qty_invoiced", value="2"), "orders[0].items[0].qty_invoiced must be a number"),
        (put("orders", 0, "total_paid", value="lots"), 'orders[0].total_paid must be a number, not "lots"'),
        (put("orders", 0, "payment", value="gateway"), 'orders[0].payment must be an object, not "gateway"'),
        (put("orders", 0, "status_histories", value="x"), 'orders[0].status_histories must be a list, not "x"'),
        (put("invoices", 0, "items", 0, value={"qty": 1}), "invoices[0].items[0] has no order_item_id"),
        (put("creditmemos", value=[{"entity_id": 1}]), "creditmemos[0] has no order_id"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: Callable[[Seeds], None], message: str) -> None:
    seeds = samples()
    change(seeds)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared
        checked(seeds)
    assert str(caught.value).startswith(message)


def test_what_is_missing_or_null_is_empty() -> None:
    assert checked({"orders": None}) == {"orders": [], "invoices": [], "creditmemos": []}


def test_a_partial_memo_gets_what_the_database_would_give() -> None:
    store = Store()
    memo = {
        "entity_id": 7,
        "order_id": 1,
        "items": [{"qty": 1}, {"entity_id": 3, "order_item_id": 5}],
        "comments": None,
    }
    store.seed(checked({"creditmemos": [memo]}))
    doc = store.memos[7].doc
    assert [(item["entity_id"], item["order_item_id"]) for item in doc["items"]] == [(4, None), (3, 5)]
    assert (doc["comments"], doc["created_at"] is not None) == ([], True)
