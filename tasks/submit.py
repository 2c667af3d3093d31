"""refunds.submit: one job document of a Python producer, through the same door as every other."""

from typing import Any

from config.queues import TaskName
from worker.app import app, runtime
from worker.enqueue import Enqueue
from worker.intake.accept import take_in


@app.task(name=TaskName.SUBMIT.value, acks_late=True)
def submit(document: Any, lane: str = "express") -> None:  # noqa: ANN401 - whatever was sent
    """Accept one document; what is no job becomes a dead letter `invalid`."""
    process = runtime()
    process.run(lambda: take_in([document], process.resources, Enqueue(app), lane=lane, door="send_task"))
