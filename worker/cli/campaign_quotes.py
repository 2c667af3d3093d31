"""Quotes of a campaign's jobs, read at the shop now; nothing is sent."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from redis.asyncio import Redis

from config.settings import Settings
from worker.campaigns.spool import Spool
from worker.cli.campaign_survey import Quotes, sample_of
from worker.cli.opening_shops import opened_shops
from worker.cli.quoting import planned_live
from worker.domain.job import RefundJob, parse_stored
from worker.domain.lines import PreflightRefusal
from worker.lookups import NotFound
from worker.resources import Shop

#: Orders that are read at once at most: a look must not be a load for the shop.
_AT_ONCE: Final = 8
#: Refusals that are shown with their words.
_EXAMPLES: Final = 10
#: Place of the document in a row of the spool.
_DOCUMENT: Final = 4


async def quotes_of(
    spool: Spool, jobs: int, wanted: int | None, settings: Settings, redis: Redis, progress: Callable[[int], None]
) -> Quotes:
    """Look jobs up at their shops.

    Args:
        jobs: How many there are in the spool.
        wanted: How many to look up, spread evenly over the file; None for all.

    Raises:
        RefundError: A shop cannot be asked now.
    """
    found = Quotes()
    async with opened_shops(settings, redis) as shops:
        chosen = _chosen(spool, jobs, wanted)

        async def look() -> None:
            for document in chosen:
                job = parse_stored(document)
                await _quote(job, shops[job.shop], found)
                progress(1)

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(look())
    return found


def _chosen(spool: Spool, jobs: int, wanted: int | None) -> Iterator[str]:
    places = iter(sample_of(jobs, jobs if wanted is None else wanted))
    next_place, place = next(places, None), -1
    for rows in spool.batches():
        for row in rows:
            place += 1
            if place == next_place:
                yield row[_DOCUMENT]
                next_place = next(places, None)


async def _quote(job: RefundJob, shop: Shop, found: Quotes) -> None:
    found.asked += 1
    try:
        async with shop.reading():
            made = await planned_live(job, shop)
    except (PreflightRefusal, NotFound) as refusal:
        found.refused[refusal.reason] += 1
        if len(found.examples) < _EXAMPLES:
            found.examples.append((job.idempotency_key, f"{refusal.reason}: {refusal.message}"))
        return
    if made.quote is None:
        found.unquoted += 1
        return
    found.quoted += 1
    found.sums[made.quote.base_currency or "base currency"] += int(made.quote.total.scaleb(2))
