"""dramatiq with its asyncio middleware. `python -m tests.bench.peers.dramatiq_app COUNT` enqueues."""

import asyncio
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO

from tests.bench.jobs import texts
from tests.bench.peers.moves import REDIS_URL, Moves

broker = RedisBroker(url=REDIS_URL)
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)
_moves: dict[int, Moves] = {}


@dramatiq.actor(actor_name="refund", queue_name="bench")
async def refund(number: int, body: str) -> None:
    """Do one job, on the one loop that the middleware keeps."""
    loop = id(asyncio.get_running_loop())
    if loop not in _moves:
        _moves[loop] = Moves()
    await _moves[loop].refund(number, body)


if __name__ == "__main__":
    for number, body in enumerate(texts(0, int(sys.argv[1]))):
        refund.send(number, body)
