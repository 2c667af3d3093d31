"""Speed beside the peers: jobs a second, CPU, memory and Redis commands, in rounds that alternate.

`make bench BENCH_ARGS="--variants bare,chunks --latency 50 --rounds 5"`
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final

from tests.bench.processes import cpu_seconds, peak_rss_mb
from tests.bench.stand import Stand, say
from tests.bench.variants import VARIANTS, Variant

#: How long a round shall take, in seconds, from the first refund to the last settled job.
SECONDS: Final = 2.5
_FEWEST: Final = 200
_MOST: Final = 60_000
#: How long until the first refund, and how long without progress, before a run counts as failed.
_START_SECONDS: Final = 90.0
_STALL_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one variant.

    Attributes:
        cpu_ms: CPU of the worker processes per job, user and system, from the first refund on.
        redis_ms: The same of the Redis server.
        rss_mb: Peak of the worker processes together.
        scripts: Lua scripts called per job.
        commands: Redis commands per job, with those inside scripts.
        reads: Socket reads of the Redis server per job: about the round trips.
        in_flight: Most refunds at once that the shop saw.
    """

    jobs_per_second: float
    cpu_ms: float
    redis_ms: float
    rss_mb: float
    scripts: float
    commands: float
    reads: float
    in_flight: float


def measure(stand: Stand, variant: Variant, *, count: int, latency_ms: float) -> Run:
    """Do `count` jobs once.

    Raises:
        RuntimeError: A process ended, nothing moved any more, or the shop was not called once per job.
    """
    stand.clear()
    with stand.processes() as processes:
        variant.fill(stand, processes, count)
        stand.reset_shop(latency_ms)
        variant.start(stand, processes, count)
        began = stand.first_refund(processes.check, seconds=_START_SECONDS)
        pids = processes.pids
        cpu, redis_cpu = cpu_seconds(pids), stand.redis_cpu_seconds()
        stand.client.config_resetstat()
        polls = _wait(stand, variant, processes.check, count)
        took = time.monotonic() - began
        calls, reads, pids = stand.calls(), stand.reads(), processes.pids
        run = Run(
            jobs_per_second=count / took,
            cpu_ms=(cpu_seconds(pids) - cpu) * 1000 / count,
            redis_ms=(stand.redis_cpu_seconds() - redis_cpu) * 1000 / count,
            rss_mb=peak_rss_mb(pids),
            scripts=(calls.get("evalsha", 0) + calls.get("eval", 0)) / count,
            commands=(sum(calls.values()) - polls) / count,
            reads=(reads - polls) / count,
            in_flight=stand.stats()["most_open"],
        )
        posts = stand.stats()["posts"]
        if posts != count:
            raise RuntimeError(f"{variant.name}: {posts} refunds for {count} jobs")
        return run


def _wait(stand: Stand, variant: Variant, check: Callable[[], None], count: int) -> int:
    """Wait until all jobs are settled; gives how often that was looked at."""
    polls, settled, moved = 0, -1, time.monotonic()
    while settled < count:
        time.sleep(_POLL_SECONDS)  # noqa: TID251 - waits for other processes
        now, polls = variant.settled(stand), polls + 1
        if now != settled:
            settled, moved = now, time.monotonic()
        elif time.monotonic() - moved > _STALL_SECONDS:
            raise RuntimeError(f"{variant.name}: stuck at {settled} of {count} jobs")
        check()
    return polls


# --- rounds ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant at one latency: the median of its rounds.

    Attributes:
        share: Its jobs a second as part of the bare limit's in the same round; None where that was not measured.
        spread: Slowest and fastest round, jobs a second.
    """

    name: str
    latency_ms: float
    rounds: int
    run: Run
    share: float | None
    spread: tuple[float, float]


def rounds(stand: Stand, variants: Sequence[Variant], *, latency_ms: float, count: int) -> list[Row]:
    """Measure `count` rounds at one latency: A B C, A B C, ..."""
    variants = [one for one in variants if one.latencies_ms is None or latency_ms in one.latencies_ms]
    runs: dict[str, list[Run]] = {variant.name: [] for variant in variants}
    for number in range(1, count + 1):
        for variant in variants:
            jobs = _jobs(variant, latency_ms, runs[variant.name])
            run = measure(stand, variant, count=jobs, latency_ms=latency_ms)
            runs[variant.name].append(run)
            say(
                f"{latency_ms:>4.0f} ms  round {number} of {count}  {variant.name:<9} {jobs:>6} jobs"
                f"  {run.jobs_per_second:>7.0f}/s  {run.cpu_ms:>6.3f} CPU-ms  {run.redis_ms:.3f} Redis"
            )
    return list(_rows(variants, runs, latency_ms))


def _jobs(variant: Variant, latency_ms: float, before: Sequence[Run]) -> int:
    """Choose how many jobs a round has: as many as take `SECONDS`."""
    rate = before[-1].jobs_per_second if before else variant.guess(latency_ms)
    return max(_FEWEST, min(_MOST, round(rate * SECONDS / 100) * 100))


def _rows(variants: Sequence[Variant], runs: dict[str, list[Run]], latency_ms: float) -> Iterator[Row]:
    limits = runs.get("bare", [])
    for variant in variants:
        own = runs[variant.name]
        rates = [run.jobs_per_second for run in own]
        shares = [run.jobs_per_second / limit.jobs_per_second for run, limit in zip(own, limits, strict=False)]
        yield Row(
            name=variant.name,
            latency_ms=latency_ms,
            rounds=len(own),
            run=Run(**{name.name: statistics.median(getattr(run, name.name) for run in own) for name in fields(Run)}),
            share=statistics.median(shares) if shares else None,
            spread=(min(rates), max(rates)),
        )


def table(rows: Sequence[Row]) -> str:
    """Give the rows of one latency as Markdown."""
    head = (
        "| variant | jobs/s | slowest to fastest | share of the limit | CPU-ms/job | Redis CPU-ms/job | peak RSS MB "
        "| scripts/job | Redis commands/job | reads/job | in flight |"
    )
    lines = [
        f"| {VARIANTS[row.name].title} | {row.run.jobs_per_second:,.0f} | {row.spread[0]:,.0f} to {row.spread[1]:,.0f} "
        f"| {'' if row.share is None else f'{row.share:.0%}'} | {row.run.cpu_ms:.3f} | {row.run.redis_ms:.3f} "
        f"| {row.run.rss_mb:.0f} | {row.run.scripts:.2f} | {row.run.commands:.1f} | {row.run.reads:.2f} "
        f"| {row.run.in_flight:.0f} |"
        for row in rows
    ]
    return "\n".join([head, "|---" + "|---:" * 10 + "|", *lines])


def interrupt(*_: object) -> None:
    """Turn SIGTERM into what Ctrl-C does, so that everything started is ended."""
    raise KeyboardInterrupt
