"""Is the credit memo what was asked for? A job, what was known of its call, and the memo as it was read back. Pure.

Promise P3: Magento caps quantities, adds shipping and makes empty or negative memos without a word, and a 200 proves
none of it (contract section 0, facts 3, 7 and 8).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from worker.domain.facts import Document, needs
from worker.domain.job import RefundJob
from worker.domain.money import cents

_REFUNDED: Final = 2
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True)
class Mismatch:
    """One thing about a credit memo that was not asked for.

    Attributes:
        kind: `missing`, `other_order`, `no_marker`, `twin`, `state`, `empty`, `negative`, `amount` (not the expected
            total), `quote` (not what was computed before), `lines`, `shipping` or `adjustment`.
        detail: For people.
    """

    kind: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What was known of the call.

    Attributes:
        order_id: The order that was refunded; None where the record of it was lost.
        quote: Grand total that was computed beforehand, in base currency; None where none was.
    """

    order_id: int | None
    quote: Decimal | None


def mismatches(job: RefundJob, sent: Sent, memo: Document | None, marked: Sequence[Document]) -> list[Mismatch]:
    """Hold a credit memo against its job.

    Args:
        job: The job that it settled.
        sent: What was known of the call.
        memo: The credit memo; None where the shop has none of that id.
        marked: The credit memos of its order that bear the job's marker.
    """
    if memo is None:
        return [Mismatch("missing", "the shop has no such credit memo")]
    return [*_of_identity(job, sent, memo, marked), *_of_money(job, sent, memo), *_of_content(job, sent, memo)]


def facts_of(
    memo: Document | None, found: Sequence[Mismatch], *, is_marked: bool, quote: Decimal | None = None
) -> dict[str, Any]:
    """Give what is kept of a confirmation; with the quote, which is the amount asked of a job that names none."""
    given = memo or {}
    names = ("increment_id", "order_id", "invoice_id", "state", "base_currency_code", "order_currency_code")
    kept = {name: given[name] for name in names if given.get(name) is not None}
    kept |= {name: cents(given[name]) for name in ("base_grand_total", "grand_total") if given.get(name) is not None}
    if quote is not None:
        kept["quote"] = cents(quote)
    wrong = [{"kind": one.kind, "detail": one.detail} for one in found]
    return {**kept, "marker": is_marked} | ({"mismatches": wrong} if wrong else {})


def _of_identity(job: RefundJob, sent: Sent, memo: Document, marked: Sequence[Document]) -> Iterator[Mismatch]:
    if sent.order_id is not None and memo.get("order_id") != sent.order_id:
        yield Mismatch("other_order", f"the credit memo is of order {memo.get('order_id')}, not {sent.order_id}")
    ids = [int(one["entity_id"]) for one in marked]
    if int(memo["entity_id"]) not in ids and not (job.online and job.creditmemo):  # a gateway writes its own id there
        yield Mismatch("no_marker", "the credit memo does not bear this job's marker")
    if twins := [memo_id for memo_id in ids if memo_id != memo["entity_id"]]:
        yield Mismatch("twin", f"credit memo {', '.join(map(str, twins))} of the order bears the same marker")
    if not job.is_persist and memo.get("state") != _REFUNDED:
        yield Mismatch("state", f"the credit memo has state {memo.get('state')}, not {_REFUNDED}")


def _of_money(job: RefundJob, sent: Sent, memo: Document) -> Iterator[Mismatch]:
    total = Decimal(str(memo.get("base_grand_total") or 0))
    if total < 0:
        yield Mismatch("negative", f"the credit memo is over {total}")
    if not job.is_persist and not total and not any(qty > 0 for qty in _quantities(memo).values()):
        yield Mismatch("empty", "the credit memo refunds nothing")
    if job.expected_total is not None and _differ(total, job.expected_total):
        yield Mismatch("amount", f"expected {job.expected_total}, the credit memo says {cents(total)}")
    if sent.quote is not None and _differ(total, sent.quote):
        yield Mismatch("quote", f"{sent.quote} was computed, the credit memo says {cents(total)}")


def _of_content(job: RefundJob, sent: Sent, memo: Document) -> Iterator[Mismatch]:
    """Compare what was sent as the job says it; where a quote was made, its total has told already."""
    if job.creditmemo is not None or sent.quote is not None or needs(job):
        return
    asked = {line.order_item_id or 0: line.qty for line in job.items or ()}
    made = _quantities(memo)
    for line, qty in asked.items():
        if made.get(line, Decimal(0)) != qty:
            yield Mismatch("lines", f"{qty:f} of line {line} asked, {made.get(line, Decimal(0)):f} refunded")
    for item in memo.get("items") or ():
        if item.get("order_item_id") not in asked and item.get("base_row_total"):
            yield Mismatch("lines", f"line {item.get('order_item_id')} was not asked for")
    shipping = job.shipping_amount if isinstance(job.shipping_amount, Decimal) else Decimal(0)
    for kind, name, amount in (
        ("shipping", "base_shipping_amount", shipping),
        ("adjustment", "base_adjustment_positive", job.adjustment_positive),
        ("adjustment", "base_adjustment_negative", job.adjustment_negative),
    ):
        if _differ(Decimal(str(memo.get(name) or 0)), amount or Decimal(0)):
            yield Mismatch(kind, f"{amount or 0} asked, {name} is {cents(memo.get(name))}")


def _quantities(memo: Document) -> dict[int, Decimal]:
    items: Sequence[Mapping[str, Any]] = memo.get("items") or ()
    return {int(item.get("order_item_id") or 0): Decimal(str(item.get("qty") or 0)) for item in items}


def _differ(one: Decimal, other: Decimal) -> bool:
    """Whether two amounts differ by a cent; Magento keeps four decimals of some."""
    return abs(one - other) >= _CENT
