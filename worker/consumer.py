"""Celery's consumer, made to survive the death of Redis while messages are in hand.

Celery 5.7 ends the whole worker ("Unrecoverable error: AttributeError ... 'hostname'") when the broker is killed while
tasks run: closing the broken connection tries to give the unacknowledged messages back over it, and later
acknowledgements go to a channel that has no connection any more. Both are pointless here: upkeep publishes again what
a message carried. Proven by tests/chaos/test_redis_killed.py; drop this module when Celery passes it without.
"""

import logging
from json import JSONDecodeError
from typing import Any

import structlog
from celery.worker.consumer import Consumer

log = structlog.get_logger("worker")


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line says more than that an acknowledgement found its connection gone, which Celery calls critical."""
    return not (str(record.msg).startswith("Couldn't ack") and "AttributeError" in repr(record.args))


logging.getLogger("celery.worker.request").addFilter(_is_news)


class ReconnectingConsumer(Consumer):
    """Set by `worker_consumer`, Celery's own extension point."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's signature
        super().__init__(*args, **kwargs)
        #: What Kombu raises for a channel whose connection is gone (an acknowledgement that fails so is only logged),
        #: and for bytes in a queue that are no message, which would end the worker.
        mine = (AttributeError, JSONDecodeError, UnicodeDecodeError)
        self.connection_errors: tuple[type[Exception], ...] = (*self.connection_errors, *mine)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Close the broken connection without giving messages back over it, and go on to reconnect."""
        log.warning("broker.connection_lost", error=type(exc).__name__)
        for channel in getattr(getattr(self.connection, "transport", None), "channels", ()):
            channel.do_restore = False
        super().on_connection_error_after_connected(exc)
