"""refunds.refund: one message of keys. It hands them to the loop and waits; the ledger knows how each ended."""

from collections.abc import Sequence

from config.queues import TaskName
from worker.app import app, runtime
from worker.chunk import handle


@app.task(name=TaskName.REFUND.value, acks_late=True)
def refund(keys: Sequence[str], lane: str, message: int) -> None:
    """Work off one message; what it could not do comes back through upkeep, so it is always acknowledged."""
    process = runtime()
    process.run(lambda: handle(keys, lane, message, process.resources))
