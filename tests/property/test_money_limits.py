"""Whatever jobs do at the same time, what counts as spent never exceeds a limit, and is the sum over the entries."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.replays import replay
from tests.suites.budget import Till
from tests.suites.ledger import LINE, Clock
from worker.domain.lifecycle import State
from worker.domain.limits import Limits
from worker.guards.budget import set_campaign_limit
from worker.ledger.entry import Claim
from worker.ledger.holds import Holds, Said
from worker.ledger.ledger import Ledger, StaleFence
from worker.ledger.over_limit import OverLimit

pytestmark = pytest.mark.timeout(300)

_COMMON: Final = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
LIMITS: Final = Limits(job=Decimal("60.00"), day=Decimal("100.00"))
OF_CAMPAIGN: Final = Decimal("70.00")
KEYS: Final = [f"k{number}" for number in range(8)]
#: Cents; a few of them together meet each limit, or go over it by a cent.
AMOUNTS: Final = (1, 500, 1999, 2000, 3000, 3333, 4000, 5000, 6000, 6001)
#: What may happen to a job; most of it is impossible at most moments, and must then change nothing.
ACTS: Final = (
    *("accept",) * 5,
    *("accept_relative",) * 3,
    *("send",) * 5,
    *("send_more",) * 3,
    *("settle", "settle", "doubt", "refused", "refused", "unknown"),
    *("approve", "decline", "replay", "replay", "worker_dies", "next_day"),
)
Act = tuple[str, str, int]
HISTORIES: Final = st.lists(
    st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(KEYS), st.sampled_from(AMOUNTS)), min_size=2, max_size=6),
    min_size=12,
    max_size=40,
)


class History:
    """One history, and what must hold after each of its steps."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.claims: dict[str, Claim] = {}
        #: Keys whose money counts although a limit may say no: people let them go, or they were sent before.
        self.let_go: set[str] = set()

    async def act(self, act: str, key: str, cents: int) -> None:
        till, money = self.till, Decimal(cents).scaleb(-2)
        campaign = {"campaign": "spring"} if key in KEYS[:3] else {}
        match act:
            case "accept" | "accept_relative":
                await till.take(key, str(money) if act == "accept" else None, **campaign)
            case "send" | "send_more":
                await self._send(key, money, keeps=act == "send")
            case "next_day":
                till.clock.pass_seconds(40_000)
            case "worker_dies":
                till.clock.pass_seconds(11)
                await till.ledger.adopt()
                await till.ledger.publish()
            case "replay":
                await replay(till.ledger, key)
            case "approve" | "decline":
                await self._decide(act, key)
            case _:
                await self._end(act, key)

    async def _claim(self, key: str) -> Claim | None:
        if key not in self.claims:
            till = self.till
            found = await till.ledger.claim([key], worker=f"w-{key}", lane="express", message=till.message)
            if found:
                self.claims[key] = found[0]
        return self.claims.get(key)

    async def _send(self, key: str, money: Decimal, *, keeps: bool) -> None:
        """Send with a quote: as was counted at the door, or another one."""
        claim = await self._claim(key)
        entry = await self.till.ledger.find(key)
        if claim is None or entry is None or entry.state is State.SENT:
            return
        if entry.state is State.IN_DOUBT:
            self.let_go.add(key)
        if keeps and entry.money is not None:
            money = entry.money
        try:
            await self.till.let_go(claim, str(money), order_id=KEYS.index(key) + 1, number=entry.sends + 1)
        except OverLimit as over:
            await self._ended(key, self.till.ledger.hold(claim, over.hold, line=LINE))
        except StaleFence:
            self.claims.pop(key)

    async def _end(self, act: str, key: str) -> None:
        claim = await self._claim(key)
        entry = await self.till.ledger.find(key)
        if claim is None or entry is None or (entry.state is not State.SENT and act != "refused"):
            return
        match act:
            case "settle":
                await self._ended(key, self.till.settle(claim))
            case "doubt":
                await self._ended(key, self.till.defer(claim, State.IN_DOUBT, 0))
            case verdict:
                await self._ended(key, self.till.end(claim, verdict))

    async def _ended(self, key: str, move: Awaitable[None]) -> None:
        self.claims.pop(key, None)
        try:
            await move
        except StaleFence:
            return

    async def _decide(self, act: str, key: str) -> None:
        entry = await self.till.ledger.find(key)
        if entry is None or entry.state is not State.HELD:
            return
        if act == "approve" and await self.till.holds.approve(entry, Said(by="ann")) == "queued":
            self.let_go.add(key)
        elif act == "decline":
            await self.till.holds.decline(entry, Said(by="ann"))

    async def check(self) -> None:
        """The counters are the sums, and what nobody let go fits into every limit."""
        await self.till.books()
        await self.till.counts_add_up()
        sums: dict[str, Decimal] = {}
        async for entry in self.till.ledger.entries():
            is_given_back = entry.state is State.HELD or (entry.state is State.DEAD and entry.verdict != "unknown")
            assert entry.money is None or not is_given_back, (entry.key, entry.state)
            if entry.state in {State.SENT, State.IN_DOUBT, State.SETTLED}:
                assert entry.money is not None, (entry.key, "went without being counted")
            if entry.key in self.let_go or entry.money is None:
                continue
            assert LIMITS.job is None or entry.money <= LIMITS.job
            day: Any = await self.till.redis.hget(f"refunds:entry:{entry.key}", "money_day")
            for name in (day, entry.campaign):
                sums[name] = sums.get(name, Decimal(0)) + entry.money
        spring = sums.pop("spring", Decimal(0))
        sums.pop("", None)
        assert spring <= OF_CAMPAIGN
        assert all(one <= (LIMITS.day or 0) for one in sums.values()), sums


async def run(redis: Redis, history: list[list[Act]]) -> None:
    """Each step of a history happens at once, as far as Redis lets it."""
    await redis.flushdb()
    clock = Clock()
    ledger = Ledger(redis, lease_seconds=10, now_ms=lambda: clock.ms)
    await ledger.initialise("first", run_id="run-1")
    clock.pass_seconds(20)
    await set_campaign_limit(redis, "spring", OF_CAMPAIGN)
    till = Till(redis, clock, ledger, Holds(redis, now_ms=lambda: clock.ms), limits=LIMITS)
    done = History(till)
    for step in history:
        by_key = {key: (act, key, cents) for act, key, cents in step}  # a worker does one thing at a time with a job
        await asyncio.gather(*(done.act(*one) for one in by_key.values()))
        await done.check()


@asynccontextmanager
async def closing(redis: Redis) -> AsyncIterator[Redis]:
    try:
        yield redis
    finally:
        await redis.aclose()


def test_no_history_on_fakeredis_spends_more_than_a_limit():
    @settings(_COMMON, max_examples=20)
    @given(history=HISTORIES)
    def check(history: list[list[Act]]) -> None:
        async def go() -> None:
            async with closing(FakeAsyncRedis(decode_responses=True)) as redis:
                await run(redis, history)

        asyncio.run(go())

    check()


@pytest.mark.integration
def test_no_history_on_a_real_redis_spends_more_than_a_limit(redis_url: str):
    @settings(_COMMON, max_examples=20)
    @given(history=HISTORIES)
    def check(history: list[list[Act]]) -> None:
        async def go() -> None:
            url = f"{redis_url.rpartition('/')[0]}/8"
            async with closing(Redis.from_url(url, decode_responses=True)) as redis:
                await run(redis, history)

        asyncio.run(go())

    check()
