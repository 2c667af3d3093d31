"""One attempt of a job to which a limit on money applies, against a shop in memory."""
# ruff: noqa: ANN401 - documents and fields of any kind

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from tests.factories import a_document, a_job, a_memo_document, an_order, rows_of
from tests.fakes import REFUSED, FakeShop, Fate, handle, resources
from tests.replays import replay
from tests.suites.ledger import Clock
from worker.domain.answer import Answer
from worker.domain.facts import Preflight
from worker.domain.lifecycle import State
from worker.domain.limits import NO_LIMITS, Hold, Limits
from worker.guards.budget import set_campaign_limit
from worker.ledger.entry import Entry
from worker.ledger.holds import Holds, Said
from worker.ledger.ledger import Ledger
from worker.resources import Resources

#: From `sent` until absence is proven: a call may leave late, and then run as long as the shop lets it.
PROVEN_SECONDS = 130


@dataclass
class World:
    """A ledger, a shop, one worker with limits, and one job."""

    clock: Clock
    shop: FakeShop
    ledger: Ledger
    r: Resources

    def set(self, limits: Limits, preflight: Preflight = "auto") -> None:
        shop = self.r.shops["default"]
        rules = replace(shop.rules, preflight=preflight)
        self.r.shops = {"default": replace(shop, limits=limits, rules=rules)}

    async def accept(self, **changes: Any) -> Entry:
        job = a_job(**changes)
        limits = self.r.shops["default"].limits
        await self.ledger.accept(rows_of(job, limits=limits), lane="express", message=1)
        return await self.entry()

    async def attempt(self, *fates: Fate | Answer, after_seconds: float = 0) -> Entry:
        """Deliver the job once; gives its entry afterwards."""
        self.clock.pass_seconds(after_seconds)
        self.shop.fates.extend(fates)
        await handle(["rma-1"], "express", 1, self.r)
        assert not self.r.orphans
        return await self.entry()

    async def entry(self) -> Entry:
        found = await self.ledger.find("rma-1")
        assert found is not None
        return found

    async def spent(self) -> Decimal:
        counters: Any = await self.r.redis.hgetall("refunds:spent")
        return Decimal(sum(int(cents) for name, cents in counters.items() if name.startswith("day:"))).scaleb(-2)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    redis, clock = FakeAsyncRedis(decode_responses=True), Clock()
    ledger = Ledger(redis, now_ms=lambda: clock.ms)
    await ledger.initialise("first", run_id="run-1")
    clock.pass_seconds(1)
    shop = FakeShop(now_ms=lambda: clock.ms)
    yield World(clock, shop, ledger, resources(redis, shop, ledger=ledger))
    await redis.aclose()


class TestARelativeJob:
    @pytest.mark.parametrize("preflight", ["never", "auto", "always"])
    async def test_is_quoted_before_it_is_sent_whatever_the_policy_is(self, world: World, preflight: Preflight):
        world.set(Limits(day=Decimal("10.00")), preflight)
        await world.accept()
        entry = await world.attempt()

        assert (entry.state, entry.sent["quote"], await world.spent()) == (State.SETTLED, "10.00", Decimal("10.00"))

    async def test_is_not_read_for_without_a_limit(self, world: World):
        world.set(NO_LIMITS, "never")
        world.shop.orders.clear()
        await world.accept()

        assert (await world.attempt()).state is State.SETTLED
        assert await world.spent() == 0

    async def test_over_the_limit_is_held_and_never_sent(self, world: World):
        world.set(Limits(job=Decimal("9.99")))
        await world.accept()
        entry = await world.attempt()

        assert (entry.state, entry.holder, entry.order, entry.sends) == (State.HELD, "", "", 0)
        assert entry.hold == Hold(reason="over_job_limit", asked=Decimal("10.00"), limit=Decimal("9.99"))
        assert (entry.history[-1]["outcome"], entry.history[-1]["reason"]) == ("held", "over_job_limit")
        assert world.shop.calls == []

    async def test_goes_after_an_approval(self, world: World):
        world.set(Limits(job=Decimal("9.99")))
        await world.accept()
        await Holds(world.r.redis, now_ms=lambda: world.clock.ms).approve(await world.attempt(), Said(by="ann"))
        await world.ledger.publish()

        assert (await world.attempt()).state is State.SETTLED
        assert await world.spent() == Decimal("10.00")

    async def test_is_held_again_where_the_order_makes_more_of_it_than_was_approved(self, world: World):
        world.set(Limits(job=Decimal("9.99")))
        await world.accept(items=None, full=True)
        await Holds(world.r.redis, now_ms=lambda: world.clock.ms).approve(await world.attempt(), Said(by="ann"))
        world.shop.orders[7] = an_order(base_shipping_amount=6, base_shipping_incl_tax=6, shipping_amount=6,
                                        base_total_paid=46, total_paid=46)  # fmt: skip
        entry = await world.attempt()

        assert entry.hold == Hold(reason="over_job_limit", asked=Decimal("46.00"), limit=Decimal("9.99"))
        assert world.shop.calls == []
        assert await world.spent() == 0

    async def test_that_nobody_can_quote_waits_for_people(self, world: World):
        world.set(Limits(day=Decimal("1000.00")))
        world.shop.orders[7] = an_order(base_gift_cards_amount=5, extension_attributes={"base_gift_cards_amount": 5})
        await world.accept()
        entry = await world.attempt()
        assert entry.hold == Hold(reason="amount_unknown")

        await Holds(world.r.redis, now_ms=lambda: world.clock.ms).approve(entry, Said(by="ann"))
        assert (await world.attempt()).state is State.SETTLED


class TestAJobThatSaysItsTotal:
    async def test_that_expects_less_than_it_asks_for_is_found_out_by_the_quote(self, world: World):
        world.set(Limits(job=Decimal("9.99")), "never")
        assert (await world.accept(expected_total="1.00")).state is State.QUEUED
        entry = await world.attempt()

        assert (entry.state, entry.reason) == (State.DEAD, "expected_total_differs")
        assert await world.spent() == 0

    async def test_a_whole_credit_memo_needs_no_look_at_the_order(self, world: World):
        world.set(Limits(day=Decimal("10.00")), "never")
        world.shop.orders.clear()
        await world.accept(items=None, creditmemo=a_memo_document())

        assert (await world.attempt()).state is State.SETTLED
        assert await world.spent() == Decimal("10.00")

    async def test_shipping_beside_goodwill_is_quoted(self, world: World):
        world.set(Limits(day=Decimal("100.00")))
        await world.accept(items=None, amount="3.00", shipping_amount="2.00")
        assert await world.spent() == Decimal("5.00")

        assert (await world.attempt()).sent["quote"] == "5.00"


class TestMoney:
    async def test_comes_back_when_magento_refuses(self, world: World):
        world.set(Limits(day=Decimal("10.00")))
        await world.accept(items=None, amount="3.00")

        assert (await world.attempt(REFUSED)).state is State.DEAD
        assert await world.spent() == 0

    async def test_stays_spent_while_a_job_is_in_doubt(self, world: World):
        world.set(Limits(day=Decimal("10.00")))
        await world.accept(items=None, amount="3.00")

        assert (await world.attempt("lost_after")).state is State.IN_DOUBT
        assert await world.spent() == Decimal("3.00")
        assert (await world.attempt(after_seconds=5)).state is State.SETTLED
        assert await world.spent() == Decimal("3.00")

    async def test_of_a_job_in_doubt_is_never_held(self, world: World):
        """It left before there was a limit; holding it would leave the doubt unresolved."""
        await world.accept()
        await world.attempt("lost_before")
        world.set(Limits(job=Decimal("1.00")))

        assert (await world.attempt(after_seconds=PROVEN_SECONDS)).state is State.SETTLED
        assert await world.spent() == Decimal("10.00")

    async def test_a_replayed_job_is_looked_up_before_it_is_held(self, world: World):
        await world.accept()
        await world.attempt(REFUSED)
        world.set(Limits(job=Decimal("1.00")))
        await replay(world.ledger, "rma-1")

        entry = await world.attempt(after_seconds=PROVEN_SECONDS)
        assert (entry.state, entry.sends) == (State.HELD, 1)

    async def test_the_limit_of_a_campaign_holds_for_workers_without_any_setting(self, world: World):
        await set_campaign_limit(world.r.redis, "spring", Decimal("9.00"))
        await world.accept(**a_document(campaign="spring"))
        entry = await world.attempt()

        assert entry.hold == Hold(reason="over_campaign_limit", asked=Decimal("10.00"), limit=Decimal("9.00"))
