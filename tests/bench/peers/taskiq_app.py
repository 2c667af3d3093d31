"""taskiq on a Redis stream. `python -m tests.bench.peers.taskiq_app COUNT` enqueues."""

import asyncio
import sys

from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

from tests.bench.jobs import texts
from tests.bench.peers.moves import REDIS_URL, Moves

broker = RedisStreamBroker(url=REDIS_URL)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def _open(state: TaskiqState) -> None:
    state.moves = Moves()


@broker.task(task_name="bench.refund")
async def refund(number: int, body: str) -> None:
    """Do one job."""
    await broker.state.moves.refund(number, body)


async def main(count: int) -> None:
    """Enqueue `count` jobs."""
    await broker.startup()
    jobs = list(enumerate(texts(0, count)))
    for start in range(0, count, 50):
        await asyncio.gather(*(refund.kiq(number, body) for number, body in jobs[start : start + 50]))
    await broker.shutdown()


if __name__ == "__main__":
    # Under its own name, or the worker would not know the task.
    from tests.bench.peers import taskiq_app

    asyncio.run(taskiq_app.main(int(sys.argv[1])))
