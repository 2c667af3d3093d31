"""What every move of the ledger promises; run on the double and on a real Redis, so that they cannot differ."""
# ruff: noqa: ANN401 - documents and fields of any kind

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.factories import a_job, rows_of
from tests.replays import replay
from worker.domain.lifecycle import State
from worker.intake.accept import stored
from worker.ledger.entry import Claim, Entry
from worker.ledger.ledger import (
    MAX_FAULTS,
    STRAY_DEATHS,
    Ledger,
    LedgerMissing,
    OrderBusy,
    ServerChanged,
    StaleFence,
)
from worker.ledger.row import Receipt

LEASE_SECONDS = 10
LINE = {"outcome": "tested"}


@dataclass
class Clock:
    """The time of the ledger, in ms."""

    ms: int = 1_700_000_000_000

    def pass_seconds(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


@dataclass
class Bench:
    """A ledger, its clock, and the moves that most tests begin with."""

    redis: Redis
    clock: Clock
    ledger: Ledger

    async def accept(self, *keys: str, lane: str = "express", message: int = 0, **changes: Any) -> list[Receipt]:
        jobs = [a_job(idempotency_key=key, **changes) for key in keys]
        number = message or int(await self.redis.incr(f"refunds:seq:{lane}"))
        return (await self.ledger.accept(rows_of(*jobs), lane=lane, message=number))[1]

    async def claims(self, *keys: str, worker: str = "w1", message: int = 1) -> list[Claim]:
        return await self.ledger.claim(keys, worker=worker, lane="express", message=message)

    async def claim(self, key: str = "k", worker: str = "w1") -> Claim:
        (claim,) = await self.claims(key, worker=worker)
        return claim

    async def accepted_and_claimed(self, key: str = "k") -> Claim:
        await self.accept(key)
        return await self.claim(key)

    async def send(self, claim: Claim, *, order_id: int = 7, number: int = 1, is_cleared: bool = False) -> None:
        await self.ledger.send(
            claim, order_id=order_id, number=number, sent={"order_id": order_id}, is_cleared=is_cleared
        )

    async def sent(self, key: str = "k") -> Claim:
        claim = await self.accepted_and_claimed(key)
        await self.send(claim)
        return claim

    async def defer(self, claim: Claim, to: State, delay_seconds: float = 5, **fields: str | int) -> None:
        keep = to is State.IN_DOUBT
        await self.ledger.defer(claim, to=to, delay_seconds=delay_seconds, keep_order=keep, line=LINE, **fields)

    async def settle(self, claim: Claim, memo_id: int = 91) -> None:
        await self.ledger.settle(claim, result={"memo_id": memo_id}, line=LINE)

    async def bury(self, claim: Claim, reason: str = "qty_too_large") -> None:
        await self.ledger.bury(claim, reason=reason, verdict="refused", message="no", line=LINE)

    async def fail_to_the_end(self) -> None:
        """Fail on the job `k` as often as workers may, each time after its pause."""
        for number in range(MAX_FAULTS):
            claim = await self.claim(worker=f"w{number}")
            await self.ledger.release("k", claim.token, is_fault=True)
            self.clock.pass_seconds(2 ** (number + 1))

    async def entry(self, key: str = "k") -> Entry:
        found = await self.ledger.find(key)
        assert found is not None
        return found

    async def state(self, key: str = "k") -> State:
        return (await self.entry(key)).state

    async def letters(self) -> list[dict[str, str]]:
        found: Any = await self.redis.xrange("refunds:dead")
        return [fields for _, fields in found]

    async def counts_add_up(self) -> dict[str, int]:
        counts = await self.ledger.counts()
        assert counts["accepted"] == sum(counts[state.value] for state in State), counts
        assert all(count >= 0 for count in counts.values()), counts
        return counts


MOVES_OF_A_HOLDER: dict[str, Callable[[Bench, Claim], Any]] = {
    "lock": lambda bench, claim: bench.ledger.lock(claim, order_id=7),
    "send": lambda bench, claim: bench.send(claim),
    "settle": lambda bench, claim: bench.settle(claim),
    "defer": lambda bench, claim: bench.defer(claim, State.WAITING),
    "bury": lambda bench, claim: bench.bury(claim),
}


class LedgerPromises:
    """The promises; a subclass gives the fixture `redis`, empty."""

    @pytest.fixture
    async def bench(self, redis: Redis) -> AsyncIterator[Bench]:
        clock = Clock()
        ledger = Ledger(redis, lease_seconds=LEASE_SECONDS, now_ms=lambda: clock.ms)
        await ledger.initialise("first", run_id="run-1")
        bench = Bench(redis, clock, ledger)
        yield bench
        await bench.counts_add_up()

    # --- accept ---------------------------------------------------------------------------------------------------

    async def test_a_key_is_accepted_once_and_then_a_duplicate(self, bench: Bench):
        (first,) = await bench.accept("k")
        (second,) = await bench.accept("k")

        assert (first.status, first.state, first.first) == ("accepted", "queued", "")
        assert (second.status, second.state) == ("duplicate", "queued")
        assert (await bench.counts_add_up())["accepted"] == 1

    async def test_a_key_twice_in_one_call_is_accepted_once(self, bench: Bench):
        assert [receipt.status for receipt in await bench.accept("k", "k")] == ["accepted", "duplicate"]

    async def test_another_content_under_a_key_is_a_conflict_and_shows_the_first(self, bench: Bench):
        await bench.accept("k")
        (receipt,) = await bench.accept("k", order_id=8)

        assert receipt.status == "key_conflict"
        assert receipt.first == stored(a_job(idempotency_key="k"))
        assert (await bench.entry()).document()["order_id"] == 7

    async def test_a_duplicate_tells_where_the_first_one_stands(self, bench: Bench):
        await bench.settle(await bench.sent())
        (receipt,) = await bench.accept("k")

        assert (receipt.status, receipt.state) == ("duplicate", "settled")

    # --- claim ----------------------------------------------------------------------------------------------------

    async def test_a_key_is_claimed_once(self, bench: Bench):
        claim = await bench.accepted_and_claimed()

        assert (claim.fence, claim.entry.state, claim.now_ms) == (1, State.CLAIMED, bench.clock.ms)
        assert await bench.claims("k", worker="w2") == []
        assert await bench.claims("k", worker="w1") == []

    async def test_a_damaged_entry_stops_none_of_the_others_in_its_message(self, bench: Bench):
        await bench.accept("a", "damaged", "b")
        await bench.redis.hdel("refunds:entry:damaged", "lane")
        assert [claim.key for claim in await bench.claims("a", "damaged", "b")] == ["a", "b"]
        for claim in ("a", "b"):
            found = await bench.ledger.find(claim)
            assert found is not None
            await bench.ledger.release(claim, found.token)
        assert await bench.redis.smembers("refunds:held:w1") == set()

    @pytest.mark.parametrize(("field", "value"), [("history", "no JSON"), ("sends", "many")])
    async def test_an_entry_that_cannot_be_read_stops_none_of_the_others_and_goes_to_a_human(
        self, bench: Bench, field: str, value: str
    ):
        await bench.accept("a", "damaged", "b")
        await bench.redis.hset("refunds:entry:damaged", mapping={field: value})

        assert [claim.key for claim in await bench.claims("a", "damaged", "b")] == ["a", "b"]
        for number in range(1, MAX_FAULTS):
            bench.clock.pass_seconds(2**number)
            assert await bench.claims("damaged") == []

        (letter,) = await bench.letters()
        assert (letter["key"], letter["reason"]) == ("damaged", "internal_error")

    async def test_an_entry_that_cannot_even_be_buried_stops_none_of_the_others(self, bench: Bench):
        await bench.accept("a", "damaged")
        await bench.redis.hset(
            "refunds:entry:damaged", mapping={"money": "much", "money_day": "1", "faults": "no number"}
        )

        assert [claim.key for claim in await bench.claims("damaged", "a")] == ["a"]

    async def test_what_is_not_due_final_or_missing_is_not_claimed(self, bench: Bench):
        await bench.accept("waiting", "settled", "dead", "free")
        await bench.defer(await bench.claim("waiting"), State.WAITING)
        await bench.settle(await bench.claim("settled"))
        await bench.bury(await bench.claim("dead"))

        claims = await bench.claims("waiting", "settled", "dead", "missing", "free")

        assert [claim.key for claim in claims] == ["free"]

    async def test_what_is_due_can_be_claimed_also_by_an_older_message(self, bench: Bench):
        await bench.defer(await bench.accepted_and_claimed(), State.WAITING, 5)
        bench.clock.pass_seconds(5)

        assert (await bench.claim()).fence == 2

    async def test_a_job_in_doubt_stays_in_doubt_while_it_is_claimed(self, bench: Bench):
        await bench.defer(await bench.sent(), State.IN_DOUBT, 0)

        assert (await bench.claim()).entry.state is State.IN_DOUBT

    # --- the fence ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", list(MOVES_OF_A_HOLDER))
    async def test_a_stale_fence_never_writes(self, bench: Bench, name: str):
        stale = await bench.accepted_and_claimed()
        bench.clock.pass_seconds(LEASE_SECONDS + 1)
        await bench.ledger.adopt()
        await bench.claim(worker="w2")
        before = await bench.entry()

        with pytest.raises(StaleFence):
            await MOVES_OF_A_HOLDER[name](bench, stale)

        assert await bench.entry() == before
        assert await bench.letters() == []

    @pytest.mark.parametrize("name", list(MOVES_OF_A_HOLDER))
    async def test_who_gave_a_claim_back_holds_nothing(self, bench: Bench, name: str):
        claim = await bench.accepted_and_claimed()
        await bench.defer(claim, State.WAITING)
        before = await bench.entry()

        with pytest.raises(StaleFence):
            await MOVES_OF_A_HOLDER[name](bench, claim)

        assert await bench.entry() == before

    async def test_a_stale_fence_releases_nothing(self, bench: Bench):
        stale = await bench.accepted_and_claimed()
        bench.clock.pass_seconds(LEASE_SECONDS + 1)
        await bench.ledger.adopt()
        await bench.claim(worker="w2")
        before = await bench.entry()

        await bench.ledger.release("k", stale.token)

        assert await bench.entry() == before

    # --- send and the order lock ----------------------------------------------------------------------------------

    async def test_sent_is_written_with_its_evidence(self, bench: Bench):
        await bench.sent()
        entry = await bench.entry()

        assert (entry.state, entry.sends, entry.sent) == (State.SENT, 1, {"order_id": 7})
        assert entry.sent_ms == entry.first_ms == bench.clock.ms

    async def test_the_same_number_again_keeps_the_time_of_its_first_send(self, bench: Bench):
        began = bench.clock.ms
        await bench.defer(await bench.sent(), State.IN_DOUBT, 1, spent=0)
        bench.clock.pass_seconds(1)
        again = await bench.claim()
        await bench.send(again, number=1)
        entry = await bench.entry()

        assert (entry.first_ms, entry.sent_ms) == (began, bench.clock.ms)

    async def test_the_next_number_is_not_spent(self, bench: Bench):
        await bench.defer(await bench.sent(), State.IN_DOUBT, 1, spent=1)
        bench.clock.pass_seconds(1)
        again = await bench.claim()
        assert again.entry.is_spent
        await bench.send(again, number=2)
        entry = await bench.entry()

        assert (entry.is_spent, entry.sends, entry.first_ms) == (False, 2, bench.clock.ms)

    async def test_a_second_refund_of_an_order_waits_and_is_woken_when_the_first_is_settled(self, bench: Bench):
        first = await bench.sent("first")
        second = await bench.accepted_and_claimed("second")

        with pytest.raises(OrderBusy):
            await bench.send(second)
        assert await bench.state("second") is State.CLAIMED
        await bench.defer(second, State.WAITING, 5)
        assert await bench.ledger.publish() == []
        await bench.settle(first)

        ((_, _, keys),) = await bench.ledger.publish()
        assert keys == ["second"]
        await bench.send(await bench.claim("second"))

    @pytest.mark.parametrize("order_id", [7, 8])
    async def test_other_orders_are_free(self, bench: Bench, order_id: int):
        await bench.sent("first")
        second = await bench.accepted_and_claimed("second")

        if order_id == 7:
            with pytest.raises(OrderBusy):
                await bench.ledger.lock(second, order_id=order_id)
        else:
            await bench.ledger.lock(second, order_id=order_id)

    async def test_a_job_in_doubt_keeps_its_order(self, bench: Bench):
        await bench.defer(await bench.sent("first"), State.IN_DOUBT)
        second = await bench.accepted_and_claimed("second")

        with pytest.raises(OrderBusy):
            await bench.ledger.lock(second, order_id=7)

    async def test_a_job_waits_in_line_once_however_often_it_looks(self, bench: Bench):
        first = await bench.sent("first")
        await bench.accept("second")
        for _ in range(5):
            second = await bench.claim("second")
            with pytest.raises(OrderBusy):
                await bench.ledger.lock(second, order_id=7)
            await bench.defer(second, State.WAITING, 5)
            bench.clock.pass_seconds(5)
        assert await bench.redis.llen("refunds:order_waiters:default:7") == 1
        await bench.settle(first)
        await bench.ledger.lock(await bench.claim("second"), order_id=7)

        assert await bench.redis.llen("refunds:order_waiters:default:7") == 0

    async def test_whoever_stands_in_line_and_waits_no_more_is_passed_over(self, bench: Bench):
        first = await bench.sent("first")
        for key in ("gone", "second"):
            claim = await bench.accepted_and_claimed(key)
            with pytest.raises(OrderBusy):
                await bench.ledger.lock(claim, order_id=7)
            if key == "gone":
                await bench.bury(claim)
            else:
                await bench.defer(claim, State.WAITING, 5)
        await bench.settle(first)

        assert [keys for _, _, keys in await bench.ledger.publish()] == [["second"]]

    # --- settle and bury ------------------------------------------------------------------------------------------

    async def test_settled_never_changes(self, bench: Bench):
        claim = await bench.sent()
        await bench.settle(claim, memo_id=91)
        before = await bench.entry()

        await bench.settle(claim, memo_id=92)
        for name in ("lock", "send", "defer", "bury"):
            with pytest.raises(StaleFence):
                await MOVES_OF_A_HOLDER[name](bench, claim)
        assert await replay(bench.ledger, "k") == "settled"

        assert await bench.entry() == before
        assert (before.state, before.result, before.order) == (State.SETTLED, {"memo_id": 91}, "")

    async def test_a_dead_letter_is_written_once_per_death_and_removed_when_a_replay_settles(self, bench: Bench):
        await bench.bury(await bench.accepted_and_claimed(), reason="one")
        assert await replay(bench.ledger, "k") == "replayed"
        await bench.bury(await bench.claim(), reason="two")
        (letter,) = await bench.letters()

        assert (letter["key"], letter["reason"], letter["verdict"]) == ("k", "two", "refused")
        assert letter["job"] == stored(a_job(idempotency_key="k"))
        await replay(bench.ledger, "k")
        await bench.settle(await bench.claim())
        assert await bench.letters() == []
        assert await bench.redis.hlen("refunds:dead_index") == 0

    async def test_a_document_that_was_refused_is_kept_as_a_letter_and_counts_as_no_job(self, bench: Bench):
        await bench.ledger.bury_invalid(key="", raw_base64="e30=", reason="invalid", reasons="why", door="stream")
        (letter,) = await bench.letters()

        assert (letter["raw_base64"], letter["message"], letter["door"]) == ("e30=", "why", "stream")
        assert (await bench.counts_add_up())["accepted"] == 0

    async def test_a_replayed_job_is_looked_up_before_it_is_sent(self, bench: Bench):
        claim = await bench.sent()
        bench.clock.pass_seconds(60)
        await bench.bury(claim)
        await replay(bench.ledger, "k")
        again = await bench.claim()

        assert again.possibly_sent_ms == again.entry.sent_ms == bench.clock.ms - 60_000
        await bench.send(again, number=2, is_cleared=True)
        await bench.defer(again, State.WAITING, 0)
        assert (await bench.claim()).possibly_sent_ms == 0

    async def test_only_dead_letters_are_replayed(self, bench: Bench):
        await bench.accept("k")

        assert await replay(bench.ledger, "k") == "queued"  # because it is queued already
        assert await replay(bench.ledger, "none") == "missing"
        assert (await bench.entry()).look_first is False

    # --- defer, release, publish ----------------------------------------------------------------------------------

    async def test_a_deferred_job_is_published_when_it_is_due_and_not_before(self, bench: Bench):
        await bench.defer(await bench.accepted_and_claimed(), State.WAITING, 5, tries=1)
        bench.clock.pass_seconds(4.9)
        assert await bench.ledger.publish() == []
        bench.clock.pass_seconds(0.1)

        assert await bench.ledger.publish() == [("express", 2, ["k"])]
        assert await bench.ledger.publish() == []
        assert await bench.state() is State.QUEUED
        assert (await bench.claim()).entry.tries == 1

    async def test_each_lane_gets_its_own_message(self, bench: Bench):
        await bench.accept("a", "b", lane="bulk")
        await bench.accept("c")
        for key in ("a", "b", "c"):
            await bench.defer(await bench.claim(key), State.WAITING, 0)

        messages = {lane: keys for lane, _, keys in await bench.ledger.publish()}
        assert messages == {"bulk": ["a", "b"], "express": ["c"]}

    async def test_a_released_claim_is_queued_when_nothing_was_sent_and_in_doubt_when_it_was(self, bench: Bench):
        unsent, sent = await bench.accepted_and_claimed("unsent"), await bench.sent("sent")
        await bench.ledger.release("unsent", unsent.token)
        await bench.ledger.release("sent", sent.token)

        assert await bench.state("unsent") is State.QUEUED
        assert await bench.state("sent") is State.IN_DOUBT
        ((_, _, keys),) = await bench.ledger.publish()
        assert sorted(keys) == ["sent", "unsent"]

    async def test_a_released_claim_frees_its_order_when_nothing_was_sent(self, bench: Bench):
        claim = await bench.accepted_and_claimed()
        await bench.ledger.lock(claim, order_id=7)
        await bench.ledger.release("k", claim.token)

        await bench.ledger.lock(await bench.accepted_and_claimed("other"), order_id=7)

    # --- dead workers ---------------------------------------------------------------------------------------------

    async def test_a_worker_that_beats_keeps_what_it_holds(self, bench: Bench):
        await bench.accepted_and_claimed()
        for _ in range(3):
            bench.clock.pass_seconds(LEASE_SECONDS - 1)
            await bench.ledger.beat("w1")

        assert await bench.ledger.adopt() == []

    async def test_what_a_dead_worker_held_is_queued_or_in_doubt(self, bench: Bench):
        await bench.accepted_and_claimed("claimed")
        await bench.sent("sent")
        bench.clock.pass_seconds(LEASE_SECONDS)

        adopted = await bench.ledger.adopt()

        assert sorted(adopted) == [("claimed", "claimed", "w1", 10_000), ("sent", "sent", "w1", 10_000)]
        assert await bench.state("claimed") is State.QUEUED
        assert await bench.state("sent") is State.IN_DOUBT
        assert (await bench.entry("sent")).deaths == 1
        assert await bench.ledger.adopt() == []

    async def _die(self, bench: Bench, times: int, *, is_under_way: bool = True) -> None:
        for number in range(times):
            claim = await bench.claim(worker=f"w{number}")
            if is_under_way:
                await bench.ledger.lock(claim, order_id=1)
            bench.clock.pass_seconds(LEASE_SECONDS)
            await bench.ledger.adopt()

    async def test_a_job_that_kills_three_workers_is_poison(self, bench: Bench):
        await bench.accept("k")
        await self._die(bench, 2)
        assert await bench.state() is State.QUEUED
        await self._die(bench, 1)
        (letter,) = await bench.letters()

        assert (letter["reason"], letter["verdict"]) == ("poison", "not_sent")

    async def test_a_job_that_only_waited_in_the_hands_of_dead_workers_is_innocent(self, bench: Bench):
        await bench.accept("k")
        await self._die(bench, STRAY_DEATHS - 1, is_under_way=False)
        assert await bench.state() is State.QUEUED
        await self._die(bench, 1, is_under_way=False)

        assert [letter["reason"] for letter in await bench.letters()] == ["poison"]

    async def test_a_job_on_which_we_fail_again_and_again_goes_to_a_human(self, bench: Bench):
        await bench.accept("k")
        await bench.fail_to_the_end()
        (letter,) = await bench.letters()

        assert (letter["reason"], letter["verdict"]) == ("internal_error", "not_sent")

    async def test_a_failure_of_ours_on_a_job_that_may_have_been_sent_before_a_restart_is_unknown(self, bench: Bench):
        await bench.accept("k")
        await bench.ledger.note_server("run-2")
        await bench.fail_to_the_end()
        (letter,) = await bench.letters()

        assert (letter["reason"], letter["verdict"]) == ("internal_error", "unknown")

    async def test_a_fence_that_was_given_out_twice_lets_only_the_newer_holder_write(self, bench: Bench):
        """A Redis that lost its newest writes counts fences from where it was."""
        await bench.accept("k")
        old = await bench.claim(worker="w1")
        await bench.ledger.redis.hset("refunds:entry:k", mapping={"fence": 0})
        await bench.ledger.redis.hdel("refunds:entry:k", "holder")
        new = await bench.claim(worker="w2")

        assert old.fence == new.fence
        with pytest.raises(StaleFence):
            await bench.ledger.lock(old, order_id=1)

    async def test_poison_that_may_have_been_sent_before_a_restart_is_unknown(self, bench: Bench):
        await bench.accept("k")
        bench.clock.pass_seconds(1)
        await bench.ledger.note_server("run-2")
        await self._die(bench, 3)
        (letter,) = await bench.letters()

        assert (letter["reason"], letter["verdict"]) == ("poison", "unknown")

    async def test_lost_messages_are_published_again(self, bench: Bench):
        await bench.accept("one", message=1)
        await bench.accept("two", message=2)
        await bench.accept("three", message=3)
        await bench.claim("two")

        assert await bench.ledger.find_lost("express", up_to=2) == ["one"]
        assert [keys for _, _, keys in await bench.ledger.publish()] == [["one"]]
        assert await bench.ledger.find_lost("bulk", up_to=9) == []

    # --- identity -------------------------------------------------------------------------------------------------

    async def test_without_a_ledger_nothing_is_claimed_and_nothing_is_published(self, bench: Bench):
        await bench.accept("k")
        await bench.redis.delete("refunds:ledger")

        with pytest.raises(LedgerMissing):
            await bench.claim()
        assert await bench.ledger.publish() == []
        assert await bench.ledger.note_server("run-2") == "no ledger"
        assert await bench.ledger.initialise("trust") == "no ledger"
        assert await bench.ledger.identity() == {}
        assert await bench.state() is State.QUEUED

    async def test_a_ledger_is_made_once(self, bench: Bench):
        identity = await bench.ledger.identity()

        assert await bench.ledger.initialise("first") == "exists"
        assert await bench.ledger.identity() == identity

    async def test_after_a_restart_older_entries_are_possibly_sent_and_newer_ones_are_not(self, bench: Bench):
        await bench.accept("old")
        bench.clock.pass_seconds(1)
        assert await bench.ledger.note_server("run-1") == "same"
        assert await bench.ledger.note_server("run-2") == "changed"
        await bench.accept("same-ms")
        bench.clock.pass_seconds(0.001)
        await bench.accept("new")

        assert (await bench.claim("old")).possibly_sent_ms == bench.clock.ms - 1
        assert (await bench.claim("same-ms")).possibly_sent_ms == bench.clock.ms - 1
        assert (await bench.claim("new")).possibly_sent_ms == 0

    async def test_a_new_server_whose_clock_is_behind_makes_no_older_entry_look_new(self, bench: Bench):
        await bench.ledger.beat("w1")
        bench.clock.pass_seconds(2)
        await bench.accept("old")
        bench.clock.pass_seconds(-60)
        await bench.ledger.note_server("run-2")

        assert (await bench.claim("old")).possibly_sent_ms > bench.clock.ms

    async def test_after_a_restart_an_older_claim_proves_no_longer_that_nothing_was_sent(self, bench: Bench):
        claim = await bench.accepted_and_claimed()
        bench.clock.pass_seconds(1)
        await bench.ledger.note_server("run-2")

        with pytest.raises(ServerChanged):
            await bench.ledger.bury(claim, reason="nothing_left", verdict="not_sent", message="no", line=LINE)
        with pytest.raises(ServerChanged):
            await bench.ledger.withdraw(claim, line=LINE)
        await bench.bury(claim)
        assert await bench.state() is State.DEAD

    async def test_what_was_cleared_after_a_restart_is_not_possibly_sent_until_the_next(self, bench: Bench):
        await bench.accept("k")
        bench.clock.pass_seconds(1)
        await bench.ledger.note_server("run-2")
        bench.clock.pass_seconds(1)
        claim = await bench.claim()
        await bench.send(claim, is_cleared=True)
        await bench.defer(claim, State.WAITING, 0)
        claim = await bench.claim()
        assert claim.possibly_sent_ms == 0
        await bench.defer(claim, State.WAITING, 0)
        bench.clock.pass_seconds(1)
        await bench.ledger.note_server("run-3")

        assert (await bench.claim()).possibly_sent_ms == bench.clock.ms

    async def test_after_a_loss_every_job_is_possibly_sent_until_the_ledger_is_trusted(self, bench: Bench):
        assert await bench.ledger.initialise("after_loss") == "after_loss"
        bench.clock.pass_seconds(60)
        claim = await bench.accepted_and_claimed()
        assert claim.possibly_sent_ms == bench.clock.ms - 60_000
        await bench.ledger.release("k", claim.token)

        assert await bench.ledger.initialise("trust") == "trusted"
        assert (await bench.claim()).possibly_sent_ms == 0

    async def test_a_lost_ledger_begins_after_its_loss(self, bench: Bench):
        await bench.redis.delete("refunds:ledger")

        assert await bench.ledger.initialise("after_loss") == "after_loss"
        assert (await bench.ledger.identity())["mode"] == "after_loss"
        assert (await bench.accepted_and_claimed()).possibly_sent_ms == bench.clock.ms

    # --- history --------------------------------------------------------------------------------------------------

    async def test_the_history_keeps_its_first_20_and_last_80_lines(self, bench: Bench):
        await bench.accept("k")
        for number in range(1, 131):
            claim = await bench.claim()
            await bench.ledger.defer(claim, to=State.WAITING, delay_seconds=0, keep_order=False, line={"n": number})
        history = [line["n"] for line in (await bench.entry()).history]

        assert history == [*range(1, 21), *range(51, 131)]

    async def test_counts_add_up_after_every_kind_of_end(self, bench: Bench):
        await bench.accept("queued", "waiting", "claimed", "sent", "doubt", "settled", "dead")
        await bench.defer(await bench.claim("waiting"), State.WAITING)
        await bench.claim("claimed")
        for order_id, key in enumerate(("sent", "doubt", "settled"), 1):
            await bench.send(await bench.claim(key), order_id=order_id)
        await bench.defer(Claim(entry=await bench.entry("doubt"), now_ms=0, epoch_ms=0), State.IN_DOUBT)
        await bench.settle(Claim(entry=await bench.entry("settled"), now_ms=0, epoch_ms=0))
        await bench.bury(await bench.claim("dead"))

        held = {State.HELD.value: 0, State.CANCELLED.value: 0}  # no limit is set, and none is of a campaign
        assert await bench.counts_add_up() == {"accepted": 7} | {state.value: 1 for state in State} | held
