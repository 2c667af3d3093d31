"""What the limits on money promise; run on the double and on a real Redis, so that they cannot differ."""
# ruff: noqa: ANN401 - documents and fields of any kind

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.factories import A_STEERING, a_document, a_job, a_memo_document, rows_of
from tests.replays import replay
from tests.suites.ledger import LINE, Bench, Clock
from worker.campaigns.feed import Feed
from worker.campaigns.store import Campaigns, CampaignState
from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.store import DeadLetters
from worker.domain.lifecycle import State
from worker.domain.limits import NO_LIMITS, Hold, Limits
from worker.guards.budget import set_campaign_limit
from worker.ledger.entry import Claim, Entry
from worker.ledger.holds import Holds, Said
from worker.ledger.ledger import Ledger
from worker.ledger.over_limit import OverLimit
from worker.ledger.row import Receipt
from worker.trail import Trail

ANN = Said(by="ann", why="checked with the customer")
DAY_SECONDS = 86_400


def goodwill(amount: str, **changes: Any) -> dict[str, Any]:
    """A document that says its total."""
    return a_document(items=None, amount=amount, **changes)


@dataclass
class Till(Bench):
    """A ledger with limits on money."""

    holds: Holds
    limits: Limits = NO_LIMITS
    message: int = 0

    async def take(self, key: str, amount: str | None, **changes: Any) -> Receipt:
        """Accept a job over an amount, or one whose total only the shop knows."""
        document = goodwill(amount, **changes) if amount else a_document(**changes)
        job = a_job(**{**document, "idempotency_key": key, "items": document.get("items")})
        self.message = int(await self.ledger.redis.incr("refunds:seq:express"))
        _, receipts = await self.ledger.accept(rows_of(job, limits=self.limits), lane="express", message=self.message)
        return receipts[0]

    async def let_go(self, claim: Claim, money: str, *, order_id: int = 7, number: int = 1) -> None:
        """Send, with the total that was quoted."""
        await self.ledger.send(
            claim, order_id=order_id, number=number, sent={}, money=Decimal(money), limits=self.limits
        )

    async def end(self, claim: Claim, verdict: str) -> None:
        await self.ledger.bury(claim, reason="some_reason", verdict=verdict, message="no", line=LINE)

    async def spent_today(self) -> Decimal:
        day = self.clock.ms // 1000 // DAY_SECONDS
        return Decimal(str(await self.redis.hget("refunds:spent", f"day:default:{day}") or 0)).scaleb(-2)

    async def spent_of_campaign(self, name: str) -> Decimal:
        return Decimal(str(await self.redis.hget("refunds:spent", f"campaign:{name}") or 0)).scaleb(-2)

    async def books(self) -> None:
        """The counters are the sums over all entries, exactly."""
        sums: Counter[str] = Counter()
        async for entry in self.ledger.entries():
            raw: Any = await self.redis.hgetall(f"refunds:entry:{entry.key}")
            if "money_day" in raw:
                sums[f"day:{entry.shop}:{raw['money_day']}"] += int(raw["money"])
                if entry.campaign:
                    sums[f"campaign:{entry.campaign}"] += int(raw["money"])
        counters: Any = await self.redis.hgetall("refunds:spent")
        assert {name: int(cents) for name, cents in counters.items() if int(cents)} == {
            name: cents for name, cents in sums.items() if cents
        }

    async def acts(self) -> list[tuple[str, str, str]]:
        return [(one.act, one.subject, one.by) async for one in Trail(self.redis).records()]


class BudgetPromises:
    """The promises; a subclass gives the fixture `redis`, empty."""

    @pytest.fixture
    async def till(self, redis: Redis) -> AsyncIterator[Till]:
        clock = Clock()
        ledger = Ledger(redis, lease_seconds=10, now_ms=lambda: clock.ms)
        await ledger.initialise("first", run_id="run-1")
        clock.pass_seconds(1)
        till = Till(redis, clock, ledger, Holds(redis, now_ms=lambda: clock.ms))
        yield till
        await till.counts_add_up()
        await till.books()

    # --- at the door ----------------------------------------------------------------------------------------------

    async def test_without_a_limit_nothing_is_counted(self, till: Till):
        await till.take("k", "12.50", campaign="spring")
        claim = await till.claim("k")
        await till.send(claim)
        await till.settle(claim)

        assert await till.redis.exists("refunds:spent", "refunds:on_hold") == 0
        raw: Any = await till.redis.hgetall("refunds:entry:k")
        assert not {"money", "money_day", "limited"} & set(raw)

    async def test_what_fits_is_queued_and_counts_at_once(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))

        receipt = await till.take("k", "99.99")

        assert (receipt.status, receipt.state) == ("accepted", "queued")
        assert await till.spent_today() == Decimal("99.99")

    async def test_a_limit_may_be_used_up_to_the_cent_and_not_beyond(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("first", "60.00")

        assert (await till.take("second", "40.01")).state == "held"
        assert (await till.take("third", "40.00")).state == "queued"
        assert (await till.take("fourth", "0.01")).state == "held"

    @pytest.mark.parametrize(
        ("limits", "reason", "limit", "spent"),
        [
            (Limits(job=Decimal("50.00")), "over_job_limit", "50.00", "0.00"),
            (Limits(day=Decimal("80.00")), "over_day_limit", "80.00", "30.00"),
            (Limits(campaign=Decimal("85.00")), "over_campaign_limit", "85.00", "30.00"),
        ],
        ids=["job", "day", "campaign"],
    )
    async def test_over_a_limit_a_job_is_accepted_and_held_with_the_reason(
        self, till: Till, limits: Limits, reason: str, limit: str, spent: str
    ):
        till.limits = limits
        await till.take("before", "30.00", campaign="spring")
        receipt = await till.take("k", "60.00", campaign="spring")

        entry = await till.entry("k")
        assert (receipt.status, receipt.state, entry.state) == ("accepted", "held", State.HELD)
        assert entry.hold == Hold(
            reason=reason, asked=Decimal("60.00"), limit=Decimal(limit), spent=Decimal(spent)
        )  # fmt: skip
        assert (entry.history[-1]["event"], entry.history[-1]["asked_cents"]) == ("held", 6000)
        assert await till.spent_today() == Decimal("30.00")

    async def test_a_limit_set_for_a_campaign_goes_before_the_setting(self, till: Till):
        till.limits = Limits(campaign=Decimal("1000.00"))
        await set_campaign_limit(till.redis, "spring", Decimal("25.00"))
        await till.take("first", "20.00", campaign="spring")

        assert (await till.take("second", "6.00", campaign="spring")).state == "held"
        assert (await till.take("other", "6.00", campaign="summer")).state == "queued"
        assert await till.spent_of_campaign("spring") == Decimal("20.00")

        await set_campaign_limit(till.redis, "spring", Decimal("26.00"))
        assert (await till.take("third", "6.00", campaign="spring")).state == "queued"

    async def test_a_campaign_limit_needs_no_setting(self, till: Till):
        await set_campaign_limit(till.redis, "spring", Decimal("10.00"))

        assert (await till.take("k", "10.01", campaign="spring")).state == "held"
        assert (await till.take("alone", "10.01")).state == "queued"

    async def test_a_duplicate_counts_once_and_is_answered_held(self, till: Till):
        till.limits = Limits(day=Decimal("10.00"))
        await till.take("k", "7.00")
        await till.take("k", "7.00")
        await till.take("over", "7.00")

        assert (await till.take("over", "7.00")).status == "duplicate"
        assert (await till.take("over", "7.00")).state == "held"
        assert await till.spent_today() == Decimal("7.00")

    async def test_each_day_and_each_shop_has_its_own_sum(self, till: Till):
        till.limits = Limits(day=Decimal("10.00"))
        await till.take("monday", "10.00")
        till.clock.pass_seconds(DAY_SECONDS)

        assert (await till.take("tuesday", "10.00")).state == "queued"
        job = a_job(**{**goodwill("10.00"), "items": None, "idempotency_key": "eu", "shop": "eu"})
        _, (receipt,) = await till.ledger.accept(rows_of(job, limits=till.limits), lane="express", message=9)
        assert receipt.state == "queued"

    async def test_a_whole_credit_memo_says_its_total(self, till: Till):
        till.limits = Limits(job=Decimal("9.99"))
        memo = a_memo_document(base_grand_total="10.00")

        assert (await till.take("k", None, items=None, creditmemo=memo)).state == "held"

    async def test_a_held_job_is_no_workers_business(self, till: Till):
        till.limits = Limits(job=Decimal("1.00"))
        await till.take("k", "2.00")

        assert await till.claims("k", message=till.message) == []
        assert await till.ledger.find_lost("express", up_to=till.message) == []
        till.clock.pass_seconds(1000)
        assert await till.ledger.publish() == []
        assert await till.state("k") is State.HELD

    async def test_the_held_jobs_of_a_cancelled_campaign_end_with_it(self, till: Till):
        till.limits = Limits(job=Decimal("1.00"))
        campaigns = Campaigns(till.redis, now_ms=lambda: till.clock.ms)
        await campaigns.create("spring", sha256="x")
        await till.take("k", "2.00", campaign="spring")
        await till.take("other", "2.00")
        states = frozenset({CampaignState.DRAFT})
        await campaigns.steer("spring", allowed=states, act=A_STEERING, to=CampaignState.CANCELLED)
        feed = Feed(till.redis, now_ms=lambda: till.clock.ms)
        await feed.step()
        await feed.step()

        assert (await till.state("k"), await till.state("other")) == (State.CANCELLED, State.HELD)
        assert [entry.key async for entry in till.holds.entries()] == ["other"]
        assert (await till.holds.count(), await till.redis.scard("refunds:campaigns:open")) == (1, 0)

    # --- before the call ------------------------------------------------------------------------------------------

    async def test_a_relative_job_counts_when_it_is_sent(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", None)
        assert await till.spent_today() == 0

        await till.let_go(await till.claim("k"), "64.20")

        assert await till.spent_today() == Decimal("64.20")
        assert (await till.entry("k")).money == Decimal("64.20")

    async def test_a_relative_job_over_a_limit_is_not_sent(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("first", "50.00")
        await till.take("k", None)
        claim = await till.claim("k")

        with pytest.raises(OverLimit) as over:
            await till.let_go(claim, "50.01")
        assert await till.state("k") is State.CLAIMED
        await till.ledger.hold(claim, over.value.hold, line=LINE)

        entry = await till.entry("k")
        assert entry.hold == Hold(
            reason="over_day_limit", asked=Decimal("50.01"), limit=Decimal("100.00"), spent=Decimal("50.00")
        )  # fmt: skip
        assert (entry.sends, entry.order, entry.holder) == (0, "", "")
        assert await till.redis.exists("refunds:order:default:7") == 0
        assert await till.spent_today() == Decimal("50.00")

    async def test_a_quote_corrects_what_was_counted_at_the_door(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", "50.00")
        await till.let_go(await till.claim("k"), "48.00")

        assert await till.spent_today() == Decimal("48.00")

    async def test_a_quote_above_what_was_said_must_fit_as_well(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", "99.00")
        claim = await till.claim("k")
        with pytest.raises(OverLimit) as over:
            await till.let_go(claim, "100.50")
        await till.ledger.hold(claim, over.value.hold, line=LINE)

        assert await till.spent_today() == 0  # what is held is not spent

    async def test_sending_again_counts_once(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", None)
        claim = await till.claim("k")
        await till.let_go(claim, "60.00")
        await till.defer(claim, State.IN_DOUBT, 0)
        await till.let_go(await till.claim("k"), "60.00", number=2)

        assert await till.spent_today() == Decimal("60.00")

    async def test_what_was_sent_before_is_spent_whatever_the_limit_says(self, till: Till):
        await till.take("k", None)
        claim = await till.claim("k")
        await till.send(claim)
        await till.defer(claim, State.IN_DOUBT, 0)
        till.limits = Limits(day=Decimal("10.00"))
        await till.let_go(await till.claim("k"), "60.00", number=2)

        assert await till.spent_today() == Decimal("60.00")

    # --- ends -----------------------------------------------------------------------------------------------------

    async def test_what_is_settled_stays_spent(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", "60.00")
        claim = await till.claim("k")
        await till.let_go(claim, "60.00")
        await till.settle(claim)

        assert await till.spent_today() == Decimal("60.00")

    @pytest.mark.parametrize(
        ("verdict", "left"), [("not_sent", "0.00"), ("refused", "0.00"), ("unknown", "60.00")]
    )  # fmt: skip
    async def test_a_dead_letter_gives_its_money_back_unless_nobody_knows(self, till: Till, verdict: str, left: str):
        till.limits = Limits(day=Decimal("100.00"), campaign=Decimal("100.00"))
        await till.take("k", "60.00", campaign="spring")
        claim = await till.claim("k")
        await till.let_go(claim, "60.00")
        await till.end(claim, verdict)

        assert await till.spent_today() == Decimal(left)
        assert await till.spent_of_campaign("spring") == Decimal(left)

    async def test_money_is_given_back_to_the_day_that_it_was_counted_for(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", "60.00")
        till.clock.pass_seconds(DAY_SECONDS)
        await till.take("today", "10.00")
        await till.end(await till.claim("k"), "not_sent")

        assert await till.spent_today() == Decimal("10.00")

    async def test_a_replayed_letter_is_counted_again_before_it_is_sent(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", "60.00")
        await till.end(await till.claim("k"), "refused")
        await till.take("other", "50.00")
        await replay(till.ledger, "k")
        claim = await till.claim("k")

        with pytest.raises(OverLimit):
            await till.let_go(claim, "60.00")
        await till.let_go(claim, "50.00")
        assert await till.spent_today() == Decimal("100.00")

    async def test_a_refund_that_is_found_after_its_money_was_given_back_is_spent(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", "60.00")
        await till.end(await till.claim("k"), "refused")
        await replay(till.ledger, "k")
        await till.settle(await till.claim("k"))

        assert await till.spent_today() == Decimal("60.00")

    async def test_a_refund_that_people_found_is_spent_as_its_credit_memo_says(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", "60.00")
        await till.end(await till.claim("k"), "refused")
        letter = await DeadLetters(till.redis).find("k")
        assert letter is not None
        result = {"memo_id": 7, "base_grand_total": "50.5000"}
        acts = LetterActs(till.redis, now_ms=till.clock.ms)
        await acts.close(letter, Who(by="ann", why="seen"), how="refunded", result=result)

        assert await till.spent_today() == Decimal("50.50")

    async def test_a_refund_that_this_ledger_had_lost_is_spent_when_it_is_found(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", None)
        claim = await till.claim("k")
        await till.ledger.settle(claim, result={"memo_id": 9}, line=LINE, money=Decimal("33.00"))

        assert await till.spent_today() == Decimal("33.00")

    async def test_poison_gives_its_money_back_where_nothing_was_sent(self, till: Till):
        till.limits = Limits(day=Decimal("100.00"))
        await till.take("k", "60.00")
        for _ in range(3):
            claim = await till.claim("k")
            await till.ledger.lock(claim, order_id=7)
            till.clock.pass_seconds(11)
            await till.ledger.adopt()

        assert (await till.entry("k")).reason == "poison"
        assert await till.spent_today() == 0

    # --- people ---------------------------------------------------------------------------------------------------

    async def _held(self, till: Till, key: str = "k", amount: str = "60.00", **changes: Any) -> Entry:
        till.limits = Limits(job=Decimal("50.00"))
        assert (await till.take(key, amount, **changes)).state == "held"
        return await till.entry(key)

    async def test_an_approved_job_is_queued_counts_and_may_be_sent(self, till: Till):
        entry = await self._held(till)

        assert await till.holds.approve(entry, ANN) == "queued"
        assert await till.spent_today() == Decimal("60.00")
        assert await till.holds.count() == 0
        approved = await till.entry("k")
        assert (approved.state, approved.reason, approved.approved_by) == (State.QUEUED, "", "ann")
        assert (approved.history[-1]["event"], approved.history[-1]["why"]) == ("approved", ANN.why)
        ((_, _, keys),) = await till.ledger.publish()
        assert keys == ["k"]
        await till.let_go(await till.claim("k"), "60.00")
        assert await till.spent_today() == Decimal("60.00")
        assert await till.acts() == [("job.approved", "job:k", "ann")]

    async def test_an_approval_is_good_for_the_money_that_was_seen(self, till: Till):
        await till.holds.approve(await self._held(till), ANN)
        claim = await till.claim("k")

        with pytest.raises(OverLimit) as over:
            await till.let_go(claim, "60.01")
        assert over.value.hold.asked == Decimal("60.01")
        await till.ledger.hold(claim, over.value.hold, line=LINE)
        assert await till.spent_today() == 0

    async def test_an_approval_is_void_for_another_content(self, till: Till):
        await till.holds.approve(await self._held(till), ANN)
        await till.redis.hset("refunds:entry:k", "fingerprint", "of an edited document")
        claim = await till.claim("k")

        with pytest.raises(OverLimit):
            await till.let_go(claim, "60.00")

    async def test_an_approval_stands_after_a_replay_of_the_same_content(self, till: Till):
        await till.holds.approve(await self._held(till), ANN)
        claim = await till.claim("k")
        await till.let_go(claim, "60.00")
        await till.end(claim, "refused")
        await replay(till.ledger, "k")
        await till.let_go(await till.claim("k"), "60.00", number=2)

        assert await till.spent_today() == Decimal("60.00")

    async def test_what_changed_since_it_was_looked_at_is_not_approved(self, till: Till):
        seen = await self._held(till)
        await till.redis.hset("refunds:entry:k", "fingerprint", "of an edited document")

        assert await till.holds.approve(seen, ANN) == "changed"
        assert await till.state("k") is State.HELD
        assert await till.acts() == []

    async def test_only_what_is_held_can_be_approved_or_declined(self, till: Till):
        entry = await self._held(till)
        await till.holds.approve(entry, ANN)

        assert await till.holds.approve(entry, ANN) == "queued"
        assert await till.holds.decline(entry, ANN) == "queued"
        assert (await till.acts()) == [("job.approved", "job:k", "ann")]

    async def test_a_job_of_which_nobody_knows_the_total_may_be_approved_blindly(self, till: Till):
        till.limits = Limits(job=Decimal("50.00"))
        await till.take("k", None)
        claim = await till.claim("k")
        await till.ledger.hold(claim, Hold(reason="amount_unknown"), line=LINE)
        entry = await till.entry("k")
        assert entry.hold == Hold(reason="amount_unknown")

        assert await till.holds.approve(entry, ANN) == "queued"
        assert (await till.entry("k")).is_approved_blindly
        await till.let_go(await till.claim("k"), "700.00")
        assert await till.spent_today() == Decimal("700.00")

    async def test_what_was_approved_counts_against_the_others(self, till: Till):
        till.limits = Limits(day=Decimal("50.00"))
        await till.take("k", "60.00")
        await till.holds.approve(await till.entry("k"), ANN)

        assert (await till.take("other", "1.00")).state == "held"

    async def test_a_declined_job_is_a_dead_letter_of_which_nothing_was_sent(self, till: Till):
        entry = await self._held(till)

        assert await till.holds.decline(entry, Said(by="bob", why="not ours")) == "dead"
        dead = await till.entry("k")
        assert (dead.state, dead.reason, dead.verdict) == (State.DEAD, "declined", "not_sent")
        (letter,) = await till.letters()
        assert (letter["key"], letter["message"]) == ("k", "declined by bob: not ours")
        assert await till.holds.count() == 0
        assert await till.acts() == [("job.declined", "job:k", "bob")]

    async def test_a_declined_job_is_held_again_when_it_is_replayed(self, till: Till):
        await till.holds.decline(await self._held(till), ANN)
        await replay(till.ledger, "k")
        claim = await till.claim("k")

        with pytest.raises(OverLimit):
            await till.let_go(claim, "60.00")

    async def test_after_a_loss_of_writes_a_declined_job_is_not_said_to_be_unsent(self, till: Till):
        entry = await self._held(till)
        till.clock.pass_seconds(5)
        await till.ledger.note_server("run-2")  # an approval, and the send after it, may be among what was lost

        assert await till.holds.decline(entry, ANN) == "dead"
        assert (await till.entry("k")).verdict == "unknown"

    async def test_held_jobs_are_listed_longest_first(self, till: Till):
        await self._held(till, "one", campaign="spring")
        till.clock.pass_seconds(1)
        await self._held(till, "two")

        assert [entry.key async for entry in till.holds.entries()] == ["one", "two"]
        assert [entry.key async for entry in till.holds.entries(campaign="spring")] == ["one"]
        assert [entry.key async for entry in till.holds.entries(shop="eu")] == []
