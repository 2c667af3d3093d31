"""What the audit trail promises; run on the double and on a real Redis."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from worker.ledger.ledger import Ledger
from worker.trail import TRAIL_STREAM, Act, Trail, TrailRefused, seal

ACTS = 5
Rows = list[dict[str, str]]


async def rows_of(redis: Redis) -> Rows:
    page: Any = await redis.xrange(TRAIL_STREAM)
    return [fields for _, fields in page]


async def write_anew(redis: Redis, rows: Rows) -> None:
    await redis.delete(TRAIL_STREAM)
    for fields in rows:
        await redis.xadd(TRAIL_STREAM, fields)  # type: ignore[arg-type]


def forged(row: dict[str, str], **changes: object) -> dict[str, str]:
    """The record with other words, and with the hash that belongs to them."""
    known = json.loads(row["record"]) | changes
    act = Act(**{name: known[name] for name in ("act", "subject", "by", "why", "before", "after")})
    made = seal(act, number=known["number"], at_ms=known["at_ms"], previous=known["previous"])
    return {"record": made.text, "hash": made.hash}


def changed(row: dict[str, str], **changes: object) -> dict[str, str]:
    """The record with other words, under its old hash."""
    return {**row, "record": json.dumps(json.loads(row["record"]) | changes)}


#: What somebody who can write to Redis may do to the five records, and the first record that is named then.
TAMPERINGS: dict[str, tuple[Callable[[Rows], Rows], int]] = {
    "other words": (lambda rows: [*rows[:1], changed(rows[1], why="another"), *rows[2:]], 2),
    "other words in the last": (lambda rows: [*rows[:4], changed(rows[4], by="eve")], 5),
    "another amount before": (lambda rows: [changed(rows[0], before={"amount": "1.00"}), *rows[1:]], 1),
    "another time": (lambda rows: [*rows[:2], changed(rows[2], at_ms=1), *rows[3:]], 3),
    "forged with its hash": (lambda rows: [*rows[:1], forged(rows[1], by="eve"), *rows[2:]], 3),
    "forged first": (lambda rows: [forged(rows[0], by="eve"), *rows[1:]], 2),
    "forged last": (lambda rows: [*rows[:4], forged(rows[4], by="eve")], 5),
    "another hash": (lambda rows: [*rows[:2], {**rows[2], "hash": "0" * 64}, *rows[3:]], 3),
    "removed first": (lambda rows: rows[1:], 1),
    "removed": (lambda rows: [*rows[:2], *rows[3:]], 3),
    "tail removed": (lambda rows: rows[:3], 4),
    "last removed": (lambda rows: rows[:4], 5),
    "all removed": (lambda _: [], 1),
    "twice": (lambda rows: [*rows[:2], rows[1], *rows[2:]], 3),
    "exchanged": (lambda rows: [rows[0], rows[2], rows[1], *rows[3:]], 2),
    "added at the end": (
        lambda rows: [*rows, forged(rows[4], number=6, previous=rows[4]["hash"], act="letter.closed")],
        6,
    ),
    "one more field": (lambda rows: [*rows[:3], {**rows[3], "note": "x"}, rows[4]], 4),
    "a field gone": (lambda rows: [*rows[:3], {"record": rows[3]["record"]}, rows[4]], 4),
    "no JSON": (lambda rows: [*rows[:3], {"record": "{", "hash": rows[3]["hash"]}, rows[4]], 4),
}


class TrailPromises:
    """Subclass with a fixture `redis`: an empty client with decoded answers."""

    @pytest.fixture
    async def trail(self, redis: Redis) -> Trail:
        await Ledger(redis).initialise("first")
        return Trail(redis)

    async def filled(self, trail: Trail) -> None:
        for number in range(ACTS):
            await trail.record(
                act="letter.edited", subject=f"letter:k{number}", by="ann", why="wrong amount",
                before={"amount": "1.00"}, after={"amount": "2.00"},
            )  # fmt: skip

    async def test_acts_are_kept_in_order_with_who_why_before_and_after(self, trail: Trail):
        await self.filled(trail)
        records = [record async for record in trail.records()]
        assert [record.number for record in records] == [1, 2, 3, 4, 5]
        assert [record.previous for record in records[1:]] == [record.hash for record in records[:-1]]
        one = records[1]
        assert (one.act, one.subject, one.by, one.why) == ("letter.edited", "letter:k1", "ann", "wrong amount")
        assert (one.before, one.after) == ({"amount": "1.00"}, {"amount": "2.00"})
        assert one.at_ms > 1_600_000_000_000
        assert [record.number async for record in trail.records(subject="letter:k3")] == [4]

    async def test_an_untouched_chain_is_whole(self, trail: Trail):
        assert (await trail.verify()).count == 0
        await self.filled(trail)
        chain = await trail.verify()
        assert (chain.count, chain.broken_at, chain.why) == (5, 0, "")
        assert chain.head == [record.hash async for record in trail.records()][-1]

    @pytest.mark.parametrize("name", TAMPERINGS)
    async def test_tampering_is_found_and_the_first_broken_record_named(self, redis: Redis, trail: Trail, name: str):
        await self.filled(trail)
        tamper, broken_at = TAMPERINGS[name]
        await write_anew(redis, tamper(await rows_of(redis)))
        chain = await trail.verify()
        assert (chain.broken_at, bool(chain.why)) == (broken_at, True)

    async def test_a_head_that_was_taken_away_is_found(self, redis: Redis, trail: Trail):
        await self.filled(trail)
        await redis.hdel("refunds:ledger", "trail_hash", "trail_count")
        assert (await trail.verify()).broken_at == 1

    async def test_a_chain_forged_as_a_whole_is_found_by_a_head_that_was_noted(self, redis: Redis, trail: Trail):
        await self.filled(trail)
        noted = (await trail.verify()).head
        await redis.delete(TRAIL_STREAM)
        await redis.hdel("refunds:ledger", "trail_hash", "trail_count")
        for _ in range(ACTS):
            await trail.record(act="letter.edited", subject="letter:k", by="eve", why="")
        assert (await trail.verify()).broken_at == 0
        assert (await trail.verify(noted=noted)).broken_at == 1

    async def test_a_noted_head_stays_in_the_chain(self, trail: Trail):
        await self.filled(trail)
        noted = (await trail.verify()).head
        await self.filled(trail)
        assert (await trail.verify(noted=noted)).broken_at == 0

    async def test_writers_at_once_make_one_chain(self, redis: Redis, trail: Trail):
        async def write(name: str) -> None:
            own = Trail(redis)
            for number in range(10):
                await own.record(act="campaign.paused", subject=f"campaign:{name}", by=name, why=str(number))

        await asyncio.gather(*(write(f"w{number}") for number in range(10)))
        chain = await trail.verify()
        assert (chain.count, chain.broken_at) == (100, 0)
        for name in ("w0", "w9"):
            said = [record.why async for record in trail.records(subject=f"campaign:{name}")]
            assert said == [str(number) for number in range(10)]

    async def test_verifying_while_others_write_finds_nothing(self, trail: Trail):
        async def write() -> None:
            for _ in range(50):
                await trail.record(act="campaign.paused", subject="campaign:a", by="a", why="")

        writing = asyncio.create_task(write())
        while not writing.done():
            assert (await trail.verify()).broken_at == 0
        await writing

    async def test_a_redis_without_a_ledger_takes_no_record_and_stays_without_one(self, redis: Redis):
        with pytest.raises(TrailRefused):
            await Trail(redis).record(act="campaign.paused", subject="campaign:a", by="a", why="")
        assert await redis.keys("*") == []

    async def test_a_move_is_made_once_however_often_its_record_is_made_anew(self, redis: Redis, trail: Trail):
        other = Trail(redis)
        seen: list[str] = []

        async def move(made: object) -> object:
            if not seen:  # somebody is faster
                await other.record(act="campaign.paused", subject="campaign:a", by="a", why="")
            seen.append(str(made))
            return await trail._append(args=list(made.args))  # type: ignore[attr-defined]  # noqa: SLF001

        act = Act(act="letter.closed", subject="letter:k", by="ann", why="")
        answer: Awaitable[object] = trail.together(act, move)
        assert await answer == "ok"
        assert len(seen) == 2
        assert (await trail.verify()).count == 2
