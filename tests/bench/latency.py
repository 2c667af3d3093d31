"""How soon a lone job reaches the shop on an idle system: from before it is accepted to its first byte there."""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from config.queues import INTAKE_STREAM
from tests.bench.jobs import texts
from tests.bench.ours import run_initialise, settings_of
from tests.bench.stand import Stand
from worker.cli.opening import Desk, opened_desk, producer
from worker.enqueue import Enqueue
from worker.intake.accept import accept

#: Jobs that come before anything is measured: connections and scripts are there then.
_WARM_UP = 5


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds from the door to the shop."""

    door: str
    jobs: int
    p50_ms: float
    p95_ms: float
    max_ms: float


def latencies(stand: Stand, *, jobs: int = 200) -> list[Latency]:
    """Measure both doors: `accept` in a process of the producer, and the stream that `refunds intake` reads."""
    stand.clear()
    with stand.processes() as processes:
        run_initialise(stand.env)
        processes.start("worker", [sys.executable, "-m", "worker", "worker"])
        processes.start("intake", [sys.executable, "-m", "worker", "intake"])
        stand.wait_until(lambda: stand.client.zcard("refunds:workers"), processes.check)
        stand.reset_shop(0)
        began = asyncio.run(_one_by_one(stand, jobs))
        stand.wait_until(lambda: stand.stats()["posts"] == len(began), processes.check)
        took_ms = [(there - here) * 1000 for here, there in zip(began, stand.times(), strict=True)]
    half = len(took_ms) // 2
    return [_latency("accept", took_ms[_WARM_UP:half]), _latency("stream", took_ms[half + _WARM_UP :])]


async def _one_by_one(stand: Stand, jobs: int) -> list[float]:
    """Hand jobs in, each after the one before has long arrived; gives when."""
    settings = settings_of(stand.env)
    async with opened_desk(settings) as desk:
        publish = Enqueue(producer(settings))

        async def by_accept(text: str) -> None:
            await accept([text], desk, publish, lane="express", door="cli")

        total = 2 * (jobs + _WARM_UP)
        documents = list(texts(0, total))
        return [
            *await _hand_in(documents[: total // 2], by_accept),
            *await _hand_in(documents[total // 2 :], lambda text: _add(desk, text)),
        ]


async def _add(desk: Desk, text: str) -> None:
    await desk.redis.xadd(INTAKE_STREAM, {"job": text})


async def _hand_in(documents: Sequence[str], door: Callable[[str], Awaitable[None]]) -> list[float]:
    began = []
    for text in documents:
        began.append(time.monotonic())
        await door(text)
        await asyncio.sleep(0.06 + random.random() * 0.04)  # noqa: S311 - not in step with any timer of ours
    return began


def _latency(door: str, took_ms: Sequence[float]) -> Latency:
    cuts = statistics.quantiles(took_ms, n=20)
    return Latency(
        door=door, jobs=len(took_ms), p50_ms=statistics.median(took_ms), p95_ms=cuts[-1], max_ms=max(took_ms)
    )


def table(found: Sequence[Latency]) -> str:
    """Give them as Markdown."""
    lines = [f"| {one.door} | {one.jobs} | {one.p50_ms:.1f} | {one.p95_ms:.1f} | {one.max_ms:.1f} |" for one in found]
    return "\n".join(["| door | jobs | p50 ms | p95 ms | max ms |", "|---|---:|---:|---:|---:|", *lines])
