"""Which of Magento's four services does the job, and why: design section 5 as a table. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worker.domain.job import RefundJob
from worker.domain.service import Service

#: Payment methods that inherit canRefund = false: their invoices are never refundable (contract 3.4).
OFFLINE_METHODS: Final = frozenset({"checkmo", "banktransfer", "cashondelivery", "purchaseorder"})


@dataclass(frozen=True)
class Rule:
    """One row of the decision table.

    Attributes:
        name: Identifier that `refunds explain` prints and the ledger keeps.
        service: The service that does the job.
        because: The reason, for people.
        applies: Whether the row applies to a job, given the payment method where it is known.
    """

    name: str
    service: Service
    because: str
    applies: Callable[[RefundJob, str | None, frozenset[str]], bool]


#: First match wins. The last row always applies, so a decision always exists.
RULES: Final = (
    Rule(
        "persist-creditmemo",
        Service.CREDITMEMO_SAVE,
        "mode persist: the credit memo is stored; order, payment and stock of the books stay untouched",
        lambda job, _method, _offline: job.is_persist,
    ),
    Rule(
        "process-creditmemo",
        Service.CREDITMEMO_REFUND,
        "a whole credit memo is given: Magento books exactly its totals",
        lambda job, _method, _offline: job.creditmemo is not None,
    ),
    Rule(
        "online-invoice",
        Service.INVOICE_REFUND,
        "online: only the invoice service asks the gateway to move the money",
        lambda job, _method, _offline: job.online and job.invoice_id is not None,
    ),
    Rule(
        "online-single-invoice",
        Service.INVOICE_REFUND,
        "online with an order only: its single invoice is refunded, since the order service is always offline",
        lambda job, _method, _offline: job.online,
    ),
    Rule(
        "offline-invoice-of-offline-method",
        Service.ORDER_REFUND,
        "the invoice's payment method cannot refund, so the invoice service always refuses; the order service does it",
        lambda job, method, offline: job.invoice_id is not None and method in offline,
    ),
    Rule(
        "offline-invoice",
        Service.INVOICE_REFUND,
        "an invoice is given",
        lambda job, _method, _offline: job.invoice_id is not None,
    ),
    Rule("order", Service.ORDER_REFUND, "an order only: refunded offline", lambda _job, _method, _offline: True),
)


def decide(
    job: RefundJob,
    *,
    payment_method: str | None = None,
    offline_methods: frozenset[str] = OFFLINE_METHODS,
) -> Rule:
    """Choose the service for a job.

    Args:
        job: A validated job.
        payment_method: Code of the order's payment method, None while it was not read.
        offline_methods: Methods of this shop that cannot refund through the invoice service.
    """
    return next(rule for rule in RULES if rule.applies(job, payment_method, offline_methods))
