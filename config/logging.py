"""structlog and the standard library to one stream: JSON when deployed, columns on a terminal.

Facts are logged as `noun.verb_past` with fields: `log.info("refund.attempt_finished", outcome="refunded")`.
"""

import json
import logging
import sys
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.masking import mask
from config.settings import Settings

#: Libraries that say on every message what our one line per attempt says better, and when it is kept quiet up to.
QUIET: Final = {
    "celery.worker.strategy": logging.WARNING,  # "Task ... received": 7 % of the throughput with the next one
    "celery.app.trace": logging.WARNING,  # "Task ... succeeded"
    "aiohttp.access": logging.WARNING,  # one line per request of the sandbox
    "asyncio": logging.WARNING,  # which selector it uses
    "kombu": logging.WARNING,
}


def configure_logging(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process to one stream. May be called again.

    Args:
        settings: `log_format` and `log_level` are used.
        stream: standard error if not given; standard output belongs to the answers of commands.
    """
    stream = sys.stderr if stream is None else stream
    is_console = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # to text before masking: a traceback may quote a secret
        mask_secrets,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if is_console
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    _configure_standard_library(stream, level, shared, renderer)
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=lambda name="": _Writer(stream, name),  # past the standard library: that costs as much again
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,  # cached loggers see neither a second call nor `capture_logs` in a test
    )


def _to_json(event: EventDict, **_: object) -> str:
    """Write one line; `json.dumps` with these options would make an encoder for each."""
    return _encode(event)


_encode: Final = json.JSONEncoder(default=str, ensure_ascii=False).encode


class _Writer(structlog.WriteLogger):
    """Writes lines, and knows the name of its logger."""

    def __init__(self, stream: TextIO, name: str) -> None:
        super().__init__(stream)
        self.name = name


def _configure_standard_library(stream: TextIO, level: int, shared: list[Processor], renderer: Processor) -> None:
    """What libraries log becomes lines like our own."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.PositionalArgumentsFormatter(),
                structlog.stdlib.ExtraAdder(),
                *shared,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, quiet_level in QUIET.items():
        logging.getLogger(name).setLevel(quiet_level)


def mask_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001  # a processor
    """Take secrets out of an event (a structlog processor). The bookkeeping of ProcessorFormatter is left alone."""
    kept = {key: event[key] for key in ("_record", "_from_structlog") if key in event}
    masked = mask({key: value for key, value in event.items() if key not in kept})
    if not isinstance(masked, dict):  # pragma: no cover  # mask keeps mappings
        raise TypeError(masked)
    return {**masked, **kept}
