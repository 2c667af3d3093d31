"""What settled is read back, a hundred in a call, and whatever is not as asked is told."""
# ruff: noqa: ANN401 - documents of any kind

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from config.settings import Settings
from config.shops import ShopSettings
from tests.fakes import handle
from worker.confirm import BATCH, LEASE_SECONDS, confirm_batch
from worker.crash import Crashes
from worker.domain.errors import NotSent
from worker.domain.job import parse_job
from worker.domain.limits import NO_LIMITS
from worker.guards.gate import Gate
from worker.ledger.confirmations import Confirmations, Confirmed
from worker.ledger.entry import Entry
from worker.ledger.ledger import Ledger
from worker.ledger.row import Row
from worker.magento.auth import Bearer
from worker.magento.client import Magento
from worker.magento.session import open_session
from worker.resources import Resources, Shop, rules_of
from worker.sandbox.orders import sample_orders
from worker.sandbox.server import RunningShop, start_shop
from worker.sandbox.server import ShopSettings as SandboxSettings

pytestmark = pytest.mark.integration

SCENARIOS = Path(__file__).parents[1] / "data" / "magento" / "scenarios"
Document = dict[str, Any]


@dataclass
class Bench:
    """One worker in this process, between a real Redis and the sandbox.

    Attributes:
        reads: Look-ups of credit memos that the shop answered.
        now_ms: What the ledger takes for the time.
    """

    r: Resources
    sandbox: RunningShop
    reads: list[Document] = field(default_factory=list)
    now_ms: float = 1_000_000.0

    @property
    def shop(self) -> Shop:
        return self.r.shops["default"]

    @property
    def confirmations(self) -> Confirmations:
        return Confirmations(self.r.redis, now_ms=lambda: self.now_ms)

    async def settle(self, *documents: Document) -> None:
        """Accept jobs and work them off, in messages of a hundred keys."""
        for number, start in enumerate(range(0, len(documents), 100), 1):
            chunk = documents[start : start + 100]
            rows = [Row.of(parse_job(document), json.dumps(document), NO_LIMITS) for document in chunk]
            await self.r.ledger.accept(rows, lane="bulk", message=number)
            await handle([document["idempotency_key"] for document in chunk], "bulk", number, self.r)

    async def confirm(self, *, wait_seconds: float = 0.0) -> int:
        """Confirm one batch."""
        return await confirm_batch(self.shop, self.confirmations, wait_seconds=wait_seconds)

    async def entry(self, key: str) -> Entry:
        entry = await self.r.ledger.find(key)
        assert entry is not None
        return entry

    async def kinds(self, key: str) -> list[str]:
        """What was found wrong with the credit memo of a key."""
        return [one["kind"] for one in (await self.entry(key)).confirmed.get("mismatches", ())]

    def pass_time(self, seconds: float) -> None:
        self.now_ms += seconds * 1000


@asynccontextmanager
async def a_bench(redis_url: str, **settings: Any) -> AsyncIterator[Bench]:
    """Start the sandbox and open what a worker has."""
    redis = Redis.from_url(f"{redis_url.rpartition('/')[0]}/11", decode_responses=True)
    await redis.flushdb()
    sandbox = await start_shop(SandboxSettings())
    configured = ShopSettings(base_url=sandbox.base_url, auth="bearer", token="sandbox", **settings)
    session = open_session()
    try:
        magento = Magento(configured, auth=Bearer(token=configured.token), session=session)  # type: ignore[arg-type]
        shop = Shop(
            settings=configured, magento=magento, rules=rules_of(configured), gate=Gate.fixed(8), has_nonces=False
        )
        bench = Bench(r=None, sandbox=sandbox)  # type: ignore[arg-type]
        ledger = Ledger(redis, now_ms=lambda: bench.now_ms)
        bench.r = Resources(
            settings=Settings.model_construct(max_attempts=5, max_document_bytes=262_144),
            redis=redis, ledger=ledger, shops={"default": shop}, worker="w", crashes=Crashes(), jitter=lambda: 0.0,
        )  # fmt: skip
        await ledger.initialise("first")
        _count_reads(bench)
        yield bench
    finally:
        await session.close()
        await sandbox.close()
        await redis.aclose()


def _count_reads(bench: Bench) -> None:
    answer = bench.sandbox.shop.answer

    async def counted(name: str, given: Document, call: Any) -> Any:
        if name == "creditmemos":
            bench.reads.append(given)
        return await answer(name, given, call)

    bench.sandbox.shop.answer = counted  # type: ignore[method-assign]


def a_document(order: Document, **changes: Any) -> Document:
    """A plain job: one piece of the first line that has a price of its own."""
    parents = {item.get("parent_item_id") for item in order["items"]}
    item = next(item for item in order["items"] if item["item_id"] not in parents and not item.get("parent_item_id"))
    lines = [{"order_item_id": item["item_id"], "qty": 1}]
    return {"idempotency_key": f"k-{order['entity_id']}", "order_id": order["entity_id"], "items": lines, **changes}


def plain_orders(bench: Bench, count: int) -> list[Document]:
    """Seed orders and give so many that have a line without children."""
    samples = sample_orders(count * 3, seed=1)
    bench.sandbox.store.seed(samples)
    kinds = ("configurable", "bundle")
    plain = [one for one in samples["orders"] if not any(item["product_type"] in kinds for item in one["items"])]
    return plain[:count]


async def test_300_jobs_are_confirmed_with_at_most_6_reads(redis_url: str):
    async with a_bench(redis_url) as bench:
        documents = [a_document(order) for order in plain_orders(bench, 300)]
        await bench.settle(*documents)
        assert not bench.reads  # nothing is read back one by one
        with structlog.testing.capture_logs() as logs:
            while await bench.confirm():
                pass
        assert len(bench.reads) <= 6
        entries = [await bench.entry(document["idempotency_key"]) for document in documents]
        assert {entry.state for entry in entries} == {"settled"}
        assert all(entry.confirmed["marker"] and entry.confirmed["base_grand_total"] for entry in entries)
        assert not any("mismatches" in entry.confirmed or entry.sent for entry in entries)
        assert not [line for line in logs if line["event"] == "refund.mismatch_found"]
        assert not await bench.r.redis.exists("refunds:unconfirmed:default")


async def test_what_magento_would_cap_silently_is_refused_before_the_call(redis_url: str):
    """The invoice has 3 of the line, the order more; 4 are asked of the invoice."""
    scenario = json.loads((SCENARIOS / "invoice_two_invoices.json").read_text())
    order, invoice = scenario["before"]["orders"][0], scenario["before"]["invoices"][0]
    invoice["transaction_id"] = "capture-1"
    line = scenario["steps"][0]["request"]["body"]["items"][0]["order_item_id"]
    async with a_bench(redis_url) as bench:
        bench.sandbox.store.seed(scenario["before"])
        items = [{"order_item_id": line, "qty": 4}]
        await bench.settle(
            {"idempotency_key": "capped", "order_id": order["entity_id"], "invoice_id": invoice["entity_id"],
             "online": True, "items": items},
        )  # fmt: skip
        entry = await bench.entry("capped")
        assert (entry.reason, entry.verdict, entry.sends) == ("qty_above_invoice", "not_sent", 0)


async def test_a_memo_with_fewer_pieces_than_asked_is_told(redis_url: str):
    async with a_bench(redis_url) as bench:
        (order,) = plain_orders(bench, 1)
        line = order["items"][0]["item_id"]
        key = f"k-{order['entity_id']}"
        items = [{"order_item_id": line, "qty": 1}]
        await bench.settle({"idempotency_key": key, "order_id": order["entity_id"], "items": items})
        (memo,) = bench.sandbox.store.memos_in(order["entity_id"])
        next(item for item in memo["items"] if item["order_item_id"] == line)["qty"] = 0
        with structlog.testing.capture_logs() as logs:
            await bench.confirm()
        assert await bench.kinds(key) == ["lines"]
        entry = await bench.entry(key)
        assert entry.confirmed["mismatches"][0]["detail"] == f"1 of line {line} asked, 0 refunded"
        assert entry.history[-1]["event"] == "mismatch_found"
        assert [line["key"] for line in logs if line["event"] == "refund.mismatch_found"] == [key]
        assert await bench.r.redis.zrange("refunds:mismatches", 0, -1) == [key]


async def test_a_twin_is_told(redis_url: str):
    async with a_bench(redis_url) as bench:
        (order,) = plain_orders(bench, 1)
        await bench.settle(a_document(order))
        (memo,) = bench.sandbox.store.memos_in(order["entity_id"])
        twin = {**memo, "entity_id": 9000, "increment_id": "000009000"}
        bench.sandbox.store.seed({"creditmemos": [twin]})
        await bench.confirm()
        assert await bench.kinds(f"k-{order['entity_id']}") == ["twin"]


async def test_a_memo_that_is_not_what_was_quoted_is_told(redis_url: str):
    async with a_bench(redis_url) as bench:
        (order,) = plain_orders(bench, 1)
        await bench.settle({"idempotency_key": f"k-{order['entity_id']}", "order_id": order["entity_id"], "full": True})
        (memo,) = bench.sandbox.store.memos_in(order["entity_id"])
        memo["base_grand_total"] += 5
        await bench.confirm()
        assert await bench.kinds(f"k-{order['entity_id']}") == ["quote"]


async def test_a_memo_that_is_missing_is_looked_for_once_more(redis_url: str):
    async with a_bench(redis_url) as bench:
        (order,) = plain_orders(bench, 1)
        await bench.settle(a_document(order))
        bench.sandbox.store.memos.clear()
        bench.sandbox.store.memos_of_order.clear()
        assert await bench.confirm() == 1
        assert not (await bench.entry(f"k-{order['entity_id']}")).confirmed
        assert await bench.confirm() == 0
        bench.pass_time(LEASE_SECONDS + 1)
        assert await bench.confirm() == 1
        assert await bench.kinds(f"k-{order['entity_id']}") == ["missing"]


async def test_a_batch_that_could_not_be_read_comes_again(redis_url: str):
    async with a_bench(redis_url) as bench:
        (order,) = plain_orders(bench, 1)
        await bench.settle(a_document(order))
        await bench.sandbox.close()
        with pytest.raises(NotSent):
            await bench.confirm()
        assert await bench.confirm() == 0
        bench.pass_time(LEASE_SECONDS + 1)
        with pytest.raises(NotSent):
            await bench.confirm()


async def test_a_batch_that_is_not_full_waits_for_others_and_a_full_one_does_not(redis_url: str):
    async with a_bench(redis_url) as bench:
        *orders, last, one_more = plain_orders(bench, BATCH + 1)
        await bench.settle(*(a_document(order) for order in orders))
        assert await bench.confirm(wait_seconds=2) == 0
        await bench.settle(a_document(last))
        assert await bench.confirm(wait_seconds=2) == BATCH
        await bench.settle(a_document(one_more))
        assert await bench.confirm(wait_seconds=2) == 0
        bench.pass_time(2)
        assert await bench.confirm(wait_seconds=2) == 1


async def test_a_key_is_confirmed_once(redis_url: str):
    async with a_bench(redis_url) as bench:
        (order,) = plain_orders(bench, 1)
        await bench.settle(a_document(order))
        await bench.confirm()
        first = await bench.entry(f"k-{order['entity_id']}")
        assert await bench.confirmations.write("default", [Confirmed(key=first.key, facts={})]) == set()
        assert await bench.entry(first.key) == first


async def test_a_key_without_an_entry_is_forgotten(redis_url: str):
    async with a_bench(redis_url) as bench:
        await bench.r.redis.zadd("refunds:unconfirmed:default", {"unknown": 0})
        assert await bench.confirm() == 0
        assert not await bench.r.redis.exists("refunds:unconfirmed:default")


async def test_a_damaged_entry_does_not_stop_the_others_of_its_batch(redis_url: str):
    async with a_bench(redis_url) as bench:
        broken, whole = plain_orders(bench, 2)
        await bench.settle(a_document(broken), a_document(whole))
        await bench.r.redis.hset(f"refunds:entry:k-{broken['entity_id']}", "result", "{")
        assert await bench.confirm() == 1
        assert (await bench.entry(f"k-{whole['entity_id']}")).confirmed


async def test_a_shop_that_does_not_want_it_is_not_read(redis_url: str):
    async with a_bench(redis_url, confirm=False) as bench:
        (order,) = plain_orders(bench, 1)
        await bench.settle(a_document(order))
        assert await bench.confirm() == 0
        entry = await bench.entry(f"k-{order['entity_id']}")
        assert (entry.state, entry.sent, entry.confirmed) == ("settled", {}, {})
