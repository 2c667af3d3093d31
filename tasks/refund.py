"""refunds.refund: one message of keys. It hands them to the loop and waits; the ledger knows how each ended."""

from collections.abc import Sequence

from config.queues import TaskName
from worker.app import app, runtime
from worker.chunk import receive


@app.task(name=TaskName.REFUND.value, acks_late=True)
def refund(keys: Sequence[str], lane: str, message: int) -> None:
    """Take one message in hand; its jobs are safe from the claim on, so it is always acknowledged."""
    process = runtime()
    process.run(lambda: receive(keys, lane, message, process.resources))
