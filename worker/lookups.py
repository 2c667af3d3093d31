"""The reads around a call: from a job's names to entity ids, and the documents that its plan needs."""

from collections.abc import Awaitable, Callable, Sequence

from worker.domain.errors import Refused
from worker.domain.facts import Document, Facts, Need, Preflight, named_invoice, named_order, reasons_to_read
from worker.domain.job import RefundJob
from worker.domain.money import cents
from worker.magento.client import Magento


class NotFound(Refused):
    """The order or invoice that the job names is not there, or is not the only one."""


async def order_of(job: RefundJob, magento: Magento, *, known: int | None = None) -> int:
    """Find the entity id of a job's order; it never changes, so no lock is needed.

    Args:
        known: The id that an earlier attempt found.

    Raises:
        NotFound: No such order or invoice, or several orders with that number.
    """
    order_id = known or named_order(job)
    if order_id is not None:
        return order_id
    if job.order_number is not None:
        orders = await magento.orders_by_number(job.order_number)
        if len(orders) != 1:
            raise NotFound(
                f"{len(orders)} orders have the number {job.order_number}",
                reason="order_not_found" if not orders else "order_number_ambiguous",
            )
        return int(orders[0]["entity_id"])
    if job.invoice_id is None:
        raise AssertionError("bug: validation lets no job through that names neither order nor invoice")
    return int((await _invoice(job.invoice_id, magento))["order_id"])


async def read_facts(  # noqa: PLR0913 - what is known, and what is asked
    job: RefundJob,
    magento: Magento,
    lock: Callable[[int], Awaitable[None]],
    *,
    order_id: int | None = None,
    preflight: Preflight = "auto",
    is_repeated: bool = False,
) -> Facts | None:
    """Read what the plan of a job needs, with the order locked; None when it needs nothing.

    One read for a job that names its order, two with an invoice or an order number; one more, the order's credit
    memos, where an invoice is refunded of an order that shows refunds already.

    Args:
        lock: Takes the order lock, so that no other job of ours changes what is read.
        order_id: The order's id, where it is known already.
        preflight: The shop's policy.
        is_repeated: Whether an earlier send of the job may have happened.

    Raises:
        NotFound: No such order or invoice.
        OrderBusy: Another refund of the order is in flight.
        NotSent, Throttled, Unauthorised: The shop could not be asked.
    """
    wanted = reasons_to_read(job, preflight, is_repeated=is_repeated)
    if not wanted:
        return None
    order_id = order_id or named_order(job)
    invoices: Sequence[Document] = ()
    if order_id is None and job.order_number is None and job.invoice_id is not None:
        invoices = (await _invoice(job.invoice_id, magento),)  # what of it is used never changes while we wait
        order_id = int(invoices[0]["order_id"])
    order_id = await order_of(job, magento, known=order_id)
    await lock(order_id)
    try:
        order = await magento.order(order_id)
    except Refused as error:
        raise NotFound(f"order {order_id}: {error.message}", reason="order_not_found") from error
    named = named_invoice(job) if job.creditmemo is None or job.online else None
    if Need.SINGLE_INVOICE in wanted:
        invoices = await magento.invoices_of(order_id)
    elif named is not None and not invoices:
        invoices = (await _invoice(named, magento),)
    memos = await magento.creditmemos_of(order_id) if invoices and _shows_refunds(order) else ()
    return Facts(order=order, invoices=invoices, memos=memos)


def _shows_refunds(order: Document) -> bool:
    """Whether an order has refunds: without any, no credit memo can have used up a part of its invoices."""
    return cents(order.get("base_total_refunded")) != 0 or any(item.get("qty_refunded") for item in order["items"])


async def _invoice(invoice_id: int, magento: Magento) -> Document:
    try:
        return await magento.invoice(invoice_id)
    except Refused as error:
        raise NotFound(f"invoice {invoice_id}: {error.message}", reason="invoice_not_found") from error


def check_total(job: RefundJob, memo: Document) -> str | None:
    """Compare a credit memo with what the producer expected; None when it agrees or nothing was expected."""
    total = cents(memo.get("base_grand_total"))
    if job.expected_total is None or total == job.expected_total:
        return None
    return f"expected {job.expected_total}, the credit memo says {total}"
