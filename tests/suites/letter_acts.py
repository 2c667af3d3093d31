"""What every act on a dead letter promises; run on the double and on a real Redis."""
# ruff: noqa: ANN401 - documents of any kind

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.factories import rows_of
from tests.replays import replay
from worker.dead_letters.acts import Done, LetterActs, Who
from worker.dead_letters.letter import Letter
from worker.dead_letters.store import DeadLetters
from worker.domain.job import parse_job
from worker.domain.key import fingerprint
from worker.intake.accept import stored
from worker.ledger.entry import Entry
from worker.ledger.ledger import Ledger
from worker.trail import Record, Trail

ANN = Who(by="ann", why="typo")
LINE = {"outcome": "dead_lettered"}


@dataclass
class Desk:
    """A ledger with letters, and what tests ask of it."""

    redis: Redis
    ledger: Ledger
    acts: LetterActs

    async def dead(self, key: str = "k", *, verdict: str = "refused", sent: bool = False, **changes: Any) -> Letter:
        job = parse_job({"idempotency_key": key, "order_id": 1, "amount": "2.50", **changes})
        await self.ledger.accept(rows_of(job), lane="express", message=1)
        (claim,) = await self.ledger.claim([key], worker="w", lane="express", message=1)
        if sent:
            await self.ledger.send(claim, order_id=int(key == "k") or len(key), number=1, sent={"order_id": 1})
        await self.ledger.bury(claim, reason="max_money", verdict=verdict, message="No.", line=LINE)
        return await self.letter(key)

    async def letter(self, key: str = "k") -> Letter:
        found = await DeadLetters(self.redis).find(key)
        assert found is not None
        return found

    async def entry(self, key: str = "k") -> Entry:
        found = await self.ledger.find(key)
        assert found is not None
        return found

    async def edit(self, letter: Letter, **changes: Any) -> Done:
        job = parse_job({**letter.job, **changes})
        return await self.acts.edit(letter, job, stored(job), ANN)

    async def closed(self) -> list[Letter]:
        page: Any = await self.redis.xrange("refunds:dead:closed")
        return [Letter.read(letter_id, fields) for letter_id, fields in page]

    async def records(self) -> list[Record]:
        return [record async for record in Trail(self.redis).records()]

    async def is_whole(self) -> bool:
        counts = await self.ledger.counts()
        accepted = counts.pop("accepted")
        chain = await Trail(self.redis).verify()
        return accepted == sum(counts.values()) and not chain.broken_at


#: Each act on a letter.
ACTS: dict[str, Callable[[Desk, Letter], Awaitable[Done]]] = {
    "replay": lambda desk, letter: desk.acts.replay(letter, ANN),
    "edit": lambda desk, letter: desk.edit(letter, amount="2.00"),
    "clear": lambda desk, letter: desk.acts.clear(letter, ANN),
    "discard": lambda desk, letter: desk.acts.close(letter, ANN, how="discarded"),
    "refunded": lambda desk, letter: desk.acts.close(letter, ANN, how="refunded", result={"memo_id": 7}),
}


class LetterActPromises:
    """Subclass with a fixture `redis`: an empty client with decoded answers."""

    @pytest.fixture
    async def desk(self, redis: Redis) -> Desk:
        ledger = Ledger(redis)
        await ledger.initialise("first")
        return Desk(redis, ledger, LetterActs(redis))

    # --- every act ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", ACTS)
    async def test_an_act_and_its_record_are_one(self, desk: Desk, name: str):
        letter = await desk.dead()
        done = await ACTS[name](desk, letter)
        (record,) = await desk.records()
        assert not done.why_not
        assert (record.subject, record.by, record.why) == ("letter:k", "ann", "typo")
        assert record.before
        assert record.after
        line = (await desk.entry()).history[-1]
        assert (line["by"], line["why"], line["at_ms"]) == ("ann", "typo", record.at_ms)
        assert await desk.is_whole()

    @pytest.mark.parametrize("name", ACTS)
    @pytest.mark.parametrize("first", ACTS)
    async def test_a_letter_that_changed_since_it_was_looked_at_is_left_alone(self, desk: Desk, first: str, name: str):
        letter = await desk.dead()
        await ACTS[first](desk, letter)
        before = await desk.redis.hgetall("refunds:entry:k")

        done = await ACTS[name](desk, letter)

        assert done.why_not
        assert await desk.redis.hgetall("refunds:entry:k") == before
        assert len(await desk.records()) == 1
        assert await desk.is_whole()

    @pytest.mark.parametrize("name", ACTS)
    async def test_of_many_at_once_one_acts(self, desk: Desk, name: str):
        letter = await desk.dead()
        done = await asyncio.gather(*(ACTS[name](desk, letter) for _ in range(8)))
        assert [bool(one.why_not) for one in done].count(False) == 1
        assert len(await desk.records()) == 1
        assert await desk.is_whole()

    @pytest.mark.parametrize("name", ACTS)
    async def test_different_letters_at_once_are_all_done_in_one_chain(self, desk: Desk, name: str):
        letters = [await desk.dead(f"k{number}") for number in range(8)]
        done = await asyncio.gather(*(ACTS[name](desk, letter) for letter in letters))
        assert not any(one.why_not for one in done)
        assert {record.subject for record in await desk.records()} == {f"letter:k{number}" for number in range(8)}
        assert await desk.is_whole()

    # --- replay ---------------------------------------------------------------------------------------------------

    async def test_in_one_selection_a_letter_is_replayed_once_even_if_it_dies_again(self, desk: Desk):
        letter = await desk.dead()
        assert (await desk.acts.replay(letter, ANN, selection="s1")).answer == "replayed"
        assert (await desk.acts.replay(letter, ANN, selection="s1")).answer == "done"
        assert (await desk.acts.replay(letter, ANN, selection="s2")).answer == "queued", "that is the state"
        assert (await desk.acts.replay(letter, ANN, selection="s2")).why_not
        (claim,) = await desk.ledger.claim(["k"], worker="w", lane="express", message=2)
        await desk.ledger.bury(claim, reason="max_money", verdict="refused", message="No.", line=LINE)
        again = await desk.letter()
        assert (await desk.acts.replay(again, ANN, selection="s1")).answer == "done"
        assert (await desk.acts.replay(letter, ANN, selection="s2")).answer == "changed"
        assert (await desk.acts.replay(again, ANN, selection="s2")).answer == "replayed"

    async def test_a_replayed_letter_stays_in_the_list_until_its_job_has_settled(self, desk: Desk):
        await desk.acts.replay(await desk.dead(), ANN)
        assert (await desk.letter()).key == "k"
        (claim,) = await desk.ledger.claim(["k"], worker="w", lane="express", message=2)
        await desk.ledger.settle(claim, result={"memo_id": 1}, line={"outcome": "refunded"})
        assert await DeadLetters(desk.redis).find("k") is None

    # --- edit -----------------------------------------------------------------------------------------------------

    async def test_an_edited_job_has_a_new_revision_and_keeps_the_old_document_in_its_history(self, desk: Desk):
        letter = await desk.dead()
        old = (await desk.entry()).fingerprint

        await desk.edit(letter, amount="2.00", comment="Sorry.")

        entry, now = await desk.entry(), await desk.letter()
        assert json.loads(entry.doc)["amount"] == "2.00"
        assert entry.fingerprint != old
        assert entry.fingerprint == fingerprint(parse_job(entry.doc))
        assert (entry.revision, now.revision, now.id != letter.id) == (2, 2, True)
        assert (now.reason, now.verdict, now.message) == (letter.reason, letter.verdict, letter.message)
        line = entry.history[-1]
        assert (line["event"], line["revision"]) == ("edited", 2)
        assert line["was"] == {"amount": "2.50"}
        assert line["now"] == {"amount": "2.00", "comment": "Sorry."}
        (record,) = await desk.records()
        assert (record.before["document"]["amount"], record.after["document"]["amount"]) == ("2.50", "2.00")
        assert entry.state == "dead"
        assert entry.look_first

    async def test_what_may_have_moved_money_is_not_edited_until_people_looked(self, desk: Desk):
        letter = await desk.dead(verdict="unknown", online=True, invoice_id=1)
        assert (await desk.edit(letter, amount="2.00")).answer == "unknown"
        assert (await desk.acts.clear(letter, ANN)).answer == "cleared"
        cleared = await desk.letter()
        assert (cleared.verdict, cleared.reason, cleared.may_hide_money) == ("not_sent", letter.reason, False)
        assert (await desk.edit(cleared, amount="2.00")).answer == "edited"
        assert (await desk.acts.replay(await desk.letter(), ANN)).answer == "replayed"
        assert (await desk.entry()).is_spent, "or the shop would refuse the nonce of a send that is over"

    async def test_a_send_that_people_ruled_out_is_not_repeated_with_its_nonce(self, desk: Desk):
        letters = [await desk.dead(key, verdict="unknown", sent=True) for key in ("said", "not-said")]
        for letter in letters:
            await desk.acts.replay(letter, ANN, not_refunded=letter.key == "said")
        assert [(await desk.entry(key)).is_spent for key in ("said", "not-said")] == [True, False]

    async def test_a_job_that_was_sent_stays_with_its_shop(self, desk: Desk):
        letter = await desk.dead(sent=True)
        assert (await desk.edit(letter, shop="other")).answer == "sent"
        assert (await desk.edit(letter, order_id=2)).answer == "edited"
        entry = await desk.entry()
        assert (entry.sent, entry.sends) == ({}, 1), "the next look-up must not go to the old order"

    async def test_a_job_of_which_nothing_was_sent_may_change_its_shop(self, desk: Desk):
        await desk.edit(await desk.dead(), shop="other")
        assert ((await desk.entry()).shop, (await desk.letter()).shop) == ("other", "other")

    async def test_the_first_document_is_another_one_after_an_edit(self, desk: Desk):
        letter = await desk.dead()
        await desk.edit(letter, amount="2.00")
        job = parse_job(dict(letter.job))
        _, (receipt,) = await desk.ledger.accept(rows_of(job), lane="express", message=2)
        assert receipt.status == "key_conflict"

    # --- close ----------------------------------------------------------------------------------------------------

    async def test_a_letter_that_people_found_refunded_settles_its_job(self, desk: Desk):
        letter = await desk.dead(verdict="unknown")
        await desk.acts.close(letter, ANN, how="refunded", result={"memo_id": 7, "increment_id": "000000007"})
        entry = await desk.entry()
        assert entry.state == "settled"
        assert entry.result == {"memo_id": 7, "increment_id": "000000007", "via": "human"}
        (closed,) = await desk.closed()
        assert (closed.key, closed.reason, closed.verdict, closed.job) == ("k", "max_money", "unknown", letter.job)
        assert (closed.closed["how"], closed.closed["by"], closed.closed["why"]) == ("refunded", "ann", "typo")
        assert await DeadLetters(desk.redis).find("k") is None

    async def test_a_discarded_letter_is_closed_for_good_and_kept(self, desk: Desk):
        letter = await desk.dead()
        await desk.acts.close(letter, ANN, how="discarded")
        assert ((await desk.entry()).state, (await desk.entry()).closed) == ("dead", "discarded")
        assert (await desk.acts.replay(letter, ANN)).answer == "closed"
        assert await replay(desk.ledger, "k") == "closed"
        assert [one.key for one in await desk.closed()] == ["k"]
        assert await DeadLetters(desk.redis).count() == 0

    async def test_a_document_that_never_became_a_job_is_closed_by_its_id(self, desk: Desk):
        await desk.dead("k")
        for reason in ("invalid", "key_conflict"):
            await desk.ledger.bury_invalid(key="k", raw_base64="e30=", reason=reason, reasons="why", door="stream")
        letters = [letter async for letter in DeadLetters(desk.redis).read() if not letter.was_a_job]
        for letter in letters:
            assert (await desk.acts.close(letter, ANN, how="discarded")).answer == "closed"
            assert (await desk.acts.close(letter, ANN, how="discarded")).answer == "changed"
        assert [(one.reason, one.raw) for one in await desk.closed()] == [("invalid", b"{}"), ("key_conflict", b"{}")]
        assert [record.subject for record in await desk.records()] == [f"letter:{letter.id}" for letter in letters]
        assert (await desk.letter()).reason == "max_money", "the job of the same key keeps its letter"
        assert await desk.is_whole()

    async def test_the_money_of_a_campaigns_dead_letters_follows_an_edit(self, desk: Desk):
        letter = await desk.dead(campaign="spring")
        await desk.redis.hset("refunds:entry:k", "cents", "250")
        await desk.redis.hset("refunds:campaign:spring:counts", "dead_cents", "250")
        await desk.edit(letter, amount="2.00")
        assert await desk.redis.hget("refunds:campaign:spring:counts", "dead_cents") == "200"
        await desk.acts.replay(await desk.letter(), ANN)
        counts = await desk.redis.hgetall("refunds:campaign:spring:counts")
        assert (counts["dead_cents"], counts["queued_cents"]) == ("0", "200")
