"""From a job (and what was read of its order) to the one call that will be made: service, route, exact body. Pure.

Every body says what Magento would otherwise add on its own: the lines, the shipping, `offlineRequested`
(contract section 0, facts 2 and 3; section 8, rules 1, 15 and 27).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from worker.domain.creditmemo import AMOUNT_FIELDS
from worker.domain.decision import OFFLINE_METHODS, Rule, decide
from worker.domain.facts import Document, Facts, Preflight, named_order, needs
from worker.domain.job import RefundJob
from worker.domain.key import marked_comment, marker, own_number
from worker.domain.lines import PreflightRefusal, left_of, of_invoice, refundable_lines, wanted_lines
from worker.domain.money import cents
from worker.domain.preflight import check_order, check_refundable, checked_quote, invoice_of, shipping_of
from worker.domain.quote import Quote
from worker.domain.request import MagentoRequest
from worker.domain.service import Service

#: Refusals that say nothing of the order that is meant: they do not name what is left of it.
_ABOUT_ANOTHER_ORDER: Final = frozenset({29})
_MAX_TRANSACTION_ID: Final = 255


@dataclass(frozen=True, kw_only=True)
class ShopRules:
    """What differs between shops for a plan.

    Attributes:
        offline_methods: Payment methods that the invoice service always refuses.
        may_number_memos: Whether credit memo increment ids may be derived from keys (unique in Magento).
        preflight: When orders are read and calls are quoted before they are made.
    """

    offline_methods: frozenset[str] = OFFLINE_METHODS
    may_number_memos: bool = False
    preflight: Preflight = "auto"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The call that a job becomes.

    Attributes:
        rule: The row of the decision table.
        order_id: The order that is refunded: what the order lock is about.
        online: Whether the gateway is asked, so that a failure may hide moved money.
        refunded_before: The order's base_total_refunded when it was read; None where it was not.
        quote: What Magento will make of it; None where that is not known.
    """

    rule: Rule
    request: MagentoRequest
    order_id: int
    online: bool
    refunded_before: Decimal | None = None
    quote: Quote | None = None

    @property
    def service(self) -> Service:
        """The service that is called."""
        return self.rule.service


def plan(job: RefundJob, facts: Facts | None, shop: ShopRules) -> Plan:
    """Make the plan of a job.

    Args:
        job: A validated job.
        facts: What was read; may be None only when `needs(job)` is empty.
        shop: The shop's rules.

    Raises:
        PreflightRefusal: Magento would refuse, or do something else than was asked.
    """
    if facts is None:
        return _planned_blind(job, shop)
    try:
        return _planned(job, facts, shop)
    except PreflightRefusal as refusal:
        if refusal.rule in _ABOUT_ANOTHER_ORDER:
            raise
        message = f"{refusal.message}; {left_of(facts.order)}"
        raise PreflightRefusal(refusal.reason, message, rule=refusal.rule) from None


def _planned_blind(job: RefundJob, shop: ShopRules) -> Plan:
    """Plan a job that says everything itself."""
    assert not needs(job), "bug: this job needs a look-up"  # noqa: S101 - a caller's mistake, not an input
    rule = decide(job, offline_methods=shop.offline_methods)
    order_id = named_order(job)
    if order_id is None:
        raise AssertionError("bug: validation lets no such job through")
    request = _request(rule, order_id, job.invoice_id, _explicit_body(job, rule, order_id, shop))
    made = checked_quote(job, request, None, None, shop.preflight)
    return Plan(rule=rule, request=request, order_id=order_id, online=job.online, quote=made)


def _planned(job: RefundJob, facts: Facts, shop: ShopRules) -> Plan:
    """Plan a job whose order was read."""
    check_order(job, facts.order)
    rule = decide(job, payment_method=facts.payment_method, offline_methods=shop.offline_methods)
    invoice = invoice_of(job, facts)
    if not job.is_persist:
        check_refundable(job, rule, facts, invoice, shop.offline_methods)
    if job.creditmemo is not None:
        body = _memo_body(job, rule, facts.order_id, shop)
    else:
        body = _looked_up_body(job, rule, facts, invoice)
    request = _request(rule, facts.order_id, invoice["entity_id"] if invoice else None, body)
    return Plan(
        rule=rule,
        request=request,
        order_id=facts.order_id,
        online=job.online,
        refunded_before=cents(facts.order.get("base_total_refunded")),
        quote=checked_quote(job, request, facts, invoice, shop.preflight),
    )


def sketch(job: RefundJob, shop: ShopRules) -> tuple[Rule, str, dict[str, Any]]:
    """Show rule, route and body of a job without reading anything; what a look-up would fill in is in <brackets>."""
    rule = decide(job, offline_methods=shop.offline_methods)
    if job.creditmemo is not None:
        body = _memo_body(job, rule, named_order(job) or "<entity id of the order>", shop)
    else:
        body = _refund_body(job, rule, _sketched_items(job), _sketched_shipping(job), _sketched_stock(job))
    order_id = named_order(job) or ":orderId"
    return rule, _path(rule.service, order_id, job.invoice_id or ":invoiceId"), body


def _sketched_items(job: RefundJob) -> object:
    if job.full:
        return ["<every line with the quantity that is left>"]
    if not job.items:
        return ["<every line with qty 0>"]
    return [{"order_item_id": line.order_item_id or f"<line of SKU {line.sku}>", "qty": line.qty} for line in job.items]


def _sketched_shipping(job: RefundJob) -> object:
    asked = job.shipping_amount if job.shipping_amount is not None else ("all" if job.full else Decimal("0.00"))
    return "<all shipping that is left>" if asked == "all" else asked


def _sketched_stock(job: RefundJob) -> object:
    return ["<every refunded line>"] if job.return_to_stock is True else job.return_to_stock


def _explicit_body(job: RefundJob, rule: Rule, order_id: int, shop: ShopRules) -> dict[str, Any]:
    if job.creditmemo is not None:
        return _memo_body(job, rule, order_id, shop)
    items = [{"order_item_id": line.order_item_id, "qty": line.qty} for line in job.items or ()]
    return _refund_body(job, rule, items, job.shipping_amount or Decimal("0.00"), job.return_to_stock)


def _looked_up_body(job: RefundJob, rule: Rule, facts: Facts, invoice: Document | None) -> dict[str, Any]:
    wanted = wanted_lines(job, facts.order)
    if invoice is not None:
        wanted = of_invoice(wanted, invoice, facts.memos, facts.order, full=job.full)
    shipping = shipping_of(job, facts.order, invoice)
    if job.full and not wanted and shipping == 0:
        raise PreflightRefusal("nothing_left", "nothing is left to refund", rule=11)
    items = [{"order_item_id": line, "qty": quantity} for line, quantity in wanted.items()]
    if not items:  # an empty list would refund everything
        items = [{"order_item_id": line, "qty": Decimal(0)} for line in refundable_lines(facts.order)]
    return _refund_body(job, rule, items, shipping, _stock(job, facts.order, wanted))


def _refund_body(job: RefundJob, rule: Rule, items: object, shipping: object, stock: object) -> dict[str, Any]:
    """The body of the order and invoice services (contract 1.2, 2.3 to 2.5)."""
    arguments: dict[str, Any] = {"shipping_amount": shipping}
    if positive := job.amount or job.adjustment_positive:
        arguments["adjustment_positive"] = positive
    if job.adjustment_negative:
        arguments["adjustment_negative"] = job.adjustment_negative
    if stock:
        arguments["extension_attributes"] = {"return_to_stock_items": stock}
    body: dict[str, Any] = {
        "items": items,
        "notify": job.notify,
        "appendComment": job.notify and job.comment_visible,
        "comment": {
            "comment": marked_comment(job.idempotency_key, job.comment),
            "is_visible_on_front": int(job.comment_visible),
        },
        "arguments": arguments,
    }
    return {"isOnline": job.online, **body} if rule.service is Service.INVOICE_REFUND else body


def _memo_body(job: RefundJob, rule: Rule, order_id: int | str, shop: ShopRules) -> dict[str, Any]:
    """The body of the two credit-memo services; `order_id` comes first (contract 3.3 step 1)."""
    given = {name: _exact(value, name) for name, value in (job.creditmemo or {}).items() if name != "order_id"}
    memo: dict[str, Any] = {"order_id": order_id, **given}
    if job.invoice_id is not None:
        memo["invoice_id"] = job.invoice_id
    if not memo.get("transaction_id"):
        memo["transaction_id"] = transaction_marker(job.idempotency_key)
    if shop.may_number_memos and memo.get("store_id") is not None and not memo.get("increment_id"):
        memo["increment_id"] = own_number(job.idempotency_key)
    if rule.service is Service.CREDITMEMO_SAVE:
        return {"entity": memo}
    return {"creditmemo": memo, "offlineRequested": not job.online}


def transaction_marker(key: str) -> str:
    """The marker as it fits into transaction_id (255 characters): a hash stands for the longest keys."""
    text = marker(key)
    return text if len(text) <= _MAX_TRANSACTION_ID else f"ref-sha256 {own_number(key)}"


def _exact(value: object, name: str) -> object:
    """Turn decimal strings of a credit memo into exact numbers, since that is how Magento documents them."""
    if isinstance(value, list):
        return [{key: _exact(inner, key) for key, inner in item.items()} for item in value]
    return Decimal(value) if isinstance(value, str) and name in AMOUNT_FIELDS else value


def _path(service: Service, order_id: int | str, invoice_id: int | str | None) -> str:
    match service:
        case Service.ORDER_REFUND:
            return f"/V1/order/{order_id}/refund"
        case Service.INVOICE_REFUND:
            return f"/V1/invoice/{invoice_id}/refund"
        case Service.CREDITMEMO_REFUND:
            return "/V1/creditmemo/refund"
        case Service.CREDITMEMO_SAVE:
            return "/V1/creditmemo"


def _request(rule: Rule, order_id: int, invoice_id: int | None, body: dict[str, Any]) -> MagentoRequest:
    return MagentoRequest(service=rule.service, path=_path(rule.service, order_id, invoice_id), body=body)


def _stock(job: RefundJob, order: Document, wanted: Mapping[int, Decimal]) -> list[int] | None:
    """Name the lines that go back on stock: with a parent its children too (contract 3.9, rule 24)."""
    if not job.return_to_stock:
        return None
    refunded = {line for line, quantity in wanted.items() if quantity > 0}
    lines = refundable_lines(order)
    allowed = sorted({item for line in refunded if line in lines for item in lines[line].stands_for})
    if job.return_to_stock is True:
        return allowed
    foreign = [item for item in job.return_to_stock if item not in allowed]
    if foreign:
        raise PreflightRefusal("stock_item_not_refunded", f"line {foreign[0]} is not refunded by this job", rule=24)
    return list(job.return_to_stock)
