"""`refunds explain`: service, route, body and rule for every row of the decision table."""

import json
from typing import Any

import pytest

from tests.stack import Stack
from worker.domain.decision import RULES

MEMO: dict[str, Any] = {
    "order_id": 7, "grand_total": "5.00", "base_grand_total": "5.00", "shipping_amount": "0",
    "base_shipping_amount": "0", "base_currency_code": "USD", "order_currency_code": "USD",
}  # fmt: skip
LINE = [{"order_item_id": 71, "qty": 1}]

#: By rule: the job, Magento's service, and the path.
ROWS: dict[str, tuple[dict[str, Any], str, str]] = {
    "persist-creditmemo": (
        {"mode": "persist", "creditmemo": MEMO},
        "salesCreditmemoRepositoryV1",
        "/V1/creditmemo",
    ),
    "process-creditmemo": ({"creditmemo": MEMO}, "salesCreditmemoManagementV1", "/V1/creditmemo/refund"),
    "online-invoice": (
        {"order_id": 7, "invoice_id": 9, "items": LINE, "online": True},
        "salesRefundInvoiceV1",
        "/V1/invoice/9/refund",
    ),
    "online-single-invoice": (
        {"order_id": 7, "full": True, "online": True},
        "salesRefundInvoiceV1",
        "/V1/invoice/:invoiceId/refund",
    ),
    "offline-invoice": ({"invoice_id": 9, "items": LINE}, "salesRefundInvoiceV1", "/V1/invoice/9/refund"),
    "order": ({"order_id": 7, "items": LINE}, "salesRefundOrderV1", "/V1/order/7/refund"),
}


@pytest.fixture(scope="module")
def said(stack: Stack) -> dict[str, dict[str, Any]]:
    """One run for all rows, without any setting: nothing is connected to."""
    lines = [json.dumps({"idempotency_key": rule, **job}) for rule, (job, _, _) in ROWS.items()]
    env = {"REFUNDS_SHOPS": "", "REFUNDS_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = stack.refunds("explain", "-", "--json", input="\n".join(lines), env=env)
    assert done.returncode == 0, done.stderr
    return {line["idempotency_key"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_every_row_of_the_table_is_explained_here():
    assert {*ROWS, "offline-invoice-of-offline-method"} == {rule.name for rule in RULES}


@pytest.mark.parametrize("rule", ROWS)
def test_it_names_service_route_body_and_rule(said: dict[str, dict[str, Any]], rule: str):
    _, service, path = ROWS[rule]
    line = said[rule]
    assert (line["rule"], line["magento_service"], line["path"]) == (rule, service, path)
    assert line["because"]
    assert line["body"]
    assert line["marker"] == f"ref {rule}"


def test_an_offline_method_sends_an_invoice_to_the_order_service(stack: Stack):
    """Order 6 of the samples is paid by checkmo; only a look at it can tell."""
    job = {"idempotency_key": "e-1", "invoice_id": 6, "amount": "1.00"}
    done = stack.refunds("explain", "-", "--live", "--json", input=json.dumps(job))
    line = json.loads(done.stdout)
    assert (line["rule"], line["path"]) == ("offline-invoice-of-offline-method", "/V1/order/6/refund")


def test_people_get_it_in_words(stack: Stack):
    job = {"idempotency_key": "e-2", "order_number": "000000004", "items": [{"sku": "MUG-01", "qty": 1}]}
    done = stack.refunds("explain", "-", input=json.dumps(job))
    assert "salesRefundOrderV1" in done.stdout
    assert "POST /V1/order/:orderId/refund" in done.stdout
    assert "order: an order only: refunded offline" in done.stdout
    assert "looked up first: SKUs are resolved to order lines" in done.stdout


def test_a_preflight_refusal_is_told_with_its_rule(stack: Stack):
    job = {"idempotency_key": "e-3", "order_id": 4, "items": [{"sku": "NOT-THERE", "qty": 1}]}
    done = stack.refunds("explain", "-", "--live", input=json.dumps(job))
    assert done.returncode == 1
    assert "REFUSED, nothing would be sent: item_not_on_order" in done.stdout
    assert "pre-flight rule 7" in done.stdout


class TestQuote:
    """`--live`: what Magento will make of a job."""

    def test_it_is_shown_as_a_table(self, stack: Stack):
        job = {"idempotency_key": "e-4", "order_id": 4, "full": True}
        done = stack.refunds("explain", "-", "--live", input=json.dumps(job))
        total = stack.shop("GET", "/rest/V1/orders/4")["base_grand_total"]
        assert done.returncode == 0, done.stderr
        assert "quote: what Magento will make of it" in done.stdout
        assert "grand total" in done.stdout
        assert f"{total:.2f}" in done.stdout.split("grand total", 1)[1].split("\n", 1)[0]

    def test_it_is_in_the_json_too(self, stack: Stack):
        job = {"idempotency_key": "e-5", "order_id": 4, "amount": "1.25"}
        line = json.loads(stack.refunds("explain", "-", "--live", "--json", input=json.dumps(job)).stdout)
        assert line["quote"]["grand_total"]["base"] == "1.25"
        assert line["quote"]["lines"] == []

    def test_a_plain_job_is_quoted_although_a_worker_would_not_read_it(self, stack: Stack):
        item = stack.shop("GET", "/rest/V1/orders/4")["items"][0]
        job = {"idempotency_key": "e-6", "order_id": 4, "items": [{"order_item_id": item["item_id"], "qty": 1}]}
        line = json.loads(stack.refunds("explain", "-", "--live", "--json", input=json.dumps(job)).stdout)
        assert line["looked_up_first"] == []
        assert line["quote"]["lines"][0]["order_item_id"] == item["item_id"]

    def test_a_plain_job_that_the_shop_would_refuse_says_so(self, stack: Stack):
        job = {"idempotency_key": "e-7", "order_id": 4, "items": [{"order_item_id": 999_999, "qty": 1}]}
        done = stack.refunds("explain", "-", "--live", input=json.dumps(job))
        assert done.returncode == 1
        assert "WOULD BE REFUSED by the shop: item_not_on_order" in done.stdout
        assert "the order has left:" in done.stdout

    def test_an_expectation_that_is_wrong_is_told(self, stack: Stack):
        job = {"idempotency_key": "e-8", "order_id": 4, "amount": "1.25", "expected_total": "1.20"}
        done = stack.refunds("explain", "-", "--live", input=json.dumps(job))
        assert "expected_total_differs: 1.20 was expected, Magento would refund 1.25" in done.stdout
