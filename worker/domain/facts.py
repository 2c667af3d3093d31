"""What was read of an order before a decision: Magento's own documents, trimmed to the questions asked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from worker.domain.job import RefundJob

Document = Mapping[str, Any]
#: When a job's order is read before it is sent: only where the job cannot be sent otherwise, also where it is relative
#: or was sent before, or every time.
Preflight = Literal["never", "auto", "always"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The documents of one order, as Magento's GET routes give them.

    Attributes:
        order: GET /V1/orders/:id.
        invoices: The invoice that the job names, or all of the order where it names none.
        memos: Credit memos of the order; only where an invoice is refunded and the order shows refunds.
    """

    order: Document
    invoices: Sequence[Document] = ()
    memos: Sequence[Document] = ()

    @property
    def order_id(self) -> int:
        """Entity id of the order."""
        return int(self.order["entity_id"])

    @property
    def payment_method(self) -> str:
        """Code of the payment method, such as `checkmo`; empty when the shop does not say."""
        return str((self.order.get("payment") or {}).get("method") or "")


class Need(StrEnum):
    """A reason to read the order before sending."""

    ORDER_NUMBER = "order_number must be resolved to an entity id"
    INVOICE = "the invoice's order and its payment method decide the service"
    SINGLE_INVOICE = "an online refund needs the order's single invoice"
    FULL = "everything that is left is made explicit"
    SKU = "SKUs are resolved to order lines"
    NO_ITEMS = "lines at quantity 0 are named, because an empty list refunds everything"
    SHIPPING = "the shipping that is left is made explicit"
    STOCK = "the lines that go back on stock are made explicit"
    DEDUCTION = "a deduction must leave something of its lines: Magento books a negative memo without a word"
    EXPECTED_TOTAL = "the total that is expected is held against a quote"
    REPEATED = "the job may have been sent before"
    ALWAYS = "the shop's setting preflight asks for it"


def needs(job: RefundJob) -> tuple[Need, ...]:
    """Say why a job cannot be sent as it stands; empty for a plain job with explicit lines of a known order."""
    memo = job.creditmemo is not None
    goodwill = not memo and not job.items and not job.full
    asked = {
        Need.ORDER_NUMBER: job.order_number is not None,
        Need.INVOICE: not memo and job.invoice_id is not None,
        Need.SINGLE_INVOICE: not memo and job.online and job.invoice_id is None,
        Need.FULL: job.full,
        Need.SKU: any(line.sku is not None for line in job.items or ()),
        Need.NO_ITEMS: goodwill,
        Need.SHIPPING: not memo and (job.shipping_amount == "all" or (job.full and job.shipping_amount is None)),
        Need.STOCK: job.return_to_stock is True,
    }
    return tuple(need for need, is_asked in asked.items() if is_asked)


def reasons_to_read(job: RefundJob, preflight: Preflight, *, is_repeated: bool) -> tuple[Need, ...]:
    """Say why the order is read before a job is sent: what the job itself needs, and what the shop's policy adds.

    Args:
        preflight: The shop's policy.
        is_repeated: Whether an earlier send may have happened.
    """
    own = needs(job)
    if preflight == "never" or job.is_persist:  # of a memo that is only stored, no order decides anything
        return own
    added = {
        Need.DEDUCTION: bool(job.adjustment_negative),
        Need.EXPECTED_TOTAL: job.expected_total is not None and job.creditmemo is None,
        Need.REPEATED: is_repeated,
        Need.ALWAYS: preflight == "always",
    }
    return own + tuple(need for need, is_asked in added.items() if is_asked)


def by_order(memos: Iterable[Document]) -> defaultdict[object, list[Document]]:
    """Put credit memos together by the entity id of their order; an order without any has an empty list."""
    groups: defaultdict[object, list[Document]] = defaultdict(list)
    for memo in memos:
        groups[memo.get("order_id")].append(memo)
    return groups


def named_invoice(job: RefundJob) -> int | None:
    """Give the entity id of the invoice where the job names one."""
    return job.invoice_id or (job.creditmemo or {}).get("invoice_id")


def named_order(job: RefundJob) -> int | None:
    """Give the entity id of the order where the job itself names it."""
    return job.order_id or (job.creditmemo or {}).get("order_id")
