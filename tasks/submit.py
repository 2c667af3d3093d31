"""refunds.submit: one job document of a Python producer, through the same door as every other."""

from typing import Any

from celery.exceptions import Reject
from redis.exceptions import RedisError

from config.queues import TaskName
from worker.app import app, runtime
from worker.enqueue import Enqueue
from worker.intake.accept import take_in_at_last


@app.task(name=TaskName.SUBMIT.value, acks_late=True)
def submit(*args: Any, **named: Any) -> None:  # noqa: ANN401 - whatever was sent
    """Accept one `document`, and its `lane` if one is given; what is no job becomes a dead letter `invalid`.

    Until the ledger has it, its message stays.
    """
    try:
        document, lane = _arguments(*args, **named)
    except TypeError:  # a misspelt name, two documents: kept as they came, or nobody would see them again
        document, lane = {"args": args, "kwargs": named}, "express"
    process = runtime()
    r = process.resources
    try:
        process.run(
            lambda: take_in_at_last([document], r, Enqueue(app), lane=lane, door="send_task", stopping=r.draining)
        )
    except (RedisError, OSError) as error:
        raise Reject(error, requeue=True) from error


def _arguments(document: Any, lane: str | None = None) -> tuple[Any, str]:  # noqa: ANN401 - whatever was sent
    if not isinstance(lane, str | None):
        raise TypeError("a lane is a name")
    return document, lane or "express"
