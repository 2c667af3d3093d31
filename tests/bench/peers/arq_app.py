"""arq. `python -m tests.bench.peers.arq_app COUNT` enqueues."""

import asyncio
import sys
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings

from tests.bench.jobs import texts
from tests.bench.peers.moves import IN_FLIGHT, REDIS_URL, Moves

SETTINGS = RedisSettings.from_dsn(REDIS_URL)


async def refund(context: dict[str, Any], number: int, body: str) -> None:
    """Do one job."""
    await context["moves"].refund(number, body)


async def _open(context: dict[str, Any]) -> None:
    context["moves"] = Moves()


class Worker:
    """Settings of the worker."""

    functions = (refund,)
    redis_settings = SETTINGS
    on_startup = _open
    max_jobs = IN_FLIGHT
    keep_result = 0  # nobody asks for it
    poll_delay = 0.05  # how often it looks for jobs, in seconds; its default of 0.5 leaves it idle


async def main(count: int) -> None:
    """Enqueue `count` jobs."""
    pool = await create_pool(SETTINGS)
    jobs = list(enumerate(texts(0, count)))
    for start in range(0, count, 50):
        await asyncio.gather(*(pool.enqueue_job("refund", number, body) for number, body in jobs[start : start + 50]))
    await pool.aclose()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
