"""Documents for tests, each with few fields; say only what the test is about."""
# ruff: noqa: ANN401 - documents and fields of any kind

from typing import Any

from worker.domain.job import RefundJob, parse_job
from worker.domain.limits import NO_LIMITS, Limits
from worker.domain.service import Service
from worker.intake.accept import stored
from worker.ledger.row import Row
from worker.trail import Act

Document = dict[str, Any]

#: What makes `a_document(service=...)` go to that service.
_OF_SERVICE: dict[Service, Document] = {
    Service.ORDER_REFUND: {},
    Service.INVOICE_REFUND: {"invoice_id": 3},
    Service.CREDITMEMO_REFUND: {"items": None, "creditmemo": {}},
    Service.CREDITMEMO_SAVE: {"items": None, "mode": "persist", "creditmemo": {}},
}


def a_document(*, service: Service = Service.ORDER_REFUND, **changes: Any) -> Document:
    """A job document: one piece of line 11 of order 7. A field changed to None is left out."""
    base: Document = {"idempotency_key": "rma-1", "order_id": 7, "items": [{"order_item_id": 11, "qty": 1}]}
    document = {**base, **_OF_SERVICE[service], **changes}
    if document.get("creditmemo") == {}:
        document["creditmemo"] = a_memo_document()
    return {name: value for name, value in document.items() if value is not None}


def a_memo_document(**changes: Any) -> Document:
    """A whole credit memo, as it is given in a job."""
    memo = {
        "order_id": 7,
        "store_id": 1,
        "grand_total": "10.00",
        "base_grand_total": "10.00",
        "shipping_amount": "0",
        "base_shipping_amount": "0",
        "items": [{"order_item_id": 11, "qty": 1, "row_total": "10.00", "base_row_total": "10.00"}],
    }
    return {name: value for name, value in {**memo, **changes}.items() if value is not None}


def a_job(**changes: Any) -> RefundJob:
    """A validated job; see `a_document`."""
    return parse_job(a_document(**changes))


#: For tests of what comes of a steered campaign, not of who steered it.
A_STEERING = Act(act="campaign.steered", subject="campaign:any", by="ops", why="")


def rows_of(*jobs: RefundJob, limits: Limits = NO_LIMITS) -> list[Row]:
    """Jobs as the ledger accepts them."""
    return [Row.of(job, stored(job), limits) for job in jobs]


def a_line(item_id: int, **changes: Any) -> Document:
    """A line of an order, two pieces, invoiced, nothing refunded."""
    line = {
        "item_id": item_id,
        "sku": f"sku-{item_id}",
        "product_type": "simple",
        "qty_ordered": 2,
        "qty_invoiced": 2,
        "qty_refunded": 0,
        "price": 10,
        "base_price": 10,
        "row_total": 20,
        "base_row_total": 20,
        "row_invoiced": 20,
        "base_row_invoiced": 20,
    }
    return {**line, **changes}


def an_order(**changes: Any) -> Document:
    """An order as Magento's GET route gives it: two lines, paid, with shipping of 5."""
    order = {
        "entity_id": 7,
        "increment_id": "000000107",
        "state": "processing",
        "status": "processing",
        "base_total_paid": 45,
        "total_paid": 45,
        "shipping_amount": 5,
        "base_shipping_amount": 5,
        "base_shipping_incl_tax": 5,
        "payment": {"method": "gateway"},
        "items": [a_line(11), a_line(12)],
    }
    return {**order, **changes}


def an_invoice(**changes: Any) -> Document:
    """The invoice of `an_order`, paid and captured."""
    invoice = {
        "entity_id": 3,
        "order_id": 7,
        "state": 2,
        "transaction_id": "capture-1",
        "base_shipping_amount": 5,
        "items": [{"order_item_id": 11, "qty": 2}, {"order_item_id": 12, "qty": 2}],
    }
    return {**invoice, **changes}


def a_memo(**changes: Any) -> Document:
    """A credit memo as Magento's GET route gives it: one piece of line 11."""
    memo = {
        "entity_id": 91,
        "increment_id": "000000091",
        "order_id": 7,
        "state": 2,
        "base_grand_total": 10,
        "items": [{"order_item_id": 11, "qty": 1}],
        "comments": [],
    }
    return {**memo, **changes}
