"""The 32 rules of the contract's section 8, one by one: enforced before the call, or made harmless by its form."""
# ruff: noqa: ANN401 - a story is told by the fields of documents

import json
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from tests.factories import Document, a_job, a_line, a_memo, a_memo_document, an_invoice, an_order, rows_of
from worker.domain.answer import Answer, AnswerClass
from worker.domain.answers import read_answer
from worker.domain.facts import Facts, needs
from worker.domain.lines import PreflightRefusal
from worker.domain.plan import Plan, ShopRules, plan
from worker.domain.problems import InvalidJob
from worker.domain.request import render_json
from worker.domain.service import Service
from worker.ledger.ledger import Ledger, OrderBusy

ROOT = Path(__file__).parents[4]
SCENARIOS = ROOT / "tests" / "data" / "magento" / "scenarios"


def line(item_id: int, **changes: Any) -> Document:
    """A line of two pieces at 10.00, with the amounts that a quote reads."""
    return a_line(
        item_id, **{"name": f"Name {item_id}", "price": 10, "row_invoiced": 20, "base_row_invoiced": 20, **changes}
    )


def order(**changes: Any) -> Document:
    """Two lines of 2 x 10.00 and shipping of 5.00: 45.00, all paid."""
    amounts = {"shipping_amount": 5, "shipping_incl_tax": 5, "total_paid": 45, "base_to_order_rate": 1}
    return an_order(**{**amounts, "items": [line(11), line(12)], **changes})


def planned(*, of: Document | None = None, invoices: Any = None, memos: Any = (), **job: Any) -> Plan:
    """The plan of a job whose order was read."""
    found = [an_invoice()] if invoices is None else invoices
    return plan(a_job(**job), Facts(order=of or order(), invoices=found, memos=memos), ShopRules())


def refusal(rule: int, **story: Any) -> str:
    """What the refusal says; it must follow from this rule."""
    with pytest.raises(PreflightRefusal) as caught:
        planned(**story)
    assert caught.value.rule == rule, caught.value.message
    return caught.value.message


def invalid(**job: Any) -> str:
    """What is wrong with a document, said at the door."""
    with pytest.raises(InvalidJob) as caught:
        a_job(**job)
    return "; ".join(f"{problem.field} {problem.reason}" for problem in caught.value.problems)


#: Jobs of every kind that the order and the invoice service do.
KINDS: list[Document] = [
    {},
    {"items": [{"sku": "sku-11", "qty": 1}]},
    {"items": None, "full": True},
    {"items": None, "amount": "1.00"},
    {"items": None, "shipping_amount": "2.00"},
    {"invoice_id": 3},
    {"invoice_id": 3, "items": None, "full": True},
    {"online": True, "items": None, "amount": "1.00"},
]
of_every_kind = pytest.mark.parametrize("job", KINDS, ids=str)


def body_of(job: Document) -> Document:
    """The body as Magento reads it; a plain job is not read first."""
    facts = Facts(order=order(), invoices=[an_invoice()]) if needs(a_job(**job)) else None
    made = plan(a_job(**job), facts, ShopRules())
    body: Document = json.loads(made.request.to_json())
    return body


@of_every_kind
def test_rule_01_the_lines_are_always_named(job: Document):
    assert body_of(job)["items"]


def test_rule_02_every_quantity_is_more_than_0_and_no_memo_is_empty():
    assert "more than 0" in invalid(items=[{"order_item_id": 11, "qty": 0}])
    assert "qty" in invalid(items=[{"order_item_id": 11, "qty": -1}])
    assert "qty is required" in invalid(items=[{"order_item_id": 11}])
    free = order(base_shipping_amount=0, shipping_amount=0, base_shipping_incl_tax=0)
    assert "an empty credit memo" in refusal(2, of=free, items=None, shipping_amount="all")


def test_rule_03_no_more_pieces_than_the_order_has_left():
    said = refusal(3, of=order(items=[line(11, qty_refunded=1), line(12)]), items=[{"sku": "sku-11", "qty": 2}])
    assert said == (
        "2 of sku-11 (line 11) asked, 1 left to refund; "
        "the order has left: 1 x sku-11 (line 11), 2 x sku-12 (line 12); shipping 5.00; money 45.00"
    )


def test_rule_04_no_more_pieces_than_the_invoice_has_left():
    said = refusal(4, invoice_id=3, items=[{"order_item_id": 11, "qty": 2}], memos=[a_memo(invoice_id=3)])
    assert said.startswith("2 of sku-11 (line 11) asked, 1 left on invoice 3; the order has left: 2 x sku-11")


def test_rule_05_whole_pieces_unless_the_product_is_sold_in_fractions():
    assert "sold in whole pieces" in refusal(5, items=[{"sku": "sku-11", "qty": "0.5"}])
    metre = order(items=[line(11, is_qty_decimal=1)])
    assert planned(of=metre, items=[{"sku": "sku-11", "qty": "0.5"}]).request.body["items"] == [
        {"order_item_id": 11, "qty": Decimal("0.5")}
    ]


def test_rule_06_a_line_is_named_once():
    twice = [{"order_item_id": 11, "qty": 1}, {"order_item_id": 11, "qty": 1}]
    assert "a second time" in invalid(items=twice)
    by_two_names = planned(items=[{"order_item_id": 11, "qty": 1}, {"sku": "sku-11", "qty": 1}])
    assert by_two_names.request.body["items"] == [{"order_item_id": 11, "qty": 2}]


def test_rule_07_a_line_belongs_to_the_order():
    said = refusal(7, items=[{"order_item_id": 99, "qty": 1}])
    assert said.startswith("line 99 is not on order 000000107; the order has left: 2 x sku-11")
    memo = a_memo_document(items=[{"order_item_id": 99, "qty": 1, "row_total": "1", "base_row_total": "1"}])
    assert "the order has left" in refusal(7, items=None, creditmemo=memo)


def test_rule_08_a_line_is_on_the_invoice():
    invoice = an_invoice(items=[{"order_item_id": 12, "qty": 2}])
    said = refusal(8, invoice_id=3, invoices=[invoice])
    assert said.startswith("1 of sku-11 (line 11) asked, 0 left on invoice 3; the order has left:")


@pytest.mark.parametrize(
    ("named", "refunded"),
    [(20, {20: 1}), (21, {20: 1}), (30, {31: 2, 32: 1}), (31, {31: 1}), (40, {40: 1}), (41, {40: 1})],
)
def test_rule_09_lines_without_money_stand_for_those_that_have_it(named: int, refunded: dict[int, int]):
    free = {"row_total": 0, "row_invoiced": 0, "base_row_invoiced": 0, "price": 0}
    products = [
        line(20, product_type="configurable"), line(21, parent_item_id=20, **free),
        line(30, product_type="bundle", sku="set"),
        line(31, parent_item_id=30, qty_ordered=4, qty_invoiced=4), line(32, parent_item_id=30),
        line(40, product_type="bundle", sku="box"), line(41, parent_item_id=40, **free),
    ]  # fmt: skip
    made = planned(of=order(items=products), items=[{"order_item_id": named, "qty": 1}])
    items: Any = made.request.body["items"]
    assert {item["order_item_id"]: item["qty"] for item in items} == refunded


@pytest.mark.parametrize("state", ["payment_review", "holded", "canceled", "closed"])
def test_rule_10_the_order_is_in_a_state_that_can_be_refunded(state: str):
    said = refusal(10, of=order(state=state, status=f"my-{state}"))
    assert said.startswith(f"the order has status my-{state}; the order has left: 2 x sku-11")


def test_rule_11_the_order_has_money_left():
    said = refusal(11, of=order(base_total_refunded=45))
    assert said.startswith("45.00 was paid and 45.00 is refunded already; the order has left:")


def test_rule_12_the_total_is_not_more_than_the_order_has_left():
    said = refusal(12, of=order(base_total_refunded=10.5), items=None, amount="34.51")
    assert said.startswith("Magento would refuse: The most money available to refund is 34.5; the order has left:")
    assert said.endswith("money 34.50")
    memo = a_memo_document(grand_total="45.01", base_grand_total="45.01")
    assert "$45.00" in refusal(12, items=None, creditmemo=memo)


def test_rule_13_the_total_is_not_negative():
    said = refusal(13, adjustment_negative="10.01")
    assert said.startswith("Magento would make a negative credit memo over -0.01")
    assert "the order has left" in said
    assert "more than 0" in invalid(items=None, creditmemo=a_memo_document(base_grand_total="-1", grand_total="-1"))


@pytest.mark.parametrize("amount", ["-1", "1.005", "1e-5", 1.5, "1,50"])
def test_rule_14_adjustments_are_plain_amounts_to_the_cent(amount: object):
    assert "adjustment_positive" in invalid(adjustment_positive=amount)
    assert render_json(Decimal("1E-2")) == "0.01"


@of_every_kind
def test_rule_15_the_shipping_is_always_said(job: Document):
    assert "shipping_amount" in body_of(job)["arguments"]


def test_rule_16_no_more_shipping_than_the_order_has_left():
    said = refusal(16, of=order(base_shipping_refunded=2), shipping_amount="3.01")
    assert said.startswith("3.01 shipping asked, 3.00 left; the order has left:")


def test_rule_17_no_shipping_of_an_order_without():
    virtual = order(base_shipping_amount=0, base_shipping_incl_tax=0, shipping_amount=0)
    assert refusal(17, of=virtual, shipping_amount="1.00").startswith("the order has no shipping amount; ")


def test_rule_18_amounts_are_sent_in_base_currency_and_quoted_in_both():
    """The job of a recorded scenario: an order in EUR of a shop in USD."""
    scenario = json.loads((SCENARIOS / "order_currency_partial.json").read_text())
    euro = scenario["before"]["orders"][0]
    made = planned(of=euro, order_id=2093, items=[{"sku": "LAB-B", "qty": 1}],
                   shipping_amount="5.00", adjustment_positive="1.50")  # fmt: skip
    assert '"arguments":{"shipping_amount":5.00,"adjustment_positive":1.50}' in made.request.to_json().decode()
    assert made.quote is not None
    assert (made.quote.grand_total.base, made.quote.grand_total.order) == (Decimal("31.49"), Decimal("28.77"))
    assert (made.quote.base_currency, made.quote.currency) == ("USD", "EUR")


def test_rule_19_the_invoice_is_paid():
    said = refusal(19, invoice_id=3, invoices=[an_invoice(state=1)])
    assert said.startswith("invoice 3 is not paid; the order has left:")


def test_rule_20_an_invoice_of_an_offline_method_is_refunded_by_its_order():
    cheque = order(payment={"method": "checkmo"})
    assert planned(of=cheque, invoice_id=3).service is Service.ORDER_REFUND
    said = refusal(20, of=cheque, invoice_id=3, online=True)
    assert said.startswith("payment method checkmo cannot refund online; the order has left:")


def test_rule_21_online_only_what_was_captured():
    invoice = an_invoice(transaction_id=None)
    assert "no capture at the gateway" in refusal(21, invoice_id=3, online=True, invoices=[invoice])
    memo = {"items": None, "creditmemo": a_memo_document(invoice_id=3), "online": True}
    assert "no capture at the gateway" in refusal(21, invoices=[invoice], **memo)
    assert "the order has left" in refusal(21, invoices=[invoice], **memo)


def test_rule_22_online_never_goes_by_the_order():
    assert planned(online=True).service is Service.INVOICE_REFUND
    said = refusal(22, online=True, invoices=[an_invoice(), an_invoice(entity_id=4)])
    assert "the order has 2 paid ones (3, 4); name invoice_id; the order has left:" in said
    assert "invoice_id" in invalid(items=None, creditmemo=a_memo_document(), online=True)


def test_rule_23_an_invoice_that_was_used_up_is_not_refunded_again():
    paid_back = order(payment={"method": "gateway", "amount_paid": 45, "amount_refunded": 45})
    said = refusal(23, of=paid_back, invoice_id=3, invoices=[an_invoice(is_used_for_refund=1)])
    assert said.startswith("Magento would refuse: We can't create creditmemo for the invoice; the order has left:")


def test_rule_24_only_what_is_refunded_goes_back_on_stock():
    assert "line 12 is not refunded by this job; the order has left" in refusal(24, return_to_stock=[12])
    assert "return_to_stock" in invalid(return_to_stock=[0])
    assert "return_to_stock" in invalid(return_to_stock=[])


@pytest.mark.parametrize("comment", ["", "  ", "0", "done \U0001f44d"])
def test_rule_25_a_comment_is_one_that_magento_can_keep(comment: str):
    assert "comment" in invalid(comment=comment)
    assert body_of({})["comment"]["comment"] == "ref rma-1"


def test_rule_26_a_whole_credit_memo_carries_no_comments():
    assert "creditmemo.comments must not be given" in invalid(
        items=None, creditmemo=a_memo_document(comments=[{"comment": "x"}])
    )


def test_rule_27_a_whole_credit_memo_says_what_magento_would_not_add():
    for name in ("base_grand_total", "grand_total", "shipping_amount", "base_shipping_amount"):
        assert f"creditmemo.{name} is required" in invalid(items=None, creditmemo=a_memo_document(**{name: None}))
    assert "entity_id must not be given" in invalid(items=None, creditmemo=a_memo_document(entity_id=5))
    no_rows = [{"order_item_id": 11, "qty": 1}]
    assert "row_total is required" in invalid(items=None, creditmemo=a_memo_document(items=no_rows))
    late = {
        "grand_total": "10",
        **{k: v for k, v in a_memo_document(adjustment_positive="1").items() if k != "order_id"},
    }
    body = planned(items=None, creditmemo=late).request.body
    sent: Any = body["creditmemo"]
    assert next(iter(sent)) == "order_id"
    assert body["offlineRequested"] is True


def test_rule_28_only_names_that_magento_knows():
    assert "is not a field of the job document" in invalid(item=[])
    assert "items[0].price" in invalid(items=[{"order_item_id": 11, "qty": 1, "price": "1"}])
    assert "creditmemo.foo" in invalid(items=None, creditmemo=a_memo_document(foo="1"))


def test_rule_29_ids_are_entity_ids_and_the_order_is_the_one_that_is_meant():
    assert "increment id" in invalid(order_id="000000021")
    assert "order_id" in invalid(order_id=0)
    assert "the shop answered order 8 for 7" in refusal(29, of=order(entity_id=8))
    assert "not 000000021" in refusal(29, order_id=None, order_number="000000021")
    assert "does not belong" in refusal(29, invoice_id=3, invoices=[an_invoice(order_id=8)])


@pytest.mark.parametrize("service", [Service.ORDER_REFUND, Service.INVOICE_REFUND])
def test_rule_30_a_division_by_zero_in_the_shop_is_never_taken_for_an_answer(service: Service):
    text = "An error has happened during application run. See exception log for details."
    answer = Answer(status=500, content_type="text/plain", text=text)
    reading = read_answer(service, answer, online=False)
    assert (reading.kind, reading.after_absence) == (AnswerClass.IN_DOUBT, "resend")


@of_every_kind
def test_rule_31_nothing_is_asked_of_magentos_queue(job: Document):
    facts = Facts(order=order(), invoices=[an_invoice()]) if needs(a_job(**job)) else None
    made = plan(a_job(**job), facts, ShopRules())
    assert made.request.path.startswith("/V1/")
    assert "async" not in made.request.path
    assert set(made.request.body) <= {"isOnline", "items", "notify", "appendComment", "comment", "arguments"}


async def test_rule_32_one_refund_of_an_order_at_a_time():
    async with FakeAsyncRedis(decode_responses=True) as redis:
        ledger = Ledger(redis)
        await ledger.initialise("first")
        jobs = [a_job(idempotency_key=key) for key in ("a", "b")]
        await ledger.accept(rows_of(*jobs), lane="express", message=1)
        first, second = await ledger.claim(["a", "b"], worker="w", lane="express", message=1)
        await ledger.lock(first, order_id=7)
        with pytest.raises(OrderBusy):
            await ledger.lock(second, order_id=7)


def test_what_the_producer_expects_is_no_rule_but_refused_too():
    said = refusal(0, expected_total="9.99")
    assert said.startswith("9.99 was expected, Magento would refund 10.00; the order has left: 2 x sku-11")
    with pytest.raises(PreflightRefusal) as caught:
        plan(a_job(items=None, creditmemo=a_memo_document(), expected_total="9.99"), None, ShopRules())
    assert caught.value.reason == "expected_total_differs"


def test_a_shop_that_computes_otherwise_can_do_without_quotes():
    never = ShopRules(preflight="never")
    made = plan(a_job(expected_total="9.99"), Facts(order=order()), never)
    assert made.quote is None


def test_an_order_with_totals_of_others_is_sent_without_a_quote():
    gift_card = order(extension_attributes={"base_gift_cards_amount": 45}, base_total_paid=1, total_paid=1)
    assert planned(of=gift_card, items=[{"sku": "sku-11", "qty": 1}]).quote is None


def test_shipping_with_its_tax_is_left_to_the_shop_that_shows_it_so():
    taxed = order(base_shipping_incl_tax=6, shipping_incl_tax=6)
    assert planned(of=taxed, shipping_amount="6.00").quote is None


def test_a_long_order_names_only_its_first_lines():
    long = order(items=[line(number) for number in range(11, 31)])
    assert "2 x sku-20 (line 20), 10 more lines; shipping" in refusal(
        3, of=long, items=[{"order_item_id": 11, "qty": 3}]
    )


def test_every_rule_has_its_test_and_its_row_on_the_page():
    names = [name for name in vars(sys.modules[__name__]) if name.startswith("test_rule_")]
    assert sorted(int(name[10:12]) for name in names) == list(range(1, 33))
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "preflight.md").read_text(), flags=re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, 33))


def test_an_invoice_is_not_refunded_over_more_tax_than_the_order_has_left():
    """Contract 3.6: a refund of the order itself does not lower what Magento takes for the tax of the invoice."""
    taxed = {"tax_invoiced": 1.65, "base_tax_invoiced": 1.65, "row_total_incl_tax": 21.65}
    once = {"qty_refunded": 1, "amount_refunded": 10, "tax_refunded": 0.83}
    once |= {f"base_{name}": once[name] for name in ("amount_refunded", "tax_refunded")}
    left = {"base_total_paid": 46.65, "total_paid": 46.65, "base_tax_invoiced": 1.65, "tax_invoiced": 1.65}
    gone = {"base_total_refunded": 10.83, "total_refunded": 10.83, "base_tax_refunded": 0.83, "tax_refunded": 0.83}
    found = order(items=[line(11, **taxed, **once)], **left, **gone)
    invoices = [an_invoice(tax_amount=1.65, base_tax_amount=1.65)]
    job = {"items": [{"order_item_id": 11, "qty": 1}], "invoice_id": 3}
    by_order: Document = {"invoice_id": None, "tax_amount": 0.83, "base_tax_amount": 0.83, "items": []}

    assert "1.65 of tax by this invoice, the order has 0.82 left" in refusal(
        0, of=found, invoices=invoices, memos=[by_order], **job
    )

    by_invoice = by_order | {"invoice_id": 3, "items": [{"order_item_id": 11, "qty": 1}]}
    made = planned(of=found, invoices=invoices, memos=[by_invoice], **job)
    assert made.quote is not None
    assert made.quote.tax.base == Decimal("0.82")
