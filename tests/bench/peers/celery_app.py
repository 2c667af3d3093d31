"""Naive Celery: prefork, `asyncio.run` per task, a client and a session each time. The file's name is the task module.

`python -m tests.bench.peers.celery_app COUNT` enqueues.
"""

import asyncio
import sys

from celery import Celery

from tests.bench.jobs import texts
from tests.bench.peers.moves import REDIS_URL, Moves

app = Celery("bench", broker=REDIS_URL)
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_default_queue="bench",
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.refund")
def refund(number: int, body: str) -> None:
    """Do one job on a loop of its own."""
    asyncio.run(_refund(number, body))


async def _refund(number: int, body: str) -> None:
    async with Moves() as moves:
        await moves.refund(number, body)


if __name__ == "__main__":
    for number, body in enumerate(texts(0, int(sys.argv[1]))):
        app.send_task("bench.refund", args=[number, body])
