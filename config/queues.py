"""Queues, tasks and streams: their names, spelled once, and how much a message carries."""

from enum import StrEnum
from typing import Final


class Queue(StrEnum):
    """The Celery queues that workers consume."""

    #: Single jobs of pipelines; never behind a campaign.
    EXPRESS = "refunds.express"
    #: Campaigns, in chunks of keys.
    BULK = "refunds.bulk"
    #: Documents of Python producers that name our queue.
    SUBMIT = "refunds.submit"
    #: Where Celery puts a `send_task("refunds.submit", ...)` that names no queue. Consumed as well, because a job that
    #: waits for ever in a queue nobody reads is a lost one. It needs a broker database that no other application uses:
    #: Celery throws away a message whose task it does not know.
    UNNAMED = "celery"


class TaskName(StrEnum):
    """The Celery tasks that other processes send to."""

    #: Refund what these idempotency keys stand for.
    REFUND = "refunds.refund"
    #: Accept one job document.
    SUBMIT = "refunds.submit"


#: The queue of each lane.
LANES: Final = {"express": Queue.EXPRESS, "bulk": Queue.BULK}

#: Keys in one message at most: measured, 100 make Celery's cost per job vanish.
CHUNK: Final = 100

#: Every queue a worker consumes, in the order of the Procfile.
WORKER_QUEUES: Final = (Queue.EXPRESS, Queue.SUBMIT, Queue.UNNAMED, Queue.BULK)

#: Redis stream of job documents from producers in any language: `XADD refunds:intake * job '<json>'`.
INTAKE_STREAM: Final = "refunds:intake"
#: The consumer group of `refunds intake` on that stream.
INTAKE_GROUP: Final = "refunds"
