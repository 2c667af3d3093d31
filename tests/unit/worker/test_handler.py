"""One attempt after another of one job, against a shop in memory."""
# ruff: noqa: ANN401 - documents and fields of any kind

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from tests.factories import Document, a_document, a_job, a_memo_document, an_order, rows_of
from tests.fakes import (
    FORBIDDEN,
    MASKED,
    NONCE_USED,
    REFUSED,
    THROTTLED,
    TOO_LARGE,
    FakeShop,
    Fate,
    handle,
    resources,
)
from tests.replays import replay
from tests.suites.ledger import Clock
from worker.attempt import SEND_WITHIN_SECONDS
from worker.chunk import work
from worker.domain.answer import Answer
from worker.domain.errors import NotSent, RefundError, Throttled, Unauthorised
from worker.domain.lifecycle import State
from worker.domain.nonce import nonce_for
from worker.ledger.entry import Claim, Entry
from worker.ledger.ledger import Ledger
from worker.resources import Resources
from worker.runtime import give_back

#: From `sent` until absence is proven: a call may leave late, and then run as long as the shop lets it.
PROVEN_SECONDS = 120 + SEND_WITHIN_SECONDS + 5


@dataclass
class World:
    """A ledger, a shop, one worker, and one job."""

    clock: Clock
    shop: FakeShop
    ledger: Ledger
    r: Resources

    async def accept(self, **changes: Any) -> None:
        job = a_job(**changes)
        await self.ledger.accept(rows_of(job), lane="express", message=1)

    async def attempt(self, *fates: Fate | Answer | RefundError, after_seconds: float = 0) -> Entry:
        """Deliver the job once; gives its entry afterwards."""
        self.clock.pass_seconds(after_seconds)
        self.shop.fates.extend(fates)
        await handle(["rma-1"], "express", 1, self.r)
        assert not self.shop.fates
        assert not self.r.orphans
        return await self.entry()

    async def cancel(self) -> None:
        """Cancel the campaign `spring`."""
        await self.r.redis.hset("refunds:campaign:spring", "state", "cancelled")

    def refunded_meanwhile(self) -> None:
        """Put a credit memo with the job's marker into the shop."""
        self.shop.memos.append(
            {"entity_id": 55, "order_id": 7, "comments": [{"comment": "ref rma-1"}], "_key": "rma-1"}
        )

    async def claim_before_a_failover(self) -> Claim:
        """Claim the job; what another worker did with it since, Redis has lost."""
        (claim,) = await self.ledger.claim(["rma-1"], worker=self.r.worker, lane="express", message=1)
        self.refunded_meanwhile()
        self.clock.pass_seconds(1)
        await self.ledger.note_server("run-2")
        return claim

    @property
    def has_nonces(self) -> bool:
        return self.r.shops["default"].has_nonces

    async def entry(self) -> Entry:
        found = await self.ledger.find("rma-1")
        assert found is not None
        return found

    async def delay_seconds(self) -> float:
        due = await self.r.redis.zscore("refunds:due", "rma-1")
        return (float(due or 0) - self.clock.ms) / 1000


@pytest.fixture(params=[True, False], ids=["nonces", "bearer"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    redis, clock = FakeAsyncRedis(decode_responses=True), Clock()
    ledger = Ledger(redis, now_ms=lambda: clock.ms)
    await ledger.initialise("first", run_id="run-1")
    shop = FakeShop(now_ms=lambda: clock.ms)
    yield World(clock, shop, ledger, resources(redis, shop, ledger=ledger, has_nonces=request.param))
    await redis.aclose()


with_nonces = pytest.mark.parametrize("world", [True], ids=["nonces"], indirect=True)
with_bearer = pytest.mark.parametrize("world", [False], ids=["bearer"], indirect=True)


class TestAnswers:
    async def test_done_is_settled_with_its_credit_memo(self, world: World):
        await world.accept()
        entry = await world.attempt("done")

        assert entry.state is State.SETTLED
        assert entry.result == {"memo_id": 100, "via": "answer", "service": "order_refund"}
        assert entry.history[-1]["outcome"] == "refunded"

    @pytest.mark.parametrize(
        ("document", "outcome"),
        [
            ({"creditmemo": a_memo_document(), "items": None}, "refunded"),
            ({"creditmemo": a_memo_document(), "items": None, "mode": "persist"}, "persisted"),
            ({"items": None, "amount": "5.00"}, "refunded"),
            ({"invoice_id": 3, "online": True}, "refunded"),
            ({"order_id": None, "order_number": "000000107"}, "refunded"),
        ],
        ids=["memo", "persist", "goodwill", "online", "number"],
    )
    async def test_each_service_settles(self, world: World, document: Document, outcome: str):
        await world.accept(**document)
        entry = await world.attempt("done")

        assert entry.history[-1]["outcome"] == outcome
        assert world.shop.memos_per_key() == {"rma-1": 1}

    async def test_a_refusal_is_a_dead_letter_at_once(self, world: World):
        await world.accept()
        entry = await world.attempt(REFUSED)

        assert (entry.state, entry.reason, entry.verdict) == (State.DEAD, "max_money", "refused")
        assert "The most money available" in entry.message

    @pytest.mark.parametrize(
        ("fate", "reason"),
        [("refused_connection", "connection_refused"), (THROTTLED, "rate_limited")],
    )
    async def test_what_was_not_done_waits_and_keeps_its_number(self, world: World, fate: Any, reason: str):
        await world.accept()
        entry = await world.attempt(fate)

        assert (entry.state, entry.sends, entry.calls, entry.tries) == (State.WAITING, 1, 0, 1)
        assert entry.history[-1]["reason"] == reason
        assert (await world.attempt("done", after_seconds=60)).history[-1]["send"] == 1

    async def test_a_shop_that_names_a_time_is_left_alone_until_then(self, world: World):
        await world.accept()
        await world.attempt(Throttled(reason="rate_limited", retry_after_seconds=90))

        assert await world.delay_seconds() == 90

    async def test_no_permission_waits_for_people_and_takes_the_next_number(self, world: World):
        await world.accept()
        entry = await world.attempt(FORBIDDEN)

        assert (entry.state, entry.is_spent) == (State.WAITING, True)
        assert (await world.attempt("done", after_seconds=60)).history[-1]["send"] == 2

    async def test_a_sign_in_that_failed_before_the_call_spends_nothing(self, world: World):
        await world.accept()
        entry = await world.attempt(Unauthorised(reason="bad_credentials"))

        assert (entry.state, entry.is_spent) == (State.WAITING, False)

    @pytest.mark.parametrize("fate", ["lost_before", "lost_after", MASKED], ids=str)
    async def test_what_may_have_been_done_is_in_doubt_and_soon_looked_at(self, world: World, fate: Any):
        await world.accept()
        entry = await world.attempt(fate)

        assert (entry.state, entry.calls, entry.order) == (State.IN_DOUBT, 1, "default:7")
        assert entry.is_spent == (fate is MASKED)
        assert await world.delay_seconds() == 0.5

    async def test_every_send_is_bounded_in_time_from_before_its_mark(self, world: World):
        await world.accept()
        await world.attempt("done")

        assert world.shop.send_before is not None


class TestInDoubt:
    async def test_a_credit_memo_that_is_found_settles_without_another_call(self, world: World):
        await world.accept(expected_total="10.00")
        await world.attempt("lost_after")
        entry = await world.attempt(after_seconds=1)

        assert (entry.state, entry.result["via"], entry.result["memo_id"]) == (State.SETTLED, "marker", 100)
        assert "mismatch" not in entry.result
        assert len(world.shop.calls) == 1

    @with_nonces
    async def test_an_unspent_nonce_is_sent_again_at_once(self, world: World):
        await world.accept()
        await world.attempt("lost_before")
        entry = await world.attempt("done", after_seconds=1)

        assert entry.state is State.SETTLED
        assert [call.nonce for call in world.shop.calls] == [nonce_for("rma-1", 1)] * 2

    @with_nonces
    async def test_a_nonce_in_use_waits_and_is_followed_by_the_next_only_after_the_longest_request(self, world: World):
        await world.accept()
        await world.attempt("lost_before")
        entry = await world.attempt(NONCE_USED, after_seconds=1)
        assert (entry.state, entry.is_spent) == (State.IN_DOUBT, True)

        entry = await world.attempt(after_seconds=PROVEN_SECONDS - 1)
        assert (entry.state, len(world.shop.calls)) == (State.IN_DOUBT, 2)
        entry = await world.attempt("done", after_seconds=61)
        assert (entry.state, entry.sends) == (State.SETTLED, 2)
        assert world.shop.calls[-1].nonce == nonce_for("rma-1", 2)

    @with_nonces
    async def test_a_late_call_and_its_copy_make_one_credit_memo(self, world: World):
        await world.accept()
        await world.attempt("late")
        await world.attempt("done", after_seconds=1)
        world.shop.let_arrive()

        assert world.shop.memos_per_key() == {"rma-1": 1}

    @with_bearer
    async def test_without_a_nonce_nothing_is_sent_before_the_longest_request_is_over(self, world: World):
        await world.accept()
        await world.attempt("late")
        entry = await world.attempt(after_seconds=PROVEN_SECONDS - 0.1)
        assert (entry.state, len(world.shop.calls)) == (State.IN_DOUBT, 1)
        world.shop.let_arrive()

        assert (await world.attempt(after_seconds=1)).state is State.SETTLED
        assert world.shop.memos_per_key() == {"rma-1": 1}

    @with_bearer
    async def test_proven_absent_is_sent_again(self, world: World):
        await world.accept()
        await world.attempt("lost_before")
        entry = await world.attempt("done", after_seconds=PROVEN_SECONDS)

        assert (entry.state, entry.sends) == (State.SETTLED, 2)

    async def test_an_online_call_that_cannot_be_proven_goes_to_people(self, world: World):
        await world.accept(invoice_id=3, online=True)
        await world.attempt(MASKED)
        entry = await world.attempt(after_seconds=PROVEN_SECONDS)

        assert (entry.state, entry.reason, entry.verdict) == (State.DEAD, "outcome_unknown", "unknown")
        assert entry.history[-1]["evidence"]["sends"] == 1

    async def test_the_last_attempt_is_the_last(self, world: World):
        await world.accept()
        for _ in range(5):
            entry = await world.attempt(MASKED, after_seconds=PROVEN_SECONDS)
            assert entry.state is State.IN_DOUBT
        entry = await world.attempt(after_seconds=PROVEN_SECONDS)

        assert (entry.state, entry.reason, entry.verdict) == (State.DEAD, "attempts_exhausted", "not_sent")

    @with_nonces
    async def test_an_order_that_shows_the_effect_of_the_first_call_is_no_refusal(self, world: World):
        await world.accept(items=None, full=True)
        await world.attempt("lost_before")
        world.shop.orders[7] = an_order(state="closed", status="closed")
        entry = await world.attempt(after_seconds=1)
        assert entry.state is State.IN_DOUBT

        entry = await world.attempt(after_seconds=PROVEN_SECONDS)
        assert (entry.state, entry.reason, entry.verdict) == (State.DEAD, "order_status", "not_sent")

    @with_nonces
    async def test_an_online_refusal_after_a_doubt_is_unknown(self, world: World):
        await world.accept(invoice_id=3, items=None, full=True, online=True)
        await world.attempt("lost_before")
        world.shop.orders[7] = an_order(state="closed", status="closed")
        entry = await world.attempt(after_seconds=PROVEN_SECONDS)

        assert (entry.state, entry.reason, entry.verdict) == (State.DEAD, "outcome_unknown", "unknown")

    @with_nonces
    async def test_a_proxys_refusal_of_a_copy_says_nothing_of_the_first_call(self, world: World):
        await world.accept()
        await world.attempt("late")
        entry = await world.attempt(TOO_LARGE, after_seconds=1)
        assert entry.state is State.IN_DOUBT
        world.shop.let_arrive()

        assert (await world.attempt(after_seconds=60)).state is State.SETTLED

    @with_nonces
    async def test_a_proxys_refusal_says_nothing_of_a_call_that_the_ledger_lost_either(self, world: World):
        await world.accept()
        world.clock.pass_seconds(1)
        await world.ledger.note_server("run-2")

        entry = await world.attempt(TOO_LARGE)
        assert entry.state is State.WAITING
        entry = await world.attempt(TOO_LARGE, after_seconds=PROVEN_SECONDS)
        assert (entry.state, entry.verdict) == (State.DEAD, "refused")

    @with_nonces
    async def test_a_proxys_refusal_of_an_online_copy_is_never_called_refused(self, world: World):
        await world.accept(invoice_id=3, online=True)
        await world.attempt("lost_before")
        entry = await world.attempt(TOO_LARGE, after_seconds=PROVEN_SECONDS)

        assert (entry.state, entry.verdict) == (State.DEAD, "unknown")

    @pytest.mark.parametrize("fate", ["refused_connection", THROTTLED], ids=str)
    @with_nonces
    async def test_a_shop_that_is_away_leaves_a_doubt_a_doubt(self, world: World, fate: Any):
        await world.accept()
        await world.attempt("lost_after")
        world.shop.broken = NotSent(reason="connection_refused")
        entry = await world.attempt(after_seconds=1)
        assert entry.state is State.IN_DOUBT
        world.shop.broken = None
        world.shop.memos.clear()

        assert (await world.attempt(fate, after_seconds=60)).state is State.IN_DOUBT

    async def test_a_doubt_whose_order_cannot_be_found_stays_one(self, world: World):
        await world.accept(invoice_id=3, order_id=None)
        await world.attempt("lost_before")
        world.shop.invoices.clear()
        world.shop.orders.clear()

        entry = await world.attempt(after_seconds=PROVEN_SECONDS)
        assert entry.state is State.IN_DOUBT


class TestWithoutACall:
    @pytest.mark.parametrize(
        ("document", "reason"),
        [
            ({"order_id": 8, "items": None, "full": True}, "order_not_found"),
            ({"order_id": None, "order_number": "9"}, "order_not_found"),
            ({"invoice_id": 9}, "invoice_not_found"),
            ({"items": [{"sku": "none", "qty": 1}]}, "item_not_on_order"),
        ],
        ids=str,
    )
    async def test_what_is_not_there_is_a_dead_letter(self, world: World, document: Document, reason: str):
        await world.accept(**document)
        entry = await world.attempt()

        assert (entry.state, entry.reason, entry.verdict) == (State.DEAD, reason, "not_sent")
        assert not world.shop.calls

    async def test_two_orders_of_one_number_are_not_guessed_between(self, world: World):
        world.shop.orders[8] = an_order(entity_id=8)
        await world.accept(order_id=None, order_number="000000107")

        assert (await world.attempt()).reason == "order_number_ambiguous"

    async def test_a_shop_that_is_not_configured_waits(self, world: World):
        await world.accept(shop="other")
        entry = await world.attempt()

        assert (entry.state, entry.history[-1]["reason"]) == (State.WAITING, "shop_not_configured")

    async def test_a_document_that_was_tampered_with_is_a_dead_letter(self, world: World):
        await world.accept()
        await world.r.redis.hset("refunds:entry:rma-1", "doc", '{"order_id": [7]}')
        entry = await world.attempt()

        assert (entry.state, entry.reason, entry.verdict) == (State.DEAD, "invalid", "not_sent")

    async def test_a_shop_that_cannot_be_asked_waits_with_growing_delays(self, world: World):
        await world.accept(items=None, full=True)
        world.shop.broken = NotSent(reason="connection_refused")
        delays = []
        for _ in range(3):
            await world.attempt(after_seconds=60)
            delays.append(await world.delay_seconds())
        entry = await world.entry()

        assert (entry.state, entry.sends, delays) == (State.WAITING, 0, [0.5, 1, 2])

    async def test_a_second_refund_of_an_order_waits_for_the_first(self, world: World):
        await world.accept()
        await world.r.redis.set("refunds:order:default:7", "another")
        entry = await world.attempt()

        assert (entry.state, entry.history[-1]["reason"]) == (State.WAITING, "order_busy")
        assert not world.shop.calls

    async def test_a_process_that_drains_gives_its_claims_back(self, world: World):
        await world.accept()
        world.r.draining.set()
        entry = await world.attempt()

        assert (entry.state, entry.holder) == (State.QUEUED, "")


class TestTotals:
    async def test_another_total_than_magento_would_refund_is_refused_before_the_call(self, world: World):
        await world.accept(expected_total="9.99")
        entry = await world.attempt()

        assert (entry.state, entry.verdict) == (State.DEAD, "not_sent")
        assert "9.99 was expected" in entry.message
        assert not world.shop.calls

    async def test_another_total_on_a_memo_that_is_found_is_flagged_and_settled_all_the_same(self, world: World):
        await world.accept(expected_total="10.00")
        await world.attempt("lost_after")
        world.shop.memos[0]["base_grand_total"] = 9
        entry = await world.attempt(after_seconds=1)

        assert entry.state is State.SETTLED
        assert entry.result["mismatch"] == "expected 10.00, the credit memo says 9.00"

    async def test_two_memos_of_one_key_are_told(self, world: World):
        await world.accept()
        await world.attempt("lost_after")
        world.shop.memos.append({**world.shop.memos[0], "entity_id": 101})
        entry = await world.attempt(after_seconds=1)

        assert (entry.result["memo_id"], entry.result["twins"]) == (100, [101])


class TestPossiblySent:
    """The ledger may have lost the record of a send."""

    @with_bearer
    async def test_after_a_loss_the_shop_is_asked_first_and_then_time_must_pass(self, world: World):
        await world.ledger.initialise("after_loss")
        await world.accept()
        entry = await world.attempt(after_seconds=1)
        assert (entry.state, entry.looks, len(world.shop.calls)) == (State.WAITING, 1, 0)

        entry = await world.attempt("done", after_seconds=PROVEN_SECONDS)
        assert (entry.state, entry.sends) == (State.SETTLED, 1)

    async def test_after_a_loss_a_refund_that_happened_is_found(self, world: World):
        world.refunded_meanwhile()
        await world.ledger.initialise("after_loss")
        await world.accept()
        entry = await world.attempt()

        assert (entry.state, entry.result["memo_id"], len(world.shop.calls)) == (State.SETTLED, 55, 0)

    @with_nonces
    async def test_after_a_restart_the_nonce_lets_it_be_sent_at_once(self, world: World):
        await world.accept()
        world.clock.pass_seconds(1)
        await world.ledger.note_server("run-2")

        assert (await world.attempt("done")).state is State.SETTLED

    async def test_a_claim_from_before_a_failover_sends_nothing_until_the_shop_was_asked(self, world: World):
        """The replica may be older than what another worker did with the job in between."""
        await world.accept()
        claim = await world.claim_before_a_failover()
        await work(claim, world.r)

        entry = await world.entry()
        assert (entry.state, entry.history[-1]["reason"]) == (State.WAITING, "redis_changed")
        entry = await world.attempt(after_seconds=1)
        assert (entry.state, entry.result["memo_id"], len(world.shop.calls)) == (State.SETTLED, 55, 0)

    async def test_a_claim_from_before_a_failover_says_of_no_job_that_nothing_was_sent(self, world: World):
        await world.accept(items=[{"sku": "none", "qty": 1}])
        claim = await world.claim_before_a_failover()
        await work(claim, world.r)

        assert (await world.entry()).state is State.CLAIMED
        await give_back(world.r)
        entry = await world.attempt()
        assert (entry.state, entry.result["memo_id"]) == (State.SETTLED, 55)

    async def test_a_replay_of_what_happened_after_all_finds_it(self, world: World):
        await world.accept(invoice_id=3, online=True)
        await world.attempt(MASKED)
        await world.attempt(after_seconds=PROVEN_SECONDS)
        world.refunded_meanwhile()
        await replay(world.ledger, "rma-1")
        entry = await world.attempt()

        assert (entry.state, entry.result["memo_id"], entry.verdict) == (State.SETTLED, 55, "")


async def test_a_job_that_was_accepted_is_done_though_shorter_documents_are_read_by_now(world: World):
    world.r.settings = world.r.settings.model_copy(update={"max_document_bytes": 10})
    await world.accept()
    assert (await world.attempt("done")).state is State.SETTLED


async def test_jobs_of_one_order_go_one_after_the_other_and_a_broken_one_touches_no_other(world: World):
    documents = [a_document(idempotency_key=f"job-{number}") for number in range(3)]
    for document in documents:
        job = a_job(**document)
        await world.ledger.accept(rows_of(job), lane="express", message=1)
    await world.r.redis.hset("refunds:entry:job-1", "doc", '{"order_id": []}')
    await handle(["job-0", "job-1", "job-2"], "express", 1, world.r)

    states = [(await world.ledger.find(f"job-{number}")) for number in range(3)]
    assert [entry.state for entry in states if entry] == [State.SETTLED, State.DEAD, State.SETTLED]


async def test_without_a_ledger_nothing_is_attempted(world: World):
    await world.accept()
    await world.r.redis.delete("refunds:ledger")
    await handle(["rma-1"], "express", 1, world.r)

    assert (await world.entry()).state is State.QUEUED
    assert not world.shop.calls


class TestCancelledCampaigns:
    """What was sent before the cancel comes to its end; nothing new is sent, and unknown is never shown as not sent."""

    async def test_a_job_in_doubt_that_never_arrived_ends_cancelled_or_refunded_as_its_proof_allows(self, world: World):
        await world.accept(campaign="spring")
        await world.attempt("lost_before")
        await world.cancel()
        if world.has_nonces:  # the same send again is how its doubt ends: the shop takes one of the two
            entry = await world.attempt("done", after_seconds=5)
            assert (entry.state, entry.sends) == (State.SETTLED, 1)
        else:
            assert (await world.attempt(after_seconds=5)).state is State.IN_DOUBT
            entry = await world.attempt(after_seconds=PROVEN_SECONDS)
            assert (entry.state, entry.sends) == (State.CANCELLED, 1)
            assert entry.history[-1]["outcome"] == "cancelled"
        assert len(world.shop.memos) == (1 if world.has_nonces else 0)

    async def test_a_job_in_doubt_that_did_arrive_is_settled(self, world: World):
        await world.accept(campaign="spring")
        await world.attempt("lost_after")
        await world.cancel()
        assert (await world.attempt(after_seconds=5)).state is State.SETTLED

    async def test_a_job_that_may_have_been_sent_before_a_restart_is_looked_up_and_then_cancelled(self, world: World):
        await world.accept(campaign="spring")
        world.clock.pass_seconds(1)
        await world.ledger.note_server("run-2")
        await world.cancel()
        first = await world.attempt(after_seconds=1)
        assert first.state is State.WAITING
        entry = await world.attempt(after_seconds=PROVEN_SECONDS)
        assert entry.state is State.CANCELLED
        assert world.shop.calls == []

    async def test_a_job_that_was_never_sent_is_not_even_attempted(self, world: World):
        await world.accept(campaign="spring")
        await world.cancel()
        entry = await world.attempt()
        assert (entry.state, entry.fence) == (State.CANCELLED, 0)
