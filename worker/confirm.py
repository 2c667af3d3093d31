"""Confirmation: what settled jobs refunded is read back, many in one call, and held against what was asked.

Every worker process takes part. A batch is leased, so nobody reads it at the same time, and what a process that dies
had in hand comes again. How a job settled never changes; a difference raises an alarm.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import sentry_sdk
import structlog
from redis.exceptions import RedisError

from worker import metrics
from worker.domain.confirmation import Mismatch, Sent, facts_of, mismatches
from worker.domain.errors import RefundError
from worker.domain.facts import Document, by_order, named_order
from worker.domain.job import RefundJob, parse_stored
from worker.domain.problems import InvalidJob
from worker.ledger.confirmations import Confirmations, Confirmed
from worker.ledger.entry import Entry
from worker.magento.client import Magento
from worker.magento.reconcile import marked
from worker.resources import Resources, Shop

log = structlog.get_logger("confirm")

#: Entries in one batch: as many as Magento gives on one page.
BATCH: Final = 100
#: How long a batch that is not full waits for more: at 25 jobs a second and more, 0.02 calls a job are enough.
WAIT_SECONDS: Final = 2.0
#: How long a batch may take, the wait for the shop included; also when a credit memo that was not found is looked for
#: again.
LEASE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.5
_AWAY_SECONDS: Final = 5.0


async def confirm(r: Resources) -> None:
    """Confirm what settles at each shop, until cancelled."""
    await asyncio.gather(*(_watch(shop, r) for shop in r.shops.values() if shop.settings.confirm))


async def _watch(shop: Shop, r: Resources) -> None:
    """Confirm what settles at one shop. Trouble with Redis or the shop is waited out."""
    confirmations = Confirmations(r.redis)
    is_away = False
    while True:
        try:
            count = await confirm_batch(shop, confirmations)
            is_away, pause = is_away and not count, 0.0 if count else _POLL_SECONDS
        except (RefundError, RedisError, OSError) as error:
            if not is_away:
                log.warning("confirm.away", shop=shop.settings.name, error=type(error).__name__)
            is_away, pause = True, _AWAY_SECONDS
        except Exception as error:
            sentry_sdk.capture_exception(error)
            log.exception("confirm.failed", shop=shop.settings.name)
            pause = LEASE_SECONDS
        await asyncio.sleep(pause)


async def confirm_batch(shop: Shop, confirmations: Confirmations, *, wait_seconds: float = WAIT_SECONDS) -> int:
    """Confirm the next batch of a shop; gives how many entries it had.

    Raises:
        NotSent, Throttled, Unauthorised: The shop could not be asked, or is not called now; the batch comes again.
    """
    name = shop.settings.name
    now_ms, entries = await confirmations.take(name, size=BATCH, wait_seconds=wait_seconds, lease_seconds=LEASE_SECONDS)
    if not entries:
        return 0
    jobs = {entry.key: job for entry in entries if (job := _job_of(entry)) is not None}
    async with shop.reading() as magento:
        memos = await _read(entries, jobs, magento)
    of_order = by_order(memos.values())
    found = [_held_against(entry, jobs.get(entry.key), memos, of_order, now_ms) for entry in entries]
    done = [(one, wrong) for one, wrong in found if one is not None]
    written = await confirmations.write(name, [one for one, _ in done])
    metrics.CONFIRMED.labels(name).inc(len(written))
    known = {entry.key: entry for entry in entries}
    for one, wrong in done:
        if wrong and one.key in written:
            _raise_alarm(known[one.key], wrong)
    return len(entries)


def _job_of(entry: Entry) -> RefundJob | None:
    try:
        return parse_stored(entry.doc)
    except InvalidJob:  # an entry of a version that this one cannot read
        return None


def _sent(entry: Entry, job: RefundJob) -> Sent:
    quote = entry.sent.get("quote")
    return Sent(
        order_id=entry.sent.get("order_id") or named_order(job),
        quote=None if quote is None else Decimal(str(quote)),
    )


async def _read(entries: Sequence[Entry], jobs: Mapping[str, RefundJob], magento: Magento) -> dict[int, Document]:
    """Read all credit memos of the orders, so that twins show; then by id those that were not among them."""
    orders = {_sent(entry, jobs[entry.key]).order_id for entry in entries if entry.key in jobs}
    memos = await magento.creditmemos_of_orders(sorted(order for order in orders if order is not None))
    known: dict[int, Document] = {int(memo["entity_id"]): memo for memo in memos}
    missing = {int(entry.result["memo_id"]) for entry in entries} - known.keys()
    known.update((int(memo["entity_id"]), memo) for memo in await magento.creditmemos_by_ids(sorted(missing)))
    return known


def _held_against(
    entry: Entry,
    job: RefundJob | None,
    memos: Mapping[int, Document],
    of_order: Mapping[object, Sequence[Document]],
    now_ms: int,
) -> tuple[Confirmed | None, list[Mismatch]]:
    """Compare one entry with its credit memo; None when that is looked for once more before it counts as missing."""
    memo = memos.get(int(entry.result["memo_id"]))
    if memo is None and now_ms - entry.updated_ms < LEASE_SECONDS * 1000:
        return None, []
    own: list[Document] = []
    wrong: list[Mismatch] = []
    sent = None if job is None else _sent(entry, job)
    if job is not None and sent is not None:
        own = marked(of_order[memo.get("order_id")] if memo else (), entry.key, job.creditmemo)
        wrong = mismatches(job, sent, memo, own)
    is_marked = any(memo is one for one in own)
    facts = {"at_ms": now_ms, **facts_of(memo, wrong, is_marked=is_marked, quote=sent.quote if sent else None)}
    words = "; ".join(f"{one.kind}: {one.detail}" for one in wrong)
    line = {"at_ms": now_ms, "event": "mismatch_found", "detail": words} if wrong else None
    return Confirmed(key=entry.key, facts=facts, line=line), wrong


def _raise_alarm(entry: Entry, wrong: Sequence[Mismatch]) -> None:
    for one in wrong:
        metrics.MISMATCHES.labels(one.kind).inc()
    details = {one.kind: one.detail for one in wrong}
    log.error("refund.mismatch_found", key=entry.key, shop=entry.shop, memo_id=entry.result["memo_id"], **details)
    sentry_sdk.capture_message("refund.mismatch_found", level="error")
