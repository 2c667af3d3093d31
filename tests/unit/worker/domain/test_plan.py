"""The exact call that each job becomes, and what is refused before it."""
# ruff: noqa: ANN401 - documents and fields of any kind

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.factories import Document, a_job, a_line, a_memo, a_memo_document, an_invoice, an_order
from worker.domain.facts import Facts, Need, needs
from worker.domain.lines import PreflightRefusal
from worker.domain.plan import Plan, ShopRules, plan, sketch, transaction_marker
from worker.domain.service import Service

CONFIGURABLE = [a_line(20, product_type="configurable", sku="shirt-m"), a_line(21, parent_item_id=20, sku="shirt-m")]
DYNAMIC_BUNDLE = [
    a_line(30, product_type="bundle", sku="set", qty_ordered=2),
    a_line(31, parent_item_id=30, sku="cup", qty_ordered=4, qty_invoiced=4),
    a_line(32, parent_item_id=30, sku="pot", qty_ordered=2),
]
FIXED_BUNDLE = [
    a_line(40, product_type="bundle", sku="box"),
    a_line(41, parent_item_id=40, sku="ribbon", row_total=0, price=0),
]


def planned(
    *, order: Document | None = None, invoices: Any = None, memos: Any = (), rules: Any = None, **job: Any
) -> Plan:
    """The plan of a job, with the order read where it must be."""
    the_job = a_job(**job)
    facts = None
    if needs(the_job) or order is not None:
        found = [an_invoice()] if invoices is None else invoices
        facts = Facts(order=order or an_order(), invoices=found, memos=memos)
    return plan(the_job, facts, rules or ShopRules())


def body_of(**story: Any) -> dict[str, Any]:
    """The body as Magento reads it."""
    body: dict[str, Any] = json.loads(planned(**story).request.to_json(), parse_float=Decimal)
    return body


def items_of(**story: Any) -> dict[int, Decimal]:
    return {line["order_item_id"]: line["qty"] for line in body_of(**story)["items"]}


def refusal_of(**story: Any) -> tuple[str, int]:
    with pytest.raises(PreflightRefusal) as caught:
        planned(**story)
    return caught.value.reason, caught.value.rule


class TestBodies:
    def test_an_order_refund_says_lines_and_shipping_and_carries_the_marker(self):
        made = planned(comment="broken", comment_visible=True, notify=True, adjustment_negative="1.10")

        assert (made.service, made.request.path, made.order_id) == (Service.ORDER_REFUND, "/V1/order/7/refund", 7)
        assert made.request.body == {
            "items": [{"order_item_id": 11, "qty": 1}],
            "notify": True,
            "appendComment": True,
            "comment": {"comment": "broken\nref rma-1", "is_visible_on_front": 1},
            "arguments": {"shipping_amount": Decimal("0.00"), "adjustment_negative": Decimal("1.10")},
        }

    def test_an_invoice_refund_says_whether_it_is_online(self):
        made = planned(invoice_id=3)

        assert (made.service, made.request.path) == (Service.INVOICE_REFUND, "/V1/invoice/3/refund")
        assert made.request.body == {
            "isOnline": False,
            "items": [{"order_item_id": 11, "qty": 1}],
            "notify": False,
            "appendComment": False,
            "comment": {"comment": "ref rma-1", "is_visible_on_front": 0},
            "arguments": {"shipping_amount": Decimal("0.00")},
        }
        assert planned(invoice_id=3, online=True).request.body["isOnline"] is True

    def test_a_credit_memo_refund_begins_with_the_order_and_is_said_to_be_offline(self):
        memo = a_memo_document(order_id=None)
        made = planned(items=None, creditmemo={"grand_total": memo.pop("grand_total"), **memo})

        assert (made.service, made.request.path) == (Service.CREDITMEMO_REFUND, "/V1/creditmemo/refund")
        assert list(made.request.body) == ["creditmemo", "offlineRequested"]
        assert made.request.body["offlineRequested"] is True
        sent: Any = made.request.body["creditmemo"]
        assert next(iter(sent)) == "order_id"
        assert sent["transaction_id"] == "ref rma-1"
        assert "comments" not in sent
        assert "increment_id" not in sent

    def test_an_online_credit_memo_refund_is_not_said_to_be_offline(self):
        body = body_of(items=None, creditmemo=a_memo_document(), invoice_id=3, online=True)

        assert body["offlineRequested"] is False
        assert body["creditmemo"]["invoice_id"] == 3

    def test_a_stored_credit_memo_is_an_entity_and_nothing_else(self):
        made = planned(service=Service.CREDITMEMO_SAVE)

        assert (made.service, made.request.path) == (Service.CREDITMEMO_SAVE, "/V1/creditmemo")
        assert list(made.request.body) == ["entity"]

    def test_amounts_of_a_credit_memo_are_exact_and_texts_stay_texts(self):
        memo = a_memo_document(
            increment_id="000000012",
            transaction_id="0012",
            discount_description="10",
            subtotal="10.10",
            items=[{"order_item_id": 11, "qty": "1", "sku": "0815", "row_total": "10.10", "base_row_total": "10.10"}],
        )

        raw = planned(items=None, creditmemo=memo).request.to_json().decode()

        assert '"increment_id":"000000012"' in raw
        assert '"transaction_id":"0012"' in raw
        assert '"discount_description":"10"' in raw
        assert '"subtotal":10.10' in raw
        assert '"sku":"0815"' in raw
        assert '"row_total":10.10' in raw

    def test_a_shop_may_let_us_number_its_credit_memos(self):
        rules = ShopRules(may_number_memos=True)
        memo = body_of(items=None, creditmemo=a_memo_document(), rules=rules)["creditmemo"]
        without_store = body_of(items=None, creditmemo=a_memo_document(store_id=None), rules=rules)["creditmemo"]

        assert memo["increment_id"].startswith("RF")
        assert "increment_id" not in without_store

    def test_the_longest_key_has_a_marker_that_fits(self):
        assert transaction_marker("k" * 251) == "ref " + "k" * 251
        assert transaction_marker("k" * 252).startswith("ref-sha256 RF")

    def test_a_whole_number_of_cents_goes_out_with_its_digits(self):
        raw = planned(items=None, amount="0.10").request.to_json()

        assert b'"adjustment_positive":0.10' in raw


class TestLines:
    def test_a_sku_becomes_its_line(self):
        assert items_of(items=[{"sku": "sku-12", "qty": 2}]) == {12: 2}

    @pytest.mark.parametrize("name", [{"order_item_id": 20}, {"order_item_id": 21}, {"sku": "shirt-m"}], ids=str)
    def test_a_configurable_product_is_its_parent(self, name: Document):
        order = an_order(items=CONFIGURABLE)

        assert items_of(order=order, items=[{**name, "qty": 1}]) == {20: 1}

    @pytest.mark.parametrize("name", [{"order_item_id": 30}, {"sku": "set"}], ids=str)
    def test_a_bundle_with_dynamic_price_is_its_children(self, name: Document):
        order = an_order(items=DYNAMIC_BUNDLE)

        assert items_of(order=order, items=[{**name, "qty": 1}]) == {31: 2, 32: 1}

    def test_a_child_of_a_bundle_with_dynamic_price_is_itself(self):
        assert items_of(order=an_order(items=DYNAMIC_BUNDLE), items=[{"sku": "cup", "qty": 3}]) == {31: 3}

    @pytest.mark.parametrize("name", [{"order_item_id": 40}, {"order_item_id": 41}, {"sku": "box"}], ids=str)
    def test_a_bundle_with_fixed_price_is_its_parent(self, name: Document):
        assert items_of(order=an_order(items=FIXED_BUNDLE), items=[{**name, "qty": 1}]) == {40: 1}

    def test_full_names_each_line_with_what_is_left_and_all_shipping(self):
        order = an_order(
            items=[a_line(11, qty_refunded=1), a_line(12, qty_refunded=2), *CONFIGURABLE], base_total_paid=90
        )
        body = body_of(order=order, items=None, full=True)

        assert {line["order_item_id"]: line["qty"] for line in body["items"]} == {11: 1, 20: 2}
        assert body["arguments"]["shipping_amount"] == 5

    def test_full_of_an_invoice_takes_what_the_invoice_has_left(self):
        memos = [a_memo(invoice_id=3), a_memo(entity_id=92, invoice_id=3, state=3), a_memo(entity_id=93, invoice_id=4)]

        assert items_of(items=None, full=True, invoice_id=3, memos=memos) == {11: 1, 12: 2}

    def test_goodwill_names_every_line_with_quantity_0(self):
        body = body_of(items=None, amount="12.50")

        assert body["items"] == [{"order_item_id": 11, "qty": 0}, {"order_item_id": 12, "qty": 0}]
        assert body["arguments"] == {"shipping_amount": 0, "adjustment_positive": Decimal("12.50")}

    def test_shipping_alone_names_every_line_with_quantity_0(self):
        assert set(items_of(items=None, shipping_amount="2.00").values()) == {0}

    def test_all_shipping_is_what_is_left_of_it(self):
        body = body_of(shipping_amount="all", order=an_order(base_shipping_refunded=1.5))

        assert body["arguments"]["shipping_amount"] == Decimal("3.50")

    def test_stock_takes_the_children_of_refunded_lines_too(self):
        order = an_order(items=[*CONFIGURABLE, a_line(12)])
        body = body_of(order=order, items=[{"order_item_id": 20, "qty": 1}], return_to_stock=True)

        assert body["arguments"]["extension_attributes"] == {"return_to_stock_items": [20, 21]}

    def test_stock_that_is_named_is_taken_as_it_is(self):
        body = body_of(return_to_stock=[11])

        assert body["arguments"]["extension_attributes"] == {"return_to_stock_items": [11]}

    def test_goodwill_puts_nothing_back_on_stock(self):
        assert "extension_attributes" not in body_of(items=None, amount="1.00", return_to_stock=True)["arguments"]


class TestServices:
    def test_an_online_job_with_an_order_only_takes_its_single_paid_invoice(self):
        made = planned(online=True, invoices=[an_invoice(), an_invoice(entity_id=4, state=3)])

        assert (made.request.path, made.online) == ("/V1/invoice/3/refund", True)

    def test_an_invoice_of_an_offline_method_goes_through_the_order_service(self):
        made = planned(invoice_id=3, order=an_order(payment={"method": "checkmo"}))

        assert (made.service, made.request.path) == (Service.ORDER_REFUND, "/V1/order/7/refund")
        assert "isOnline" not in made.request.body

    def test_what_was_refunded_before_is_kept_as_evidence(self):
        assert planned(order=an_order(base_total_refunded=12.5)).refunded_before == Decimal("12.50")
        assert planned().refunded_before is None


REFUSALS: dict[str, tuple[dict[str, Any], str, int]] = {
    "more than is left": ({"items": [{"sku": "sku-11", "qty": 3}]}, "qty_too_large", 3),
    "two names of one line": (
        {"items": [{"sku": "sku-11", "qty": 2}, {"order_item_id": 11, "qty": 1}]},
        "qty_too_large",
        3,
    ),
    "more than the invoice has left": (
        {
            "invoice_id": 3,
            "invoices": [an_invoice(items=[{"order_item_id": 11, "qty": 1}])],
            "memos": [a_memo(invoice_id=3)],
        },
        "qty_above_invoice",
        4,
    ),
    "half a piece": ({"items": [{"sku": "sku-11", "qty": "0.5"}]}, "qty_not_whole", 5),
    "unknown sku": ({"items": [{"sku": "none", "qty": 1}]}, "item_not_on_order", 7),
    "unknown line": ({"items": [{"order_item_id": 99, "qty": 1}], "order": an_order()}, "item_not_on_order", 7),
    "sku on two lines": (
        {"items": [{"sku": "a", "qty": 1}], "order": an_order(items=[a_line(11, sku="a"), a_line(12, sku="a")])},
        "sku_ambiguous",
        7,
    ),
    "not on the invoice": (
        {"invoice_id": 3, "invoices": [an_invoice(items=[{"order_item_id": 12, "qty": 2}])]},
        "qty_above_invoice",
        8,
    ),
    "closed order": ({"order": an_order(state="closed", status="closed")}, "order_status", 10),
    "held order": ({"order": an_order(state="holded", status="holded")}, "order_status", 10),
    "nothing paid": ({"order": an_order(base_total_paid=None)}, "nothing_left", 11),
    "all refunded": ({"order": an_order(base_total_refunded=45)}, "nothing_left", 11),
    "full of nothing": (
        {"items": None, "full": True, "order": an_order(items=[a_line(11, qty_refunded=2)], base_shipping_amount=0)},
        "nothing_left",
        11,
    ),
    "too much shipping": ({"shipping_amount": "5.01", "order": an_order()}, "shipping_too_large", 16),
    "shipping of none": (
        {"shipping_amount": "1", "order": an_order(base_shipping_amount=0, base_shipping_incl_tax=0)},
        "no_shipping",
        17,
    ),
    "unpaid invoice": ({"invoice_id": 3, "invoices": [an_invoice(state=1)]}, "invoice_not_refundable", 19),
    "online by cheque": ({"online": True, "order": an_order(payment={"method": "checkmo"})}, "method_is_offline", 20),
    "online without a capture": ({"online": True, "invoices": [an_invoice(transaction_id=None)]}, "no_capture", 21),
    "online of two invoices": (
        {"online": True, "invoices": [an_invoice(), an_invoice(entity_id=4)]},
        "online_needs_invoice",
        22,
    ),
    "online of none": ({"online": True, "invoices": []}, "online_needs_invoice", 22),
    "stock that is not refunded": (
        {"return_to_stock": [12], "order": an_order()},
        "stock_item_not_refunded",
        24,
    ),
    "another order": ({"order": an_order(entity_id=8)}, "other_order", 29),
    "another number": ({"order_id": None, "order_number": "000000108"}, "order_number_differs", 29),
    "invoice of another order": ({"invoice_id": 3, "invoices": [an_invoice(order_id=8)]}, "invoice_of_other_order", 29),
    "no such invoice": ({"invoice_id": 4}, "invoice_of_other_order", 29),
}


@pytest.mark.parametrize(("story", "reason", "rule"), REFUSALS.values(), ids=list(REFUSALS))
def test_what_magento_would_refuse_or_do_otherwise_is_refused_before(story: dict[str, Any], reason: str, rule: int):
    assert refusal_of(**story) == (reason, rule)


def test_decimal_lines_are_refunded_in_fractions():
    order = an_order(items=[a_line(11, is_qty_decimal=1)])

    assert items_of(order=order, items=[{"sku": "sku-11", "qty": "0.5"}]) == {11: Decimal("0.5")}


def test_shipping_may_be_given_with_its_tax():
    order = an_order(base_shipping_incl_tax=6)

    assert body_of(order=order, shipping_amount="6.00")["arguments"]["shipping_amount"] == 6


NEEDS: list[tuple[Document, set[Need]]] = [
    ({}, set()),
    ({"service": Service.CREDITMEMO_REFUND}, set()),
    ({"invoice_id": 3}, {Need.INVOICE}),
    ({"order_id": None, "order_number": "1"}, {Need.ORDER_NUMBER}),
    ({"items": [{"sku": "a", "qty": 1}]}, {Need.SKU}),
    ({"items": None, "full": True}, {Need.FULL, Need.SHIPPING}),
    ({"items": None, "full": True, "shipping_amount": "0"}, {Need.FULL}),
    ({"items": None, "amount": "1.00"}, {Need.NO_ITEMS}),
    ({"items": None, "shipping_amount": "all"}, {Need.NO_ITEMS, Need.SHIPPING}),
    ({"online": True}, {Need.SINGLE_INVOICE}),
    ({"return_to_stock": True}, {Need.STOCK}),
    ({"return_to_stock": [11]}, set()),
]


def _named(value: Document | set[Need]) -> str:
    """The id of a case; a set has no order, so its names are sorted."""
    return " ".join(sorted(need.name for need in value)) or "none" if isinstance(value, set) else str(value)


@pytest.mark.parametrize(("changes", "expected"), NEEDS, ids=_named)
def test_an_order_is_only_read_for_a_reason(changes: Document, expected: set[Need]):
    assert set(needs(a_job(**changes))) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"items": None, "full": True},
        {"items": None, "amount": "1"},
        {"online": True},
        {"service": Service.CREDITMEMO_REFUND},
    ],
    ids=str,
)
def test_a_sketch_shows_every_call_without_reading_anything(changes: Document):
    rule, path, body = sketch(a_job(**changes), ShopRules())

    assert path.startswith("/V1/")
    assert body
    assert rule.because
