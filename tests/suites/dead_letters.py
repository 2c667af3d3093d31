"""What the index of dead letters promises; run on the double and on a real Redis, so that they cannot differ."""
# ruff: noqa: S311 - chance, not secrets

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.replays import replay
from tests.suites.ledger import Clock
from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.filter import Filter
from worker.dead_letters.index import Index
from worker.dead_letters.letter import Letter
from worker.dead_letters.order import BadCursor, Order, Sort
from worker.dead_letters.query import Query
from worker.dead_letters.store import DEAD_CLOSED, DEAD_STREAM, DeadLetters
from worker.dead_letters.totals import Group, grouped, of_letter, value_of
from worker.domain.job import parse_job
from worker.domain.limits import NO_LIMITS
from worker.ledger.ledger import Ledger
from worker.ledger.row import Row

WHO = Who(by="ann", why="test")
DAY_MS = 86_400_000
MESSAGES = (
    "The order does not allow creating creditmemo.",
    'We found an invalid quantity to refund item "Blue Shirt XL".',
    'We found an invalid quantity to refund item "Tee 7".',
    "The most money available to refund is $12.50.",
    "The most money available to refund is $7.00.",
    "Ümlaut und\nZeilen 3",
    "",
)
CONTENTS: tuple[dict[str, Any], ...] = (
    {"amount": "2.50"},
    {"amount": "12.50", "shipping_amount": "1.00"},
    {"amount": "0.01", "online": True, "invoice_id": 3},
    {"full": True},
    {"full": True, "expected_total": "90.00"},
    {"items": [{"sku": 'a"b\\', "qty": 1}]},
    {"creditmemo": {"base_grand_total": 12.345}},
    {"creditmemo": {"base_grand_total": 12.335001}},
    {"creditmemo": {"grand_total": "8"}, "mode": "persist"},
    {"creditmemo": {"base_grand_total": None, "grand_total": 5}},
)
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"reasons": ("order_status",)},
    {"reasons": ("order_status", "invalid"), "shops": ("default", "-")},
    {"campaigns": ("-",), "verdicts": ("refused",)},
    {"campaigns": ("recall",), "services": ("order_refund", "invoice_refund")},
    {"min_amount": Decimal("2.50")},
    {"max_amount": Decimal("12.35"), "shops": ("uk",)},
    {"since_ms": 1_700_000_000_000 + 7000},
    {"until_ms": 1_700_000_000_000 + DAY_MS, "min_amount": Decimal("0.02")},
    {"since_ms": DAY_MS * 19676, "until_ms": DAY_MS * 19677},
    {"text": "ALLOW"},
    {"text": "blue shirt"},
    {"text": 'item "tee'},
    {"text": "is $12.5"},
    {"text": "available to refund is $7.00."},
    {"text": "7"},
    {"text": "key-1"},
    {"text": "000000031", "reasons": ("order_status",)},
    {"text": "ümlaut und zeilen 3"},
    {"text": "nowhere"},
    {"services": ("creditmemo_save",)},
)


class Desk:
    """A ledger in which jobs die, settle and are replayed at random."""

    def __init__(self, redis: Redis, seed: int) -> None:
        self.redis = redis
        self.clock = Clock()
        self.ledger = Ledger(redis, now_ms=lambda: self.clock.ms)
        self.chance = random.Random(seed)
        self.count = 0

    async def die(self, key: str = "", **content: Any) -> str:  # noqa: ANN401 - of a document
        """Let a new job become a dead letter."""
        self.count += 1
        key = key or f"key-{self.chance.randrange(10**6)}-{self.count}"
        document: dict[str, Any] = {"idempotency_key": key, "shop": self.chance.choice(("default", "uk"))}
        document |= content or self.chance.choice(CONTENTS)
        if "order_id" not in document and not document.get("creditmemo"):
            document |= self.chance.choice(({"order_id": self.count}, {"order_number": "000000031"}))
        if self.chance.random() < 0.3:
            document["campaign"] = self.chance.choice(("recall", "event"))
        plain = {name: document[name] for name in ("idempotency_key", "shop", "campaign") if name in document}
        job = parse_job(plain | {"order_id": 1, "full": True})
        await self.ledger.accept([Row.of(job, json.dumps(document), NO_LIMITS)], lane="express", message=1)
        await self._bury(key)
        return key

    async def _bury(self, key: str) -> None:
        (claim,) = await self.ledger.claim([key], worker="w", lane="express", message=1)
        line = {"outcome": "dead_lettered"} | self.chance.choice(({}, {"service": "order_refund"}))
        reason = self.chance.choice(("order_status", "qty_too_large"))
        verdict = self.chance.choice(("refused", "not_sent"))
        message = self.chance.choice(MESSAGES)
        await self.ledger.bury(claim, reason=reason, verdict=verdict, message=message, line=line)

    async def refuse(self) -> None:
        """Refuse a document at the door."""
        key = self.chance.choice(("", "key-1\n", "RMA"))
        message = self.chance.choice(MESSAGES)
        await self.ledger.bury_invalid(key=key, raw_base64="e30=", reason="invalid", reasons=message, door="stream")

    async def replay(self) -> None:
        """Replay one letter; it dies again, or its job is settled."""
        letters = [one async for one in DeadLetters(self.redis).read() if one.was_a_job]
        if not letters:
            return
        key = self.chance.choice(letters).key
        assert await replay(self.ledger, key) == "replayed"
        if self.chance.random() < 0.5:
            await self._bury(key)
        else:
            (claim,) = await self.ledger.claim([key], worker="w", lane="express", message=1)
            await self.ledger.settle(claim, result={"memo_id": 1}, line={})

    async def close(self) -> None:
        """Let people close a letter."""
        if letters := [one async for one in DeadLetters(self.redis).read()]:
            await self._acts().close(self.chance.choice(letters), WHO, how="discarded")

    async def edit(self) -> None:
        """Let people correct a letter's job."""
        letters = [one async for one in DeadLetters(self.redis).read() if one.was_a_job]
        if not letters:
            return
        letter = self.chance.choice(letters)
        document = {"idempotency_key": letter.key, "shop": letter.shop, "order_id": 1, "amount": "77.00"}
        await self._acts().edit(letter, parse_job(document), json.dumps(document), WHO)

    def _acts(self) -> LetterActs:
        return LetterActs(self.redis, now_ms=self.clock.ms)

    async def fill_block(self) -> None:
        """Let the next letter open another block, as if this one had its 4,096 letters."""
        if await self.redis.exists("refunds:dead:index"):
            await self.redis.hset("refunds:dead:index", "rows", "4096")

    async def act(self) -> None:
        """Do something."""
        self.clock.pass_seconds(self.chance.choice((0, 1, 3600, 30_000)))
        choices = (self.die, self.die, self.refuse, self.replay, self.close, self.edit, self.fill_block)
        act: Callable[[], Any] = self.chance.choice(choices)
        await act()


async def assert_equal_to_the_stream(redis: Redis, *, closed: bool = False) -> None:
    """Whatever is asked, the index answers as if every letter had been read."""
    stream = DEAD_CLOSED if closed else DEAD_STREAM
    letters = [one async for one in DeadLetters(redis, stream=stream).read()]
    query = Query(redis)
    assert await query.is_ready(Filter(is_closed=closed))
    assert await Index(redis, stream).count() == len(letters)
    for fields in FILTERS:
        wanted = Filter(**fields, is_closed=closed)
        fitting = [one for one in letters if wanted.fits(one)]
        assert [one async for one in query.find(wanted)] == fitting, fields
        for by in Group:
            expected = grouped((value_of(one, by), one.shop, of_letter(one)) for one in fitting)
            assert await query.groups(wanted, by) == expected, (fields, by)
        for by_value in Sort:
            for is_reverse in (False, True):
                await _assert_pages(query, wanted, fitting, Order(by=by_value, is_reverse=is_reverse))


async def _assert_pages(query: Query, wanted: Filter, fitting: list[Letter], order: Order) -> None:
    in_order = sorted(
        fitting, key=lambda one: (order.value(one), *map(int, one.id.split("-"))), reverse=order.is_reverse
    )
    after, seen = "", list[Letter]()
    while True:
        page = await query.page(wanted, Order(by=order.by, is_reverse=order.is_reverse, after=after), limit=7)
        seen += page
        if len(page) < 7:
            break
        after = order.cursor(page[-1])
    assert [one.id for one in seen] == [one.id for one in in_order], (wanted, order)


class IndexPromises:
    """The promises; a subclass gives the fixture `redis`, empty."""

    @pytest.fixture
    async def desk(self, redis: Redis) -> Desk:
        desk = Desk(redis, seed=1)
        await desk.ledger.initialise("first")
        return desk

    @pytest.mark.parametrize("seed", range(2))
    async def test_the_index_equals_the_stream_whatever_happens(self, desk: Desk, seed: int):
        desk.chance.seed(seed)
        for _ in range(30):
            await desk.act()
        await assert_equal_to_the_stream(desk.redis)
        await assert_equal_to_the_stream(desk.redis, closed=True)

        for _ in range(10):
            await desk.act()
        while not (await desk.ledger.reindex(DEAD_STREAM, at_most=5))[0]:
            await desk.act()  # letters come and go while the index is built anew
        await desk.act()
        await assert_equal_to_the_stream(desk.redis)

    async def test_letters_of_an_older_version_are_read_until_they_are_indexed(self, desk: Desk):
        for _ in range(12):
            await desk.act()
        before = [one async for one in Query(desk.redis).find(Filter())]
        async for name in desk.redis.scan_iter("refunds:dead:*"):
            if not name.startswith("refunds:dead:closed"):
                await desk.redis.delete(name)
        query = Query(desk.redis)

        assert not await query.is_ready(Filter())
        assert [one async for one in query.find(Filter())] == before
        pages = [await query.page(Filter(), Order(by=by, is_reverse=True), limit=3) for by in Sort]
        groups = [await query.groups(Filter(), by) for by in Group]
        await desk.die()  # is left to the rebuild
        assert not await query.is_ready(Filter())
        await desk.redis.xdel(DEAD_STREAM, (await query.page(Filter(), Order(is_reverse=True), limit=1))[0].id)
        await desk.ledger.reindex(DEAD_STREAM)

        assert await query.is_ready(Filter())
        assert pages == [await query.page(Filter(), Order(by=by, is_reverse=True), limit=3) for by in Sort]
        assert groups == [await query.groups(Filter(), by) for by in Group]

    async def test_nothing_is_left_of_an_index_whose_letters_have_gone(self, desk: Desk):
        keys = [await desk.die() for _ in range(3)]
        await desk.fill_block()
        keys.append(await desk.die())
        for key in keys:
            await replay(desk.ledger, key)
            (claim,) = await desk.ledger.claim([key], worker="w", lane="express", message=1)
            await desk.ledger.settle(claim, result={"memo_id": 1}, line={})

        left = {name async for name in desk.redis.scan_iter("refunds:dead:*")}
        columns = ("ids", "times", "cents", "classes", "cells", "words", "keys", "text")
        tables = ("index", "blocks", "alive", "cells", "names", "sums")
        assert left == {f"refunds:dead:{name}" for name in tables} | {f"refunds:dead:{one}:2" for one in columns}

    async def test_where_too_many_kinds_of_words_come_whole_messages_are_compared(self, desk: Desk):
        await desk.die()
        await desk.redis.hset("refunds:dead:words", mapping={f"kind {n}": n for n in range(2, 5003)})
        for _ in range(20):
            await desk.die()

        await assert_equal_to_the_stream(desk.redis)

    async def test_a_cursor_of_another_order_is_refused(self, desk: Desk):
        with pytest.raises(BadCursor):
            await Query(desk.redis).page(Filter(), Order(by=Sort.AMOUNT, after="rma@1-0"), limit=1)
