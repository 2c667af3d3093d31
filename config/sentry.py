"""Sends unexpected errors to Sentry, scrubbed; says what is never sent."""

from typing import Any, Final

import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.types import Event, Hint

from config.masking import mask
from config.settings import Settings

#: Never sent, whoever starts the process: each is somebody ending it on purpose.
ALWAYS_EXPECTED: Final[tuple[type[BaseException], ...]] = (KeyboardInterrupt, SystemExit, BrokenPipeError)

#: Parts of an event that may hold a customer's data and help nobody to find a fault.
_DROPPED: Final = ("request", "user", "server_name")


def init_sentry(settings: Settings, *, expected: tuple[type[BaseException], ...] = ()) -> bool:
    """Start sending errors, if there is somewhere to send them.

    Args:
        settings: `sentry_dsn` and `environment` are used.
        expected: errors that are normal answers (throttled, not sent, ...); counted in metrics, never sent.

    Returns:
        Whether errors are sent from now on.
    """
    if settings.sentry_dsn is None:
        return False
    sentry_sdk.init(**sentry_options(settings, expected=expected))
    return True


def sentry_options(settings: Settings, *, expected: tuple[type[BaseException], ...] = ()) -> dict[str, Any]:
    """Give the arguments of `sentry_sdk.init`. Personal data is not collected: that is the SDK's default."""
    never = (*ALWAYS_EXPECTED, *expected)

    def before_send(event: Event, hint: Hint) -> Event | None:
        _kind, error, _traceback = hint.get("exc_info") or (None, None, None)
        return None if isinstance(error, never) else scrub(event)

    return {
        "dsn": settings.sentry_dsn.get_secret_value() if settings.sentry_dsn else None,
        "environment": settings.environment,
        "before_send": before_send,
        "before_breadcrumb": lambda crumb, _hint: mask(crumb),
        "trace_propagation_targets": [],  # or calls to Magento carry headers that nobody there asked for
        "include_local_variables": False,  # they hold whole jobs, tokens and signed headers
        "max_request_body_size": "never",
        "traces_sample_rate": None,  # metrics and the one line per attempt say how long things take
        "integrations": [LoggingIntegration(level=None, event_level=None)],  # an error line in the log is no page
    }


def scrub(event: Event) -> Event:
    """Take secrets and customers' data out of an event."""
    scrubbed: Any = mask({key: value for key, value in event.items() if key not in _DROPPED})
    return scrubbed  # type: ignore[no-any-return]  # mask keeps the shape
