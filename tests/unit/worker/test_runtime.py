"""What keeps a process alive to the others goes on, whatever happens in it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from config.settings import Settings
from tests.factories import a_job, rows_of
from tests.fakes import FakeShop, handle, resources
from worker.cancelling import cancel_surely
from worker.ledger.ledger import Ledger
from worker.resources import Resources
from worker.runtime import give_back, heartbeat
from worker.upkeep.upkeep import Upkeep


class Stumbling(Ledger):
    """A ledger whose first heartbeat fails by a fault of our own."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.has_stumbled, self.has_beaten = False, asyncio.Event()

    async def beat(self, worker: str) -> int:
        if not self.has_stumbled:
            self.has_stumbled = True
            raise KeyError("a fault of ours")
        self.has_beaten.set()
        return await super().beat(worker)


@pytest.fixture
async def r() -> AsyncIterator[Resources]:
    redis: Redis = FakeAsyncRedis(decode_responses=True)
    ledger = Stumbling(redis)
    await ledger.initialise("first")
    made = resources(redis, FakeShop(), ledger=ledger)
    made.settings = Settings.model_construct(
        max_attempts=5,
        max_document_bytes=262_144,
        heartbeat_seconds=0.01,
        wait_for_disk=False,
        lost_message_seconds=3.0,
        upkeep_interval_seconds=0.01,
    )
    yield made
    await redis.aclose()


async def test_a_fault_of_ours_does_not_end_the_heartbeat(r: Resources):
    beating = asyncio.create_task(heartbeat(r))
    assert isinstance(r.ledger, Stumbling)
    await asyncio.wait_for(r.ledger.has_beaten.wait(), 5)
    await cancel_surely(beating)


async def test_a_claim_that_nobody_knows_of_is_given_back_also_where_its_entry_cannot_be_read(r: Resources):
    job = a_job(idempotency_key="k")
    await r.ledger.accept(rows_of(job), lane="express", message=1)
    await r.ledger.claim(["k"], worker=r.worker, lane="express", message=1)  # its answer gets lost
    await r.redis.hset("refunds:entry:k", "history", "no JSON")

    for _ in range(2):
        await give_back(r)

    assert await r.redis.hmget("refunds:entry:k", ["state", "holder"]) == ["queued", None]


async def test_a_process_that_stops_in_the_middle_gives_back_the_jobs_that_waited_for_the_same_order(r: Resources):
    shop: Any = r.shops["default"].magento
    shop.fates.append("stalled_after")
    jobs = [a_job(idempotency_key=key, order_id=7) for key in ("at-the-shop", "second", "third")]
    await r.ledger.accept(rows_of(*jobs), lane="express", message=1)
    handling = asyncio.create_task(handle([job.idempotency_key for job in jobs], "express", 1, r))
    await asyncio.wait_for(shop.stalled.wait(), 5)

    await cancel_surely(handling)
    await give_back(r)

    states = await r.ledger.states([job.idempotency_key for job in jobs])
    assert list(states.values()) == ["in_doubt", "queued", "queued"]
    assert not r.held


async def test_a_claim_that_cannot_be_given_back_holds_up_no_other(r: Resources):
    jobs = [a_job(idempotency_key=key) for key in ("damaged", "k")]
    await r.ledger.accept(rows_of(*jobs), lane="express", message=1)
    claims = await r.ledger.claim(["damaged", "k"], worker=r.worker, lane="express", message=1)
    await r.redis.hset("refunds:entry:damaged", "faults", "no number")
    r.orphans.extend((claim.key, claim.token, True) for claim in claims)

    await give_back(r)

    assert await r.redis.hget("refunds:entry:k", "state") == "queued"
    assert r.orphans == []


async def test_a_fault_while_a_message_is_published_does_not_end_upkeep(r: Resources):
    published: asyncio.Queue[list[str]] = asyncio.Queue()
    is_first = True

    async def publish(_lane: str, _message: int, keys: Sequence[str]) -> None:
        nonlocal is_first
        published.put_nowait(list(keys))
        if is_first:
            is_first = False
            raise AttributeError("a channel that has no connection any more")

    broker: Any = FakeAsyncRedis()
    keeping = asyncio.create_task(Upkeep(r, publish, broker).run())
    for key in ("first", "second"):
        job = a_job(idempotency_key=key)
        await r.ledger.accept(rows_of(job), lane="express", message=1)
        await r.redis.zadd("refunds:due", {key: 1})
        assert await asyncio.wait_for(published.get(), 5) == [key]
    await cancel_surely(keeping)
    await broker.aclose()
