"""A shop, documents and answers by which every reason code comes about: one job for each."""
# ruff: noqa: ANN401 - documents of any kind

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.sandbox.orders import sample_orders

Document = dict[str, Any]
_SAMPLE = sample_orders(2, seed=0)
#: An order paid through a gateway and invoiced whole: 2 pens over 14.66, 4 mugs over 40.00, shipping 30.00.
_ORDER, _INVOICE = _SAMPLE["orders"][1], _SAMPLE["invoices"][1]
#: Entity id of the order of the first case; each case has its own.
_FIRST = 5000
LOST = 990_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """How one reason comes about.

    Attributes:
        reason: The reason code.
        job: What the job says, beside its key; `order_id` is that of its order unless it says so itself.
        order: What the order has otherwise than the sample.
        invoice: The same of its invoice; None where there is none.
        twin: Another order with these changes.
        answers: What the shop is made to answer, instead of refunding.
        shop: Which configured shop.
        by: Who answers so: Magento, or a proxy before it.
    """

    reason: str
    job: Document = field(default_factory=dict)
    order: Document = field(default_factory=dict)
    invoice: Document | None = field(default_factory=dict)
    twin: Document | None = None
    answers: Sequence[tuple[int, Document | str]] = ()
    shop: str = "default"
    by: str = "magento"


def line(number: int, qty: object = 1) -> Callable[[int], Document]:
    return lambda order_id: {"order_item_id": order_id * 10 + number, "qty": qty}


def of_magento(message: str, **more: Any) -> tuple[int, Document]:
    return 400, {"message": message, **more}


def memo(total: str = "7.33", **changes: Any) -> Callable[[int], Document]:
    """A whole credit memo for one pen."""

    def made(order_id: int) -> Document:
        names = {"subtotal": total, "grand_total": total, "shipping_amount": "0"}
        return {
            "order_id": order_id, "base_currency_code": "USD", "order_currency_code": "USD", **names,
            **{f"base_{name}": value for name, value in names.items()},
            "items": [{"order_item_id": order_id * 10, "qty": 1, "sku": "PEN-3", "price": total, "base_price": total,
                       "row_total": total, "base_row_total": total}],
            **changes,
        }  # fmt: skip

    return made


_REFUNDED_WHOLE = {f"{prefix}total_refunded": 89.17 for prefix in ("", "base_")}
_NO_SHIPPING = {
    f"{prefix}shipping_{name}": 0.0 for prefix in ("", "base_") for name in ("amount", "invoiced", "incl_tax")
}


def both(**amounts: float) -> Document:
    """Amounts that are the same in base and order currency."""
    return {f"{prefix}{name}": value for name, value in amounts.items() for prefix in ("", "base_")}


#: A line with 5.00 of tax, which is refunded already while its pieces are not.
_TAXED_ORDER = {
    **both(tax_amount=5.0, tax_invoiced=5.0, tax_refunded=5.0, total_refunded=5.0),
    **both(grand_total=94.17, total_paid=94.17, total_invoiced=94.17),
    "lines": {0: both(tax_amount=5.0, tax_invoiced=5.0)},
}
_TAXED_INVOICE = {**both(tax_amount=5.0, grand_total=94.17), "lines": {0: both(tax_amount=5.0)}}
_PLAIN: Document = {"items": [line(0)]}
_DOCUMENT = "Creditmemo Document Validation Error(s):\n"

CASES: tuple[Case, ...] = (
    # --- ours -----------------------------------------------------------------------------------------------------
    Case(reason="poison", job={"full": True}),
    Case(reason="internal_error", job={"full": True}),
    Case(reason="outcome_unknown", job={"online": True, **_PLAIN, "invoice": True},
         answers=[(502, "<html>")]),
    Case(reason="attempts_exhausted", job=_PLAIN, answers=[(502, "<html>")]),
    Case(reason="declined", job={"amount": "50.00"}, shop="limited"),
    # --- the order and its names ----------------------------------------------------------------------------------
    Case(reason="order_not_found", job={"order_id": LOST, "full": True}),
    Case(reason="order_number_ambiguous", job={"order_id": None, "order_number": "AMB-1", "full": True},
         order={"increment_id": "AMB-1"}, twin={"increment_id": "AMB-1"}),
    Case(reason="order_number_differs", job={"order_number": "OTHER-1", "full": True}),
    Case(reason="other_order", job={"creditmemo": memo()},
         answers=[(200, {"entity_id": 8, "order_id": 1, "items": []})]),
    Case(reason="invoice_not_found", job={"order_id": None, "invoice_id": LOST, "full": True}),
    Case(reason="invoice_of_other_order", job={"invoice_id": _FIRST, "full": True}),
    Case(reason="order_status", job={"full": True}, order={"state": "holded", "status": "holded"}),
    Case(reason="nothing_left", job={"amount": "1.00"}, order=_REFUNDED_WHOLE),
    Case(reason="max_money", job={"creditmemo": memo("500.00")}),
    Case(reason="no_shipping", job={"amount": "1.00", "shipping_amount": "1.00"}, order=_NO_SHIPPING),
    Case(reason="shipping_too_large", job={"amount": "1.00", "shipping_amount": "31.00"}),
    Case(reason="expected_total_differs", job={"full": True, "expected_total": "1.00"}),
    Case(reason="total_not_positive", job={"items": [{"sku": "PEN-3", "qty": 1}], "adjustment_negative": "50.00"}),
    Case(reason="empty_memo", job={"shipping_amount": "all"}, order=_NO_SHIPPING),
    Case(reason="zero_amount", job={"creditmemo": memo(), "online": True, "invoice": True},
         answers=[of_magento("Online refund amount must be greater than zero.")]),
    # --- lines ----------------------------------------------------------------------------------------------------
    Case(reason="item_not_on_order", job={"items": [{"sku": "NO-SUCH-SKU", "qty": 1}]}),
    Case(reason="sku_ambiguous", job={"items": [{"sku": "PEN-3", "qty": 1}]}, order={"lines": {1: {"sku": "PEN-3"}}}),
    Case(reason="item_not_refundable", job=_PLAIN,
         answers=[of_magento(f"{_DOCUMENT}The creditmemo contains incorrect product items.")]),
    Case(reason="qty_too_large", job={"items": [line(0, 50)]}),
    Case(reason="qty_not_whole", job={"items": [{"sku": "PEN-3", "qty": "0.5"}]}),
    Case(reason="qty_above_invoice", job={"items": [line(0, 2)], "invoice": True}, invoice={"lines": {0: {"qty": 1}}}),
    Case(reason="no_items", job=_PLAIN,
         answers=[of_magento(f"{_DOCUMENT}You can't create a creditmemo without products.")]),
    Case(reason="return_to_stock", job={**_PLAIN, "return_to_stock": [{"order_item_id": LOST}]}),
    Case(reason="stock_item_not_refunded", job={"items": [{"sku": "PEN-3", "qty": 1}], "return_to_stock": [line(1)]}),
    # --- invoices -------------------------------------------------------------------------------------------------
    Case(reason="online_needs_invoice", job={"full": True, "online": True}, invoice=None),
    Case(reason="method_is_offline", job={"full": True, "online": True, "invoice": True},
         order={"payment": {"method": "checkmo"}}),
    Case(reason="no_capture", job={"full": True, "online": True, "invoice": True}, invoice={"transaction_id": None}),
    Case(reason="invoice_not_refundable", job={"full": True, "invoice": True}, invoice={"state": 1}),
    Case(reason="tax_above_left", job={"full": True, "invoice": True, "shipping_amount": "0"}, order=_TAXED_ORDER,
         invoice=_TAXED_INVOICE),
    Case(reason="existing_creditmemo", job={"creditmemo": memo()},
         answers=[of_magento("We cannot register an existing credit memo.")]),
    Case(reason="comments_not_accepted", job={"creditmemo": memo()},
         answers=[of_magento("Cannot save comment:\nParent Creditmemo Id can not be empty")]),
    # --- answers --------------------------------------------------------------------------------------------------
    Case(reason="validation", job=_PLAIN, answers=[of_magento(f"{_DOCUMENT}A rule of an extension.")]),
    Case(reason="bad_request", job={"creditmemo": memo()}, answers=[of_magento("Decoding error.\nSyntax error")]),
    Case(reason="missing_id", job=_PLAIN, answers=[of_magento("An ID is needed. Set the ID and try again.")]),
    Case(reason="request_not_accepted", job=_PLAIN, answers=[(413, "<html>too large</html>")], by="proxy"),
    Case(reason="unknown_refusal", job=_PLAIN, answers=[of_magento("Das geht heute nicht.")]),
    Case(reason="unknown_answer", job=_PLAIN, answers=[(400, "<html>no</html>")]),
    Case(reason="unexpected_answer", job=_PLAIN, answers=[(200, {"done": True})]),
    Case(reason="duplicate_increment_id", job={"creditmemo": memo(increment_id="CM-1", store_id=1)}),
)  # fmt: skip


def order_id_of(case: Case) -> int:
    return _FIRST + 1 + CASES.index(case)


def key_of(case: Case) -> str:
    return f"every-{case.reason}"


def job_of(case: Case) -> Document:
    """The document of a case, with the ids of its order filled in."""
    order_id = order_id_of(case)
    said: Document = {"idempotency_key": key_of(case), "shop": case.shop, **case.job}
    if said.pop("invoice", False):
        said["invoice_id"] = order_id
    if "creditmemo" not in said and said.setdefault("order_id", order_id) is None:
        del said["order_id"]
    filled: Document = _filled(said, order_id)
    if "return_to_stock" in filled:
        filled["return_to_stock"] = [one["order_item_id"] for one in filled["return_to_stock"]]
    return filled


def _filled(value: Any, order_id: int) -> Any:
    if callable(value):
        return value(order_id)
    if isinstance(value, Mapping):
        return {name: _filled(inner, order_id) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, order_id) for inner in value]
    return value


def seeds() -> dict[str, list[Document]]:
    """Orders and invoices for all cases, and one order beside that nobody refunds."""
    orders, invoices = [_order(_FIRST, {})], [_invoice(_FIRST, {})]
    for case in CASES:
        order_id = order_id_of(case)
        orders.append(_order(order_id, case.order))
        if case.invoice is not None:
            invoices.append(_invoice(order_id, case.invoice))
        if case.twin is not None:
            orders.append(_order(order_id + 500, case.twin))
    return {"orders": orders, "invoices": invoices}


def _order(order_id: int, changes: Mapping[str, Any]) -> Document:
    made = copy.deepcopy(dict(_ORDER))
    made |= {"entity_id": order_id, "increment_id": f"E{order_id}"}
    made["payment"] |= {"entity_id": order_id, "parent_id": order_id, "last_trans_id": f"CAP-{order_id}"}
    for number, item in enumerate(made["items"]):
        item |= {"item_id": order_id * 10 + number, "order_id": order_id, **changes.get("lines", {}).get(number, {})}
    made["payment"] |= changes.get("payment", {})
    return made | {name: value for name, value in changes.items() if name not in {"lines", "payment"}}


def _invoice(order_id: int, changes: Mapping[str, Any]) -> Document:
    made = copy.deepcopy(dict(_INVOICE))
    made |= {"entity_id": order_id, "increment_id": f"I{order_id}", "order_id": order_id}
    made["transaction_id"] = f"CAP-{order_id}"
    for number, item in enumerate(made["items"]):
        ids = {"entity_id": order_id * 10 + number, "order_item_id": order_id * 10 + number, "parent_id": order_id}
        item |= {**ids, **changes.get("lines", {}).get(number, {})}
    return made | {name: value for name, value in changes.items() if name != "lines"}
