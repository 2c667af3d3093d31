"""Send keys to the workers by task name: the only caller of `send_task`. A message carries keys, never bodies."""

import asyncio
from collections.abc import Sequence

from celery import Celery

from config.queues import LANES, TaskName


class Enqueue:
    """Publishes messages to a lane.

    Args:
        app: The Celery application, or any with the same broker.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    async def __call__(self, lane: str, message: int, keys: Sequence[str]) -> None:
        """Publish one message without blocking the loop.

        Args:
            lane: `express` or `bulk`.
            message: The number that the ledger gave it.
            keys: 1 to 100 idempotency keys.

        Raises:
            kombu.exceptions.OperationalError: The broker is away; upkeep publishes the keys later.
        """
        await asyncio.to_thread(self.publish, lane, message, keys)

    def publish(self, lane: str, message: int, keys: Sequence[str]) -> None:
        """Publish one message from a thread."""
        args = [list(keys), lane, message]
        self._app.send_task(TaskName.REFUND, args=args, queue=LANES[lane], retry=False, argsrepr="", ignore_result=True)
