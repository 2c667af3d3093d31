"""What a live order says against a job before it is sent: the rules of the contract's section 8. Pure.

Two kinds of checks. What a job asks for is held against the documents line by line (here and in `lines`), which gives
the clearest words; then the call as a whole is quoted, which finds everything else that Magento would refuse, and what
it would do without a word: a memo that is empty, negative, or of another amount than the producer expects.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from worker.domain.decision import Rule
from worker.domain.facts import Document, Facts, Preflight, named_invoice, named_order
from worker.domain.job import RefundJob
from worker.domain.lines import PreflightRefusal
from worker.domain.money import cents
from worker.domain.quote import Quote, given_quote, not_covered, quote
from worker.domain.refund_rules import CLOSED_STATES, INVOICE_PAID
from worker.domain.request import MagentoRequest
from worker.domain.service import Service
from worker.domain.would_refuse import WouldRefuse

_SHIPPING: Final = 16
#: By which the tax of a memo may differ from what is left for no other reason than rounding: one cent (contract 9).
_TAX_DRIFT: Final = Decimal("0.01")


def check_order(job: RefundJob, order: Document) -> None:
    """Compare the order that was read with the one that was named (rule 29)."""
    named = named_order(job)
    if named is not None and int(order["entity_id"]) != named:
        raise PreflightRefusal("other_order", f"the shop answered order {order['entity_id']} for {named}", rule=29)
    if job.order_number is not None and str(order.get("increment_id")) != job.order_number:
        message = f"order {order['entity_id']} has number {order.get('increment_id')}, not {job.order_number}"
        raise PreflightRefusal("order_number_differs", message, rule=29)


def invoice_of(job: RefundJob, facts: Facts) -> Document | None:
    """Give the invoice that is refunded; of an online job with an order only, its single one (rule 22)."""
    if job.creditmemo is not None and not job.online:  # Magento does not look at it then
        return None
    if (invoice_id := named_invoice(job)) is not None:
        invoice = next((one for one in facts.invoices if one["entity_id"] == invoice_id), None)
        if invoice is None or int(invoice["order_id"]) != facts.order_id:
            message = f"invoice {invoice_id} does not belong to order {facts.order_id}"
            raise PreflightRefusal("invoice_of_other_order", message, rule=29)
        return invoice
    if not job.online:
        return None
    paid = [one for one in facts.invoices if one.get("state") == INVOICE_PAID]
    if len(paid) != 1:
        ids = ", ".join(str(one["entity_id"]) for one in paid) or "none"
        message = f"an online refund needs one invoice, the order has {len(paid)} paid ones ({ids}); name invoice_id"
        raise PreflightRefusal("online_needs_invoice", message, rule=22)
    return paid[0]


def check_refundable(
    job: RefundJob, rule: Rule, facts: Facts, invoice: Document | None, offline_methods: frozenset[str]
) -> None:
    """Refuse what Magento refuses, or books without moving money (rules 10, 11, 19, 20 and 21)."""
    order = facts.order
    if job.creditmemo is None:
        if order.get("state") in CLOSED_STATES:
            raise PreflightRefusal("order_status", f"the order has status {order.get('status')}", rule=10)
        paid, refunded = cents(order.get("base_total_paid")), cents(order.get("base_total_refunded"))
        if paid - refunded <= 0:
            raise PreflightRefusal("nothing_left", f"{paid} was paid and {refunded} is refunded already", rule=11)
    if job.online and facts.payment_method in offline_methods:
        message = f"payment method {facts.payment_method} cannot refund online"
        raise PreflightRefusal("method_is_offline", message, rule=20)
    if invoice is None or rule.service is Service.ORDER_REFUND:
        return
    if invoice.get("state") != INVOICE_PAID:
        raise PreflightRefusal("invoice_not_refundable", f"invoice {invoice['entity_id']} is not paid", rule=19)
    if job.online and not invoice.get("transaction_id"):
        message = f"invoice {invoice['entity_id']} has no capture at the gateway; refund it offline"
        raise PreflightRefusal("no_capture", message, rule=21)


def shipping_of(job: RefundJob, order: Document, invoice: Document | None) -> Decimal:
    """Make the shipping explicit, in base currency (rules 15 to 18)."""
    ordered = cents(order.get("base_shipping_amount"))
    left = max(ordered - cents(order.get("base_shipping_refunded")), Decimal("0.00"))
    if invoice is not None:
        left = min(left, cents(invoice.get("base_shipping_amount")))
    asked = job.shipping_amount if job.shipping_amount is not None else ("all" if job.full else Decimal("0.00"))
    if asked == "all":
        return left
    if not isinstance(asked, Decimal):
        raise TypeError(asked)
    if asked > 0 and ordered <= 0:
        raise PreflightRefusal("no_shipping", "the order has no shipping amount", rule=17)
    if asked > left + _shipping_tax(order):
        raise PreflightRefusal("shipping_too_large", f"{asked} shipping asked, {left} left", rule=_SHIPPING)
    return asked


def checked_quote(
    job: RefundJob, request: MagentoRequest, facts: Facts | None, invoice: Document | None, preflight: Preflight
) -> Quote | None:
    """Quote a call and refuse what it would make of the job; None where no quote can be made.

    Raises:
        PreflightRefusal: Magento would refuse, or make something else than what was asked for.
    """
    if preflight == "never":
        return None
    if facts is None:
        made = _without_order(job, request)
    elif not_covered(facts.order):
        return None
    else:
        try:
            made = quote(request.service, request.body, facts.order, invoice=invoice, memos=facts.memos)
        except WouldRefuse as refused:
            if refused.rule == _SHIPPING and _shipping_tax(facts.order):  # a setting of the shop decides that
                return None
            raise PreflightRefusal(refused.reason, f"Magento would refuse: {refused}", rule=refused.rule) from None
    if made is not None:
        _check_made(job, made)
        if facts is not None and request.service is Service.INVOICE_REFUND:
            _check_tax(made, facts.order)
    return made


def _without_order(job: RefundJob, request: MagentoRequest) -> Quote | None:
    """A whole credit memo says itself what will be made of it; of other jobs nothing is known without the order."""
    if job.creditmemo is None:
        return None
    body: Mapping[str, Any] = request.body
    return given_quote(body["entity" if job.is_persist else "creditmemo"])


def _check_made(job: RefundJob, made: Quote) -> None:
    if made.is_empty and not job.is_persist:
        raise PreflightRefusal("empty_memo", "Magento would make an empty credit memo over 0.00", rule=2)
    if made.total < 0 or made.grand_total.order < 0:
        message = f"Magento would make a negative credit memo over {made.total}: more is taken off than refunded"
        raise PreflightRefusal("total_not_positive", message, rule=13)
    if job.expected_total is not None and made.total != job.expected_total:
        message = f"{job.expected_total} was expected, Magento would refund {made.total}"
        raise PreflightRefusal("expected_total_differs", message, rule=0)


def _check_tax(made: Quote, order: Document) -> None:
    """Refuse more tax than the order has left: the invoice service looks at the invoice alone.

    A refund of the order itself names no invoice; the one that empties the invoice then takes its whole tax, refunded
    or not (contract 3.6, section 9: ACSD-69311).
    """
    left = cents(order.get("base_tax_invoiced")) - cents(order.get("base_tax_refunded"))
    if made.tax.base > left + _TAX_DRIFT:
        message = f"Magento would refund {made.tax.base} of tax by this invoice, the order has {left} left"
        raise PreflightRefusal("tax_above_left", message, rule=0)


def _shipping_tax(order: Document) -> Decimal:
    """The tax that shipping may be given with, in shops that show it so."""
    return max(cents(order.get("base_shipping_incl_tax")) - cents(order.get("base_shipping_amount")), Decimal(0))
