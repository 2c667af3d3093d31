import logging

from worker import consumer


def a_record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("celery.worker.request", logging.CRITICAL, "f", 1, message, args, None)


def test_an_acknowledgement_over_a_dead_connection_pages_nobody():
    logger = logging.getLogger("celery.worker.request")
    lost = a_record("Couldn't ack %r, reason:%r", "tag", AttributeError("'NoneType' object has no attribute 'client'"))

    assert consumer.ReconnectingConsumer is not None
    assert not logger.filter(lost)


def test_every_other_critical_line_is_kept():
    logger = logging.getLogger("celery.worker.request")

    assert logger.filter(a_record("Couldn't ack %r, reason:%r", "tag", ValueError("x")))
    assert logger.filter(a_record("Task handler raised error: %r", "x"))
