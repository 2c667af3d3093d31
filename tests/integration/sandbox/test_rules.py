"""Rules of Magento that no recorded scenario plays, each with the section of the contract that states it."""

from typing import Any

import pytest

from tests.integration.sandbox_shop_client import Client, a_shop
from worker.sandbox.orders import sample_orders

pytestmark = pytest.mark.integration

PLAIN = 1  # the first sample order has lines that stand for themselves


async def seeded(client: Client, count: int = 2, **changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    samples = sample_orders(count, first_id=PLAIN)
    samples["orders"][0].update(changes)
    await client.call("POST", "/sandbox/orders", samples)
    return samples["orders"]


def a_memo(order: dict[str, Any], **given: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"creditmemo": {"order_id": order["entity_id"], "store_id": 1, **given}, "offlineRequested": True}


async def test_a_long_number_is_echoed_whole_and_stored_cut() -> None:
    """Section 7: the column holds 50 characters, the answer is the object in memory."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        number = "N" * 60
        _, answer = await client.call("POST", "/rest/V1/creditmemo/refund", a_memo(order, increment_id=number))
        _, stored = await client.call("GET", f"/rest/V1/creditmemo/{answer['entity_id']}")
        assert (answer["increment_id"], stored["increment_id"]) == (number, number[:50])
        status, again = await client.call("POST", "/rest/V1/creditmemo/refund", a_memo(order, increment_id=number))
        assert (status, again["message"]) == (400, "Unique constraint violation found")


async def test_an_adjustment_of_a_given_memo_is_rounded_not_mangled() -> None:
    """Section 3.3: the setter rounds; the order and invoice services read the number as text (section 8 rule 14)."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        _, answer = await client.call(
            "POST", "/rest/V1/creditmemo/refund", a_memo(order, adjustment_positive=1e-5, base_grand_total=0)
        )
        assert (answer["base_adjustment_positive"], answer["adjustment_positive"]) == (0, 0)


async def test_a_comment_that_lands_on_another_memo_is_echoed() -> None:
    """Section 3.3 step 8: kept by the memo that it names, shown by the one that brought it."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        _, first = await client.call("POST", "/rest/V1/creditmemo/refund", a_memo(order))
        comment = {"parent_id": first["entity_id"], "comment": "hello", "is_visible_on_front": 0}
        _, second = await client.call("POST", "/rest/V1/creditmemo/refund", a_memo(order, comments=[comment]))
        assert [(line["comment"], line["parent_id"]) for line in second["comments"]] == [("hello", first["entity_id"])]
        assert "created_at" not in second["comments"][0]
        _, there = await client.call("GET", f"/rest/V1/creditmemo/{first['entity_id']}/comments")
        assert [line["comment"] for line in there["items"]] == ["hello"]


async def test_a_memo_that_changes_no_amount_leaves_the_order_as_it_was() -> None:
    """Section 3.3 step 7: null and 0 are alike to Magento, so nothing is written."""
    async with a_shop() as client:
        order = next(order for order in await seeded(client, 9) if order["items"][0]["qty_ordered"] > 1)
        item = {"order_item_id": order["items"][0]["item_id"], "qty": 1}
        status, _ = await client.call("POST", "/rest/V1/creditmemo/refund", a_memo(order, items=[item]))
        _, after = await client.call("GET", f"/rest/V1/orders/{order['entity_id']}")
        assert (status, "total_refunded" in after, after["items"][0]["qty_refunded"]) == (200, False, 1)


async def test_an_item_of_another_order_cannot_go_back_on_stock() -> None:
    """Section 3.2 step 4.5: a known item is named by its SKU, an unknown one is not part of the original order."""
    async with a_shop() as client:
        order, other = await seeded(client)
        for item_id, message in (
            (other["items"][0]["item_id"], f'The "{other["items"][0]["sku"]}" product is not part of the current'),
            (99999999, "The return to stock argument contains product item that is not part of the original order."),
        ):
            stock = {"extension_attributes": {"return_to_stock_items": [item_id]}}
            status, answer = await client.call(
                "POST", f"/rest/V1/order/{order['entity_id']}/refund", {"arguments": stock}
            )
            assert status == 400
            assert message in answer["message"]


async def test_an_order_that_cost_nothing_is_closed_by_its_second_memo() -> None:
    """Section 3.7: without money, only the credit memos that were stored before tell that it was refunded."""
    names = ("grand_total", "total_paid", "shipping_amount", "shipping_incl_tax")
    nothing = {key: 0 for name in names for key in (name, f"base_{name}")}
    async with a_shop() as client:
        (order, *_) = await seeded(client, **nothing)
        lines = [item["item_id"] for item in order["items"]]
        for item in order["items"]:
            item.update(row_invoiced=0, base_row_invoiced=0, qty_shipped=item["qty_ordered"])
        await client.call("POST", "/sandbox/orders", {"orders": [order]})
        states = []
        for _ in range(2):
            body = {"items": [{"order_item_id": line, "qty": 0} for line in lines]}
            status, _ = await client.call("POST", f"/rest/V1/order/{order['entity_id']}/refund", body)
            _, after = await client.call("GET", f"/rest/V1/orders/{order['entity_id']}")
            states.append((status, after["state"]))
        assert states == [(200, "complete"), (200, "closed")]


async def test_a_body_must_be_utf_8_without_a_mark_and_counts_for_posts_only() -> None:
    """Section 4.3."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        path = f"{client.shop.base_url}/rest/V1/order/{order['entity_id']}"
        headers = {"Content-Type": "application/json"}
        half_a_character = rb'{"comment": {"comment": "\ud83d"}}'
        for raw in (b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b'{"a": "\xff"}', b'{"a": NaN}', half_a_character):
            async with client.session.post(f"{path}/refund", data=raw, headers=headers) as answer:
                assert (answer.status, (await answer.json())["message"]) == (400, "Decoding error.")
        seed = rb'{"orders": [{"entity_id": 1, "customer_firstname": "\ud83d"}]}'
        async with client.session.post(f"{client.shop.base_url}/sandbox/orders", data=seed) as answer:
            assert answer.status == 400
        read = path.replace("order/", "orders/")
        async with client.session.get(read, data=b"{", headers=headers) as answer:
            assert answer.status == 200


async def test_a_page_of_less_than_one_has_one() -> None:
    """Section 5: 0 is no limit; what is below is raised to 1."""
    async with a_shop() as client:
        await seeded(client, 3)
        counts = []
        for size in (0, -5, 2):
            _, found = await client.call("GET", f"/rest/V1/orders?searchCriteria[pageSize]={size}")
            counts.append((len(found["items"]), found["total_count"]))
        assert counts == [(3, 3), (1, 3), (2, 3)]


async def test_an_e_mail_to_the_customer_is_noted_on_the_memo() -> None:
    """Recorded: `notify` sets `email_sent`, whether or not there is a comment; so does the e-mail route (1.4)."""
    async with a_shop() as client:
        order = next(order for order in await seeded(client, 9) if order["items"][0]["qty_ordered"] > 1)
        line = {"order_item_id": order["items"][0]["item_id"], "qty": 1}
        sent, memo_id = [], "0"
        for notify in (True, False):
            body = {"items": [line], "notify": notify, "arguments": {"shipping_amount": 0}}
            _, memo_id = await client.call("POST", f"/rest/V1/order/{order['entity_id']}/refund", body)
            _, memo = await client.call("GET", f"/rest/V1/creditmemo/{memo_id}")
            sent.append(memo.get("email_sent"))
        assert sent == [1, None]
        assert await client.call("POST", f"/rest/V1/creditmemo/{memo_id}/emails") == (200, True)
        _, memo = await client.call("GET", f"/rest/V1/creditmemo/{memo_id}")
        assert memo["email_sent"] == 1


async def test_numbers_are_printed_as_php_does() -> None:
    """Section 2: floats without a fraction print as integers, in what is seeded and in what is made of it."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        _, memo_id = await client.call("POST", f"/rest/V1/order/{order['entity_id']}/refund", {})
        for path in (f"creditmemo/{memo_id}", f"orders/{order['entity_id']}", "invoices/1"):
            async with client.session.get(f"{client.shop.base_url}/rest/V1/{path}") as answer:
                assert ".0," not in await answer.text()


async def test_a_memo_that_cannot_be_stored_says_where_a_page_would_go() -> None:
    """Section 3.8: only the repositories' routes send that header, not the refund services."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        entity = {"order_id": order["entity_id"], "store_id": 1, "increment_id": "N-1"}
        base = f"{client.shop.base_url}/rest/V1/creditmemo"
        assert (await client.call("POST", "/rest/V1/creditmemo", {"entity": entity}))[0] == 200
        async with client.session.post(base, json={"entity": entity}) as answer:
            assert (answer.status, answer.headers.get("errorRedirectAction")) == (400, "#shipping")
        async with client.session.post(f"{base}/refund", json=a_memo(order, increment_id="N-1")) as answer:
            assert (answer.status, answer.headers.get("errorRedirectAction")) == (400, None)


async def test_a_refund_leaves_out_items_without_units_but_shows_them() -> None:
    """RefundOperation::execute marks them as deleted; the answer is the object in memory, which still has them."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        items = [{"order_item_id": order["items"][0]["item_id"], "qty": qty} for qty in (1, 0, -1)]
        _, answer = await client.call("POST", "/rest/V1/creditmemo/refund", a_memo(order, items=items))
        _, stored = await client.call("GET", f"/rest/V1/creditmemo/{answer['entity_id']}")
        assert [item["qty"] for item in answer["items"]] == [1, 0, -1]
        assert [item["entity_id"] is None for item in answer["items"]] == [False, True, True]
        assert [item["qty"] for item in stored["items"]] == [1]


@pytest.mark.parametrize("state", [1, 2])
async def test_a_memo_that_is_only_stored_keeps_items_without_units(state: int) -> None:
    """Relation::processRelation saves every item; only a refund drops those without units."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        items = [{"order_item_id": order["items"][0]["item_id"], "qty": 0}, {"order_item_id": 5}]
        entity = {"order_id": order["entity_id"], "state": state, "items": items}
        _, answer = await client.call("POST", "/rest/V1/creditmemo", {"entity": entity})
        _, stored = await client.call("GET", f"/rest/V1/creditmemo/{answer['entity_id']}")
        assert [item["qty"] for item in answer["items"]] == [item["qty"] for item in stored["items"]] == [0, None]


async def test_a_stored_memo_that_is_refunded_without_items_refunds_those_that_it_has() -> None:
    """Creditmemo::getItems loads the rows when none were sent; they are registered and not stored again."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        line = order["items"][0]["item_id"]
        items = [{"order_item_id": line, "qty": 1, "row_total": 10, "base_row_total": 10}]
        entity = {"order_id": order["entity_id"], "state": 1, "items": items}
        _, saved = await client.call("POST", "/rest/V1/creditmemo", {"entity": entity})
        body = a_memo(order, entity_id=saved["entity_id"], state=1, base_grand_total=10, grand_total=10)
        _, answer = await client.call("POST", "/rest/V1/creditmemo/refund", body)
        assert [item["order_item_id"] for item in answer["items"]] == [line]
        _, after = await client.call("GET", f"/rest/V1/orders/{order['entity_id']}")
        assert (after["items"][0]["qty_refunded"], after["items"][0]["amount_refunded"]) == (1, 10)


async def test_an_item_that_names_a_row_of_its_memo_overwrites_it() -> None:
    """AbstractDb::save updates a row that has an id; one that does not exist stays so."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        line = {"order_item_id": order["items"][0]["item_id"], "qty": 1}
        entity = {"order_id": order["entity_id"], "state": 1, "items": [line]}
        _, saved = await client.call("POST", "/rest/V1/creditmemo", {"entity": entity})
        row = saved["items"][0]["entity_id"]
        items = [{**line, "entity_id": row, "row_total": 7}, {**line, "entity_id": row + 99}]
        changed = entity | {"entity_id": saved["entity_id"], "items": items}
        await client.call("POST", "/rest/V1/creditmemo", {"entity": changed})
        _, stored = await client.call("GET", f"/rest/V1/creditmemo/{saved['entity_id']}")
        assert [(item["entity_id"], item["row_total"]) for item in stored["items"]] == [(row, 7)]


async def test_a_memo_whose_id_does_not_exist_is_answered_and_not_stored() -> None:
    """AbstractDb::updateObject changes no row and says nothing; recorded: an item of it is refused by the database."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        entity: dict[str, Any] = {"entity_id": 99999999, "order_id": order["entity_id"], "grand_total": 5}
        status, answer = await client.call("POST", "/rest/V1/creditmemo", {"entity": entity})
        assert (status, answer) == (200, entity | {"items": [], "comments": []})
        assert (await client.call("GET", "/rest/V1/creditmemo/99999999"))[0] == 404
        entity["items"] = [{"order_item_id": order["items"][0]["item_id"], "qty": 1}]
        status, answer = await client.call("POST", "/rest/V1/creditmemo", {"entity": entity})
        assert (status, answer["message"]) == (400, "The credit memo couldn't be saved.")


async def test_an_online_refund_of_an_unknown_invoice_is_a_php_error() -> None:
    """CreditmemoService::refund saves the empty invoice that it got, whose order has no billing address to ask."""
    async with a_shop() as client:
        (order, *_) = await seeded(client)
        body = a_memo(order, invoice_id=99999999) | {"offlineRequested": False}
        status, answer = await client.call("POST", "/rest/V1/creditmemo/refund", body)
        assert (status, "during application run" in answer) == (500, True)


async def test_a_bundle_is_shipped_together_so_one_refunded_part_leaves_nothing_to_ship() -> None:
    """Item::isDummy(true) with Order::canShip; the bundle itself counts as refunded whole (section 8 rule 9)."""
    async with a_shop() as client:
        order = (await seeded(client, 8))[7]
        part = {"order_item_id": order["items"][1]["item_id"], "qty": 1}
        assert order["items"][0]["product_type"] == "bundle"
        body = {"items": [part], "arguments": {"shipping_amount": 0}}
        assert (await client.call("POST", f"/rest/V1/order/{order['entity_id']}/refund", body))[0] == 200
        _, after = await client.call("GET", f"/rest/V1/orders/{order['entity_id']}")
        assert (after["state"], after["status"]) == ("complete", "complete")
