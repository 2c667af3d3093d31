"""The audit of some jobs: every way in which ledger and shop can disagree about them is found and named."""
# ruff: noqa: ANN401 - documents of any kind

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from fakeredis import FakeAsyncRedis

from tests.factories import a_memo
from tests.fakes import shop_settings
from tests.suites.ledger import Bench, Clock
from worker.audit import Audit, audit, check
from worker.domain.confirmation import facts_of
from worker.domain.errors import NotSent
from worker.domain.plan import ShopRules
from worker.guards.allotment import Allotment
from worker.guards.gate import Gate
from worker.ledger.confirmations import Confirmations, Confirmed
from worker.ledger.ledger import Ledger
from worker.magento.client import Magento
from worker.resources import Shop

Document = dict[str, Any]


@dataclass
class Books:
    """The credit memos of a shop, as its client gives them; counts the reads."""

    memos: list[Document] = field(default_factory=list)
    reads: int = 0

    async def creditmemos_of_orders(self, order_ids: Sequence[int]) -> list[Document]:
        assert len(order_ids) <= 100
        self.reads += bool(order_ids)
        return [memo for memo in self.memos if memo["order_id"] in order_ids]

    async def creditmemos_by_ids(self, ids: Sequence[int]) -> list[Document]:
        assert len(ids) <= 100
        self.reads += bool(ids)
        return [memo for memo in self.memos if memo["entity_id"] in ids]


@dataclass
class Desk(Bench):
    """A ledger, and the books of its shop."""

    books: Books
    gate: Gate

    @property
    def shops(self) -> dict[str, Shop]:
        magento = cast("Magento", self.books)
        shop = Shop(settings=shop_settings(), magento=magento, rules=ShopRules(), gate=self.gate, has_nonces=True)
        return {"default": shop}

    async def settled(self, key: str = "k", memo_id: int = 91, **changes: Any) -> None:
        await self.accept(key, campaign="spring", **changes)
        await self.ledger.settle(await self.claim(key), result={"memo_id": memo_id}, line={}, confirm=True)

    async def kinds(self, *keys: str) -> list[str]:
        found = Audit()
        await check(found, self.ledger, keys or ("k",), self.shops)
        return sorted(one.kind for one in found.differences)


def a_marked_memo(key: str = "k", **changes: Any) -> Document:
    return a_memo(customer_note=f"ref {key}", comments=[{"comment": f"ref {key}"}], **changes)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    redis = FakeAsyncRedis(decode_responses=True)
    clock = Clock()
    ledger = Ledger(redis, now_ms=lambda: clock.ms)
    await ledger.initialise("first", run_id="run-1")
    yield Desk(redis, clock, ledger, Books(), Gate.fixed(4))
    await redis.aclose()


async def test_a_settled_job_with_its_memo_is_no_difference_and_its_memo_is_given(desk: Desk):
    await desk.settled()
    desk.books.memos = [a_marked_memo()]
    found = Audit()
    ((entry, memo),) = await check(found, desk.ledger, ["k"], desk.shops)
    assert (found.differences, found.settled, found.memos) == ([], 1, 1)
    assert (entry.key, memo) == ("k", desk.books.memos[0])


@pytest.mark.parametrize(
    ("memos", "changes", "kinds"),
    [
        ([], {}, ["missing"]),
        ([a_memo()], {}, ["other_memo"]),
        ([a_marked_memo("other")], {}, ["other_memo"]),
        ([a_marked_memo(), a_marked_memo(entity_id=92)], {}, ["double"]),
        ([a_marked_memo(order_id=8)], {}, []),
        ([a_marked_memo(order_id=8), a_marked_memo(order_id=8, entity_id=92)], {}, ["double"]),
        ([a_marked_memo(base_grand_total=12)], {"expected_total": "10.00"}, ["amount"]),
        ([a_marked_memo(), a_memo(entity_id=92), a_marked_memo("other", entity_id=93)], {}, []),
    ],
    ids=["missing", "unmarked", "of-another", "twin", "by-its-id", "twin-there", "amount", "not-ours"],
)
async def test_each_way_to_differ_is_named(
    desk: Desk, memos: list[Document], changes: dict[str, Any], kinds: list[str]
):
    await desk.settled(**changes)
    desk.books.memos = memos
    assert await desk.kinds() == kinds


async def test_a_comment_of_many_letters_that_are_not_ascii_is_read(desk: Desk):
    await desk.settled(comment="Entschuldigung für die späte Rückzahlung, und schöne Grüße.")
    desk.books.memos = [a_marked_memo()]
    assert await desk.kinds() == []


async def test_a_memo_that_changed_since_it_was_read_back_is_told(desk: Desk):
    await desk.settled()
    facts = facts_of(a_marked_memo(), [], is_marked=True)
    await Confirmations(desk.redis).write("default", [Confirmed(key="k", facts=facts)])
    desk.books.memos = [a_marked_memo()]
    assert await desk.kinds() == []
    desk.books.memos = [a_marked_memo(base_grand_total=9.99)]
    assert await desk.kinds() == ["amount"]


async def test_a_dead_letter_that_was_refunded_all_the_same_is_told(desk: Desk):
    await desk.accept("k", campaign="spring")
    await desk.bury(await desk.claim())
    assert await desk.kinds() == []
    desk.books.memos = [a_marked_memo()]
    assert await desk.kinds() == ["dead_but_refunded"]


async def test_a_cancelled_job_that_was_refunded_all_the_same_is_told(desk: Desk):
    await desk.accept("k", campaign="spring")
    await desk.redis.hset("refunds:campaign:spring", "state", "cancelled")
    desk.clock.pass_seconds(1)
    assert await desk.claims("k") == []
    assert await desk.kinds() == []
    desk.books.memos = [a_marked_memo()]
    assert await desk.kinds() == ["cancelled_but_refunded"]


async def test_jobs_of_shops_that_are_not_configured_are_counted_as_unchecked(desk: Desk):
    await desk.settled("k")
    await desk.accept("open", campaign="spring", order_id=8)
    found = Audit()
    await check(found, desk.ledger, ["k", "open", "never-seen"], {})
    assert (found.unchecked, found.open, found.settled) == (1, 1, 0)


async def test_a_campaign_costs_one_read_for_a_hundred_jobs(desk: Desk):
    keys = [f"k{number}" for number in range(250)]
    for number, key in enumerate(keys):
        await desk.settled(key, memo_id=number + 1, order_id=number + 1)
    await desk.settled("of-another-campaign", memo_id=999)
    desk.books.memos = [
        a_marked_memo(key, entity_id=number + 1, order_id=number + 1) for number, key in enumerate(keys)
    ]

    async def pages() -> AsyncIterator[list[str]]:
        yield keys[:200]
        yield keys[200:]

    found = await audit(desk.ledger, desk.shops, campaign="spring", keys=pages())

    assert (found.settled, found.differences) == (250, [])
    assert desk.books.reads == 3


async def test_without_a_list_of_its_keys_a_campaigns_jobs_are_sought(desk: Desk):
    await desk.settled("a", memo_id=91)
    await desk.accept("b", campaign="autumn")
    desk.books.memos = [a_marked_memo("a")]
    found = await audit(desk.ledger, desk.shops, campaign="spring")
    assert (found.settled, found.open, found.differences) == (1, 0, [])


async def test_the_shop_is_read_only_with_a_slot(desk: Desk):
    """Promise P5: whatever asks the shop, an audit too, takes its part of what the shop allows."""
    await desk.settled()
    desk.books.memos = [a_marked_memo()]
    desk.gate = Gate.fixed(1)
    async with desk.gate.slot("bulk"):
        checking = asyncio.create_task(desk.kinds())
        while not desk.gate.waiting:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
        assert desk.books.reads == 0

    assert await checking == []
    assert desk.books.reads == 1


async def test_a_shop_that_is_not_called_now_is_said_and_not_read(desk: Desk):
    await desk.settled()
    checking = asyncio.create_task(desk.kinds())
    desk.gate = Gate(most=1)
    while not desk.gate.waiting:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0)
    desk.gate.answer(Allotment(slots=0, is_open=True))

    with pytest.raises(NotSent, match="breaker_open"):
        await checking
    assert desk.books.reads == 0
