"""The reads around a call: from a job's names to entity ids, and the documents that its plan needs."""

from collections.abc import Awaitable, Callable, Sequence

from worker.domain.errors import Refused
from worker.domain.facts import Document, Facts, Need, named_order, needs
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


async def read_facts(
    job: RefundJob,
    magento: Magento,
    lock: Callable[[int], Awaitable[None]],
    *,
    order_id: int | None = None,
) -> Facts | None:
    """Read what the plan of a job needs, with the order locked; None when it needs nothing.

    Args:
        lock: Takes the order lock, so that no other job of ours changes what is read.
        order_id: The order's id, where it is known already.

    Raises:
        NotFound: No such order or invoice.
        OrderBusy: Another refund of the order is in flight.
        NotSent, Throttled, Unauthorised: The shop could not be asked.
    """
    wanted = needs(job)
    if not wanted:
        return None
    order_id = await order_of(job, magento, known=order_id)
    await lock(order_id)
    try:
        order = await magento.order(order_id)
    except Refused as error:
        raise NotFound(f"order {order_id}: {error.message}", reason="order_not_found") from error
    invoices: Sequence[Document] = ()
    if Need.SINGLE_INVOICE in wanted:
        invoices = await magento.invoices_of(order_id)
    elif job.invoice_id is not None and job.creditmemo is None:
        invoices = (await _invoice(job.invoice_id, magento),)
    memos = await magento.creditmemos_of(order_id) if invoices else ()
    return Facts(order=order, invoices=invoices, memos=memos)


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
