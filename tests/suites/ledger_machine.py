"""Random histories of ledger, workers and shop; the code under test is the real one, from `handle` to the Lua moves.

Only the shop, the clock and the message broker are models. A history may lose answers, let calls arrive late, kill and
suspend workers, lose and repeat messages, restart Redis and lose its newest writes or all since a replica fell behind.
"""
# ruff: noqa: ANN401 - documents and fields of any kind

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis.asyncio import Redis

from tests.factories import a_document, a_memo_document, an_order, rows_of
from tests.fakes import MASKED, REFUSED, THROTTLED, FakeShop, Fate, ProcessDied, crash_at, handle, resources
from tests.replays import replay
from worker.attempt import SEND_WITHIN_SECONDS
from worker.domain.answer import Answer
from worker.domain.crash_point import CrashPoint
from worker.domain.job import parse_job
from worker.domain.lifecycle import FINAL, FIRST, MOVES, State
from worker.ledger.entry import Entry
from worker.ledger.ledger import Ledger
from worker.ledger.scripts import Moves
from worker.resources import Resources

LANE = "express"
#: One order has two jobs; each way to mark and to reconcile a credit memo is among them.
JOBS: dict[str, dict[str, Any]] = {
    "plain%": a_document(idempotency_key="plain%", order_id=7),
    "good_will": a_document(idempotency_key="good_will", order_id=7, items=None, amount="3.00"),
    "memo": a_document(idempotency_key="memo", order_id=8, items=None, creditmemo=a_memo_document(order_id=8)),
    "online": a_document(idempotency_key="online", order_id=7, invoice_id=3, online=True),
}
KEYS = st.sampled_from(sorted(JOBS))
FATES = st.sampled_from(
    [
        *("done", "refused_connection", "lost_before", "lost_after", "late", "stalled_after", "error_after"),
        *(MASKED, REFUSED, THROTTLED),
    ]
)
CRASHES = st.sampled_from([point for point in CrashPoint if point is not CrashPoint.BEFORE_PUBLISH])
_LONGEST_MS = 120_000 + (SEND_WITHIN_SECONDS + 5) * 1000
Snapshot = dict[str, dict[str, str]]


class Watch(Moves):
    """Every move, one at a time, with a look at all entries after it."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._redis, self._one_at_a_time = redis, asyncio.Lock()
        self.entries: Snapshot = {}
        self.settled: dict[str, str] = {}
        self.before_next_send: Callable[[], Coroutine[Any, Any, None]] | None = None

    async def __call__(self, name: str, *args: str | float) -> Any:
        if name == "send" and self.before_next_send is not None:
            wait, self.before_next_send = self.before_next_send, None
            await wait()
        async with self._one_at_a_time:
            answer = await super().__call__(name, *args)
            await self.look(name)
            return answer

    async def look(self, name: str) -> None:
        pipe: Any = self._redis.pipeline(transaction=False)
        pipe.hgetall("refunds:counts")
        for key in JOBS:
            pipe.hgetall(f"refunds:entry:{key}")
        counts, *found = await pipe.execute()
        after = {key: entry for key, entry in zip(JOBS, found, strict=True) if entry}
        for key, entry in after.items():
            self._check_move(name, key, self.entries.get(key), entry)
        total = sum(int(counts.get(state.value, 0)) for state in State)
        assert total == int(counts.get("accepted", 0)) == len(after), (name, counts)
        self.entries = after

    async def end(self, tasks: set[asyncio.Task[Any]]) -> None:
        """End what is left of a process that was killed, between two moves."""
        async with self._one_at_a_time:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check_move(self, name: str, key: str, old: dict[str, str] | None, new: dict[str, str]) -> None:
        before, after = State(old["state"]) if old else None, State(new["state"])
        if before is None:
            assert after in FIRST, (name, key, after)
        elif before is State.SETTLED:
            assert new == old, (name, key, "a settled entry changed")
        elif before is not after:
            assert after in MOVES[before], (name, key, before, after)
        assert old is None or int(new["fence"]) >= int(old["fence"]), (name, key, "a fence went back")
        assert int(new["sends"]) >= int((old or new)["sends"]), (name, key, "a send number went back")


class WatchedLedger(Ledger):
    """The ledger, with each of its moves watched."""

    def __init__(self, redis: Redis, **options: Any) -> None:
        super().__init__(redis, **options)
        self.watch = Watch(redis)
        self._move = self.watch


class LedgerMachine(RuleBasedStateMachine):
    """The machine; a subclass says which Redis."""

    def open_redis(self) -> Redis:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 1_700_000_000_000.0
        self.redis = self.open_redis()
        self.has_nonces = True
        self.shop = FakeShop(now_ms=lambda: self.now, longest_ms=_LONGEST_MS)
        self.shop.orders[8] = an_order(entity_id=8, increment_id="000000108")
        self.ledger = WatchedLedger(self.redis, lease_seconds=10, now_ms=lambda: self.now)
        self.broker: list[tuple[int, list[str]]] = []
        self.suspended: list[tuple[asyncio.Task[None], dict[str, int], list[asyncio.Event]]] = []
        self.saved: dict[str, Any] | None = None
        self.is_replica_behind = False
        self.memo_of: dict[str, int] = {}
        self.names = 0
        self.run(self._open())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 20))

    async def _open(self) -> None:
        await self.redis.flushdb()
        await self.ledger.initialise("first", run_id="run-0")
        self.worker = self._new_worker(None)

    @initialize(has_nonces=st.booleans(), keys=st.lists(KEYS, min_size=1, max_size=3, unique=True))
    def begin(self, has_nonces: bool, keys: list[str]) -> None:  # noqa: FBT001 - hypothesis gives it by name
        self.has_nonces = has_nonces
        self.worker = self._new_worker(None)
        self.run(self._accept(keys))

    def _new_worker(self, crash: CrashPoint | None) -> Resources:
        self.names += 1
        return resources(
            self.redis,
            self.shop,
            ledger=self.ledger,
            worker=f"worker-{self.names}",
            has_nonces=self.has_nonces,
            crashes=crash_at(crash),
        )

    # --- producers ------------------------------------------------------------------------------------------------

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3))
    def accept_some(self, keys: list[str]) -> None:
        self.run(self._accept(keys))

    async def _accept(self, keys: list[str]) -> None:
        jobs = [parse_job(JOBS[key]) for key in keys]
        known = set(self.ledger.watch.entries)
        message = int(await self.ledger.redis.incr(f"refunds:seq:{LANE}"))
        _, receipts = await self.ledger.accept(rows_of(*jobs), lane=LANE, message=message)
        for receipt in receipts:
            assert receipt.status == ("duplicate" if receipt.key in known else "accepted")
            known.add(receipt.key)
        accepted = [receipt.key for receipt in receipts if receipt.status == "accepted"]
        if accepted:
            # an acknowledged job is durable; what is lost in these histories comes after it
            self.saved, self.is_replica_behind = None, False
            self.broker.append((message, accepted))

    @rule(key=KEYS)
    def accept_another_content(self, key: str) -> None:
        if key not in self.ledger.watch.entries:
            return
        job = parse_job({**JOBS[key], "expected_total": "1.00"})
        _, (receipt,) = self.run(self.ledger.accept(rows_of(job), lane=LANE, message=0))
        assert receipt.status == "key_conflict"

    # --- workers --------------------------------------------------------------------------------------------------

    @rule(
        fates=st.lists(FATES, min_size=1, max_size=2), seconds=st.sampled_from([0, 1, 6, 11]), is_newest=st.booleans()
    )
    def deliver(self, fates: list[Fate | Answer], seconds: int, is_newest: bool) -> None:  # noqa: FBT001 - as above
        self._deliver_next(fates, None, seconds, is_newest=is_newest)

    @rule(fates=st.lists(FATES, max_size=1), crash=CRASHES, seconds=st.sampled_from([0, 1, 6, 11]))
    def deliver_and_die(self, fates: list[Fate | Answer], crash: CrashPoint, seconds: int) -> None:
        self._deliver_next(fates, crash, seconds, is_newest=False)

    @rule(seconds=st.sampled_from([0, 1, 6, 11]))
    def deliver_and_suspend(self, seconds: int) -> None:
        """A process is suspended between its claim and its send."""
        self.ledger.watch.before_next_send = self._stall
        self._deliver_next([], None, seconds, is_newest=False)
        self.ledger.watch.before_next_send = None

    async def _stall(self) -> None:
        gate = asyncio.Event()
        self.shop.gates.append(gate)
        self.shop.stalled.set()
        await gate.wait()

    def _deliver_next(
        self, fates: list[Fate | Answer], crash: CrashPoint | None, seconds: int, *, is_newest: bool
    ) -> None:
        self.time_passes(seconds)
        self.run(self._upkeep())
        if self.broker:
            if not self.is_replica_behind:
                self.saved = self.run(_dump(self.redis))
            self.run(self._deliver(self.broker.pop(-1 if is_newest else 0), fates, crash))

    async def _deliver(
        self, message: tuple[int, list[str]], fates: list[Fate | Answer], crash: CrashPoint | None
    ) -> None:
        self.shop.fates.extend(fates)
        self.shop.stalled.clear()
        self.shop.gates.clear()
        if crash is not None:
            self.worker = self._new_worker(crash)
        await self.ledger.beat(self.worker.worker)
        others = asyncio.all_tasks()
        task = asyncio.create_task(handle(message[1], LANE, message[0], self.worker))
        stall = asyncio.create_task(self.shop.stalled.wait())
        await asyncio.wait({task, stall}, return_when=asyncio.FIRST_COMPLETED)
        if self.shop.stalled.is_set():
            await asyncio.wait({task}, timeout=0.02)  # the jobs beside it go on
        stall.cancel()
        self.shop.fates.clear()
        assert self.worker.orphans == [], "an attempt failed by a fault of ours"
        if task.done() and isinstance(task.exception(), ProcessDied):
            await self.ledger.watch.end(asyncio.all_tasks() - others - {stall})
            self.worker = self._new_worker(None)
        elif task.done():
            task.result()
            if crash is not None:
                self.worker = self._new_worker(None)
        else:
            held: Any = await self.redis.smembers(f"refunds:held:{self.worker.worker}")
            fences = {key: int(self.ledger.watch.entries[key]["fence"]) for key in held}
            self.suspended.append((task, fences, list(self.shop.gates)))
            self.worker = self._new_worker(None)

    @precondition(lambda self: self.suspended)
    @rule()
    def resume(self) -> None:
        """A suspended process goes on; where its claims were taken over it must not write."""
        self.run(self._resume())

    async def _resume(self) -> None:
        task, fences, gates = self.suspended.pop(0)
        stale = {
            key: entry
            for key, entry in self.ledger.watch.entries.items()
            if key in fences and int(entry["fence"]) != fences[key]
        }
        for gate in gates:
            gate.set()
        with suppress(ProcessDied):
            await task
        for key, entry in stale.items():
            assert self.ledger.watch.entries[key] == entry, (key, "a stale fence wrote")

    # --- upkeep, people, time -------------------------------------------------------------------------------------

    async def _upkeep(self) -> None:
        await self.ledger.adopt()
        for _, number, keys in await self.ledger.publish():
            self.broker.append((number, keys))

    @rule()
    def find_lost(self) -> None:
        self.run(self._find_lost())

    async def _find_lost(self) -> None:
        last = int(await self.redis.get(f"refunds:seq:{LANE}") or 0)
        await self.ledger.find_lost(LANE, up_to=last)

    @precondition(lambda self: self.broker)
    @rule()
    def lose_a_message(self) -> None:
        self.broker.pop()

    @precondition(lambda self: self.broker)
    @rule()
    def repeat_a_message(self) -> None:
        self.broker.append(self.broker[0])

    @rule(key=KEYS)
    def replay(self, key: str) -> None:
        entry = self.ledger.watch.entries.get(key)
        answer = self.run(self._replay(key))
        expected = "missing" if entry is None else entry["state"]
        assert answer == ("replayed" if expected == "dead" else expected)

    async def _replay(self, key: str) -> str:
        answer = await replay(self.ledger, key)
        await self.ledger.watch.look("replay")
        return answer

    @rule(seconds=st.sampled_from([1, 6, 11, 61, 130, 101 * 60]))
    def time_passes(self, seconds: int) -> None:
        self.shop.let_arrive(until_ms=self.now + seconds * 1000)
        self.now += seconds * 1000

    @rule()
    def late_calls_arrive(self) -> None:
        self.shop.let_arrive()

    @rule(loses_writes=st.booleans())
    def restart_redis(self, loses_writes: bool) -> None:  # noqa: FBT001 - hypothesis gives it by name
        self.run(self._restart(loses_writes=loses_writes))

    @rule()
    def a_replica_falls_behind(self) -> None:
        """The next failover brings back what there is now."""
        self.saved, self.is_replica_behind = self.run(_dump(self.redis)), True

    async def _restart(self, *, loses_writes: bool) -> None:
        self.is_replica_behind = False
        if loses_writes and self.saved is not None:
            await self.redis.flushdb()
            await _load(self.redis, self.saved)
            self.ledger.watch.entries = {}
            pipe: Any = self.redis.pipeline(transaction=False)
            for key in JOBS:
                pipe.hgetall(f"refunds:entry:{key}")
            found = await pipe.execute()
            self.ledger.watch.entries = {key: entry for key, entry in zip(JOBS, found, strict=True) if entry}
        self.names += 1
        assert await self.ledger.note_server(f"run-{self.names}") == "changed"
        assert await self.ledger.note_server(f"run-{self.names}") == "same"

    # --- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def no_key_has_two_credit_memos(self) -> None:
        twice = {key: count for key, count in self.shop.memos_per_key().items() if count > 1}
        assert not twice, twice

    @invariant()
    def a_settled_outcome_never_changes(self) -> None:
        for key, fields in self.ledger.watch.entries.items():
            if fields["state"] == State.SETTLED:
                memo_id = int(Entry.read(key, fields).result["memo_id"])
                assert self.memo_of.setdefault(key, memo_id) == memo_id

    def teardown(self) -> None:
        """Faults stop. Whatever happened, every job must come to its end, and the shop's books must agree."""
        try:
            self.run(self._come_to_an_end())
        finally:
            self.loop.run_until_complete(self.redis.aclose())
            self.loop.close()

    async def _come_to_an_end(self) -> None:
        while self.suspended:
            await self._resume()
        for _ in range(30):
            await self._find_lost()
            await self._upkeep()
            while self.broker:
                await self._deliver(self.broker.pop(0), [], None)
            if all(State(entry["state"]) in FINAL for entry in self.ledger.watch.entries.values()):
                break
            self.time_passes(61)
        self.no_key_has_two_credit_memos()
        self.a_settled_outcome_never_changes()
        memos = self.shop.memos_per_key()
        for key, entry in self.ledger.watch.entries.items():
            assert State(entry["state"]) in FINAL, (key, entry, "never came to an end")
            if entry["state"] == State.SETTLED:
                assert memos[key] == 1, (key, "settled without a credit memo")
            elif entry["verdict"] in {"not_sent", "refused"}:
                assert memos[key] == 0, (key, entry["reason"], "said not to have happened, and did")


async def _dump(redis: Any) -> dict[str, Any]:
    """Copy everything but the dead letters, which no attempt reads."""
    read: dict[str, Callable[[str], Any]] = {
        "hash": redis.hgetall,
        "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        "set": redis.smembers,
        "list": lambda key: redis.lrange(key, 0, -1),
        "string": lambda key: redis.execute_command("GET", key, NEVER_DECODE=True),  # the index of letters is no text
    }
    found: dict[str, Any] = {}
    for key in await redis.keys("*"):
        kind = await redis.type(key)
        if kind in read:
            value = await read[kind](key)
            found[key] = {member: float(score) for member, score in value} if kind == "zset" else value
    return found


async def _load(redis: Any, saved: dict[str, Any]) -> None:
    for key, value in saved.items():
        if isinstance(value, dict) and all(isinstance(score, float) for score in value.values()):
            await redis.zadd(key, value)
        elif isinstance(value, dict):
            await redis.hset(key, mapping=value)
        elif isinstance(value, set):
            await redis.sadd(key, *value)
        elif isinstance(value, list):
            await redis.rpush(key, *value)
        else:
            await redis.set(key, value)
