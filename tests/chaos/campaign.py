"""A campaign against the whole stack, and the judge: the ledger held against the shop's own books."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.settings import Settings
from tests.replays import replay
from tests.stack import Stack
from worker.cli.opening import producer
from worker.domain.lifecycle import FINAL, State
from worker.enqueue import Enqueue
from worker.intake.accept import accept
from worker.ledger.connection import connect
from worker.ledger.ledger import Ledger
from worker.sandbox.demo_verdict import key_of
from worker.sandbox.orders import sample_orders

Document = dict[str, Any]
#: Orders that the shop is given at a time.
BLOCK = 250


def jobs_of(order: Document, source: random.Random, prefix: str) -> Iterator[Document]:
    """Give one job for each unit of each line that stands for itself: one item, by all four services."""
    parents = {item.get("parent_item_id") for item in order["items"]}
    order_id, number = order["entity_id"], 0
    is_online = order["payment"]["method"] == "gateway"
    is_exact = order["order_currency_code"] == order["base_currency_code"]
    for line in order["items"]:
        if line.get("parent_item_id") or line["item_id"] in parents or not line["base_row_total"]:
            continue
        has_memo = is_exact and not line["base_tax_amount"] and not line["base_discount_amount"]
        for _unit in range(int(line["qty_ordered"])):
            number += 1
            items = [{"order_item_id": line["item_id"], "qty": 1}]
            document: Document = {"idempotency_key": f"{prefix}-{order_id}-{number}", "campaign": prefix}
            draw = source.random()
            if has_memo and draw < 0.3:
                document |= {"creditmemo": _memo(order, line)} | ({"mode": "persist"} if draw < 0.1 else {})
            elif is_online and order_id % 2:  # one way for an order: by both, its tax would be refunded twice
                document |= {"order_id": order_id, "invoice_id": order_id, "items": items}
                document |= {"online": True} if draw < 0.45 else {}
            else:
                document |= {"order_id": order_id, "items": items}
            yield document


def _memo(order: Document, line: Document) -> Document:
    price = f"{line['base_price']:.2f}"
    totals = {"subtotal": price, "grand_total": price, "shipping_amount": "0", "tax_amount": "0"}
    amounts = {"price": price, "row_total": price, "tax_amount": "0"}
    return {
        "order_id": order["entity_id"],
        "store_id": 1,
        "base_currency_code": order["base_currency_code"],
        "order_currency_code": order["order_currency_code"],
        **totals,
        **{f"base_{name}": value for name, value in totals.items()},
        "items": [
            {
                "order_item_id": line["item_id"],
                "qty": 1,
                "sku": line["sku"],
                **amounts,
                **{f"base_{name}": value for name, value in amounts.items()},
            }
        ],
    }


@dataclass
class Books:
    """What the shop did, read piece by piece so that no answer is large."""

    memos: int = 0
    orders: dict[str, list[int]] = field(default_factory=dict)
    services: Counter[str] = field(default_factory=Counter)
    last: Document = field(default_factory=dict)

    def read(self, stack: Stack) -> Self:
        """Read the credit memos that came since the last reading."""
        self.last = stack.shop("GET", f"/sandbox/ledger?since={self.memos}")
        for memo in self.last.pop("creditmemos"):
            self.memos += 1
            self.services[memo["service"]] += 1
            self.orders.setdefault(key_of(memo), []).append(memo["order_id"])
        return self


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a campaign.

    Attributes:
        jobs: Keys that were accepted.
        lost: Keys that the ledger does not know, or says are settled without a credit memo.
        doubled: Keys with more than one credit memo.
        in_doubt: Keys that are neither settled nor dead.
        dead: Dead letters by `reason / verdict`.
        problems: Everything that breaks a promise, in words; empty when all is well.
    """

    jobs: int
    settled: int
    lost: int
    doubled: int
    in_doubt: int
    memos: int
    dead: Mapping[str, int]
    services: Mapping[str, int]
    max_in_flight_per_order: int
    problems: Sequence[str]


@dataclass(kw_only=True)
class Campaign:
    """Jobs on orders of the sandbox shop, submitted through the same code as every door uses.

    Attributes:
        orders: The order of each accepted key.
    """

    stack: Stack
    settings: Settings
    redis: Redis
    ledger: Ledger
    enqueue: Enqueue
    source: random.Random
    prefix: str
    orders: dict[str, int] = field(default_factory=dict)
    books: Books = field(default_factory=Books)
    _next_order: int = 1
    _ready: list[Document] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, stack: Stack, *, seed: int, prefix: str = "chaos") -> AsyncIterator[Self]:
        """Connect to the stack's Redis as a producer does."""
        settings = Settings.from_environ(stack.env)
        redis = connect(settings.redis_url, timeout_seconds=5)
        app = producer(settings)
        try:
            yield cls(
                stack=stack,
                settings=settings,
                redis=redis,
                ledger=Ledger(redis),
                enqueue=Enqueue(app),
                source=random.Random(seed),  # noqa: S311 - repeatable, not secret
                prefix=prefix,
            )
        finally:
            app.close()
            await redis.aclose()

    async def submit(self, count: int, *, chunk: int = 100, lane: str = "bulk") -> int:
        """Accept `count` more jobs, seeding orders as needed; gives how many were accepted."""
        while len(self._ready) < count:
            await self._seed()
        jobs, self._ready = self._ready[:count], self._ready[count:]
        for start in range(0, count, chunk):
            await self._accept(jobs[start : start + chunk], lane)
        return count

    async def _accept(self, jobs: Sequence[Document], lane: str) -> None:
        documents = [json.dumps(job) for job in jobs]
        answers = None
        while answers is None:  # a producer that got no answer submits again; the keys make it harmless
            try:
                answers = await accept(documents, self, self.enqueue, lane=lane, door="chaos")
            except (RedisError, OSError):
                await asyncio.sleep(0.2)
        for job, answer in zip(jobs, answers, strict=True):
            if answer.status not in {"accepted", "duplicate"}:
                raise AssertionError(f"{job} was answered {answer}")
            self.orders[job["idempotency_key"]] = job.get("order_id") or job["creditmemo"]["order_id"]

    async def _seed(self) -> None:
        seeds = sample_orders(BLOCK, seed=self.source.randrange(1 << 30), first_id=self._next_order)
        self._next_order += BLOCK
        await asyncio.to_thread(self.stack.shop, "POST", "/sandbox/orders", seeds)
        jobs = [job for order in seeds["orders"] for job in jobs_of(order, self.source, self.prefix)]
        self.source.shuffle(jobs)  # jobs of one order come in different messages, to different workers
        self._ready += jobs

    async def publish_again(self, keys: Sequence[str], *, lane: str = "bulk") -> None:
        """Deliver keys once more, in a message with a number of its own."""
        await self.enqueue(lane, int(await self.ledger.redis.incr(f"refunds:seq:{lane}")), keys)

    async def counts(self) -> dict[str, int]:
        """Give the ledger's counters; empty while Redis is away."""
        try:
            return await self.ledger.counts()
        except (RedisError, OSError):
            return {}

    async def done(self) -> int:
        """How many jobs are settled or dead."""
        counts = await self.counts()
        return sum(counts.get(state, 0) for state in FINAL)

    async def quiet(self, *, seconds: float) -> bool:
        """Wait until every accepted job is settled or dead; False when the time is over."""
        async with asyncio.timeout(seconds) as limit:
            try:
                while await self.done() < len(self.orders):  # noqa: ASYNC110 - other processes set no event
                    await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                if not limit.expired():
                    raise
        return not limit.expired()

    async def replay_the_dead(self) -> int:
        """Replay every dead letter, as ops would; gives how many."""
        states = await self._entries()
        dead = [key for key, (state, *_) in states.items() if state == State.DEAD]
        for key in dead:
            assert await replay(self.ledger, key) == "replayed"
        return len(dead)

    async def _entries(self) -> dict[str, list[str | None]]:
        keys = list(self.orders)
        found: dict[str, list[str | None]] = {}
        for start in range(0, len(keys), 1000):
            part = keys[start : start + 1000]
            async with self.redis.pipeline(transaction=False) as pipe:
                for key in part:
                    _ = pipe.hmget(f"refunds:entry:{key}", ["state", "reason", "verdict"])
                found |= dict(zip(part, await pipe.execute(), strict=True))
        return found

    async def judge(self) -> Verdict:
        """Compare the ledger with the shop's books; to be called when everything is quiet."""
        books = await asyncio.to_thread(self.books.read, self.stack)
        entries, counts = await self._entries(), await self.ledger.counts()
        states = Counter(str(state) for state, _, _ in entries.values())
        memos = {key: len(orders) for key, orders in books.orders.items()}
        lost = [key for key, (state, *_) in entries.items() if state is None or _is_lost(state, memos.get(key, 0))]
        doubled = [key for key, count in memos.items() if count > 1]
        open_keys = [key for key, (state, *_) in entries.items() if state is not None and State(state) not in FINAL]
        accepted, summed = counts["accepted"], sum(counts[state] for state in State)
        dead_unlike = [
            key
            for key, (state, _, verdict) in entries.items()
            if state == State.DEAD and verdict != "unknown" and memos.get(key)
        ]
        foreign = [key for key, orders in books.orders.items() if key not in entries or orders[0] != self.orders[key]]
        wrong = {
            "lost": lost,
            "with more than one credit memo": doubled,
            "neither settled nor dead": open_keys,
            "dead as not sent or refused, but with a credit memo": dead_unlike,
            "credit memos of nobody, or on another order": foreign,
        }
        problems = [f"{len(keys)} {what}: {', '.join(sorted(keys)[:5])}" for what, keys in wrong.items() if keys]
        if not accepted == summed == len(entries):
            problems.append(f"accepted {accepted}, sum of the states {summed}, submitted {len(entries)}: {counts}")
        if any(counts[state] != states[state.value] for state in State):
            problems.append(f"the counters say {counts}, the entries {dict(states)}")
        dead = Counter(f"{reason} / {verdict}" for state, reason, verdict in entries.values() if state == State.DEAD)
        return Verdict(
            jobs=len(entries),
            settled=states[State.SETTLED.value],
            lost=len(lost),
            doubled=len(doubled),
            in_doubt=len(open_keys),
            memos=books.memos,
            dead=dict(dead.most_common()),
            services=dict(books.services.most_common()),
            max_in_flight_per_order=books.last["max_in_flight_per_order"],
            problems=problems,
        )


def _is_lost(state: str, memos: int) -> bool:
    return state == State.SETTLED and memos == 0
