"""What packing promises: a packed entry is read as before, and every move treats it as the settled one that it is."""
# ruff: noqa: ANN401 - fields of any kind

from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.factories import a_job
from tests.replays import replay
from tests.suites.ledger import Bench, Clock
from worker.domain.lifecycle import State
from worker.intake.accept import stored
from worker.ledger.confirmations import Confirmations, Confirmed
from worker.ledger.ledger import Ledger
from worker.ledger.packer import Packer
from worker.ledger.scripts import Moves

LINE = {"at_ms": 1_700_000_000_500, "attempt": 1, "worker": "host:1:a", "took_ms": 87, "outcome": "refunded", "send": 1}
RESULT = {"memo_id": 91, "via": "answer", "service": "order_refund"}
FACTS = {"at_ms": 1_700_000_003_000, "increment_id": "000000091", "base_grand_total": "12.50", "marker": True}
LATER_MS = 1_700_000_100_000


class PackingPromises:
    """The promises; a subclass gives the fixture `redis`, empty."""

    @pytest.fixture
    async def bench(self, redis: Redis) -> Bench:
        clock = Clock()
        ledger = Ledger(redis, now_ms=lambda: clock.ms)
        await ledger.initialise("first", run_id="run-1")
        clock.pass_seconds(1)
        return Bench(redis=redis, clock=clock, ledger=ledger)

    async def settle(self, bench: Bench, key: str, *, is_confirmed: bool = True, **changes: Any) -> None:
        await bench.accept(key, **changes)
        claim = await bench.claim(key)
        await bench.send(claim, order_id=int(changes.get("order_id", 7)))
        await bench.ledger.settle(claim, result=RESULT, line=LINE, confirm=is_confirmed)
        if is_confirmed:
            confirmations = Confirmations(bench.redis, now_ms=lambda: bench.clock.ms)
            await confirmations.write("default", [Confirmed(key=key, facts=FACTS)])

    async def pack(self, bench: Bench) -> int:
        return await Packer(bench.redis).pack(until_ms=LATER_MS, at_most=100)

    async def is_packed(self, bench: Bench, key: str) -> bool:
        return bool(await bench.redis.hexists(f"refunds:entry:{key}", "0"))

    @pytest.mark.parametrize("campaign", [None, "spring"])
    @pytest.mark.parametrize("is_confirmed", [True, False])
    async def test_a_packed_entry_is_read_as_before(self, bench: Bench, campaign: str | None, *, is_confirmed: bool):
        keys = ["k", 'quote"and\\', "k3"]
        for number, key in enumerate(keys):
            await self.settle(bench, key, is_confirmed=is_confirmed, campaign=campaign, order_id=7 + number)
        before = await bench.ledger.find_many(keys)

        assert await self.pack(bench) == 3

        assert [await self.is_packed(bench, key) for key in keys] == [True] * 3
        after = await Ledger(bench.redis).find_many(keys)
        assert {entry.key async for entry in bench.ledger.entries()} == set(keys)
        for key in keys:
            told = {name: value for name, value in LINE.items() if name != "worker"}  # which is gone by then
            assert after[key] == replace(before[key], history=(told,))
        assert (await bench.ledger.states(keys)) == dict.fromkeys(keys, State.SETTLED)
        await bench.counts_add_up()

    async def test_a_story_that_is_worth_telling_stays_whole(self, bench: Bench):
        claim = await bench.sent()
        await bench.defer(claim, State.IN_DOUBT, delay_seconds=0, looks=1, reason="timeout")
        await bench.ledger.settle(await bench.claim(), result=RESULT, line=LINE)
        before = await bench.entry()

        await self.pack(bench)

        assert await self.is_packed(bench, "k")
        assert await bench.entry() == before
        assert len(before.history) == 2

    async def test_no_move_begins_anew_with_a_packed_entry(self, bench: Bench):
        await self.settle(bench, "k")
        await self.pack(bench)

        assert await bench.claims("k") == []
        assert await replay(bench.ledger, "k") == "settled"
        assert await bench.ledger.publish() == []
        (same,) = await bench.accept("k")
        assert (same.status, same.state) == ("duplicate", "settled")
        (other,) = await bench.accept("k", order_id=8)
        assert (other.status, other.state) == ("key_conflict", "settled")
        assert other.first == stored(a_job(idempotency_key="k"))

    async def test_what_is_not_settled_is_not_packed(self, bench: Bench):
        await bench.accept("k")
        await bench.redis.zadd("refunds:unpacked", {"k": 1, "unknown": 1})

        await self.pack(bench)

        assert not await self.is_packed(bench, "k")
        assert not await bench.redis.exists("refunds:entry:unknown")
        assert len(await bench.claims("k")) == 1

    async def test_what_changed_since_it_was_read_stays_as_it_is(self, bench: Bench):
        await self.settle(bench, "k")
        read_ms = str(await bench.redis.hget("refunds:entry:k", "updated_ms"))

        done = await Moves(bench.redis)(
            "pack", "state fingerprint", 1, "", "sample", "k", read_ms, "other facts", 1, "1x"
        )

        assert done == []
        assert (await bench.entry()).confirmed == FACTS

    async def test_nothing_is_packed_against_a_sample_that_redis_does_not_have(self, bench: Bench):
        await self.settle(bench, "k")
        raw: Any = await bench.redis.hgetall("refunds:entry:k")
        await bench.redis.hset("refunds:samples", "", "the sample of another worker")

        read = (str(raw["updated_ms"]), str(raw["confirmed"]))
        done = await Moves(bench.redis)("pack", "state fingerprint", 1, "", "ours", "k", *read, 1, "1x")

        assert done == []
        assert (await bench.entry()).result == RESULT

    async def test_a_lost_sample_is_an_error_and_never_another_story(self, bench: Bench):
        await self.settle(bench, "k")
        await self.settle(bench, "k2")
        await self.pack(bench)
        sample = await bench.redis.hget("refunds:samples", "")
        await bench.redis.hset("refunds:samples", "", str(sample).replace("7", "8"))

        with pytest.raises(ValueError, match="sample"):
            await Ledger(bench.redis).find("k2")

    async def test_a_reader_that_knows_an_old_sample_asks_again(self, bench: Bench):
        await self.settle(bench, "k")
        await self.pack(bench)
        reader = Ledger(bench.redis)
        sample = str(await bench.redis.hget("refunds:samples", ""))
        await bench.redis.hset("refunds:samples", "", sample.replace("7", "8"))
        with pytest.raises(ValueError, match="sample"):
            await reader.find("k")

        await bench.redis.hset("refunds:samples", "", sample)

        found = await reader.find("k")
        assert found is not None
        assert found.result == RESULT
