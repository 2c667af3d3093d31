"""What the moves of the guards promise; run on the double and on a real Redis, so that they cannot differ."""
# ruff: noqa: ANN401 - arguments of any kind

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.factories import a_job, rows_of
from tests.suites.ledger import Bench, Clock
from worker.domain.lifecycle import State
from worker.guards.allotment import Allotment, Ask
from worker.guards.pauses import Scope, pause, resume
from worker.guards.scripts import Moves
from worker.guards.view import due_for_a_probe, view
from worker.ledger.ledger import Ledger, Paused

BUSY = Ask(wanted=100, sends=100)


@dataclass
class Common:
    """The common limits of one shop, with a clock."""

    redis: Redis
    clock: Clock
    ceiling: int = 10
    rate: float = 0

    async def ask(self, ask: Ask = BUSY, *, worker: str = "w1", after: float = 0.0, **changes: Any) -> Allotment:
        self.clock.pass_seconds(after)
        head: dict[str, str | float] = {"now": self.clock.ms, "shop": "default", "worker": worker, "lease_ms": 10_000}
        head |= {"ceiling": self.ceiling, "rate": self.rate}
        pairs = [*(part for pair in head.items() for part in pair), *replace(ask, **changes).pairs()]
        answer = await Moves(self.redis)("allot", *pairs)
        return Allotment.read(answer, has_rate=self.rate > 0, at=self.clock.ms / 1000, lease_seconds=10)

    async def probed(self, outcome: str = "good") -> str:
        args = ("now", self.clock.ms, "shop", "default", "outcome", outcome, "reason", "dns", "retry_ms", 0)
        return str(await Moves(self.redis)("probed", *args))

    async def field(self, name: str) -> str | None:
        found = await self.redis.hget("refunds:shop:default", name)
        return None if found is None else str(found)


@pytest.fixture
async def common(redis: Redis) -> Common:
    return Common(redis, Clock())


@pytest.fixture
async def bench(redis: Redis) -> Bench:
    clock = Clock()
    ledger = Ledger(redis, now_ms=lambda: clock.ms)
    await ledger.initialise("first")
    return Bench(redis, clock, ledger)


class TestSlots:
    async def test_one_worker_gets_what_it_wants_up_to_the_limit(self, common: Common):
        assert (await common.ask(wanted=4)).slots == 4
        assert (await common.ask()).slots == 10

    async def test_a_second_worker_waits_until_the_first_gives_its_surplus_back(self, common: Common):
        await common.ask()
        assert (await common.ask(worker="w2")).slots == 0
        assert (await common.ask()).slots == 5
        assert (await common.ask(worker="w2")).slots == 5

    async def test_slots_in_use_are_never_given_to_others_and_not_used_again_beyond_the_share(self, common: Common):
        await common.ask()
        await common.ask(worker="w2")
        assert (await common.ask(in_use=8)).slots == 5
        assert (await common.ask(worker="w2")).slots == 2

    async def test_who_keeps_slots_is_told_that_others_could_use_them_and_then_gives_them_back(self, common: Common):
        assert not (await common.ask(kept=10)).is_contested
        assert (await common.ask(worker="w2")).slots == 0
        told = await common.ask(in_use=2, kept=10)
        assert (told.slots, told.is_contested) == (5, True)
        assert (await common.ask(worker="w2")).slots == 0, "they are kept until the next question"
        given_back = await common.ask(in_use=2)
        assert (given_back.slots, given_back.is_contested) == (5, False)
        assert (await common.ask(worker="w2")).slots == 5

    async def test_after_its_lease_a_worker_keeps_nothing_that_others_were_given(self, common: Common):
        await common.ask()
        assert (await common.ask(worker="w2", after=11)).slots == 10
        back = await common.ask(kept=10)
        assert back.slots == 0
        assert (await common.ask(worker="w2", in_use=10)).slots == 5

    async def test_a_busy_worker_does_not_keep_a_second_one_out_for_ever(self, common: Common):
        await common.ask()
        await common.ask(worker="w2")
        in_use = 10
        for _ in range(3):  # each time its calls end, it begins as many as it may
            in_use = (await common.ask(in_use=in_use, kept=in_use)).slots
        assert in_use == 5
        assert (await common.ask(worker="w2")).slots == 5

    async def test_the_answer_that_opens_the_breaker_lets_nobody_in(self, common: Common):
        await common.ask(kept=9)
        opened = await common.ask(in_use=1, kept=9, trip=True, reason="unauthorised")
        assert (opened.is_open, opened.slots) == (True, 0)

    async def test_whoever_wants_little_gets_it_all(self, common: Common):
        await common.ask(wanted=2)
        assert (await common.ask(worker="w2")).slots == 8

    async def test_a_single_slot_goes_round(self, common: Common):
        common.ceiling = 1
        seen = set()
        for second in range(12):
            for worker in ("w1", "w2", "w3"):
                if (await common.ask(worker=worker, after=0.3)).slots:
                    seen.add(worker)
            assert second < 12
        assert seen == {"w1", "w2", "w3"}

    @pytest.mark.parametrize("ceiling", [1, 2, 5, 7, 100])
    async def test_the_sum_of_all_slots_never_exceeds_the_limit(self, common: Common, ceiling: int):
        common.ceiling = ceiling
        slots = dict.fromkeys(("w1", "w2", "w3"), 0)
        for step in range(60):
            worker = f"w{step * step % 3 + 1}"
            in_use = slots[worker] // 2
            slots[worker] = (await common.ask(worker=worker, after=0.1, in_use=in_use, wanted=step % 9 * 3)).slots
            assert sum(slots.values()) <= ceiling

    async def test_the_slots_of_a_dead_worker_are_free_after_its_lease(self, common: Common):
        await common.ask(in_use=10)
        assert (await common.ask(worker="w2", after=9)).slots == 0
        assert (await common.ask(worker="w2", after=2)).slots == 10

    async def test_an_idle_worker_has_one_to_spare_only_where_that_takes_nothing_from_others(self, common: Common):
        assert (await common.ask(wanted=0)).slots == 1
        assert (await common.ask(worker="w2")).slots == 9
        assert (await common.ask(wanted=0)).slots == 0
        assert (await common.ask(worker="w2")).slots == 10

    async def test_a_single_slot_is_never_kept_to_spare(self, common: Common):
        common.ceiling = 1
        assert (await common.ask(wanted=0)).slots == 0
        assert (await common.ask(worker="w2")).slots == 1


class TestRate:
    async def test_send_times_keep_a_distance_and_are_given_at_most_300_ms_ahead(self, common: Common):
        common.rate = 30
        times = (await common.ask()).times or ()
        now = common.clock.ms / 1000
        assert len(times) == 9
        assert times[0] == pytest.approx(now, abs=0.001)
        assert times[-1] <= now + 0.301
        assert times[1] - times[0] == pytest.approx(1 / (0.97 * 30), abs=0.001)

    async def test_all_workers_together_use_95_percent_and_never_more_than_all(self, common: Common):
        common.rate, common.ceiling = 30, 100
        times: list[float] = []
        for _ in range(100):
            for worker in ("w1", "w2"):
                times += (await common.ask(worker=worker, after=0.05)).times or ()
        ordered = sorted(times)
        assert len(ordered) >= 0.95 * 30 * 10
        assert all(later - earlier > 0.033 for earlier, later in pairwise(ordered))

    async def test_calls_without_a_send_time_are_paid_for_by_the_next_ones(self, common: Common):
        common.rate = 10
        assert len((await common.ask(debt=20)).times or ()) == 0
        assert len((await common.ask(after=2.1)).times or ()) == 3


class TestLimit:
    async def test_a_shop_that_does_not_keep_up_gets_a_third_less_once_a_second(self, common: Common):
        assert (await common.ask(bad=5)).limit == 7
        assert (await common.ask(bad=5, after=0.5)).limit == 7
        assert (await common.ask(bad=5, after=0.6)).limit == 4

    async def test_one_bad_answer_among_many_good_ones_changes_nothing(self, common: Common):
        await common.ask(good=50)
        assert (await common.ask(good=50, bad=1)).limit == 10

    async def test_the_limit_never_falls_below_one_and_grows_back_slowly(self, common: Common):
        for _ in range(20):
            await common.ask(bad=5, after=1.1)
        assert await common.field("limit") == "1"
        for _ in range(10):
            await common.ask(good=50, after=2)
        assert 5 <= int(await common.field("limit") or 0) <= 10

    async def test_a_latency_that_rises_takes_slots_but_not_the_last_quarter(self, common: Common):
        await common.ask(good=5, latency_seconds=0.4)
        for _ in range(10):
            await common.ask(good=5, latency_seconds=2.0, after=1.1)
        assert await common.field("limit") == "3"

    async def test_a_latency_of_milliseconds_may_double_without_harm(self, common: Common):
        await common.ask(good=5, latency_seconds=0.01)
        assert (await common.ask(good=5, latency_seconds=0.1)).limit == 10


class TestBreaker:
    async def test_it_opens_after_five_failures_in_a_row_of_all_workers(self, common: Common):
        await common.ask(fails=3, reason="dns")
        allotment = await common.ask(worker="w2", fails=2, reason="dns")
        assert (allotment.is_open, allotment.event, allotment.slots) == (True, "opened", 0)
        assert (await common.ask()).is_open

    async def test_a_good_answer_between_them_begins_the_count_anew(self, common: Common):
        await common.ask(fails=4)
        await common.ask(good=1, worker="w2")
        assert not (await common.ask(fails=4)).is_open

    async def test_one_answer_that_speaks_for_the_whole_shop_is_enough(self, common: Common):
        assert (await common.ask(fails=1, trip=True, reason="maintenance")).is_open

    async def test_it_asks_after_one_second_then_later_and_later_at_most_after_thirty(self, common: Common):
        await common.ask(fails=5)
        waits = []
        for _ in range(7):
            until = int(await common.field("until_ms") or 0)
            waits.append((until - common.clock.ms) / 1000)
            common.clock.ms = until
            assert await common.probed("failed") == "open"
        assert waits == [1, 2, 4, 8, 16, 30, 30]

    async def test_what_the_shop_asked_for_is_obeyed(self, common: Common):
        await common.ask(fails=1, trip=True, retry_seconds=77)
        assert int(await common.field("until_ms") or 0) == common.clock.ms + 77_000

    async def test_a_good_probe_closes_it_with_one_call_at_once_which_doubles_to_what_was_sure(self, common: Common):
        common.ceiling = 20
        await common.ask(fails=5)
        assert await common.probed() == "closed"
        assert (await common.ask()).limit == 1
        limits = [(await common.ask(good=5, after=0.6)).limit for _ in range(5)]
        assert limits == [2, 4, 8, 14, 14]

    async def test_people_are_told_once_until_the_shop_has_let_us_in_again(self, common: Common):
        news: dict[str, Any] = {"fails": 1, "trip": True, "alert": True, "reason": "bad_credentials"}
        assert (await common.ask(**news)).event == "alert"
        await common.probed()
        assert (await common.ask(**news)).event == "opened"
        await common.probed()
        await common.ask(good=1)
        assert (await common.ask(**news)).event == "alert"

    async def test_late_failures_of_before_do_not_prolong_it(self, common: Common):
        await common.ask(fails=5)
        until = await common.field("until_ms")
        await common.ask(fails=50, trip=True, after=0.5)
        assert await common.field("until_ms") == until


class TestParking:
    async def test_a_job_of_a_paused_shop_is_neither_claimed_nor_published(self, bench: Bench):
        await bench.accept("k")
        await pause(bench.redis, Scope(shop="default"), by="anna")
        assert await bench.claims("k") == []
        await bench.redis.zadd("refunds:due", {"k": 0})
        assert await bench.ledger.publish() == []
        assert await bench.redis.zcard("refunds:parked:default/express") == 1
        assert (await bench.ledger.counts())["waiting"] == 1

    async def test_a_job_that_was_claimed_before_the_pause_is_not_sent_after_it(self, bench: Bench):
        claim = await bench.accepted_and_claimed()
        await pause(bench.redis, Scope(lane="express"), by="anna")
        with pytest.raises(Paused):
            await bench.send(claim)

    async def test_a_job_in_doubt_is_claimed_in_a_pause_also_behind_one_that_is_parked(self, bench: Bench):
        await bench.ledger.defer(await bench.sent("doubt"), to=State.IN_DOUBT, delay_seconds=0, keep_order=True)
        await bench.accept("k")
        await pause(bench.redis, Scope(lane="express"), by="anna")
        assert [claim.key for claim in await bench.claims("k", "doubt")] == ["doubt"]

    async def test_a_pause_of_the_other_lane_changes_nothing(self, bench: Bench):
        await bench.accept("k")
        await pause(bench.redis, Scope(lane="bulk", shop="default"), by="anna")
        assert len(await bench.claims("k")) == 1

    async def test_parked_jobs_come_back_as_workers_have_room(self, bench: Bench):
        await bench.accept("a", "b", "c")
        await pause(bench.redis, Scope(), by="anna")
        await bench.claims("a", "b", "c")
        await bench.redis.hset("refunds:room:default/express", "w1", f"2 {bench.clock.ms}")
        assert await bench.ledger.publish() == []
        assert await resume(bench.redis, Scope())
        ((_, _, keys),) = await bench.ledger.publish()
        assert keys == ["a", "b"]
        assert await bench.ledger.publish() == []

    async def test_what_a_worker_has_too_much_of_is_parked_by_its_next_claim(self, bench: Bench):
        await bench.accept("k")
        assert await bench.ledger.claim(["k"], worker="w", lane="express", message=1, full=["default/express"]) == []
        assert await bench.redis.zcard("refunds:parked:default/express") == 1

    async def test_jobs_of_a_shop_that_is_away_do_not_hold_up_those_of_another(self, bench: Bench):
        await bench.accept(*(f"k{number}" for number in range(300)))
        await bench.accept("other", shop="other")
        await bench.redis.hset("refunds:shop:default", "breaker", "open")
        for number in range(300):
            await bench.redis.zadd("refunds:due", {f"k{number}": 1})
        await bench.redis.zadd("refunds:due", {"other": 2})
        ((_, _, keys),) = await bench.ledger.publish()
        assert keys == ["other"]


class TestAnHourOfMaintenance:
    #: Jobs of the campaign that meets it; the suite on a real Redis takes more.
    jobs = 100

    async def test_no_job_dies_none_is_handed_out_and_all_come_back(self, bench: Bench):
        """On a virtual clock: the breaker opens, 120 probes fail, one succeeds."""
        keys = [f"k{number}" for number in range(self.jobs)]
        for start in range(0, self.jobs, 100):
            jobs = [a_job(idempotency_key=key) for key in keys[start : start + 100]]
            await bench.ledger.accept(rows_of(*jobs), lane="bulk", message=start // 100 + 1)
        common = Common(bench.redis, bench.clock)
        await common.ask(fails=1, trip=True, reason="maintenance", good=0)

        for start in range(0, self.jobs, 100):
            number = start // 100 + 1
            assert await bench.ledger.claim(keys[start : start + 100], worker="w", lane="bulk", message=number) == []
        for _ in range(120):
            bench.clock.pass_seconds(30)
            await bench.redis.hset("refunds:room:default/bulk", "w1", f"1000 {bench.clock.ms}")
            assert await common.probed("failed") == "open"
            assert await bench.ledger.publish() == []
        counts = await bench.counts_add_up()
        assert (counts["waiting"], counts["dead"]) == (self.jobs, 0)

        assert await common.probed("good") == "closed"
        returned: list[str] = []
        while len(returned) < self.jobs:
            bench.clock.pass_seconds(0.5)
            await bench.redis.hset("refunds:room:default/bulk", "w1", f"1000 {bench.clock.ms}")
            messages = await bench.ledger.publish()
            assert messages
            returned += [key for _, _, found in messages for key in found]
        assert sorted(returned) == sorted(keys)


async def test_the_view_tells_how_a_shop_stands(common: Common):
    common.clock.ms = int((await common.redis.time())[0]) * 1000
    await common.ask(in_use=3, fails=1, trip=True, reason="maintenance", latency_seconds=0.25, good=0)
    await pause(common.redis, Scope(lane="bulk"), by="anna")
    shop = await view(common.redis, "default", ceiling=10, rate_per_second=None)
    assert (shop.breaker, shop.reason, shop.in_use, shop.limit, shop.paused) == (
        "open", "maintenance", 3, 1, ("lane:bulk",),
    )  # fmt: skip
    assert await due_for_a_probe(common.redis, ["default", "unknown"]) == []
    common.clock.pass_seconds(-60)
    await common.redis.hset("refunds:shop:default", "until_ms", common.clock.ms)
    assert await due_for_a_probe(common.redis, ["default"]) == ["default"]
