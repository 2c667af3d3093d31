"""How fast jobs come in, ledger entries included, and what they cost in memory when queued, settled or dead."""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from celery import Celery

from tests.bench.jobs import texts
from tests.bench.ours import run_fill_lane, run_initialise, write_file
from tests.bench.processes import cpu_seconds
from tests.bench.stand import Stand, say

#: Of the slow way only so many are measured: its rate does not depend on it.
_APPLY_ASYNC: Final = 10_000
_PIPELINE: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to enqueue.

    Attributes:
        cpu_us: CPU of the process that enqueues, per job, its start included.
        bytes_per_job: What the Redis holds more per job.
    """

    title: str
    jobs: int
    jobs_per_second: float
    cpu_us: float
    bytes_per_job: float


@dataclass(frozen=True, kw_only=True)
class Size:
    """What one job costs in Redis in one state, all indexes included."""

    title: str
    jobs: int
    bytes_per_job: float


@dataclass(frozen=True, kw_only=True)
class Aftercare:
    """CPU-ms a job of the worker until the last job settled, and from then until all is read back and packed."""

    job_ms: float
    after_ms: float


def ways(stand: Stand, *, jobs: int = 100_000, rounds: int = 3) -> list[Way]:
    """Measure each way in rounds that alternate."""
    path = write_file(stand.folder / "jobs.jsonl", jobs)
    doors: dict[str, tuple[int, Callable[[int], float]]] = {
        "`refunds submit --lane bulk FILE`, ledger entries included": (
            jobs,
            lambda _: _command(stand, "submit", "--lane", "bulk", str(path)),
        ),
        "`refunds campaign start FILE`, ledger entries included": (
            jobs,
            lambda _: _command(stand, "campaign", "start", str(path), "--name", "bench", "--yes"),
        ),
        "`apply_async` in a loop, no ledger": (min(jobs, _APPLY_ASYNC), lambda count: _apply_async(stand, count)),
        "raw `LPUSH`, 1,000 in a pipeline, no ledger": (jobs, lambda count: _lpush(stand, count)),
    }
    found: dict[str, list[Way]] = {title: [] for title in doors}
    for number in range(1, rounds + 1):
        for title, (count, enqueue) in doors.items():
            stand.clear()
            before = stand.memory()
            cpu = _cpu_seconds()
            rate = count / enqueue(count)
            way = Way(
                title=title,
                jobs=count,
                jobs_per_second=rate,
                cpu_us=(_cpu_seconds() - cpu) * 1e6 / count,
                bytes_per_job=(stand.memory() - before) / count,
            )
            found[title].append(way)
            say(f"enqueue  round {number} of {rounds}  {title}: {rate:,.0f}/s, {way.bytes_per_job:,.0f} bytes a job")
    return [
        Way(
            title=title,
            jobs=of[0].jobs,
            jobs_per_second=statistics.median(way.jobs_per_second for way in of),
            cpu_us=statistics.median(way.cpu_us for way in of),
            bytes_per_job=statistics.median(way.bytes_per_job for way in of),
        )
        for title, of in found.items()
    ]


def _cpu_seconds() -> float:
    """CPU of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _command(stand: Stand, *words: str) -> float:
    """Run the command as a user does; gives its seconds, start of the process included."""
    run_initialise(stand.env)
    began = time.monotonic()
    stand.refunds(*words)
    return time.monotonic() - began


def _apply_async(stand: Stand, count: int) -> float:
    app = Celery("bench", broker=stand.server.url, set_as_current=False)
    task = app.task(name="bench.refund", ignore_result=True)(_job)
    documents = list(texts(0, count))
    began = time.monotonic()
    for text in documents:
        task.apply_async(args=(text,), queue="bench")
    took = time.monotonic() - began
    app.close()
    return took


def _job(text: str) -> None:
    """Never run."""


def _lpush(stand: Stand, count: int) -> float:
    documents = list(texts(0, count))
    began = time.monotonic()
    for start in range(0, count, _PIPELINE):
        with stand.client.pipeline(transaction=False) as pipe:
            for text in documents[start : start + _PIPELINE]:
                pipe.lpush("bench", text)
            pipe.execute()
    return time.monotonic() - began


# --- sizes ----------------------------------------------------------------------------------------------------------


def sizes(stand: Stand, *, jobs: int = 20_000) -> tuple[list[Size], Aftercare]:
    """Measure one job in each state: the memory of the Redis with that many, less that of the empty one."""
    stand.clear()
    empty = stand.memory()
    run_fill_lane(stand.env, jobs, lane="bulk")
    queued = stand.memory() - empty
    say("sizes: waiting until settled entries are packed, a minute and more")
    aftercare = _work_off(stand, jobs, state="settled")
    settled = stand.memory() - empty
    stand.clear()
    empty = stand.memory()
    run_fill_lane(stand.env, jobs, lane="bulk")
    _work_off(stand, jobs, state="dead")
    dead = stand.memory() - empty
    totals = {"queued": queued, "settled, after all work on it": settled, "dead letter": dead}
    return [Size(title=title, jobs=jobs, bytes_per_job=total / jobs) for title, total in totals.items()], aftercare


def _work_off(stand: Stand, jobs: int, *, state: str) -> Aftercare:
    stand.reset_shop(0)
    if state == "dead":
        stand.refuse()
    with stand.processes() as processes:
        worker = processes.start("worker", [sys.executable, "-m", "worker", "worker"])
        stand.first_refund(processes.check, seconds=90)
        first = cpu_seconds([worker.pid])
        stand.wait_until(
            lambda: int(stand.client.hget("refunds:counts", state) or 0) == jobs, processes.check, seconds=300
        )
        last = cpu_seconds([worker.pid])

        def is_quiet() -> bool:
            return not any(stand.client.zcard(f"refunds:{name}") for name in ("unconfirmed:default", "unpacked"))

        stand.wait_until(is_quiet, processes.check, seconds=300)
        after = cpu_seconds([worker.pid])
    return Aftercare(job_ms=(last - first) * 1000 / jobs, after_ms=(after - last) * 1000 / jobs)


def way_table(found: Sequence[Way]) -> str:
    """Give ways as Markdown."""
    lines = [
        f"| {one.title} | {one.jobs:,} | {one.jobs_per_second:,.0f} | {one.cpu_us:,.0f} | {one.bytes_per_job:,.0f} |"
        for one in found
    ]
    return "\n".join(["| way | jobs | jobs/s | CPU us/job | Redis bytes/job |", "|---|---:|---:|---:|---:|", *lines])


def size_table(found: Sequence[Size]) -> str:
    """Give sizes as Markdown."""
    lines = [f"| {one.title} | {one.bytes_per_job:,.0f} | {one.bytes_per_job / 1000:,.2f} GB |" for one in found]
    return "\n".join(["| job | bytes in Redis | a million |", "|---|---:|---:|", *lines])
