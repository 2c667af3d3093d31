"""Foreign errors become ours, once. The line that matters for money: could the request have been applied?"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp

from worker.domain.errors import InDoubt, NotSent
from worker.magento.body import AnswerTooLong
from worker.magento.call import Call

#: Reason codes by type. The first that fits counts, so a type stands before its parents: a connect timeout is also a
#: `TimeoutError`, and a refused connection also an `OSError`.
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (aiohttp.SocketTimeoutError, "answer_timeout"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientConnectorCertificateError, "certificate"),
    (aiohttp.ServerFingerprintMismatch, "certificate"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ClientConnectorError, "connection_refused"),
    (aiohttp.InvalidURL, "invalid_url"),
    (aiohttp.ServerDisconnectedError, "disconnected"),
    (aiohttp.ClientPayloadError, "half_answer"),
    (AnswerTooLong, "answer_too_long"),
    (aiohttp.ClientResponseError, "bad_http"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
    (ConnectionError, "connection_lost"),
    (OSError, "connection_lost"),
)
#: Everything that comes out of a request: `RuntimeError` is a closed session, `ValueError` a header or key that cannot
#: be written.
_FOREIGN: Final = (aiohttp.ClientError, OSError, RuntimeError, ValueError)


@contextmanager
def translated(call: Call, *, has_effect: bool) -> Iterator[None]:
    """Turn errors of the transport into ours.

    Whether bytes may have left decides, not the type of the error: a total timeout fires while we wait for a connection
    as well as while Magento works. Our own errors pass through, and so does a cancellation: after it the call counts as
    in doubt.

    Args:
        call: The call that is under way inside.
        has_effect: False for look-ups: nothing they do can be in doubt.

    Raises:
        NotSent: Nothing can have been applied.
        InDoubt: The request may have been applied.
    """
    try:
        yield
    except _FOREIGN as exc:
        kind = InDoubt if has_effect and call.may_have_left else NotSent
        raise kind(_describe(exc), reason=_reason(exc)) from exc


def _reason(exc: Exception) -> str:
    return next((reason for kind, reason in _REASONS if isinstance(exc, kind)), "transport")


def _describe(exc: Exception) -> str:
    """Name the error without its arguments, which can hold an address with credentials in it."""
    cause = getattr(exc, "os_error", None) or exc
    words = getattr(cause, "strerror", None)
    return f"{type(exc).__name__}: {words}" if isinstance(words, str) else type(exc).__name__
