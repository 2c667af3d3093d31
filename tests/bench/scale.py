"""Does it stay flat? Speed with a long backlog, with several processes, and upkeep's cost as entries grow."""

import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from tests.bench.ours import run_fill_lane, settings_of
from tests.bench.stand import Stand, say
from worker.cli.opening import producer
from worker.enqueue import Enqueue
from worker.resources import opened
from worker.upkeep.upkeep import Upkeep

LATENCY_MS: Final = 50
#: The first jobs of a run are left out, in which connections are opened, and the last, in which workers run dry.
_RAMP: Final = 200
#: Of a long backlog so many jobs are worked off; then all is known.
WINDOW: Final = 4000
_TICKS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Speed while so many jobs wait.

    Attributes:
        waiting: Jobs in the backlog at the start.
        processes: Worker processes.
        p50_ms: Of a call, as the worker logs it: the shop's latency, and what the loop adds under load.
    """

    waiting: int
    processes: int
    jobs_per_second: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, kw_only=True)
class Tick:
    """One idle round of upkeep with so many entries in the ledger."""

    entries: int
    ms: float
    redis_us: float
    commands: float


def backlogs(stand: Stand, waiting: Sequence[int], *, rounds: int = 3) -> list[Backlog]:
    """Measure one worker with short and long backlogs, in rounds that alternate."""
    found: dict[int, list[Backlog]] = {count: [] for count in waiting}
    for number in range(1, rounds + 1):
        for count in waiting:
            found[count].append(_work(stand, count, processes=1))
            say(f"backlog  round {number} of {rounds}  {count:,} waiting: {found[count][-1].jobs_per_second:,.0f}/s")
    return [_median(of) for of in found.values()]


def speed_up(stand: Stand, processes: Sequence[int], *, rounds: int = 3) -> list[Backlog]:
    """Measure several worker processes beside each other, at a shop that takes 200 calls at once of each."""
    found: dict[int, list[Backlog]] = {count: [] for count in processes}
    for number in range(1, rounds + 1):
        for count in processes:
            found[count].append(_work(stand, 10_000, processes=count))
            say(f"processes  round {number} of {rounds}  {count}: {found[count][-1].jobs_per_second:,.0f}/s")
    return [_median(of) for of in found.values()]


def _work(stand: Stand, waiting: int, *, processes: int) -> Backlog:
    """Fill the bulk lane, work off its first jobs, and look at the middle of them."""
    stand.clear()
    run_fill_lane(stand.env, waiting, lane="bulk")
    stand.reset_shop(LATENCY_MS)
    with stand.processes(**stand.shops(max_concurrency=200 * processes)) as running:
        for number in range(processes):
            running.start(f"worker{number}", [sys.executable, "-m", "worker", "worker"])
        wanted = min(waiting, WINDOW * processes + _RAMP)
        stand.wait_until(lambda: stand.stats()["posts"] >= wanted, running.check, seconds=300)
        if wanted == waiting:
            stand.wait_until(lambda: int(stand.client.hget("refunds:counts", "settled") or 0) >= wanted, running.check)
        times = sorted(stand.times())[_RAMP : wanted - _RAMP]
        took = [ms for number in range(processes) for ms in _call_ms(stand, f"worker{number}")[_RAMP:]]
    cuts = statistics.quantiles(took, n=20)
    return Backlog(
        waiting=waiting,
        processes=processes,
        jobs_per_second=(len(times) - 1) / (times[-1] - times[0]),
        p50_ms=statistics.median(took),
        p95_ms=cuts[-1],
    )


def _call_ms(stand: Stand, name: str) -> list[float]:
    """Read how long calls took off a worker's log: from before the request to its answer, as the loop saw it."""
    took = []
    with (stand.folder / f"{name}.log").open(errors="replace") as log:
        for line in log:
            if '"refund.attempt_finished"' in line:
                with contextlib.suppress(json.JSONDecodeError):  # the last line may be half
                    took.append(float(json.loads(line)["call_ms"]))
    return took


def _median(of: Sequence[Backlog]) -> Backlog:
    return Backlog(
        waiting=of[0].waiting,
        processes=of[0].processes,
        jobs_per_second=statistics.median(one.jobs_per_second for one in of),
        p50_ms=statistics.median(one.p50_ms for one in of),
        p95_ms=statistics.median(one.p95_ms for one in of),
    )


# --- upkeep ---------------------------------------------------------------------------------------------------------

#: Copies a settled entry under many keys, and counts them, on the server: an entry a microsecond or two.
_COPY: Final = """
for number = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  redis.call('COPY', KEYS[1], string.format('%scopy-%09d', ARGV[1], number))
end
local made = tonumber(ARGV[3]) - tonumber(ARGV[2]) + 1
redis.call('HINCRBY', 'refunds:counts', 'accepted', made)
return redis.call('HINCRBY', 'refunds:counts', 'settled', made)
"""
_ENTRY: Final = "refunds:entry:"
_COPIES: Final = 20_000


def ticks(stand: Stand, entries: Sequence[int]) -> list[Tick]:
    """Measure idle rounds of upkeep as the ledger grows; the last entries are as many as `entries` says."""
    stand.clear()
    run_fill_lane(stand.env, 100, lane="bulk")
    stand.reset_shop(0)
    with stand.processes() as running:
        running.start("worker", [sys.executable, "-m", "worker", "worker"])
        stand.wait_until(lambda: int(stand.client.hget("refunds:counts", "settled") or 0) == 100, running.check)
    found = []
    made = 0
    for wanted in entries:
        made = _grow(stand, made, wanted)
        found.append(asyncio.run(_ticks(stand, wanted)))
        say(f"upkeep  {wanted:,} entries: {found[-1].ms:.2f} ms a round")
    return found


def _grow(stand: Stand, made: int, wanted: int) -> int:
    model = next(stand.client.scan_iter(match=f"{_ENTRY}*", count=1000))
    copy = stand.client.register_script(_COPY)
    while made < wanted:
        upto = min(made + _COPIES, wanted)
        copy(keys=[model], args=[_ENTRY, made, upto - 1])
        made = upto
    return made


async def _ticks(stand: Stand, entries: int) -> Tick:
    settings = settings_of(stand.env)
    async with opened(settings) as r, Redis.from_url(stand.server.url) as broker:
        await r.redis.delete("refunds:upkeep")  # a worker that was killed had it
        upkeep = Upkeep(r, Enqueue(producer(settings)), broker)
        for _ in range(5):
            await upkeep.tick()
        await r.redis.config_resetstat()
        took = []
        for _ in range(_TICKS):
            began = time.perf_counter()
            await upkeep.tick()
            took.append((time.perf_counter() - began) * 1000)
        stats: dict[str, Any] = await r.redis.info("commandstats")
        top = [of for name, of in stats.items() if not name.endswith(("info", "resetstat"))]
        scripts = sum(int(of["usec"]) for name, of in stats.items() if name in {"cmdstat_evalsha", "cmdstat_eval"})
    return Tick(
        entries=entries,
        ms=statistics.median(took),
        redis_us=scripts / _TICKS,
        commands=sum(int(of["calls"]) for of in top) / _TICKS,
    )


# --- tables ---------------------------------------------------------------------------------------------------------


def backlog_table(found: Sequence[Backlog]) -> str:
    """Give backlogs as Markdown."""
    lines = [f"| {one.waiting:,} | {one.jobs_per_second:,.0f} | {one.p50_ms:.0f} | {one.p95_ms:.0f} |" for one in found]
    return "\n".join(["| jobs waiting | jobs/s | p50 ms | p95 ms |", "|---:|---:|---:|---:|", *lines])


def process_table(found: Sequence[Backlog]) -> str:
    """Give several processes as Markdown; the first row is what the others are compared with."""
    one = found[0].jobs_per_second
    lines = [
        f"| {of.processes} | {of.jobs_per_second:,.0f} | {of.jobs_per_second / one:.2f} x | {of.p50_ms:.0f} |"
        for of in found
    ]
    return "\n".join(["| processes | jobs/s | speed-up | p50 ms |", "|---:|---:|---:|---:|", *lines])


def tick_table(found: Sequence[Tick]) -> str:
    """Give rounds of upkeep as Markdown."""
    lines = [f"| {one.entries:,} | {one.ms:.2f} | {one.redis_us:.0f} | {one.commands:.0f} |" for one in found]
    head = "| entries | ms a round | of it in Redis, us | Redis commands |"
    return "\n".join([head, "|---:|---:|---:|---:|", *lines])
