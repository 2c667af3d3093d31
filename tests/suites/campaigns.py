"""What the moves of campaigns promise; run on the double and on a real Redis, so that they cannot differ."""
# ruff: noqa: ANN401 - documents and fields of any kind

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.factories import A_STEERING, a_job
from tests.replays import replay
from tests.suites.ledger import LINE, Bench, Clock
from worker.campaigns.feed import Feed
from worker.campaigns.latency import CLASSES_MS
from worker.campaigns.status import Slot, Status, read_status
from worker.campaigns.store import Campaigns, CampaignState
from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.store import DeadLetters
from worker.domain.key import fingerprint
from worker.domain.lifecycle import State
from worker.intake.accept import stored
from worker.ledger.confirmations import Confirmations, Confirmed
from worker.ledger.entry import Claim
from worker.ledger.ledger import Cancelled, Ledger, Paused
from worker.ledger.scripts import Moves

OPEN = frozenset({CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.PAUSED})


@dataclass
class Desk(Bench):
    """A ledger with campaigns, and a campaign named `spring`."""

    campaigns: Campaigns

    async def enlist(
        self, *keys: str, cents: str = "1050", campaign: str = "spring", limits: str = "", **changes: Any
    ) -> list[list[str]]:
        args: list[str | float] = []
        for key in keys:
            job = a_job(idempotency_key=key, campaign=campaign, **changes)
            args += [key, fingerprint(job), job.shop, cents, stored(job), limits]
        answer: list[list[str]] = await Moves(self.redis)("accept_campaign", self.clock.ms, campaign, *args)
        return answer

    async def running(self, jobs: int, *, rate: float = 0) -> None:
        """Fill the campaign with k000, k001, ... and start it."""
        await self.enlist(*(f"k{number:03}" for number in range(jobs)))
        await self.campaigns.steer("spring", allowed=OPEN, act=A_STEERING, to=CampaignState.RUNNING, rate=rate)

    async def room(self, jobs: int, *, shop: str = "default") -> None:
        """A worker says that it would take so many jobs."""
        await self.redis.hset(f"refunds:room:{shop}/bulk", "w1", f"{jobs} {self.clock.ms}")

    async def fed(self, *, after: float = 0) -> list[list[str]]:
        """The keys of each message that is fed now."""
        self.clock.pass_seconds(after)
        fed = await Feed(self.redis, now_ms=lambda: self.clock.ms).step()
        return [list(keys) for _, _, keys in fed.messages]

    async def fed_and_claimed(self) -> Claim:
        await self.running(1)
        await self.room(1)
        await self.fed()
        return await self.claim("k000")

    async def all_keys(self) -> list[str]:
        return [key async for page in self.campaigns.keys("spring") for key in page]

    async def to(self, state: CampaignState) -> None:
        assert (await self.campaigns.steer("spring", allowed=OPEN, act=A_STEERING, to=state)).answer == "ok"

    async def status(self) -> Status:
        status = await read_status(self.redis, "spring", now_ms=self.clock.ms)
        assert status is not None
        assert sum(status.reasons.values()) == status.counts.jobs[State.DEAD]
        return status

    async def settle_with(
        self, key: str, call_ms: int | None, *, service: str = "order_refund", confirm: bool = True
    ) -> None:
        line = {"took_ms": 999} | ({} if call_ms is None else {"call_ms": call_ms})
        result = {"memo_id": 91, "service": service}
        await self.ledger.settle(await self.claim(key), result=result, line=line, confirm=confirm)

    async def confirm(self, key: str, total: str, currency: str, *, is_wrong: bool = False) -> None:
        facts = {"base_grand_total": Decimal(total), "base_currency_code": currency}
        line = {"event": "mismatch_found"} if is_wrong else None
        assert await Confirmations(self.redis).write("default", [Confirmed(key=key, facts=facts, line=line)]) == {key}

    async def jobs(self) -> dict[str, int]:
        await self.counts_add_up()
        return {state.value: count for state, count in (await self.campaigns.counts("spring")).jobs.items() if count}


class CampaignPromises:
    """The promises; a subclass gives the fixture `redis`, empty."""

    @pytest.fixture
    async def desk(self, redis: Redis) -> AsyncIterator[Desk]:
        clock = Clock()
        ledger = Ledger(redis, now_ms=lambda: clock.ms)
        await ledger.initialise("first", run_id="run-1")
        campaigns = Campaigns(redis, now_ms=lambda: clock.ms)
        desk = Desk(redis, clock, ledger, campaigns)
        await campaigns.create("spring", sha256="c0ffee", file="spring.csv", by="ann", lines=2)
        yield desk
        await desk.counts_add_up()

    async def test_a_new_campaign_is_a_draft_and_is_found_again(self, desk: Desk):
        found = await desk.campaigns.find("spring")
        assert found is not None
        assert (found.state, found.by, found.lines, found.rate) == (CampaignState.DRAFT, "ann", 2, 0)
        assert await desk.campaigns.all() == [found]
        assert await desk.campaigns.find("autumn") is None

    async def test_the_same_name_is_created_once_and_the_same_content_is_told(self, desk: Desk):
        assert await desk.campaigns.create("spring", sha256="other") == (False, "")
        assert await desk.campaigns.create("autumn", sha256="c0ffee") == (True, "spring")

    async def test_jobs_are_accepted_once_in_the_order_of_the_file(self, desk: Desk):
        assert await desk.enlist("b", "a") == [["accepted", ""], ["accepted", ""]]
        assert await desk.enlist("a", "c") == [["duplicate", "spring"], ["accepted", ""]]
        assert await desk.enlist("a", order_id=8) == [["key_conflict", "spring"]]
        assert await desk.all_keys() == ["b", "a", "c"]
        assert await desk.jobs() == {"waiting": 3}

    async def test_nothing_is_accepted_once_it_is_cancelled(self, desk: Desk):
        await desk.to(CampaignState.CANCELLED)
        assert await desk.enlist("a") == []
        assert await desk.jobs() == {}

    async def test_its_counters_follow_its_jobs_in_number_and_in_money(self, desk: Desk):
        await desk.enlist("a", "b", cents="1050")
        await desk.enlist("c", cents="")
        await desk.to(CampaignState.RUNNING)
        await desk.settle(await desk.claim("a"))
        counts = await desk.campaigns.counts("spring")
        assert (counts.jobs[State.SETTLED], counts.jobs[State.WAITING], counts.total, counts.finished) == (1, 2, 3, 1)
        assert counts.asked[State.SETTLED] == counts.asked[State.WAITING] == Decimal("10.50")
        assert counts.asked[State.CLAIMED] == 0

    async def test_an_act_that_its_state_forbids_changes_nothing(self, desk: Desk):
        await desk.to(CampaignState.CANCELLED)
        steered = await desk.campaigns.steer("spring", allowed=OPEN, act=A_STEERING, to=CampaignState.RUNNING)
        assert (steered.answer, steered.before) == ("refused", "cancelled")
        assert (await desk.campaigns.steer("autumn", allowed=OPEN, act=A_STEERING)).answer == "missing"

    # --- what status and report are made of -------------------------------------------------------------------------

    async def test_jobs_of_other_doors_that_bear_its_name_are_in_its_list(self, desk: Desk):
        await desk.enlist("a")
        await desk.accept("b", campaign="spring")
        await desk.accept("c")
        assert await desk.all_keys() == ["a", "b"]
        assert (await desk.status()).counts.total == 2

    async def test_dead_letters_are_counted_by_reason_until_they_are_replayed(self, desk: Desk):
        await desk.to(CampaignState.RUNNING)
        await desk.accept("a", "b", "c", campaign="spring")
        for key, reason in (("a", "qty_too_large"), ("b", "qty_too_large"), ("c", "order_not_found")):
            await desk.bury(await desk.claim(key), reason)
        assert (await desk.status()).reasons == {"qty_too_large": 2, "order_not_found": 1}

        await replay(desk.ledger, "c")

        assert (await desk.status()).reasons == {"qty_too_large": 2}

    async def test_a_dead_letter_that_people_closed_as_refunded_is_none_any_more(self, desk: Desk):
        await desk.to(CampaignState.RUNNING)
        await desk.accept("a", "b", campaign="spring")
        for key in "ab":
            await desk.bury(await desk.claim(key))
        letter = await DeadLetters(desk.redis).find("a")
        assert letter is not None
        who = Who(by="ann", why="found in the admin")
        await LetterActs(desk.redis).close(letter, who, how="refunded", result={"memo_id": 91})
        status = await desk.status()
        assert (status.reasons, status.counts.jobs[State.SETTLED]) == ({"qty_too_large": 1}, 1)

    async def test_what_ends_is_counted_by_the_time_and_its_calls_by_their_latency(self, desk: Desk):
        await desk.to(CampaignState.RUNNING)
        await desk.accept("a", "b", "c", "d", campaign="spring")
        await desk.settle_with("a", 10)
        await desk.settle_with("b", 25_001)
        desk.clock.pass_seconds(10)
        await desk.settle_with("c", None)
        await desk.bury(await desk.claim("d"))

        pace = (await desk.status()).pace

        assert pace.slots[-2:] == [Slot(ended=2, calls=2, ms=25_011), Slot(ended=2)]
        assert (pace.latency[0], pace.latency[len(CLASSES_MS)], sum(pace.latency)) == (1, 1, 2)

    async def test_every_class_of_latency_ends_where_the_code_says(self, desk: Desk):
        await desk.to(CampaignState.RUNNING)
        for index, end in enumerate(CLASSES_MS):
            await desk.accept(f"in-{index}", f"over-{index}", campaign="spring")
            await desk.settle_with(f"in-{index}", end)
            await desk.settle_with(f"over-{index}", end + 1)
        assert (await desk.status()).pace.latency == [1] + [2] * (len(CLASSES_MS) - 1) + [1]

    async def test_a_slot_of_the_last_round_is_not_taken_for_one_of_now(self, desk: Desk):
        await desk.to(CampaignState.RUNNING)
        await desk.accept("a", "b", campaign="spring")
        await desk.settle_with("a", 5)
        desk.clock.pass_seconds(600)
        assert sum(slot.ended for slot in (await desk.status()).pace.slots) == 0
        await desk.settle_with("b", 5)
        assert sum(slot.ended for slot in (await desk.status()).pace.slots) == 1

    async def test_jobs_whose_credit_memos_are_not_read_back_are_told_apart(self, desk: Desk):
        await desk.to(CampaignState.RUNNING)
        await desk.accept("a", "b", campaign="spring")
        await desk.settle_with("a", 5, confirm=False)
        await desk.settle_with("b", 5)
        status = await desk.status()
        assert (status.counts.jobs[State.SETTLED], status.confirmed, status.never_read) == (2, 0, 1)

    async def test_money_is_counted_as_the_credit_memos_say_by_currency(self, desk: Desk):
        await desk.to(CampaignState.RUNNING)
        await desk.accept("a", "b", "c", "d", "e", campaign="spring")
        for key in "abc":
            await desk.settle_with(key, 5)
        await desk.settle_with("d", 5, service="creditmemo_save")
        await desk.confirm("a", "12.50", "EUR")
        await desk.confirm("b", "0.05", "EUR")
        await desk.confirm("c", "7.00", "USD", is_wrong=True)
        await desk.confirm("d", "3.10", "EUR")

        status = await desk.status()

        assert status.refunded == {"EUR": Decimal("12.55"), "USD": Decimal("7.00")}
        assert status.persisted == {"EUR": Decimal("3.10")}
        assert (status.confirmed, status.mismatches) == (4, 1)


class FeedPromises:
    """What feeding and steering promise; a subclass gives the fixture `redis`, empty."""

    @pytest.fixture
    async def desk(self, redis: Redis) -> AsyncIterator[Desk]:
        clock = Clock()
        ledger = Ledger(redis, now_ms=lambda: clock.ms)
        await ledger.initialise("first", run_id="run-1")
        campaigns = Campaigns(redis, now_ms=lambda: clock.ms)
        desk = Desk(redis, clock, ledger, campaigns)
        await campaigns.create("spring", sha256="", file="spring.csv")
        yield desk
        await desk.counts_add_up()

    async def test_a_draft_is_not_fed(self, desk: Desk):
        await desk.enlist("a")
        await desk.room(50)
        assert await desk.fed() == []

    async def test_a_running_campaign_is_fed_in_messages_of_at_most_a_hundred_as_far_as_workers_have_room(
        self, desk: Desk
    ):
        await desk.running(400)
        await desk.room(250)
        messages = await desk.fed()
        assert [len(keys) for keys in messages] == [100, 100, 50]
        assert [key for keys in messages for key in keys] == [f"k{number:03}" for number in range(250)]
        assert await desk.jobs() == {"waiting": 150, "queued": 250}

    async def test_nothing_more_is_fed_before_workers_get_on(self, desk: Desk):
        await desk.running(400)
        await desk.room(250)
        await desk.fed()
        assert await desk.fed(after=1) == []

    async def test_the_quicker_jobs_pass_the_more_may_be_ahead(self, desk: Desk):
        await desk.running(1500)
        await desk.room(100)
        (first,) = await desk.fed()
        for key in first:
            await desk.settle(await desk.claim(key))
        assert sum(map(len, await desk.fed(after=1))) == 300

    async def test_a_lost_message_is_found_like_any_other(self, desk: Desk):
        await desk.running(3)
        await desk.room(50)
        await desk.fed()
        assert await desk.ledger.find_lost("bulk", up_to=1) == ["k000", "k001", "k002"]

    async def test_its_own_rate_is_kept_and_can_be_changed(self, desk: Desk):
        await desk.running(400, rate=8)
        await desk.room(250)
        counts = []
        for _ in range(40):
            await desk.room(250)
            counts.append(sum(map(len, await desk.fed(after=0.1))))
        assert 31 <= sum(counts) <= 34
        await desk.campaigns.steer("spring", allowed=OPEN, act=A_STEERING, rate=100)
        await desk.room(250)
        assert sum(map(len, await desk.fed(after=0.2))) >= 20

    async def test_what_is_queued_of_a_paused_campaign_goes_back_to_the_front_of_the_backlog(self, desk: Desk):
        await desk.running(3)
        await desk.room(2)
        assert await desk.fed() == [["k000", "k001"]]
        await desk.to(CampaignState.PAUSED)
        assert await desk.claims("k000", "k001") == []
        assert await desk.fed(after=1) == []
        assert await desk.jobs() == {"waiting": 3}
        await desk.to(CampaignState.RUNNING)
        await desk.room(50)
        assert sorted((await desk.fed(after=1))[0]) == ["k000", "k001", "k002"]

    async def test_a_job_that_was_claimed_before_the_pause_is_not_sent_and_goes_back(self, desk: Desk):
        claim = await desk.fed_and_claimed()
        await desk.to(CampaignState.PAUSED)
        with pytest.raises(Paused):
            await desk.send(claim)
        await desk.defer(claim, State.WAITING, delay_seconds=0)
        assert await desk.ledger.publish() == []
        await desk.to(CampaignState.RUNNING)
        await desk.room(50)
        assert await desk.fed() == [["k000"]]

    async def test_a_pause_does_not_keep_a_job_in_doubt_from_being_looked_at(self, desk: Desk):
        claim = await desk.fed_and_claimed()
        await desk.send(claim)
        await desk.defer(claim, State.IN_DOUBT, delay_seconds=0)
        await desk.to(CampaignState.PAUSED)
        assert [len(message[2]) for message in await desk.ledger.publish()] == [1]
        assert len(await desk.claims("k000")) == 1

    async def test_cancel_ends_what_was_never_sent_wherever_it_stands(self, desk: Desk):
        await desk.running(5)
        await desk.room(3)
        await desk.fed()
        claim = await desk.claim("k000")
        await desk.redis.zadd("refunds:due", {"k002": 0})
        await desk.to(CampaignState.CANCELLED)
        assert await desk.claims("k001") == []
        assert await desk.ledger.publish() == []
        assert await desk.fed() == []
        with pytest.raises(Cancelled):
            await desk.send(claim)
        await desk.ledger.withdraw(claim, line=LINE)
        assert await desk.jobs() == {"cancelled": 5}
        assert await desk.fed() == []
        found = await desk.campaigns.find("spring")
        assert found is not None
        assert found.state is CampaignState.CANCELLED
        assert found.ended_ms > 0

    async def test_cancel_lets_what_is_at_the_shop_end(self, desk: Desk):
        claim = await desk.fed_and_claimed()
        await desk.send(claim)
        steered = await desk.campaigns.steer("spring", allowed=OPEN, act=A_STEERING, to=CampaignState.CANCELLED)
        assert steered.in_flight == 1
        await desk.defer(claim, State.IN_DOUBT, delay_seconds=0)
        again = await desk.claim("k000")
        await desk.send(again)
        await desk.settle(again)
        assert await desk.jobs() == {"settled": 1}

    async def test_a_new_send_after_a_proven_absence_is_not_made_in_a_cancelled_campaign(self, desk: Desk):
        claim = await desk.fed_and_claimed()
        await desk.send(claim)
        await desk.defer(claim, State.IN_DOUBT, delay_seconds=0)
        await desk.to(CampaignState.CANCELLED)
        again = await desk.claim("k000")
        with pytest.raises(Cancelled):
            await desk.send(again, number=2)

    async def test_what_may_have_been_sent_before_a_restart_is_not_cancelled_unseen(self, desk: Desk):
        await desk.running(1)
        desk.clock.pass_seconds(1)
        await desk.ledger.note_server("run-2")
        await desk.to(CampaignState.CANCELLED)
        assert await desk.fed(after=1) == [["k000"]]
        assert len(await desk.claims("k000")) == 1

    async def test_a_campaign_is_done_when_its_last_job_is(self, desk: Desk):
        claim = await desk.fed_and_claimed()
        assert await desk.fed() == []
        await desk.settle(claim)
        desk.clock.pass_seconds(1)
        assert await desk.fed() == []
        found = await desk.campaigns.find("spring")
        assert found is not None
        assert (found.state, found.ended_ms) == (CampaignState.DONE, desk.clock.ms)
        assert await desk.redis.smembers("refunds:campaigns:open") == set()

    async def test_two_campaigns_are_fed_in_turn(self, desk: Desk):
        await desk.running(300)
        await desk.campaigns.create("autumn", sha256="")
        await desk.enlist(*(f"a{number:03}" for number in range(300)), campaign="autumn")
        await desk.campaigns.steer("autumn", allowed=OPEN, act=A_STEERING, to=CampaignState.RUNNING)
        await desk.room(400)
        assert sorted(message[0][0] for message in await desk.fed()) == ["a", "a", "k", "k"]

    async def test_a_shop_that_is_away_holds_up_only_its_own_jobs(self, desk: Desk):
        await desk.enlist("a", shop="other")
        await desk.running(1)
        await desk.redis.hset("refunds:shop:other", "breaker", "open")
        await desk.room(50)
        await desk.room(50, shop="other")
        assert await desk.fed() == [["k000"]]
